//! Entrances of each listener: TLS, and logins with their mechanisms, users, how long a login lasts, and the delay after a failed one.
//!
//! Guarantees that a listener whose protocol asks for TLS or a login has it here: [`Logins::entrance`] is the only source, and
//! there is no default. The exchange itself is in the `security` crate, frames are left to `kafka/login.rs`.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use security::bearer::{Accepted, Refused};
use security::sasl::plain::PlainUsers;
use security::sasl::scram::{Credential, Hash, Named};
use security::sasl::{Exchange, Identity, LoginFailed, Mechanism, Step, Users};

use crate::clock::Clock;
use crate::config::{Listener, LoginSettings, StartConfig, TlsSettings};
use crate::random;
use crate::session::bearer::BearerKeys;
use crate::session::by_address::network;
use crate::session::credentials::{CredentialSession, Credentials};
use crate::session::delegation_tokens::DelegationTokens;
use crate::session::peer::LoginEnd;

/// How clients come in on each listener.
pub(crate) struct Logins {
    by_listener: BTreeMap<String, ListenerEntrance>,
}

/// The TLS that new connections of a listener get; its settings are exchanged when its certificate is.
pub(crate) type CurrentTls = Arc<ArcSwap<TlsSettings>>;

struct ListenerEntrance {
    tls: Option<CurrentTls>,
    login: Option<Arc<ListenerLogin>>,
}

/// How clients come in on one listener.
pub(crate) struct Entrance {
    /// `None`: nothing is encrypted.
    pub(crate) tls: Option<Arc<TlsSettings>>,
    /// `None`: without a login, as the certificate says or as `User:ANONYMOUS`.
    pub(crate) login: Option<Arc<ListenerLogin>>,
}

/// The logins of one listener.
pub(crate) struct ListenerLogin {
    settings: Arc<LoginSettings>,
    plain: PlainUsers,
    stored: Stored,
    /// `None` without OAUTHBEARER.
    bearer: Option<Arc<BearerKeys>>,
    clock: Clock,
    failures: Arc<Failures>,
}

/// Credentials and tokens that logins by SCRAM are checked against.
#[derive(Clone)]
pub(crate) struct Stored {
    /// Of users.
    pub(crate) credentials: Arc<Credentials>,
    /// `None`: no token logs in.
    pub(crate) tokens: Option<Arc<DelegationTokens>>,
}

impl Logins {
    /// The entrances of the configuration's listeners.
    pub(crate) fn new(config: &StartConfig, stored: &Stored, clock: &Clock) -> Self {
        let failures = Arc::<Failures>::default();
        let tls = |listener: &Listener| {
            let settings = config.tls(listener).expect("the configuration has TLS for every listener of it");
            Arc::new(ArcSwap::new(Arc::clone(settings)))
        };
        let login = |listener: &Listener| {
            let settings = config.logins(listener);
            let settings = settings.expect("the configuration has logins for every listener of SASL");
            let (settings, stored) = (Arc::clone(settings), stored.clone());
            Arc::new(ListenerLogin::new(settings, stored, clock.clone(), Arc::clone(&failures)))
        };
        let entrance = |listener: &Listener| ListenerEntrance {
            tls: listener.protocol.has_tls().then(|| tls(listener)),
            login: listener.protocol.has_login().then(|| login(listener)),
        };
        let listeners = config.listeners().iter();
        Self { by_listener: listeners.map(|listener| (listener.name.clone(), entrance(listener))).collect() }
    }

    /// The entrance of a listener.
    ///
    /// # Panics
    /// If the configuration has no such listener: a listener without a known entrance must not be open.
    pub(crate) fn entrance(&self, listener: &str) -> Entrance {
        let listener = self.by_listener.get(listener).expect("listeners come from the configuration");
        Entrance { tls: listener.tls.as_ref().map(|tls| tls.load_full()), login: listener.login.clone() }
    }

    /// The TLS of each listener that has it, by the listener's name.
    pub(crate) fn tls(&self) -> BTreeMap<String, CurrentTls> {
        let with_tls =
            |(name, listener): (&String, &ListenerEntrance)| Some((name.clone(), listener.tls.clone()?));
        self.by_listener.iter().filter_map(with_tls).collect()
    }

    /// The keys of issuers that have to be kept up to date, by the listener's name.
    pub(crate) fn bearer_keys(&self) -> BTreeMap<String, Arc<BearerKeys>> {
        let with_keys = |(name, listener): (&String, &ListenerEntrance)| {
            Some((name.clone(), Arc::clone(listener.login.as_ref()?.bearer.as_ref()?)))
        };
        self.by_listener.iter().filter_map(with_keys).collect()
    }
}

impl ListenerLogin {
    fn new(settings: Arc<LoginSettings>, stored: Stored, clock: Clock, failures: Arc<Failures>) -> Self {
        let users = settings.mechanisms.iter().flat_map(|mechanism| &mechanism.users);
        let users = users.map(|(user, password)| (user.as_str(), password));
        let plain = PlainUsers::new(users, random::key());
        let bearer = settings.mechanisms.iter().find_map(|mechanism| mechanism.bearer.as_ref());
        let bearer = bearer.map(|bearer| Arc::new(BearerKeys::new(Arc::clone(bearer))));
        Self { plain, settings, stored, bearer, clock, failures }
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

    /// The end of the sessions of the credential by which that client logged in; `None` where it lasts as long as the process.
    fn credential(&self, mechanism: Mechanism, identity: &Identity) -> Option<CredentialSession> {
        match (mechanism, &identity.delegation_token) {
            (Mechanism::Plain | Mechanism::OauthBearer, _) => None,
            (Mechanism::Scram(hash), None) => Some(self.stored.credentials.session(hash, &identity.user)),
            (Mechanism::Scram(_), Some(id)) => {
                let tokens = self.stored.tokens.as_ref();
                Some(tokens.map_or_else(CredentialSession::ended, |tokens| tokens.session(id)))
            }
        }
    }

    /// How long a login of that client lasts: as long as what it logged in with, and at most as long as is configured for the
    /// mechanism. `None`: as long as the connection.
    fn lifetime(&self, mechanism: Mechanism, identity: &Identity) -> Option<Duration> {
        let settings = self.settings.mechanisms.iter().find(|settings| settings.mechanism == mechanism);
        let longest = settings.and_then(|settings| settings.max_session);
        let left = identity.ends_ms.map(|ends_ms| {
            // Never 0, which would mean no end on the wire.
            let left_ms = ends_ms.saturating_sub(self.clock.now_ms()).max(1);
            Duration::from_millis(u64::try_from(left_ms).unwrap_or(1))
        });
        left.into_iter().chain(longest).min()
    }

    /// The lifetime of a login of that client which succeeded at `now`, on the monotonic clock, and all that it depends on.
    pub(crate) fn ends(
        &self,
        mechanism: Mechanism,
        identity: &Identity,
        now: Duration,
    ) -> (Option<Duration>, LoginEnd) {
        let lifetime = self.lifetime(mechanism, identity);
        let (credential, by_token) =
            (self.credential(mechanism, identity), identity.delegation_token.is_some());
        (lifetime, LoginEnd { at: lifetime.map(|lifetime| now + lifetime), credential, by_token })
    }

    /// Counts a failed login from that address; returns how long its answer is delayed.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) -> Duration {
        self.failures.add(address, self.settings.failure_delay, now)
    }

    /// A login from that address succeeded: its next failure is the first of a row.
    pub(crate) fn succeeded(&self, address: IpAddr) {
        self.failures.forget(address);
    }
}

impl Users for ListenerLogin {
    fn plain(&self) -> &PlainUsers {
        &self.plain
    }

    fn scram(&self, hash: Hash, named: &Named) -> (Credential, bool) {
        let Named { name, is_token } = named;
        if !is_token {
            return self.stored.credentials.find(hash, name);
        }
        let decoy = self.stored.credentials.decoy_of_token(hash, name);
        let (tokens, salt) = (self.stored.tokens.as_ref(), decoy.salt.clone());
        let known = tokens.and_then(|tokens| tokens.credential(hash, name, salt, self.clock.now_ms()));
        known.map_or((decoy, false), |known| (known, true))
    }

    fn delegation_token(&self, id: &str) -> Option<Identity> {
        self.stored.tokens.as_ref()?.identity(id, self.clock.now_ms())
    }

    fn bearer(&self, token: &str) -> Result<Accepted, Refused> {
        // `begin` has seen to it that there are keys.
        let keys = self.bearer.as_ref().ok_or(Refused::NoKeys)?;
        keys.judge(token, self.clock.now_ms())
    }
}

/// Failed logins in a row, by address, of all listeners. The addresses of an IPv6 network of 64 bits, which one client may have,
/// count as one.
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
        let address = network(address);
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

    fn forget(&self, address: IpAddr) {
        self.by_address.lock().remove(&network(address));
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

    /// With IPv6 each guess came from a new address, and none was delayed for longer than the first.
    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let (failures, now, first) = (Failures::default(), clock::now(), Duration::from_millis(100));
        let add = |text: &str| failures.add(text.parse().unwrap(), first, now).as_millis();
        let delays = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"].map(add);
        assert_eq!(delays, [100, 200, 400, 100]);
        failures.forget("2001:db8::4".parse().unwrap());
        assert_eq!(add("2001:db8::1"), 100, "a good login of the same network");
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
        let stored = Stored { credentials, tokens: None };
        let logins = Logins::new(config.unwrap().start(), &stored, &Clock::system());
        assert!(logins.entrance("OPEN").login.is_none() && logins.entrance("OPEN").tls.is_none());
        let login = logins.entrance("SAFE").login.expect("a login");
        assert!(login.begin("PLAIN").is_some());
        for other in ["", "plain", "GSSAPI", "SCRAM-SHA-256"] {
            assert!(login.begin(other).is_none(), "{other}");
        }
    }
}
