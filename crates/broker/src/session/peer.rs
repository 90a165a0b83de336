//! One connection: the identity that its client proved, and the software at its other end.
//!
//! Guarantees that the principal is set once, by the login, and never changes; only the end of its session does.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use security::Principal;
use security::sasl::Mechanism;

use super::grants::Grants;
use crate::clock::Clock;
use crate::session::credentials::CredentialSession;

/// One connection, as handlers see it.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Of two connections the one that was accepted later has the greater number. From 1.
    pub(crate) number: u64,
    /// The other end.
    pub(crate) address: SocketAddr,
    /// Our end: the address that this client could reach.
    pub(crate) local_address: SocketAddr,
    /// Name of the listener it came through, such as `PLAINTEXT`.
    pub(crate) listener: Arc<str>,
    software: OnceLock<Software>,
    login: OnceLock<Login>,
    /// Decisions of the authorizer about this client.
    pub(super) grants: Arc<Grants>,
    /// The end of the session in microseconds of the monotonic clock; [`ENDLESS`] for none, [`ENDED`] for one that is over.
    session_end_us: AtomicU64,
}

/// The result of a login, or of a certificate.
#[derive(Debug)]
struct Login {
    principal: Principal,
    /// The principal as text.
    text: Arc<str>,
    /// `None`: by a certificate.
    mechanism: Option<Mechanism>,
    /// The credential by which it logged in last; `None` if that lasts as long as the process.
    credential: ArcSwapOption<CredentialSession>,
    /// If it logged in by a delegation token, now or before.
    by_token: AtomicBool,
}

/// The end of a login on a connection, and all that may end it before.
#[derive(Debug, Default)]
pub(crate) struct LoginEnd {
    /// The end on the monotonic clock; `None`: as long as the connection.
    pub(crate) at: Option<Duration>,
    /// The credential; `None` if that lasts as long as the process.
    pub(crate) credential: Option<CredentialSession>,
    /// If it is by a delegation token.
    pub(crate) by_token: bool,
}

impl Login {
    fn of(principal: Principal, mechanism: Option<Mechanism>) -> Self {
        let text = Arc::from(principal.to_string());
        let (credential, by_token) = (ArcSwapOption::empty(), AtomicBool::new(false));
        Self { principal, text, mechanism, credential, by_token }
    }
}

const ENDLESS: u64 = u64::MAX;
const ENDED: u64 = 0;

/// The principal of every connection without a login and without a certificate.
static ANONYMOUS: LazyLock<Principal> = LazyLock::new(Principal::anonymous);

/// The name and version that a client gives itself (KIP-511).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Software {
    /// Such as `apache-kafka-java`.
    name: Box<str>,
    /// Such as `4.3.0`.
    version: Box<str>,
}

/// Longer names and versions are cut: they are for people to read.
const MAX_SOFTWARE_LENGTH: usize = 64;

impl Software {
    /// Keeps a copy of both: the frame they came in is not held for them.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        // Characters and not bytes: a client chooses the text, and a cut within a character would panic.
        let cut = |text: &str| text.chars().take(MAX_SOFTWARE_LENGTH).collect();
        Self { name: cut(name), version: cut(version) }
    }

    /// Name and version.
    pub(crate) fn parts(&self) -> (&str, &str) {
        (&self.name, &self.version)
    }
}

impl std::fmt::Display for Software {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.name, self.version)
    }
}

impl Peer {
    /// A connection that was just accepted.
    pub(crate) fn new(address: SocketAddr, local_address: SocketAddr, listener: Arc<str>) -> Self {
        static ACCEPTED: AtomicU64 = AtomicU64::new(0);
        // Relaxed: one variable, whose changes have one order.
        let number = ACCEPTED.fetch_add(1, Ordering::Relaxed) + 1;
        Self {
            number,
            address,
            local_address,
            listener,
            software: OnceLock::new(),
            login: OnceLock::new(),
            grants: Arc::default(),
            session_end_us: AtomicU64::new(ENDLESS),
        }
    }

    /// The identity of the client: `User:ANONYMOUS` on a listener without logins.
    pub(crate) fn principal(&self) -> &Principal {
        self.login.get().map_or(&ANONYMOUS, |login| &login.principal)
    }

    /// The identity as text, such as `User:alice`.
    pub(crate) fn principal_text(&self) -> Arc<str> {
        // One text for all without a login: it is asked for with each request.
        static TEXT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(ANONYMOUS.to_string()));
        Arc::clone(self.login.get().map_or(&TEXT, |login| &login.text))
    }

    /// The mechanism of its login; `None` without one.
    pub(crate) fn mechanism(&self) -> Option<Mechanism> {
        self.login.get().and_then(|login| login.mechanism)
    }

    /// Returns true if a login or a certificate says who the client is.
    pub(crate) fn is_identified(&self) -> bool {
        self.login.get().is_some()
    }

    /// Returns true if it logged in by a delegation token.
    pub(crate) fn is_by_token(&self) -> bool {
        self.login.get().is_some_and(|login| login.by_token.load(Ordering::Relaxed))
    }

    /// The client has logged in, until that end. A second call changes nothing.
    pub(crate) fn log_in(&self, principal: Principal, mechanism: Mechanism, end: LoginEnd) {
        if self.login.set(Login::of(principal, Some(mechanism))).is_ok() {
            self.renew_session(end);
        }
    }

    /// The client has shown a certificate of this principal, and no login follows. A second call changes nothing.
    pub(crate) fn identify(&self, principal: Principal) {
        self.login.get_or_init(|| Login::of(principal, None));
    }

    /// The client has logged in again, as the same principal, until that end.
    pub(crate) fn renew_session(&self, end: LoginEnd) {
        let LoginEnd { at: end, credential, by_token } = end;
        if let Some(login) = self.login.get() {
            login.credential.store(credential.map(Arc::new));
            login.by_token.fetch_or(by_token, Ordering::Relaxed);
        }
        // Relaxed, here and below: one variable, and requests of a connection are dispatched by one task.
        self.session_end_us.store(end.map_or(ENDLESS, micros), Ordering::Relaxed);
    }

    /// Nothing more is served on this connection.
    pub(crate) fn end_session(&self) {
        self.session_end_us.store(ENDED, Ordering::Relaxed);
    }

    /// Returns true if the session is over at that time on the monotonic clock.
    pub(crate) fn session_ends_by(&self, time: Duration) -> bool {
        self.session_end_us.load(Ordering::Relaxed) <= micros(time)
    }

    /// Returns true if the session ends at some time, so that the client may log in again.
    pub(crate) fn session_ends(&self) -> bool {
        !matches!(self.session_end_us.load(Ordering::Relaxed), ENDLESS | ENDED)
    }

    /// Returns true if the session was ended before its time, or the credential of its login was deleted.
    pub(crate) fn is_cut_off(&self) -> bool {
        let is_over = |login: &Login| login.credential.load().as_ref().is_some_and(|one| one.is_over());
        self.session_end_us.load(Ordering::Relaxed) == ENDED || self.login.get().is_some_and(is_over)
    }

    /// Returns true if the session is over. Reads the clock only where the session has an end.
    pub(crate) fn is_session_over(&self, clock: &Clock) -> bool {
        match self.session_end_us.load(Ordering::Relaxed) {
            ENDLESS => false,
            end => micros(clock.monotonic()) >= end,
        }
    }

    /// The client's name and version; `None` until it has sent them.
    pub(crate) fn software(&self) -> Option<&Software> {
        self.software.get()
    }

    /// Remembers what the client said first; later claims on the same connection change nothing.
    pub(crate) fn set_software(&self, software: Software) {
        self.software.get_or_init(|| software);
    }
}

/// Never [`ENDED`], and [`ENDLESS`] only after half a million years.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(ENDLESS).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Peer {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        Peer::new(address, address, Arc::from("SAFE"))
    }

    fn until(at: Option<Duration>) -> LoginEnd {
        LoginEnd { at, ..LoginEnd::default() }
    }

    /// S5: a second login on a connection took over what the first one had.
    #[test]
    fn the_principal_never_changes() {
        let peer = peer();
        assert!(peer.principal().is_anonymous() && peer.mechanism().is_none());
        assert_eq!(&*peer.principal_text(), "User:ANONYMOUS");
        peer.log_in(Principal::user("alice"), Mechanism::Plain, until(Some(Duration::from_secs(1))));
        peer.log_in(Principal::user("bob"), Mechanism::Plain, until(None));
        assert_eq!(peer.principal(), &Principal::user("alice"));
        assert_eq!(&*peer.principal_text(), "User:alice");
        assert!(peer.session_ends(), "nor does the end change");
    }

    #[test]
    fn a_session_ends_at_its_time_or_before() {
        let (peer, clock) = (peer(), Clock::manual(0));
        assert!(!peer.is_session_over(&clock) && !peer.session_ends());
        peer.log_in(Principal::user("alice"), Mechanism::Plain, until(Some(Duration::from_millis(10))));
        clock.advance(Duration::from_millis(9));
        assert!(!peer.is_session_over(&clock));
        clock.advance(Duration::from_millis(1));
        assert!(peer.is_session_over(&clock) && peer.session_ends() && !peer.is_cut_off());
        peer.renew_session(until(Some(Duration::from_millis(20))));
        assert!(!peer.is_session_over(&clock));
        peer.end_session();
        assert!(peer.is_session_over(&clock) && peer.is_cut_off() && !peer.session_ends());
    }
}
