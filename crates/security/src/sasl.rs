//! Logins by SASL, as state machines: a message of the client in, an answer or an outcome out.
//!
//! An [`Exchange`] is one login. It keeps no password that a client sent. Frames, the limits before a login and the delay
//! after a failure are left to the broker.

pub mod plain;
pub mod scram;

use thiserror::Error;

use crate::sasl::plain::PlainUsers;
use crate::sasl::scram::{Challenged, Credential, Hash, NONCE_BYTES};

/// A way to log in, of those that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// User name and password in the clear (RFC 4616).
    Plain,
    /// A proof of the password, by stored keys (RFC 5802, RFC 7677).
    Scram(Hash),
}

impl Mechanism {
    /// Every mechanism.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Scram(Hash::Sha256), Self::Scram(Hash::Sha512)];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(hash) => hash.mechanism(),
        }
    }

    /// The mechanism of that name, whose case counts.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

/// Users and their passwords, as a login asks for them.
pub trait Users {
    /// Users of PLAIN.
    fn plain(&self) -> &PlainUsers;

    /// A user's credential, and true; for an unknown user a decoy, and false. Both must take the same time.
    fn scram(&self, hash: Hash, user: &str) -> (Credential, bool);
}

/// Why a login failed, in words for the client. They do not tell an unknown user from a wrong password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct LoginFailed(pub String);

/// The effect of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The client has to answer this.
    Challenge(Vec<u8>),
    /// The client is this user, and gets these last bytes, which may be empty.
    LoggedIn {
        /// Name of the user.
        user: String,
        /// The server's last message.
        last: Vec<u8>,
    },
}

/// One login under way.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No message came. The server's part of a nonce, for SCRAM.
    Begun { nonce: [u8; NONCE_BYTES] },
    /// The client's proof is awaited.
    Challenged(Box<Challenged>),
    /// A message ended the exchange: no message after it counts.
    Over,
}

impl Exchange {
    /// A login that has not begun. The nonce is random, and drawn for this login alone.
    pub fn new(mechanism: Mechanism, nonce: [u8; NONCE_BYTES]) -> Self {
        Self { mechanism, state: State::Begun { nonce } }
    }

    /// Its mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Takes the client's next message.
    ///
    /// # Errors
    /// The login failed; every further message fails too.
    pub fn step(&mut self, message: &[u8], users: &impl Users) -> Result<Step, LoginFailed> {
        match (self.mechanism, std::mem::replace(&mut self.state, State::Over)) {
            (Mechanism::Plain, State::Begun { .. }) => {
                let user = users.plain().log_in(message)?;
                Ok(Step::LoggedIn { user, last: Vec::new() })
            }
            (Mechanism::Scram(hash), State::Begun { nonce }) => {
                let challenged = scram::challenge(hash, message, nonce, |user| users.scram(hash, user));
                let (challenged, answer) = challenged.ok_or_else(|| invalid(hash))?;
                self.state = State::Challenged(Box::new(challenged));
                Ok(Step::Challenge(answer))
            }
            (Mechanism::Scram(hash), State::Challenged(challenged)) => {
                let finished = challenged.finish(message, |user| users.scram(hash, user));
                let (user, last) = finished.ok_or_else(|| invalid(hash))?;
                Ok(Step::LoggedIn { user, last })
            }
            (_, State::Over) | (Mechanism::Plain, State::Challenged(_)) => {
                Err(LoginFailed("Authentication failed: the exchange is over".to_owned()))
            }
        }
    }
}

/// The one text of SCRAM, for every cause, in Kafka's words (`SaslServerAuthenticator`).
fn invalid(hash: Hash) -> LoginFailed {
    let mechanism = hash.mechanism();
    LoginFailed(format!(
        "Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    struct Alice(PlainUsers);

    impl Users for Alice {
        fn plain(&self) -> &PlainUsers {
            &self.0
        }

        fn scram(&self, hash: Hash, user: &str) -> (Credential, bool) {
            (scram::decoy(&Secret::new("folder"), hash, user, 4096), false)
        }
    }

    #[test]
    fn mechanisms_have_their_registered_names() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::named(mechanism.name()), Some(mechanism));
        }
        for other in ["", "plain", "GSSAPI", "PLAIN ", "SCRAM-SHA-1"] {
            assert_eq!(Mechanism::named(other), None);
        }
    }

    /// A client that failed, or logged in, could try another password in the same exchange.
    #[test]
    fn no_message_counts_after_the_end() {
        let users = Alice(PlainUsers::new([("alice", &Secret::new("pw"))], [7; 32]));
        for first in [&b"\0alice\0no"[..], b"\0alice\0pw"] {
            let mut exchange = Exchange::new(Mechanism::Plain, [0; NONCE_BYTES]);
            let _outcome = exchange.step(first, &users);
            assert!(exchange.step(b"\0alice\0pw", &users).is_err());
        }
        let mut exchange = Exchange::new(Mechanism::Scram(Hash::Sha256), [0; NONCE_BYTES]);
        assert!(exchange.step(b"n,,n=alice", &users).is_err());
        assert!(exchange.step(b"n,,n=alice,r=x", &users).is_err());
    }

    /// S3: malformed, unknown, wrong: the client cannot tell them apart.
    #[test]
    fn failures_of_scram_have_one_text() {
        let users = Alice(PlainUsers::new([], [7; 32]));
        let fails = |messages: &[&[u8]]| {
            let mut exchange = Exchange::new(Mechanism::Scram(Hash::Sha512), [0; NONCE_BYTES]);
            let mut outcomes = messages.iter().map(|message| exchange.step(message, &users));
            let last = outcomes.next_back().expect("a message");
            last.expect_err("it failed").0
        };
        let one = fails(&[b"n,,n=alice"]);
        assert!(one.ends_with("SCRAM-SHA-512"), "{one}");
        assert_eq!(one, fails(&[b"m=x"]));
    }
}
