//! A cluster by its bootstrap list: the first broker that can be used, and the controller where a broker asks for it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use codec::messages::MetadataRequest;
use codec::messages::metadata_response::MetadataResponseBroker;
use codec::{ErrorCode, Request};

use super::connection::Connection;
use super::error::ClientError;
use super::settings::Settings;
use super::{Address, Target};
use crate::failure::Failure;

/// A connection to one broker of a cluster.
pub(crate) struct Cluster {
    addresses: Vec<Address>,
    settings: Settings,
    connection: Connection,
}

impl Cluster {
    /// Connects to the first address that can be used.
    ///
    /// # Errors
    /// None can: the text tells why, for each.
    pub(crate) fn connect(target: &Target) -> Result<Self, Failure> {
        let (addresses, settings) = target.read()?;
        Self::open(addresses, settings)
    }

    /// As [`Self::connect`], to one of these addresses.
    ///
    /// # Errors
    /// None can be used.
    pub(super) fn open(addresses: Vec<Address>, settings: Settings) -> Result<Self, Failure> {
        let connection = first(&addresses, &settings)?;
        Ok(Self { addresses, settings, connection })
    }

    /// The connection; another one if the broker has closed it, as it does with those that are idle (`connections.max.idle.ms`), if it failed, or
    /// if its session ends soon (`connections.max.reauth.ms`).
    ///
    /// # Errors
    /// No address can be used any more.
    fn connection(&mut self) -> Result<&mut Connection, Failure> {
        if self.connection.is_closed() {
            self.connection = first(&self.addresses, &self.settings)?;
        }
        Ok(&mut self.connection)
    }

    /// The settings of every connection to this cluster.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a request to any broker.
    ///
    /// # Errors
    /// The connection fails.
    pub(crate) fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, Failure> {
        Ok(self.connection()?.call(request)?)
    }

    /// As [`Self::call`], by a version from `at_least` on.
    ///
    /// # Errors
    /// The connection fails, or the broker is older.
    pub(crate) fn call_from<R: Request>(
        &mut self,
        at_least: i16,
        request: &R,
    ) -> Result<R::Response, Failure> {
        Ok(self.connection()?.call_between(at_least, *R::VERSIONS.end(), request)?)
    }

    /// As [`Self::call`], by a version of these.
    ///
    /// # Errors
    /// The connection fails, or there is no such version.
    pub(crate) fn call_between<R: Request>(
        &mut self,
        versions: RangeInclusive<i16>,
        request: &R,
    ) -> Result<R::Response, Failure> {
        Ok(self.connection()?.call_between(*versions.start(), *versions.end(), request)?)
    }

    /// True if the broker serves a version of an API.
    pub(crate) fn serves<R: Request>(&self, version: i16) -> bool {
        self.connection.serves::<R>(version)
    }

    /// Sends a change, and again to the controller where the answer has the error NOT_CONTROLLER: a broker with ZooKeeper does not pass changes on.
    /// `codes` are all error codes of an answer.
    ///
    /// # Errors
    /// A connection fails.
    pub(crate) fn change<R: Request>(
        &mut self,
        at_least: i16,
        request: &R,
        codes: impl Fn(&R::Response) -> Vec<i16>,
    ) -> Result<R::Response, Failure> {
        self.change_between(at_least, *R::VERSIONS.end(), request, codes)
    }

    /// As [`Self::change`], by a version of these.
    ///
    /// # Errors
    /// A connection fails.
    pub(crate) fn change_between<R: Request>(
        &mut self,
        at_least: i16,
        at_most: i16,
        request: &R,
        codes: impl Fn(&R::Response) -> Vec<i16>,
    ) -> Result<R::Response, Failure> {
        let answer = self.connection()?.call_between(at_least, at_most, request)?;
        if !codes(&answer).contains(&(ErrorCode::NotController as i16)) {
            return Ok(answer);
        }
        let controller = self.controller()?;
        self.connection = Connection::open(&controller, &self.settings)?;
        Ok(self.connection.call_between(at_least, at_most, request)?)
    }

    /// The addresses of all brokers, by their numbers.
    ///
    /// # Errors
    /// The connection fails.
    pub(crate) fn brokers(&mut self) -> Result<BTreeMap<i32, Address>, Failure> {
        Ok(self.nodes()?.0)
    }

    /// Another connection, to the broker at this address.
    ///
    /// # Errors
    /// It fails.
    pub(crate) fn at(&self, address: &Address) -> Result<Self, Failure> {
        Self::open(vec![address.clone()], self.settings.clone())
    }

    fn controller(&mut self) -> Result<Address, Failure> {
        let (mut brokers, controller) = self.nodes()?;
        let unknown =
            || ClientError::Other("the cluster has no controller for the moment; try again".to_owned());
        Ok(brokers.remove(&controller).ok_or_else(unknown)?)
    }

    /// The addresses of all brokers, and the number of the controller.
    fn nodes(&mut self) -> Result<(BTreeMap<i32, Address>, i32), Failure> {
        // No topics.
        let answer = self.call_from(1, &MetadataRequest::default().with_topics(Some(Vec::new())))?;
        let address = |broker: &MetadataResponseBroker| {
            let port = u16::try_from(broker.port).ok()?;
            Some((broker.node_id.0, Address { host: broker.host.to_string(), port }))
        };
        Ok((answer.brokers.iter().filter_map(address).collect(), answer.controller_id.0))
    }
}

/// A connection to the first address that can be used.
fn first(addresses: &[Address], settings: &Settings) -> Result<Connection, Failure> {
    let mut reasons = Vec::new();
    for address in addresses {
        match Connection::open(address, settings) {
            Ok(connection) => return Ok(connection),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    reasons.dedup();
    Err(Failure::failed(reasons.join("\n       ")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use std::time::Duration;

    use codec::messages::{
        DescribeClusterRequest, MetadataResponse, SaslAuthenticateRequest, SaslAuthenticateResponse,
        SaslHandshakeRequest, SaslHandshakeResponse,
    };
    use security::Secret;

    use super::*;
    use crate::client::{Login, fake};
    use crate::clock;

    const APIS: &[(i16, i16)] = &[(MetadataRequest::KEY, 12), (DescribeClusterRequest::KEY, 0)];

    /// Users saw: `ottla produce -f json` ended at a record for another topic after a pause, as the broker had closed the connection.
    #[test]
    fn a_connection_that_the_broker_closed_is_opened_anew() {
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&connections);
        let address = fake::start(APIS, move |asked| {
            seen.fetch_max(asked.connection + 1, Ordering::Relaxed);
            if asked.key == MetadataRequest::KEY { asked.answer(&MetadataResponse::default()) } else { None }
        });
        let mut leaders = fake::leaders(&address);
        let cluster = leaders.cluster();
        cluster.call(&MetadataRequest::default()).unwrap();
        cluster.call(&MetadataRequest::default()).unwrap();
        assert_eq!(connections.load(Ordering::Relaxed), 1, "one that is open is used again");
        // An answer that is missing is an error, which does not tell of a login.
        let error = cluster.call(&DescribeClusterRequest::default()).unwrap_err().to_string();
        assert!(error.ends_with("at DescribeCluster; it has stopped, or its log says why"), "{error}");
        let since = clock::instant();
        while !cluster.connection.is_closed() {
            assert!(clock::instant().duration_since(since).as_secs() < 20);
        }
        cluster.call(&MetadataRequest::default()).unwrap();
        assert_eq!(connections.load(Ordering::Relaxed), 2);
    }

    /// Its answer may come later, as if it were that to the next request.
    #[test]
    fn a_connection_without_an_answer_in_time_is_not_used_again() {
        let address = fake::start(APIS, |asked| match asked.key {
            MetadataRequest::KEY => asked.answer(&MetadataResponse::default()),
            // Until the tests end.
            _ => loop {
                std::thread::park();
            },
        });
        let mut leaders = fake::patient(&address, Duration::from_secs(2));
        let cluster = leaders.cluster();
        assert!(cluster.call(&DescribeClusterRequest::default()).is_err());
        assert!(cluster.connection.is_closed());
        cluster.call(&MetadataRequest::default()).unwrap();
    }

    /// A cluster whose logins last this long, and the number of logins.
    fn with_sessions(lifetime_ms: i64) -> (Cluster, Arc<AtomicUsize>) {
        const APIS: &[(i16, i16)] =
            &[(SaslHandshakeRequest::KEY, 1), (SaslAuthenticateRequest::KEY, 2), (MetadataRequest::KEY, 12)];
        let logins = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&logins);
        let address = fake::start(APIS, move |asked| match asked.key {
            SaslHandshakeRequest::KEY => asked.answer(&SaslHandshakeResponse::default()),
            SaslAuthenticateRequest::KEY => {
                seen.fetch_add(1, Ordering::Relaxed);
                asked.answer(&SaslAuthenticateResponse::default().with_session_lifetime_ms(lifetime_ms))
            }
            _ => asked.answer(&MetadataResponse::default()),
        });
        let login = Login::Plain { user: "alice".to_owned(), password: Secret::new("x") };
        let timeout = Duration::from_secs(20);
        let settings = Settings { client_id: "test".to_owned(), timeout, tls: None, login: Some(login) };
        (Cluster::open(vec![address], settings).unwrap(), logins)
    }

    /// Users saw: `ottla produce` ended at the first record after `connections.max.reauth.ms`.
    #[test]
    fn a_connection_is_opened_anew_before_its_session_ends() {
        for (lifetime_ms, expected) in [(0, 1), (3_600_000, 1), (i64::MAX, 1), (1, 2)] {
            let (mut cluster, logins) = with_sessions(lifetime_ms);
            let since = clock::instant();
            while expected > 1 && !cluster.connection.is_closed() {
                assert!(clock::instant().duration_since(since).as_secs() < 20);
            }
            cluster.call(&MetadataRequest::default()).unwrap();
            assert_eq!(logins.load(Ordering::Relaxed), expected, "{lifetime_ms} ms");
        }
    }

    #[test]
    fn a_session_is_used_for_most_of_its_time() {
        let (mut cluster, _) = with_sessions(0);
        let mut usable = |lifetime_ms| {
            let before = clock::instant();
            cluster.connection.end_session_after(lifetime_ms);
            cluster.connection.ends().map(|end| end.duration_since(before).as_secs())
        };
        assert_eq!((usable(1_000_000), usable(0), usable(-1)), (Some(850), None, None));
    }
}
