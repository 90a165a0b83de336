//! Logins of each listener: mechanisms, users, how long a login lasts, and the delay after a failed one.
//!
//! Guarantees that a listener whose protocol asks for a login has one here: [`Logins::entrance`] is the only source, and
//! there is no default. The exchange itself is in the `security` crate, frames are left to `kafka/login.rs`.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use security::sasl::plain::PlainUsers;
use security::sasl::scram::{Credential, Hash};
use security::sasl::{Exchange, LoginFailed, Mechanism, Step, Users};

use crate::config::{Listener, LoginSettings, Protocol, StartConfig};
use crate::random;
use crate::session::credentials::{CredentialSession, Credentials};

/// How clients come in on each listener.
pub(crate) struct Logins {
    by_listener: BTreeMap<String, Entrance>,
}

/// How clients come in on one listener.
#[derive(Clone)]
pub(crate) enum Entrance {
    /// Without a login, as `User:ANONYMOUS`.
    Open,
    /// By a login.
    Login(Arc<ListenerLogin>),
}

/// The logins of one listener.
pub(crate) struct ListenerLogin {
    settings: Arc<LoginSettings>,
    plain: PlainUsers,
    credentials: Arc<Credentials>,
    failures: Arc<Failures>,
}

impl Logins {
    /// The entrances of the configuration's listeners. Those of SCRAM go by these credentials.
    pub(crate) fn new(config: &StartConfig, credentials: &Arc<Credentials>) -> Self {
        let failures = Arc::<Failures>::default();
        let entrance = |listener: &Listener| match (config.logins(listener), listener.protocol) {
            (_, Protocol::Plaintext) => Entrance::Open,
            (settings, Protocol::SaslPlaintext) => {
                let settings = settings.expect("the configuration has logins for every listener of SASL");
                let (settings, credentials) = (Arc::clone(settings), Arc::clone(credentials));
                Entrance::Login(Arc::new(ListenerLogin::new(settings, credentials, Arc::clone(&failures))))
            }
        };
        let listeners = config.listeners().iter();
        Self { by_listener: listeners.map(|listener| (listener.name.clone(), entrance(listener))).collect() }
    }

    /// The entrance of a listener.
    ///
    /// # Panics
    /// If the configuration has no such listener: a listener without a known entrance must not be open.
    pub(crate) fn entrance(&self, listener: &str) -> Entrance {
        self.by_listener.get(listener).cloned().expect("listeners come from the configuration")
    }
}

impl ListenerLogin {
    fn new(settings: Arc<LoginSettings>, credentials: Arc<Credentials>, failures: Arc<Failures>) -> Self {
        let users = settings.mechanisms.iter().flat_map(|mechanism| &mechanism.users);
        let users = users.map(|(user, password)| (user.as_str(), password));
        let plain = PlainUsers::new(users, random::key());
        Self { plain, settings, credentials, failures }
    }

    /// Names of the mechanisms, in the configuration's order.
    pub(crate) fn mechanisms(&self) -> impl Iterator<Item = &'static str> {
        self.settings.mechanisms.iter().map(|settings| settings.mechanism.name())
    }

    /// The longest frame before a login, in bytes.
    pub(crate) fn max_message_bytes(&self) -> usize {
        self.settings.max_message_bytes
    }

    /// Begins a login by the mechanism of that name; `None` if the listener does not have it.
    pub(crate) fn begin(&self, mechanism: &str) -> Option<Exchange> {
        self.mechanisms()
            .any(|name| name == mechanism)
            .then(|| Mechanism::named(mechanism).map(|named| Exchange::new(named, random::nonce())))?
    }

    /// Takes the client's next message.
    ///
    /// # Errors
    /// The login failed.
    pub(crate) fn step(&self, exchange: &mut Exchange, message: &[u8]) -> Result<Step, LoginFailed> {
        exchange.step(message, self)
    }

    /// The end of the sessions of the credential by which that user logged in; `None` where it lasts as long as the process.
    pub(crate) fn credential(&self, mechanism: Mechanism, user: &str) -> Option<CredentialSession> {
        match mechanism {
            Mechanism::Plain => None,
            Mechanism::Scram(hash) => Some(self.credentials.session(hash, user)),
        }
    }

    /// How long a login by that mechanism lasts; `None`: as long as the connection.
    pub(crate) fn max_session(&self, mechanism: Mechanism) -> Option<Duration> {
        let settings = self.settings.mechanisms.iter().find(|settings| settings.mechanism == mechanism);
        settings.and_then(|settings| settings.max_session)
    }

    /// Counts a failed login from that address; returns how long its answer is delayed.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) -> Duration {
        self.failures.add(address, self.settings.failure_delay, now)
    }

    /// A login from that address succeeded: its next failure is the first of a row.
    pub(crate) fn succeeded(&self, address: IpAddr) {
        self.failures.by_address.lock().remove(&address);
    }
}

impl Users for ListenerLogin {
    fn plain(&self) -> &PlainUsers {
        &self.plain
    }

    fn scram(&self, hash: Hash, user: &str) -> (Credential, bool) {
        self.credentials.find(hash, user)
    }
}

/// Failed logins in a row, by address, of all listeners.
#[derive(Default)]
struct Failures {
    by_address: Mutex<HashMap<IpAddr, Row>>,
}

struct Row {
    count: u32,
    last: Instant,
}

/// The longest delay, unless the configured one is longer.
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// A row ends this long after its last failure.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// Addresses that are remembered at a time.
const MAX_ADDRESSES: usize = 10_000;

impl Failures {
    fn add(&self, address: IpAddr, first_delay: Duration, now: Instant) -> Duration {
        let is_recent = |row: &Row| now.saturating_duration_since(row.last) < FORGOTTEN_AFTER;
        let mut rows = self.by_address.lock();
        if rows.len() >= MAX_ADDRESSES && !rows.contains_key(&address) {
            rows.retain(|_, row| is_recent(row));
            // More addresses than that fail at once: the longest rows are kept, which are those that guess.
            if rows.len() >= MAX_ADDRESSES {
                rows.retain(|_, row| row.count > 1);
            }
            if rows.len() >= MAX_ADDRESSES {
                rows.clear();
            }
        }
        let row = rows.entry(address).or_insert(Row { count: 0, last: now });
        row.count = if is_recent(row) { row.count.saturating_add(1) } else { 1 };
        row.last = now;
        // 2³¹ times the first delay exceeds the longest one, whatever the first is.
        let factor = 1_u32 << (row.count - 1).min(31);
        first_delay.saturating_mul(factor).min(LONGEST_DELAY.max(first_delay))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::clock;
    use crate::config::BrokerConfig;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn the_delay_doubles_up_to_its_end() {
        let (failures, now, first) = (Failures::default(), clock::now(), Duration::from_millis(100));
        let delays: Vec<u128> = (0..8).map(|_| failures.add(address(1), first, now).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(failures.add(address(2), first, now), first, "another address");
        for _ in 0..100 {
            failures.add(address(1), first, now);
        }
        assert_eq!(failures.add(address(1), first, now), LONGEST_DELAY);
        assert_eq!(failures.add(address(1), first, now + FORGOTTEN_AFTER), first);
        let long = Duration::from_secs(60);
        assert_eq!([0, 1].map(|_| failures.add(address(3), long, now)), [long, long]);
        assert_eq!([0, 1].map(|_| failures.add(address(4), Duration::ZERO, now)), [Duration::ZERO; 2]);
    }

    #[test]
    fn addresses_are_bounded_and_those_that_guess_stay() {
        let (failures, now, first) = (Failures::default(), clock::now(), Duration::from_millis(100));
        failures.add(address(0), first, now);
        for number in 0..3 * u32::try_from(MAX_ADDRESSES).unwrap() {
            failures.add(address(number), first, now);
        }
        assert!(failures.by_address.lock().len() <= MAX_ADDRESSES);
        assert_eq!(failures.add(address(0), first, now).as_millis(), 400);
    }

    #[test]
    fn only_enabled_mechanisms_begin() {
        let config = BrokerConfig::from_pairs(&[
            ("listeners", "OPEN://127.0.0.1:1,SAFE://127.0.0.1:2"),
            ("listener.security.protocol.map", "OPEN:PLAINTEXT,SAFE:SASL_PLAINTEXT"),
            ("sasl.enabled.mechanisms", "PLAIN"),
            (
                "listener.name.safe.plain.sasl.jaas.config",
                "org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b\";",
            ),
        ]);
        let credentials = Arc::new(Credentials::new([], [0; 32]));
        let logins = Logins::new(config.unwrap().start(), &credentials);
        assert!(matches!(logins.entrance("OPEN"), Entrance::Open));
        let Entrance::Login(login) = logins.entrance("SAFE") else { panic!("open") };
        assert!(login.begin("PLAIN").is_some());
        for other in ["", "plain", "GSSAPI", "SCRAM-SHA-256"] {
            assert!(login.begin(other).is_none(), "{other}");
        }
    }
}
