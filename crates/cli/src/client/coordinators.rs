//! Brokers by group or by transactional id: a request about one goes to its coordinator.
//!
//! Coordinators come from FindCoordinator and are remembered. A coordinator that still loads its groups is asked again, and one that has moved is looked
//! up again, for about half a minute.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use codec::messages::{FindCoordinatorRequest, FindCoordinatorResponse, StrBytes};
use codec::{ErrorCode, Request};

use super::error::ClientError;
use super::{Address, Cluster, Leaders, refused};
use crate::failure::Failure;

/// Tries of one request.
const TRIES: u32 = 34;
/// The longest time between two tries; the first are closer together.
const PAUSE: Duration = Duration::from_secs(1);

/// The things that have coordinators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Group,
    TransactionalId,
}

impl Kind {
    /// The `KeyType` of FindCoordinator.
    fn key_type(self) -> i8 {
        match self {
            Self::Group => 0,
            Self::TransactionalId => 1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::TransactionalId => "transactional id",
        }
    }
}

/// A cluster, the coordinators of groups or of transactional ids in it, and connections to them.
pub(crate) struct Coordinators {
    kind: Kind,
    leaders: Leaders,
    known: BTreeMap<String, Node>,
}

/// A broker at its advertised address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) address: Address,
}

impl Coordinators {
    /// Those of groups.
    pub(crate) fn of(cluster: Cluster) -> Self {
        Self { kind: Kind::Group, leaders: Leaders::of(cluster), known: BTreeMap::new() }
    }

    /// Those of transactional ids.
    pub(crate) fn of_transactions(cluster: Cluster) -> Self {
        Self { kind: Kind::TransactionalId, ..Self::of(cluster) }
    }

    /// The connections by node, for requests about partitions.
    pub(crate) fn leaders(&mut self) -> &mut Leaders {
        &mut self.leaders
    }

    /// The ids of all brokers.
    ///
    /// # Errors
    /// The connection fails.
    pub(crate) fn brokers(&mut self) -> Result<Vec<i32>, Failure> {
        let metadata = self.leaders.refresh(Some(&[]))?;
        Ok(metadata.brokers.iter().map(|broker| broker.node_id.0).collect())
    }

    /// The coordinator of a group or transactional id.
    ///
    /// # Errors
    /// There is none, or the user may not know it.
    pub(crate) fn coordinator(&mut self, key: &str) -> Result<Node, Failure> {
        if let Some(node) = self.known.get(key) {
            return Ok(node.clone());
        }
        let node = patiently(|| self.find(key), |found| found.as_ref().err().map(|(code, _)| *code))?;
        let node = node.map_err(|(code, message)| {
            refused(
                &format!("find the coordinator of {} {}", self.kind.name(), key.escape_debug()),
                code,
                message.as_deref(),
            )
        })?;
        // Its address has to be known for a connection.
        self.leaders.refresh(Some(&[]))?;
        self.known.insert(key.to_owned(), node.clone());
        Ok(node)
    }

    /// Asks once.
    fn find(&mut self, key: &str) -> Result<Result<Node, (i16, Option<String>)>, Failure> {
        /// First version that asks for several keys.
        const SEVERAL: i16 = 4;
        let key = StrBytes::from_string(key.to_owned());
        let request = FindCoordinatorRequest::default().with_key_type(self.kind.key_type());
        let cluster = self.leaders.cluster();
        let answer = match cluster.serves::<FindCoordinatorRequest>(SEVERAL) {
            true => cluster.call_from(SEVERAL, &request.with_coordinator_keys(vec![key]))?,
            // Before version 1 there were coordinators of groups alone.
            false => cluster.call_between(i16::from(self.kind.key_type())..=3, &request.with_key(key))?,
        };
        found(answer)
    }

    /// True if the coordinator of a group or transactional id serves a version of an API.
    ///
    /// # Errors
    /// It cannot be found or reached.
    pub(crate) fn serves<R: Request>(&mut self, key: &str, version: i16) -> Result<bool, Failure> {
        let node = self.coordinator(key)?;
        Ok(self.leaders.node(node.id)?.serves::<R>(version))
    }

    /// Sends a request to the coordinator of a group or transactional id by a version of these. `codes` are all error codes of an answer: it is sent again while one says that
    /// the coordinator loads or has moved.
    ///
    /// # Errors
    /// It cannot be found or reached, or the connection fails.
    pub(crate) fn call<R: Request>(
        &mut self,
        key: &str,
        versions: RangeInclusive<i16>,
        request: &R,
        codes: impl Fn(&R::Response) -> Vec<i16>,
    ) -> Result<R::Response, Failure> {
        let send = || {
            let node = self.coordinator(key)?;
            let answer = self.call_node(node.id, versions.clone(), request)?;
            if codes(&answer).into_iter().any(is_moving) {
                self.known.remove(key);
            }
            Ok(answer)
        };
        patiently(send, |answer| codes(answer).into_iter().find(|code| is_moving(*code)))
    }

    /// Sends a request to one broker by a version of these.
    ///
    /// # Errors
    /// It cannot be reached, or the connection fails.
    pub(crate) fn call_node<R: Request>(
        &mut self,
        node: i32,
        versions: RangeInclusive<i16>,
        request: &R,
    ) -> Result<R::Response, Failure> {
        let answer = self.leaders.node(node)?.call_between(*versions.start(), *versions.end(), request);
        if answer.is_err() {
            self.leaders.forget(node);
        }
        Ok(answer?)
    }
}

/// Does something until it has no such error as [`is_moving`] any more, a bounded number of times.
///
/// # Errors
/// Those of `send`, at once.
pub(crate) fn patiently<A>(
    mut send: impl FnMut() -> Result<A, Failure>,
    error: impl Fn(&A) -> Option<i16>,
) -> Result<A, Failure> {
    let mut tried = 1;
    loop {
        let answer = send()?;
        if tried == TRIES || !error(&answer).is_some_and(is_moving) {
            return Ok(answer);
        }
        std::thread::sleep(pause(tried));
        tried += 1;
    }
}

/// Time before the next try: 50 ms after the first, twice as long after each further one.
fn pause(tried: u32) -> Duration {
    let ms = 50_u64.checked_shl(tried - 1).unwrap_or(u64::MAX);
    Duration::from_millis(ms).min(PAUSE)
}

/// True for an error that the same request may not have a moment later, perhaps at another broker.
fn is_moving(code: i16) -> bool {
    use ErrorCode as Of;
    ErrorCode::from_code(code).is_some_and(|code| {
        matches!(code, Of::CoordinatorLoadInProgress | Of::CoordinatorNotAvailable | Of::NotCoordinator)
    })
}

/// The coordinator in an answer, or its error with the reason in words.
fn found(answer: FindCoordinatorResponse) -> Result<Result<Node, (i16, Option<String>)>, Failure> {
    let message = |text: Option<StrBytes>| text.map(|text| text.to_string()).filter(|text| !text.is_empty());
    let (code, message, id, host, port) = match answer.coordinators.into_iter().next() {
        Some(one) => (one.error_code, message(one.error_message), one.node_id.0, one.host, one.port),
        None => {
            (answer.error_code, message(answer.error_message), answer.node_id.0, answer.host, answer.port)
        }
    };
    if code != 0 {
        return Ok(Err((code, message)));
    }
    let port = u16::try_from(port);
    let port = port.map_err(|_| ClientError::Other(format!("the coordinator, broker {id}, has no port")))?;
    Ok(Ok(Node { id, address: Address { host: host.to_string(), port } }))
}

#[cfg(test)]
mod tests {
    use codec::messages::BrokerId;
    use codec::messages::find_coordinator_response::Coordinator;

    use super::*;

    #[test]
    fn a_coordinator_is_read_from_answers_of_both_forms() {
        let host = || StrBytes::from_static_str("a");
        let old =
            FindCoordinatorResponse::default().with_node_id(BrokerId(2)).with_host(host()).with_port(9092);
        let node = Node { id: 2, address: Address { host: "a".to_owned(), port: 9092 } };
        assert_eq!(found(old), Ok(Ok(node.clone())));
        let one = Coordinator::default().with_node_id(BrokerId(2)).with_host(host()).with_port(9092);
        let new = |one| FindCoordinatorResponse::default().with_coordinators(vec![one]);
        assert_eq!(found(new(one.clone())), Ok(Ok(node)));
        assert_eq!(found(new(one.clone().with_error_code(15))), Ok(Err((15, None))));
        assert!(found(new(one.with_port(-1))).is_err());
    }

    #[test]
    fn a_loading_coordinator_is_asked_again_and_others_are_not() {
        let tries = |codes: &[i16]| {
            let mut left = codes.iter();
            let last = patiently(|| Ok(left.next().copied().unwrap_or(0)), |code| Some(*code)).unwrap();
            (last, codes.len() - left.len())
        };
        let loading = ErrorCode::CoordinatorLoadInProgress as i16;
        assert_eq!(tries(&[loading, ErrorCode::NotCoordinator as i16, 0, 7]), (0, 3));
        assert_eq!(tries(&[ErrorCode::GroupAuthorizationFailed as i16, 0]), (30, 1));
        assert_eq!(patiently(|| Err::<(), _>(Failure::Interrupted), |()| None), Err(Failure::Interrupted));
    }

    #[test]
    fn tries_take_about_half_a_minute() {
        let all: Duration = (1..TRIES).map(pause).sum();
        assert!((25..35).contains(&all.as_secs()), "{all:?}");
    }
}
