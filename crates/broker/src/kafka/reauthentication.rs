//! Logging in again on a connection whose login ends at some time (KIP-368).
//!
//! The requests are those of the first login, and come among others: `dispatch.rs` runs them as any that does not overlap.
//! Guarantees that mechanism and principal stay those of the first login, and that no other request runs between the two
//! steps. Follows `SaslServerAuthenticator.ReauthInfo`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use security::sasl::{Exchange, Step};

use crate::session::logins::ListenerLogin;
use crate::session::peer::Peer;

/// The first time may come at any time, each further one this long after the last one began
/// (`SaslServerAuthenticator.lastReauthenticationStartNanos`), or when the session ends within that time: librdkafka may log in by a
/// token that is almost over.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

const OTHER_PRINCIPAL: &str =
    "Authentication failed during re-authentication: the principal is not that of the first login";

/// The state of one connection.
#[derive(Default)]
pub(crate) struct Reauthentication {
    /// `None` where the listener has no logins.
    login: Option<Arc<ListenerLogin>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    exchange: Option<Exchange>,
    /// When the last one began, on the monotonic clock.
    last: Option<Duration>,
    /// Why one was refused, for the operator.
    refused: Option<String>,
}

/// The answer to a handshake after the login.
pub(crate) enum Handshake {
    /// It may go on with one of these.
    Accepted(Arc<ListenerLogin>),
    /// None is due.
    NotDue,
    /// One is under way; the session has ended.
    UnderWay,
    /// Another mechanism than that of the first login.
    OtherMechanism,
}

/// The outcome of a message.
pub(crate) enum Authenticated {
    /// No handshake came before.
    NotDue,
    /// The client has to answer this.
    Challenge(Vec<u8>),
    /// A bearer token was refused; the client is told so by this, late, and may leave without an answer.
    TokenRefused { challenge: Vec<u8>, refusal: Refusal },
    /// Logged in for that long.
    LoggedIn { last: Vec<u8>, lifetime: Option<Duration> },
    /// The session has ended. `refusal` is `None` if that was told before.
    Failed { text: String, refusal: Option<Refusal> },
}

/// A login that failed.
pub(crate) struct Refusal {
    /// Why, for the operator.
    pub(crate) reason: String,
    /// The answer comes this late.
    pub(crate) delay: Duration,
}

impl Reauthentication {
    /// Of a connection that logged in by `login`, if its listener has logins.
    pub(crate) fn new(login: Option<Arc<ListenerLogin>>) -> Self {
        Self { login, state: Mutex::default() }
    }

    /// Returns true between the two steps.
    pub(crate) fn is_under_way(&self) -> bool {
        // A connection without logins takes no lock.
        self.login.is_some() && self.state.lock().exchange.is_some()
    }

    /// Why a login was refused, for the operator; the connection ends after it.
    pub(crate) fn refused(&self) -> Option<String> {
        self.login.as_ref()?;
        self.state.lock().refused.clone()
    }

    /// Takes a handshake.
    pub(crate) fn handshake(&self, peer: &Peer, version: i16, mechanism: &str, now: Duration) -> Handshake {
        let Some(login) = &self.login else { return Handshake::NotDue };
        let mut state = self.state.lock();
        let is_early = state.last.is_some_and(|last| now.saturating_sub(last) < SHORTEST_INTERVAL)
            && !peer.session_ends_by(now + SHORTEST_INTERVAL);
        // As Kafka, which then closes the connection.
        if state.exchange.is_some() {
            peer.end_session();
            return Handshake::UnderWay;
        }
        // Version 0 is followed by frames without a header, which this loop cannot read.
        if version < 1 || !peer.session_ends() || is_early {
            return Handshake::NotDue;
        }
        match login.begin(mechanism).filter(|exchange| Some(exchange.mechanism()) == peer.mechanism()) {
            Some(exchange) => {
                state.exchange = Some(exchange);
                state.last = Some(now);
                Handshake::Accepted(Arc::clone(login))
            }
            None => Handshake::OtherMechanism,
        }
    }

    /// Takes the client's next message. `now` is on the monotonic clock, `at` is the same moment.
    pub(crate) fn authenticate(
        &self,
        peer: &Peer,
        message: &[u8],
        now: Duration,
        at: std::time::Instant,
    ) -> Authenticated {
        let Some(login) = &self.login else { return Authenticated::NotDue };
        let mut state = self.state.lock();
        let Some(mut exchange) = state.exchange.take() else { return Authenticated::NotDue };
        let State { exchange: next, refused, .. } = &mut *state;
        let mut refusal = |reason: String| {
            let delay = login.failed(peer.address.ip(), at);
            Refusal { reason: refused.insert(reason).clone(), delay }
        };
        let was_told = exchange.refused().is_some();
        match login.step(&mut exchange, message) {
            Ok(Step::Challenge(challenge)) => {
                let token_refused = exchange.refused();
                *next = Some(exchange);
                match token_refused {
                    None => Authenticated::Challenge(challenge),
                    Some(reason) => {
                        let refusal = refusal(format!("a bearer token was refused: {reason}"));
                        Authenticated::TokenRefused { challenge, refusal }
                    }
                }
            }
            Ok(Step::LoggedIn { identity, .. }) if identity.user != peer.principal().name() => {
                // Nothing more is served, whatever the old session had left.
                peer.end_session();
                let text = OTHER_PRINCIPAL.to_owned();
                Authenticated::Failed { refusal: Some(refusal(text.clone())), text }
            }
            Ok(Step::LoggedIn { identity, last }) => {
                login.succeeded(peer.address.ip());
                let (lifetime, end) = login.ends(exchange.mechanism(), &identity, now);
                peer.renew_session(end);
                Authenticated::LoggedIn { last, lifetime }
            }
            Err(error) => {
                peer.end_session();
                // In Kafka's words for both (`ReauthInfo.authenticationOrReauthenticationText`).
                let text = error.0.replace("during authentication", "during re-authentication");
                let refusal = (!was_told).then(|| refusal(text.clone()));
                Authenticated::Failed { text, refusal }
            }
        }
    }
}

/// A lifetime as answers have it: milliseconds, 0 for none.
pub(crate) fn millis(lifetime: Option<Duration>) -> i64 {
    lifetime.map_or(0, |lifetime| i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX))
}
