//! Logins by SASL, as state machines: a message of the client in, an answer or an outcome out.
//!
//! An [`Exchange`] is one login. It keeps no password that a client sent. Frames, the limits before a login and the delay
//! after a failure are left to the broker.

pub mod oauthbearer;
pub mod plain;
pub mod scram;

use thiserror::Error;

use crate::bearer::{Accepted, Refused};
use crate::sasl::oauthbearer::{ClientMessage, INVALID_TOKEN};
use crate::sasl::plain::PlainUsers;
use crate::sasl::scram::{Challenged, Credential, Hash, NONCE_BYTES, Named};

/// A way to log in, of those that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// User name and password in the clear (RFC 4616).
    Plain,
    /// A proof of the password, by stored keys (RFC 5802, RFC 7677).
    Scram(Hash),
    /// A token that an issuer has signed (RFC 7628).
    OauthBearer,
}

impl Mechanism {
    /// Every mechanism.
    pub const ALL: [Self; 4] =
        [Self::Plain, Self::Scram(Hash::Sha256), Self::Scram(Hash::Sha512), Self::OauthBearer];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(hash) => hash.mechanism(),
            Self::OauthBearer => "OAUTHBEARER",
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

    /// The credential of a user or of a delegation token, and true; for an unknown name a decoy, and false. Both must take the
    /// same time.
    fn scram(&self, hash: Hash, named: &Named) -> (Credential, bool);

    /// Owner and end of a delegation token; `None` if it is unknown or expired.
    fn delegation_token(&self, id: &str) -> Option<Identity>;

    /// Judges a bearer token.
    ///
    /// # Errors
    /// It does not count.
    fn bearer(&self, token: &str) -> Result<Accepted, Refused>;
}

/// A client that a login has identified, and what its login depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the user.
    pub user: String,
    /// The end of the login, in Unix milliseconds; `None`: the login gives none.
    pub ends_ms: Option<i64>,
    /// The id of the delegation token that it logged in with.
    pub delegation_token: Option<String>,
}

impl Identity {
    /// A user whose login has no end of its own.
    pub fn user(name: impl Into<String>) -> Self {
        Self { user: name.into(), ends_ms: None, delegation_token: None }
    }
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
    /// The client is identified, and gets these last bytes, which may be empty.
    LoggedIn {
        /// The client.
        identity: Identity,
        /// The server's last message.
        last: Vec<u8>,
    },
}

/// One login under way.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    claimed: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No message came. The server's part of a nonce, for SCRAM.
    Begun { nonce: [u8; NONCE_BYTES] },
    /// The client's proof is awaited.
    Challenged(Box<Challenged>),
    /// A bearer token did not count; the client has to say that it has read so.
    Refused(Refused),
    /// A message ended the exchange: no message after it counts.
    Over,
}

impl Exchange {
    /// A login that has not begun. The nonce is random, and drawn for this login alone.
    pub fn new(mechanism: Mechanism, nonce: [u8; NONCE_BYTES]) -> Self {
        Self { mechanism, claimed: None, state: State::Begun { nonce } }
    }

    /// Its mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The user or token that the client says it is, for the operator: nothing has to be proved for it.
    pub fn claimed(&self) -> Option<&str> {
        self.claimed.as_deref()
    }

    /// Why a bearer token did not count, for the operator; `None` after every other message.
    pub fn refused(&self) -> Option<Refused> {
        match self.state {
            State::Refused(reason) => Some(reason),
            State::Begun { .. } | State::Challenged(_) | State::Over => None,
        }
    }

    /// Takes the client's next message.
    ///
    /// # Errors
    /// The login failed; every further message fails too.
    pub fn step(&mut self, message: &[u8], users: &impl Users) -> Result<Step, LoginFailed> {
        match (self.mechanism, std::mem::replace(&mut self.state, State::Over)) {
            (Mechanism::Plain, State::Begun { .. }) => {
                self.claimed = plain::named(message).map(str::to_owned);
                let identity = Identity::user(users.plain().log_in(message)?);
                Ok(Step::LoggedIn { identity, last: Vec::new() })
            }
            (Mechanism::Scram(hash), State::Begun { nonce }) => {
                let challenged = scram::challenge(hash, message, nonce, |named| {
                    self.claimed = Some(named.name.clone());
                    users.scram(hash, named)
                });
                let (challenged, answer) = challenged.ok_or_else(|| self.invalid())?;
                self.state = State::Challenged(Box::new(challenged));
                Ok(Step::Challenge(answer))
            }
            (Mechanism::Scram(hash), State::Challenged(challenged)) => {
                let finished = challenged.finish(message, |named| users.scram(hash, named));
                let (named, last) = finished.ok_or_else(|| self.invalid())?;
                let identity = match named.is_token {
                    true => users.delegation_token(&named.name).ok_or_else(|| self.invalid())?,
                    false => Identity::user(named.name),
                };
                Ok(Step::LoggedIn { identity, last })
            }
            (Mechanism::OauthBearer, State::Begun { .. }) => self.bearer(message, users),
            (Mechanism::OauthBearer, State::Refused(_)) => {
                // Any other message than this one is one too many.
                if message == [1] { Err(LoginFailed(INVALID_TOKEN.to_owned())) } else { Err(self.invalid()) }
            }
            (_, State::Over | State::Challenged(_) | State::Refused(_)) => {
                Err(LoginFailed("Authentication failed: the exchange is over".to_owned()))
            }
        }
    }

    fn bearer(&mut self, message: &[u8], users: &impl Users) -> Result<Step, LoginFailed> {
        let ClientMessage { authzid, token } = ClientMessage::parse(message).ok_or_else(|| self.invalid())?;
        match users.bearer(token) {
            // In Kafka's words, without its names (`OAuthBearerSaslServer`).
            Ok(Accepted { subject, .. }) if authzid.is_some_and(|authzid| authzid != subject) => {
                let text = "Authentication failed: Client requested an authorization id that is different from the token's principal name";
                Err(LoginFailed(text.to_owned()))
            }
            Ok(Accepted { subject, ends_ms }) => {
                let identity = Identity { user: subject, ends_ms: Some(ends_ms), delegation_token: None };
                Ok(Step::LoggedIn { identity, last: Vec::new() })
            }
            Err(reason) => {
                self.state = State::Refused(reason);
                Ok(Step::Challenge(INVALID_TOKEN.as_bytes().to_vec()))
            }
        }
    }

    /// The one text of SCRAM, for every cause, and of malformed messages of OAUTHBEARER, in Kafka's words
    /// (`SaslServerAuthenticator`).
    fn invalid(&self) -> LoginFailed {
        let mechanism = self.mechanism.name();
        LoginFailed(format!(
            "Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"
        ))
    }
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

        fn scram(&self, hash: Hash, named: &Named) -> (Credential, bool) {
            (scram::decoy(&Secret::new("folder"), hash, &named.name, scram::Shape::default()), false)
        }

        fn delegation_token(&self, _: &str) -> Option<Identity> {
            None
        }

        fn bearer(&self, token: &str) -> Result<Accepted, Refused> {
            match token {
                "good" => Ok(Accepted { subject: "alice".to_owned(), ends_ms: 5 }),
                _ => Err(Refused::Expired),
            }
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

    #[test]
    fn the_claimed_name_is_known_though_the_login_fails() {
        let users = Alice(PlainUsers::new([], [7; 32]));
        let claimed = |mechanism, message: &[u8]| {
            let mut exchange = Exchange::new(mechanism, [0; NONCE_BYTES]);
            let _outcome = exchange.step(message, &users);
            exchange.claimed().map(str::to_owned)
        };
        let scram = Mechanism::Scram(Hash::Sha256);
        assert_eq!(claimed(Mechanism::Plain, b"\0mallory\0no").as_deref(), Some("mallory"));
        assert_eq!(claimed(scram, b"n,,n=mallory,r=x").as_deref(), Some("mallory"));
        assert_eq!((claimed(Mechanism::Plain, b"hunter2"), claimed(scram, b"hunter2")), (None, None));
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

    #[test]
    fn a_bearer_token_logs_in_or_is_answered_with_its_status() {
        let users = Alice(PlainUsers::new([], [7; 32]));
        let begin = |message: &[u8]| {
            let mut exchange = Exchange::new(Mechanism::OauthBearer, [0; NONCE_BYTES]);
            (exchange.step(message, &users), exchange)
        };
        for message in [&b"n,,\x01auth=Bearer good\x01\x01"[..], b"n,a=alice,\x01auth=Bearer good\x01\x01"] {
            let identity = Identity { ends_ms: Some(5), ..Identity::user("alice") };
            assert_eq!(begin(message).0, Ok(Step::LoggedIn { identity, last: Vec::new() }));
        }
        let other = begin(b"n,a=bob,\x01auth=Bearer good\x01\x01").0.unwrap_err();
        assert!(other.0.contains("authorization id"), "{other}");
        assert!(begin(b"n,,\x01auth=Bearer\x01\x01").0.unwrap_err().0.ends_with("mechanism OAUTHBEARER"));
        // A client that goes on with a better token must begin anew.
        for (next, text) in [
            (&b"\x01"[..], r#"{"status":"invalid_token"}"#),
            (b"n,,\x01auth=Bearer good\x01\x01", "OAUTHBEARER"),
            (b"", "OAUTHBEARER"),
        ] {
            let (step, mut exchange) = begin(b"n,,\x01auth=Bearer bad\x01\x01");
            assert_eq!(step, Ok(Step::Challenge(br#"{"status":"invalid_token"}"#.to_vec())));
            assert_eq!(exchange.refused(), Some(Refused::Expired));
            assert!(exchange.step(next, &users).unwrap_err().0.ends_with(text));
            assert!(exchange.step(next, &users).unwrap_err().0.ends_with("is over"));
        }
    }
}
