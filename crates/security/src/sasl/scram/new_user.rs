//! Users that an operator names at a start: `--add-scram`, as Kafka's `kafka-storage.sh format` spells it (KIP-900), and
//! `name:password[:mechanism]`.
//!
//! ```text
//! SCRAM-SHA-256=[name=alice,password=…]
//! SCRAM-SHA-512=[name=alice,iterations=8192,salt="…",saltedpassword="…"]    in Base64
//! ```
//! Unlike in Kafka, a value in quotes may hold commas. An error never holds a part of the text.

use thiserror::Error;

use super::credential::{Credential, Hash, MAX_ITERATIONS, MIN_ITERATIONS};
use crate::base64;
use crate::secret::Secret;

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its name. Never empty.
    pub name: String,
    /// The hash of its mechanism.
    pub hash: Hash,
    iterations: u32,
    /// `None`: a random one.
    salt: Option<Vec<u8>>,
    password: Password,
}

#[derive(Clone, Debug)]
enum Password {
    Bare(Secret),
    /// With the salt that is given.
    Salted(Secret),
}

/// The fault of a text, without any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NewUserError {
    /// Not `MECHANISM=[…]`.
    #[error("write it as SCRAM-SHA-512=[name=alice,password=…], or with SCRAM-SHA-256")]
    Shape,
    /// Another key than those that are known, or a part without `=`.
    #[error(
        "in the brackets belong name, password, or instead of that salt and saltedpassword, and iterations"
    )]
    Part,
    /// See the text.
    #[error("name is missing")]
    Name,
    /// See the text.
    #[error("password is missing, or salt with saltedpassword")]
    Password,
    /// See the text.
    #[error("salt and saltedpassword are not Base64")]
    Base64,
    /// See the text.
    #[error("iterations is not a number from {MIN_ITERATIONS} to {MAX_ITERATIONS}")]
    Iterations,
    /// Of the short form.
    #[error("write it as name:password, name:password:SCRAM-SHA-256 or name:password:SCRAM-SHA-512")]
    ShortShape,
}

impl NewUser {
    /// Reads the value of `--add-scram`.
    ///
    /// # Errors
    /// The first fault.
    pub fn parse(text: &str) -> Result<Self, NewUserError> {
        let (mechanism, parts) = text.trim().split_once('=').ok_or(NewUserError::Shape)?;
        let hash = hash_named(mechanism.trim()).ok_or(NewUserError::Shape)?;
        let parts = parts.trim().strip_prefix('[').and_then(|parts| parts.strip_suffix(']'));
        let (mut name, mut password, mut salt, mut salted, mut iterations) = (None, None, None, None, None);
        for part in parts_of(parts.ok_or(NewUserError::Shape)?) {
            let (key, value) = part.split_once('=').ok_or(NewUserError::Part)?;
            let value = unquoted(value.trim());
            let slot = match key.trim() {
                "name" => &mut name,
                "password" => &mut password,
                "salt" => &mut salt,
                "saltedpassword" => &mut salted,
                "iterations" => &mut iterations,
                _ => return Err(NewUserError::Part),
            };
            *slot = Some(value);
        }
        let bytes = |text: &str| base64::decode(text).ok_or(NewUserError::Base64);
        let salt = salt.map(bytes).transpose()?;
        let password = match (salted, password) {
            (Some(salted), _) if salt.is_some() => Password::Salted(Secret::new(bytes(salted)?)),
            (None, Some(password)) if !password.is_empty() => Password::Bare(Secret::new(password)),
            _ => return Err(NewUserError::Password),
        };
        let iterations = iterations.map_or(Ok(MIN_ITERATIONS), |text| {
            let number = text.parse().map_err(|_| NewUserError::Iterations)?;
            let allowed = (MIN_ITERATIONS..=MAX_ITERATIONS).contains(&number);
            allowed.then_some(number).ok_or(NewUserError::Iterations)
        })?;
        let name = name.filter(|name| !name.is_empty()).ok_or(NewUserError::Name)?.to_owned();
        Ok(Self { name, hash, iterations, salt, password })
    }

    /// Reads `name:password[:mechanism]`; a password may hold colons. Without a mechanism it is that of `default`.
    ///
    /// # Errors
    /// The text has no such form.
    pub fn parse_short(text: &str, default: Hash) -> Result<Self, NewUserError> {
        let (name, rest) = text.split_once(':').ok_or(NewUserError::ShortShape)?;
        let ending = rest.rsplit_once(':').and_then(|(password, last)| Some((password, hash_named(last)?)));
        let (password, hash) = ending.unwrap_or((rest, default));
        if name.is_empty() || password.is_empty() {
            return Err(NewUserError::ShortShape);
        }
        let password = Password::Bare(Secret::new(password));
        Ok(Self { name: name.to_owned(), hash, iterations: MIN_ITERATIONS, salt: None, password })
    }

    /// Its credential, with this salt unless one was given. Takes some milliseconds of processor time.
    pub fn credential(self, random_salt: Vec<u8>) -> Credential {
        let Self { hash, iterations, salt, password, .. } = self;
        let salt = salt.unwrap_or(random_salt);
        match password {
            Password::Bare(password) => Credential::from_password(hash, salt, iterations, &password),
            Password::Salted(salted) => Credential::from_salted_password(hash, salt, iterations, &salted),
        }
    }
}

fn hash_named(name: &str) -> Option<Hash> {
    Hash::ALL.into_iter().find(|hash| hash.mechanism() == name)
}

/// The parts between commas, except those in quotes.
fn parts_of(text: &str) -> impl Iterator<Item = &str> {
    let mut in_quotes = false;
    text.split(move |letter| {
        in_quotes ^= letter == '"';
        letter == ',' && !in_quotes
    })
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> (String, Hash, Credential) {
        let user = NewUser::parse(text).expect(text);
        (user.name.clone(), user.hash, user.credential(vec![1, 2, 3]))
    }

    #[test]
    fn users_are_read_as_kafkas_tool_spells_them() {
        let (name, hash, credential) = made("SCRAM-SHA-256=[name=alice,password=alice-secret]");
        assert_eq!((name.as_str(), hash, credential.iterations), ("alice", Hash::Sha256, 4096));
        assert_eq!(credential.salt, [1, 2, 3]);
        let expected =
            Credential::from_password(Hash::Sha256, vec![1, 2, 3], 4096, &Secret::new("alice-secret"));
        assert!(credential.stored_key.equals(expected.stored_key.expose()));
        // The example of KIP-900: its salted password is that of "alice-secret" with this salt.
        let (name, _, credential) = made(
            "SCRAM-SHA-512 = [ name = \"bob\" , iterations = 8192, salt=\"MWx2NHBkbnc0ZndxN25vdGN4bTB5Y3Y1\", saltedpassword=\"mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE=\"]",
        );
        assert_eq!((name.as_str(), credential.iterations), ("bob", 8192));
        assert_eq!(credential.salt, b"1lv4pdnw4fwq7notcxm0ycv5");
        let (name, ..) = made("SCRAM-SHA-256=[password=\"a,b=]\",name=\"o,=p\"]");
        assert_eq!(name, "o,=p");
    }

    #[test]
    fn faults_are_named_without_the_text() {
        for (text, error) in [
            ("", NewUserError::Shape),
            ("SCRAM-SHA-1=[name=a,password=hunter2]", NewUserError::Shape),
            ("SCRAM-SHA-256=name=a,password=hunter2", NewUserError::Shape),
            ("SCRAM-SHA-256=[name=a,password=hunter2", NewUserError::Shape),
            ("SCRAM-SHA-256=[name=a,pasword=hunter2]", NewUserError::Part),
            ("SCRAM-SHA-256=[name=a,hunter2]", NewUserError::Part),
            ("SCRAM-SHA-256=[password=hunter2]", NewUserError::Name),
            ("SCRAM-SHA-256=[name=,password=hunter2]", NewUserError::Name),
            ("SCRAM-SHA-256=[name=a]", NewUserError::Password),
            ("SCRAM-SHA-256=[name=a,password=]", NewUserError::Password),
            ("SCRAM-SHA-256=[name=a,saltedpassword=aGk=]", NewUserError::Password),
            ("SCRAM-SHA-256=[name=a,salt=x,password=hunter2]", NewUserError::Base64),
            ("SCRAM-SHA-256=[name=a,password=hunter2,iterations=4095]", NewUserError::Iterations),
            ("SCRAM-SHA-256=[name=a,password=hunter2,iterations=x]", NewUserError::Iterations),
        ] {
            let found = NewUser::parse(text).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("hunter2"));
        }
        let user = NewUser::parse("SCRAM-SHA-256=[name=a,password=hunter2]").unwrap();
        assert!(!format!("{user:?}").contains("hunter2"));
    }

    #[test]
    fn the_short_form_may_hold_colons() {
        for (text, name, hash, password) in [
            ("alice:pw", "alice", Hash::Sha512, "pw"),
            ("alice:p:w", "alice", Hash::Sha512, "p:w"),
            ("alice:p:w:SCRAM-SHA-256", "alice", Hash::Sha256, "p:w"),
            ("alice:pw:scram-sha-256", "alice", Hash::Sha512, "pw:scram-sha-256"),
        ] {
            let user = NewUser::parse_short(text, Hash::Sha512).expect(text);
            assert_eq!((user.name.as_str(), user.hash), (name, hash));
            assert!(matches!(&user.password, Password::Bare(found) if found.equals(password.as_bytes())));
        }
        for text in ["", "alice", ":pw", "alice:", "alice::SCRAM-SHA-256"] {
            assert_eq!(NewUser::parse_short(text, Hash::Sha512).unwrap_err(), NewUserError::ShortShape);
        }
    }
}
