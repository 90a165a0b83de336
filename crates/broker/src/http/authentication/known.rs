//! The credentials that are good. Files are read again when they change, and a password that was good is known again without hashing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use security::sasl::scram::{Credential, Hash};
use security::{Secret, http};

use super::ScramUsers;
use crate::config::secret_file;
use crate::telemetry::line_limit::LineLimit;
use crate::{clock, random};

/// A file is read again when a login comes so long after it was read last.
const REREAD: Duration = Duration::from_secs(5);
/// Good logins that are known again without hashing. Scrapers are few.
const REMEMBERED: usize = 256;

/// Credentials by kind.
pub(super) enum Known {
    Users(Users),
    Tokens(Tokens),
}

/// Users with passwords.
pub(super) struct Users {
    source: Source,
    remembered: Mutex<BTreeSet<[u8; 32]>>,
    /// Of fingerprints, so that memory tells nothing about passwords.
    key: [u8; 32],
}

enum Source {
    Scram(ScramUsers),
    File(Watched<Vec<(String, Secret)>>),
}

/// Tokens of a file.
pub(super) struct Tokens(Watched<Vec<Secret>>);

/// The content of a file, read again when it is older than [`REREAD`].
struct Watched<T> {
    path: PathBuf,
    parse: fn(&str) -> Result<T, String>,
    last: Mutex<Option<(Instant, T)>>,
    lines: LineLimit,
}

impl<T> Watched<T> {
    fn new(path: PathBuf, parse: fn(&str) -> Result<T, String>) -> Self {
        Self { path, parse, last: Mutex::new(None), lines: LineLimit::new() }
    }

    /// Reads the file again if that was not done for a while. Where it cannot be read, what it held before counts.
    fn refresh(&self) {
        if self.is_fresh() {
            return;
        }
        // Without the lock: a disk that hangs must not hold those who only look.
        let read = secret_file::read(&self.path).and_then(|text| (self.parse)(&text));
        let (mut last, now) = (self.last.lock(), clock::now());
        match read {
            Ok(held) => *last = Some((now, held)),
            Err(reason) => {
                if let Some((read, _)) = last.as_mut() {
                    *read = now;
                }
                if let Some(suppressed) = self.lines.take("file") {
                    let file = self.path.display();
                    tracing::error!(%file, %reason, suppressed, "credentials of HTTP cannot be read; the earlier ones count");
                }
            }
        }
    }

    /// Looks at what the file held when it was read last; nothing is read.
    fn look<R>(&self, look: impl FnOnce(Option<&T>) -> R) -> R {
        look(self.last.lock().as_ref().map(|(_, held)| held))
    }

    /// Returns true if what is known is new enough to decide without reading.
    fn is_fresh(&self) -> bool {
        let read = self.last.lock().as_ref().map(|(read, _)| *read);
        read.is_some_and(|read| clock::now().saturating_duration_since(read) < REREAD)
    }
}

impl Known {
    /// The scheme of RFC 9110 that clients have to use.
    pub(super) fn scheme(&self) -> &'static str {
        match self {
            Self::Users(_) => "Basic",
            Self::Tokens(_) => "Bearer",
        }
    }

    /// The value of `WWW-Authenticate`.
    pub(super) fn challenge(&self) -> &'static str {
        match self {
            Self::Users(_) => "Basic realm=\"ottla\", charset=\"UTF-8\"",
            Self::Tokens(_) => "Bearer realm=\"ottla\"",
        }
    }

    /// Returns true if these credentials were good a moment ago, which costs no hashing and no reading.
    pub(super) fn remembers(&self, header: &Secret) -> bool {
        match self {
            Self::Users(users) => users.remembers(header),
            Self::Tokens(tokens) => tokens.0.is_fresh() && tokens.admits(header),
        }
    }

    /// Returns true if these credentials are good. Reads and hashes: up to a second of processor time.
    pub(super) fn admits(&self, header: &Secret) -> bool {
        match self {
            Self::Users(users) => users.admits(header),
            Self::Tokens(tokens) => {
                tokens.0.refresh();
                tokens.admits(header)
            }
        }
    }
}

impl Users {
    pub(super) fn of_scram(users: ScramUsers) -> Self {
        Self::new(Source::Scram(users))
    }

    pub(super) fn of_file(path: PathBuf) -> Self {
        Self::new(Source::File(Watched::new(path, http::users)))
    }

    fn new(source: Source) -> Self {
        Self { source, remembered: Mutex::default(), key: random::key() }
    }

    fn remembers(&self, header: &Secret) -> bool {
        let Some((user, password)) = http::basic(header.expose()) else { return false };
        match &self.source {
            Source::Scram(scram) => scram.credentials_of(&user).iter().any(|(_, credential, is_known)| {
                *is_known && self.is_remembered(&user, credential.stored_key.expose(), &password)
            }),
            Source::File(file) => {
                let hash = file.is_fresh().then(|| file.look(|users| hash_of(users, &user))).flatten();
                hash.is_some_and(|hash| self.is_remembered(&user, hash.expose(), &password))
            }
        }
    }

    fn admits(&self, header: &Secret) -> bool {
        let Some((user, password)) = http::basic(header.expose()) else { return false };
        match &self.source {
            Source::Scram(scram) => {
                // Of both mechanisms, known or not: the time must not tell which the user has.
                let mut admitted = false;
                for (hash, credential, is_known) in scram.credentials_of(&user) {
                    let is_his = fits(hash, &credential, &password) && is_known;
                    if is_his {
                        self.remember(&user, credential.stored_key.expose(), &password);
                    }
                    admitted |= is_his;
                }
                admitted
            }
            Source::File(file) => {
                file.refresh();
                // For an unknown user too, beside the hash of another one: the time must not tell which users there are.
                let (hash, is_known) = file.look(|users| match hash_of(users, &user) {
                    Some(hash) => (Some(hash), true),
                    None => (costliest(users), false),
                });
                let Some(hash) = hash else { return false };
                let is_his = hash.expose_text().is_some_and(|hash| verify(&password, hash)) && is_known;
                if is_his {
                    self.remember(&user, hash.expose(), &password);
                }
                is_his
            }
        }
    }

    fn is_remembered(&self, user: &str, stored: &[u8], password: &Secret) -> bool {
        self.remembered.lock().contains(&http::fingerprint(&self.key, user, stored, password))
    }

    fn remember(&self, user: &str, stored: &[u8], password: &Secret) {
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(http::fingerprint(&self.key, user, stored, password));
    }
}

impl Tokens {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Watched::new(path, http::tokens))
    }

    fn admits(&self, header: &Secret) -> bool {
        let Some(token) = http::bearer(header.expose()) else { return false };
        // All are compared, each in a time that does not depend on its content.
        let fits = |tokens: &Vec<Secret>| {
            tokens.iter().fold(false, |found, good| found | good.equals(token.expose()))
        };
        self.0.look(|tokens| tokens.is_some_and(fits))
    }
}

impl ScramUsers {
    /// The user's credential of each mechanism, or a decoy and false.
    fn credentials_of(&self, user: &str) -> Vec<(Hash, Credential, bool)> {
        let Some(credentials) = self.0.get() else { return Vec::new() };
        let of = |hash| {
            let (credential, is_known) = credentials.find(hash, user);
            (hash, credential, is_known)
        };
        [Hash::Sha256, Hash::Sha512].map(of).into()
    }
}

fn hash_of(users: Option<&Vec<(String, Secret)>>, user: &str) -> Option<Secret> {
    users?.iter().find(|(name, _)| name == user).map(|(_, hash)| hash.clone())
}

/// The hash that takes longest. `$2y$10$` has the exponent of the rounds in two digits, and versions have one letter.
fn costliest(users: Option<&Vec<(String, Secret)>>) -> Option<Secret> {
    let cost = |hash: &Secret| hash.expose().get(4..6).map(<[u8]>::to_vec);
    users?.iter().map(|(_, hash)| hash).max_by_key(|hash| cost(hash)).cloned()
}

/// Returns true if the credential was made of that password.
fn fits(hash: Hash, credential: &Credential, password: &Secret) -> bool {
    let made = Credential::from_password(hash, credential.salt.clone(), credential.iterations, password);
    credential.stored_key.equals(made.stored_key.expose())
}

/// Returns true if the bcrypt hash is that of the password. A hash that is malformed fits none.
fn verify(password: &Secret, hash: &str) -> bool {
    bcrypt::verify(password.expose(), hash).unwrap_or(false)
}

#[cfg(test)]
mod tests;
