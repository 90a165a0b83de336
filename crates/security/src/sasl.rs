//! Logins by SASL, as state machines: a message of the client in, an answer or an outcome out.
//!
//! An [`Exchange`] is one login. It keeps nothing of what a client sent but the name of its user. Frames, the limits before a
//! login and the delay after a failure are left to the broker.

pub mod plain;
pub mod scram;

use thiserror::Error;

use crate::sasl::plain::PlainUsers;

/// A way to log in, of those that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// User name and password in the clear (RFC 4616).
    Plain,
}

impl Mechanism {
    /// Every mechanism.
    pub const ALL: [Self; 1] = [Self::Plain];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
        }
    }

    /// The mechanism of that name, whose case counts.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

/// Users and their passwords, as a login asks for them.
pub trait Users {
    /// Users of PLAIN; `None` if there are none.
    fn plain(&self) -> &PlainUsers;
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
    /// Set by the message that ended the exchange: no message after it counts.
    is_over: bool,
}

impl Exchange {
    /// A login that has not begun.
    pub fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, is_over: false }
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
        if std::mem::replace(&mut self.is_over, true) {
            return Err(LoginFailed("Authentication failed: the exchange is over".to_owned()));
        }
        match self.mechanism {
            Mechanism::Plain => {
                let user = users.plain().log_in(message)?;
                Ok(Step::LoggedIn { user, last: Vec::new() })
            }
        }
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
    }

    #[test]
    fn mechanisms_have_their_registered_names() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::named(mechanism.name()), Some(mechanism));
        }
        for other in ["", "plain", "GSSAPI", "PLAIN "] {
            assert_eq!(Mechanism::named(other), None);
        }
    }

    /// A client that failed, or logged in, could try another password in the same exchange.
    #[test]
    fn no_message_counts_after_the_end() {
        let users = Alice(PlainUsers::new([("alice", &Secret::new("pw"))], [7; 32]));
        for first in [&b"\0alice\0no"[..], b"\0alice\0pw"] {
            let mut exchange = Exchange::new(Mechanism::Plain);
            let _outcome = exchange.step(first, &users);
            assert!(exchange.step(b"\0alice\0pw", &users).is_err());
        }
    }
}
