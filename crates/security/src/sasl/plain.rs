//! PLAIN (RFC 4616): one message, `[authzid] NUL user NUL password`.
//!
//! Guarantees that an unknown user and a wrong password give the same text after the same work: of every password only its
//! HMAC under a key of this process is kept and compared, in constant time, and for an unknown user one that no password
//! has.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::sasl::LoginFailed;
use crate::secret::Secret;

/// Users of one listener, with the HMAC of each password.
pub struct PlainUsers {
    key: Secret,
    digests: HashMap<String, Digest>,
    /// Compared for unknown users.
    of_nobody: Digest,
}

type Digest = [u8; 32];

impl PlainUsers {
    /// Users with their passwords, of which none is kept. `key` is random, and the same in no other process.
    pub fn new<'a>(users: impl IntoIterator<Item = (&'a str, &'a Secret)>, key: [u8; 32]) -> Self {
        let key = Secret::new(key);
        let digests =
            users.into_iter().map(|(user, password)| (user.to_owned(), digest(&key, password.expose())));
        // Of a text that no message can hold as a password: PLAIN ends a password at a NUL.
        let of_nobody = digest(&key, b"\0");
        Self { digests: digests.collect(), of_nobody, key }
    }

    /// The user whose message this is.
    ///
    /// # Errors
    /// The message is malformed, or user and password do not fit; in Kafka's words (`PlainSaslServer`).
    pub fn log_in(&self, message: &[u8]) -> Result<String, LoginFailed> {
        let failed = |text: &str| LoginFailed(text.to_owned());
        let text = std::str::from_utf8(message)
            .map_err(|_| failed("Invalid SASL/PLAIN response: it is not UTF-8"))?;
        let parts: Vec<&str> = text.split('\0').collect();
        let [authzid, user, password] = parts[..] else {
            return Err(LoginFailed(format!(
                "Invalid SASL/PLAIN response: expected 3 tokens, got {}",
                parts.len()
            )));
        };
        if user.is_empty() {
            return Err(failed("Authentication failed: username not specified"));
        }
        if password.is_empty() {
            return Err(failed("Authentication failed: password not specified"));
        }
        let known = self.digests.get(user);
        let fits: bool =
            digest(&self.key, password.as_bytes()).ct_eq(known.unwrap_or(&self.of_nobody)).into();
        if !(fits && known.is_some()) {
            return Err(failed("Authentication failed: Invalid username or password"));
        }
        // After the password: a stranger learns nothing of the rule.
        if !authzid.is_empty() && authzid != user {
            return Err(failed(
                "Authentication failed: Client requested an authorization id that is different from username",
            ));
        }
        Ok(user.to_owned())
    }
}

/// The message of a client that logs in.
pub fn client_message(user: &str, password: &Secret) -> Secret {
    let mut message = Vec::with_capacity(user.len() + password.expose().len() + 2);
    message.push(0);
    message.extend_from_slice(user.as_bytes());
    message.push(0);
    message.extend_from_slice(password.expose());
    Secret::new(message)
}

/// The user that a message names, whether the password fits or not; `None` if it is malformed.
pub fn named(message: &[u8]) -> Option<&str> {
    let parts: Vec<&str> = std::str::from_utf8(message).ok()?.split('\0').collect();
    let [_, user, _] = parts[..] else { return None };
    Some(user).filter(|user| !user.is_empty())
}

impl std::fmt::Debug for PlainUsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainUsers").field("users", &self.digests.len()).finish_non_exhaustive()
    }
}

fn digest(key: &Secret, password: &[u8]) -> Digest {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes keys of any length");
    mac.update(password);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> PlainUsers {
        let (alice, bob) = (Secret::new("alice's"), Secret::new("pässwörd"));
        PlainUsers::new([("alice", &alice), ("böb", &bob)], [3; 32])
    }

    fn outcome(message: &str) -> Result<String, String> {
        users().log_in(message.as_bytes()).map_err(|LoginFailed(text)| text)
    }

    #[test]
    fn the_right_password_logs_in() {
        for (message, user) in
            [("\0alice\0alice's", "alice"), ("alice\0alice\0alice's", "alice"), ("\0böb\0pässwörd", "böb")]
        {
            assert_eq!(outcome(message).as_deref(), Ok(user));
        }
    }

    #[test]
    fn a_clients_message_logs_in() {
        let message = client_message("böb", &Secret::new("pässwörd"));
        assert_eq!(users().log_in(message.expose()).unwrap(), "böb");
    }

    #[test]
    fn unknown_users_and_wrong_passwords_get_one_text() {
        let text = outcome("\0nobody\0x").unwrap_err();
        assert_eq!(text, "Authentication failed: Invalid username or password");
        for message in [
            "\0alice\0x",
            "\0alice\0alice'",
            "\0alice\0alice'ss",
            "\0Alice\0alice's",
            "\0böb\0alice's",
            "x\0alice\0y",
        ] {
            assert_eq!(outcome(message).as_ref(), Err(&text), "{message:?}");
        }
    }

    #[test]
    fn malformed_messages_fail() {
        for (message, part) in [
            ("", "got 1"),
            ("alice", "got 1"),
            ("\0alice", "got 2"),
            ("\0alice\0alice's\0", "got 4"),
            ("\0\0alice's", "username"),
            ("\0alice\0", "password not"),
            ("bob\0alice\0alice's", "authorization id"),
        ] {
            let text = outcome(message).unwrap_err();
            assert!(text.contains(part), "{message:?}: {text}");
        }
        assert!(users().log_in(b"\0alice\0\xff").is_err());
    }

    #[test]
    fn any_truncation_fails() {
        let whole = b"\0alice\0alice's";
        for end in 0..whole.len() {
            assert!(users().log_in(&whole[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        assert!(!format!("{:?}", users()).contains("alice"));
    }
}
