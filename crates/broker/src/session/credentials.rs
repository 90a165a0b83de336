//! Credentials of SCRAM: what logins are checked against, and the sessions that end with them.
//!
//! Guarantees that a look-up takes the same steps for a known and an unknown user, and that deleting a credential ends its
//! sessions at their next request. What may change and how it is kept is left to `services/credentials.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use security::Secret;
use security::sasl::scram::{Credential, Hash, Shape, decoy};

/// The credentials of all users.
pub(crate) struct Credentials {
    users: RwLock<Users>,
    /// Of which the credentials of unknown users are made.
    secret: Secret,
    changing: tokio::sync::Mutex<()>,
}

/// Credentials by mechanism and user.
#[derive(Default)]
pub(crate) struct Users {
    by_hash: BTreeMap<Hash, OfMechanism>,
}

#[derive(Default)]
struct OfMechanism {
    by_user: BTreeMap<String, Known>,
    /// How many users have a credential of that shape.
    shapes: BTreeMap<Shape, usize>,
}

struct Known {
    credential: Credential,
    session: CredentialSession,
}

/// The end of the sessions that logged in by one credential. A new password does not end them, deletion does.
#[derive(Clone, Debug, Default)]
pub(crate) struct CredentialSession(Arc<AtomicBool>);

impl CredentialSession {
    /// Returns true once the credential was deleted.
    pub(crate) fn is_over(&self) -> bool {
        // Acquire and release: a request that was sent after the answer to the deletion sees it.
        self.0.load(Ordering::Acquire)
    }

    /// One that is over.
    pub(super) fn ended() -> Self {
        let gone = Self::default();
        gone.end();
        gone
    }

    pub(super) fn end(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Credentials {
    /// Those that the data folder holds, and its secret.
    pub(crate) fn new(kept: impl IntoIterator<Item = (Hash, String, Credential)>, secret: [u8; 32]) -> Self {
        let mut users = Users::default();
        for (hash, user, credential) in kept {
            users.put(hash, &user, credential);
        }
        Self {
            users: RwLock::new(users),
            secret: Secret::new(secret),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// The right to change credentials, from the first look at them until the change is in force.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Looks at them. No login is checked meanwhile.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Users) -> T) -> T {
        look(&self.users.read())
    }

    /// Changes them: in force when this returns.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Users)) {
        change(&mut self.users.write());
    }

    /// A user's credential and true, or a decoy and false.
    pub(crate) fn find(&self, hash: Hash, user: &str) -> (Credential, bool) {
        let users = self.users.read();
        let of = users.by_hash.get(&hash);
        let shape = of.and_then(OfMechanism::usual_shape).unwrap_or_default();
        // Made for known users too: it takes longer than the look-up.
        let decoy = decoy(&self.secret, hash, user, shape);
        let known = of.and_then(|of| of.by_user.get(user));
        // One copy for either: 20 000 logins from this machine told a copy apart from none.
        (known.map_or(&decoy, |known| &known.credential).clone(), known.is_some())
    }

    /// The credential that an unknown delegation token appears to have. It is not that of an unknown user of the same name: a client
    /// that asked for both would learn which users exist.
    pub(crate) fn decoy_of_token(&self, hash: Hash, id: &str) -> Credential {
        decoy(&self.secret, hash, &format!("\0token\0{id}"), Shape::default())
    }

    /// The end of sessions by that credential; one that is over already if there is none any more.
    pub(crate) fn session(&self, hash: Hash, user: &str) -> CredentialSession {
        let users = self.users.read();
        let known = users.by_hash.get(&hash).and_then(|of| of.by_user.get(user));
        known.map_or_else(CredentialSession::ended, |known| known.session.clone())
    }
}

impl Users {
    /// Returns true if the user has a credential of that mechanism.
    pub(crate) fn has(&self, hash: Hash, user: &str) -> bool {
        self.iterations(hash, user).is_some()
    }

    /// Iterations of the user's credential; `None` if there is none.
    pub(crate) fn iterations(&self, hash: Hash, user: &str) -> Option<u32> {
        let known = self.by_hash.get(&hash)?.by_user.get(user)?;
        Some(known.credential.iterations)
    }

    /// All users of a mechanism, in the order of their names.
    pub(crate) fn of(&self, hash: Hash) -> impl Iterator<Item = &str> {
        self.by_hash.get(&hash).into_iter().flat_map(|of| of.by_user.keys().map(String::as_str))
    }

    /// Gives a user a credential, in place of an earlier one, whose sessions go on.
    pub(crate) fn put(&mut self, hash: Hash, user: &str, credential: Credential) {
        let of = self.by_hash.entry(hash).or_default();
        let session = of.take(user).map(|known| known.session).unwrap_or_default();
        *of.shapes.entry(credential.shape()).or_default() += 1;
        of.by_user.insert(user.to_owned(), Known { credential, session });
    }

    /// Deletes a credential, and ends its sessions.
    pub(crate) fn delete(&mut self, hash: Hash, user: &str) {
        if let Some(known) = self.by_hash.get_mut(&hash).and_then(|of| of.take(user)) {
            known.session.end();
        }
    }
}

impl OfMechanism {
    fn take(&mut self, user: &str) -> Option<Known> {
        let known = self.by_user.remove(user)?;
        if let Some(count) = self.shapes.get_mut(&known.credential.shape()) {
            *count -= 1;
        }
        self.shapes.retain(|_, count| *count > 0);
        Some(known)
    }

    /// The shape that most credentials have: that of unknown users.
    fn usual_shape(&self) -> Option<Shape> {
        self.shapes.iter().max_by_key(|(_, count)| **count).map(|(shape, _)| *shape)
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use security::sasl::scram::MIN_ITERATIONS;

    fn credential(iterations: u32) -> Credential {
        let salted = Secret::new(iterations.to_be_bytes());
        Credential::from_salted_password(Hash::Sha256, vec![1], iterations, &salted)
    }

    #[test]
    fn unknown_users_have_the_iterations_of_most() {
        let kept = [("a", 5000), ("b", 8192), ("c", 8192)];
        let kept = kept.map(|(user, count)| (Hash::Sha256, user.to_owned(), credential(count)));
        let credentials = Credentials::new(kept, [1; 32]);
        let found = |hash, user: &str| {
            let (credential, is_known) = credentials.find(hash, user);
            (credential.iterations, is_known)
        };
        assert_eq!(found(Hash::Sha256, "a"), (5000, true));
        assert_eq!(found(Hash::Sha256, "x"), (8192, false));
        assert_eq!(credentials.find(Hash::Sha256, "x").0.salt.len(), 1, "as long as theirs");
        assert_eq!(found(Hash::Sha512, "a"), (MIN_ITERATIONS, false), "of the other mechanism");
        credentials.change(|users| {
            users.delete(Hash::Sha256, "b");
            users.put(Hash::Sha256, "c", credential(5000));
        });
        assert_eq!(found(Hash::Sha256, "x"), (5000, false));
        assert_eq!(credentials.look(|users| users.of(Hash::Sha256).collect::<Vec<_>>().join(" ")), "a c");
    }

    /// S3: equal salts told that there is no user of that name, other ones that there is.
    #[test]
    fn an_unknown_token_has_another_salt_than_an_unknown_user() {
        let credentials = Credentials::new([], [1; 32]);
        let (of_user, _) = credentials.find(Hash::Sha256, "a");
        assert_ne!(of_user.salt, credentials.decoy_of_token(Hash::Sha256, "a").salt);
    }

    /// S7: sessions went on after their user was deleted, or were ended by a new password.
    #[test]
    fn deletion_ends_sessions_and_a_new_password_does_not() {
        let credentials = Credentials::new([(Hash::Sha256, "a".to_owned(), credential(4096))], [1; 32]);
        let session = credentials.session(Hash::Sha256, "a");
        credentials.change(|users| users.put(Hash::Sha256, "a", credential(4097)));
        assert!(!session.is_over());
        credentials.change(|users| users.delete(Hash::Sha256, "a"));
        assert!(session.is_over() && credentials.session(Hash::Sha256, "a").is_over());
        credentials.change(|users| users.put(Hash::Sha256, "a", credential(4096)));
        assert!(session.is_over(), "a new user of that name is another one");
        assert!(!credentials.session(Hash::Sha256, "a").is_over());
    }
}
