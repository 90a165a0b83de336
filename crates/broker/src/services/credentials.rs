//! Changes of the credentials of SCRAM: on the disk before they are in force, in force before they are answered.
//!
//! Guarantees that changes do not overtake each other, and that one which was begun is completed, whether its client waits or
//! not. Who may change them is asked by the APIs; the logins are in `session/`.

use std::sync::Arc;

use indexmap::IndexMap;
use indexmap::map::Entry;
use security::Secret;
use security::sasl::scram::{Credential, Hash, MAX_ITERATIONS, MIN_ITERATIONS};
use storage::{CredentialId, StorageError, StoredCredential};
use thiserror::Error;

use crate::io::ClusterIo;
use crate::session::credentials::{Credentials, Users};
use crate::tasks::Tasks;

/// The most changes of one request.
pub(crate) const MAX_CHANGES: usize = 10_000;

/// The longest name of a user, in bytes: what a record holds.
const MAX_NAME_BYTES: usize = 65_535;

/// The purpose of the secret of which the credentials of unknown users are made.
pub(crate) const DECOYS: u8 = 1;

/// Why a credential is not changed, in Kafka's words where it has some (`ScramControlManager`). The text is shown to the user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CredentialError {
    /// The request names the user twice.
    #[error("A user credential cannot be altered twice in the same request")]
    Duplicate,
    /// See the text.
    #[error("Username must not be empty")]
    EmptyName,
    /// See the text.
    #[error("Unknown SCRAM mechanism")]
    UnknownMechanism,
    /// Fewer than [`MIN_ITERATIONS`].
    #[error("Too few iterations")]
    TooFewIterations,
    /// More than [`MAX_ITERATIONS`].
    #[error("Too many iterations")]
    TooManyIterations,
    /// There is nothing to delete.
    #[error("Attempt to delete a user credential that does not exist")]
    NotFound,
    /// The name or the salt does not fit a record.
    #[error("the name and the salt may have at most {MAX_NAME_BYTES} bytes each")]
    TooLong,
    /// More than [`MAX_CHANGES`].
    #[error("one request may change at most {MAX_CHANGES} credentials")]
    TooMany,
    /// The disk failed, or the broker stops.
    #[error("the storage failed")]
    Storage,
}

/// A change that is asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) user: String,
    /// `None` for an unknown code.
    pub(crate) hash: Option<Hash>,
    pub(crate) change: Change,
}

/// See [`Wanted`].
#[derive(Debug)]
pub(crate) enum Change {
    /// Delete it.
    Delete,
    /// Give the user this one.
    Put { iterations: i32, salt: Vec<u8>, salted_password: Secret },
}

/// A record that is no credential of this release.
#[derive(Debug, Error)]
#[error("the credential of {0} has a mechanism that this release does not know")]
pub(crate) struct UnknownMechanism(String);

/// The credentials of the data folder.
///
/// # Errors
/// A record has an unknown mechanism.
pub(crate) fn read(
    stored: Vec<StoredCredential>,
) -> Result<Vec<(Hash, String, Credential)>, UnknownMechanism> {
    let read = |stored: StoredCredential| {
        let StoredCredential { id, iterations, salt, stored_key, server_key } = stored;
        let hash = Hash::from_code(id.mechanism).ok_or_else(|| UnknownMechanism(id.user.clone()))?;
        let (stored_key, server_key) = (Secret::new(stored_key), Secret::new(server_key));
        Ok((hash, id.user, Credential { salt, iterations, stored_key, server_key }))
    };
    stored.into_iter().map(read).collect()
}

/// The parts of the broker that a change of credentials reaches.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) cluster: ClusterIo,
    pub(crate) tasks: Tasks,
}

/// The outcome for each user that is named, in the order of the request.
pub(crate) type Outcomes = IndexMap<String, Result<(), CredentialError>>;

/// Makes the changes that can be made, all of them in one write.
pub(crate) async fn alter(reach: Reach, wanted: Vec<Wanted>) -> Outcomes {
    let Reach { credentials, cluster, tasks } = reach;
    let users: Vec<String> = wanted.iter().map(|wanted| wanted.user.clone()).collect();
    let all = |error: CredentialError| users.iter().map(|user| (user.clone(), Err(error.clone()))).collect();
    if wanted.len() > MAX_CHANGES {
        return all(CredentialError::TooMany);
    }
    // In a task: a client that leaves between the write and its effect must not leave memory behind the disk.
    let altering = async move {
        // Held until the change is in force: the next one is judged by it.
        let _changing = credentials.changing().await;
        let judged = credentials.look(|users| judge(users, wanted));
        let made: Vec<Made> = judged.values().flatten().cloned().collect();
        let (put, removed) = records(&made);
        if !made.is_empty() {
            // Names and salts were measured before.
            let written = cluster.change_credentials(&put, &removed).await?;
            written.map_err(|_| StorageError::Stopped)?;
            credentials.change(|users| made.into_iter().for_each(|made| made.apply(users)));
        }
        Ok::<_, StorageError>(judged.into_iter().map(|(user, made)| (user, made.map(|_| ()))).collect())
    };
    // `None`: it panicked, or the broker ends by force: the outcome is unknown, as after a failed write.
    let altered = tasks.complete("alter-credentials", altering).await;
    altered.and_then(Result::ok).unwrap_or_else(|| all(CredentialError::Storage))
}

/// A change that can be made. No credential: it is deleted.
#[derive(Debug, Clone)]
struct Made {
    user: String,
    hash: Hash,
    credential: Option<Credential>,
}

impl Made {
    fn apply(self, users: &mut Users) {
        match self.credential {
            Some(credential) => users.put(self.hash, &self.user, credential),
            None => users.delete(self.hash, &self.user),
        }
    }
}

/// Judges each change, as `ScramControlManager.alterCredentials` does: a user that is named twice gets nothing.
fn judge(users: &Users, wanted: Vec<Wanted>) -> IndexMap<String, Result<Made, CredentialError>> {
    let mut judged = IndexMap::new();
    for wanted in wanted {
        match judged.entry(wanted.user.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(made(users, wanted));
            }
            // The first error of a user stays.
            Entry::Occupied(entry) => {
                let judged = entry.into_mut();
                if judged.is_ok() {
                    *judged = Err(CredentialError::Duplicate);
                }
            }
        }
    }
    judged
}

fn made(users: &Users, wanted: Wanted) -> Result<Made, CredentialError> {
    let Wanted { user, hash, change } = wanted;
    if user.is_empty() {
        return Err(CredentialError::EmptyName);
    }
    let hash = hash.ok_or(CredentialError::UnknownMechanism)?;
    let credential = match change {
        Change::Delete if !users.has(hash, &user) => return Err(CredentialError::NotFound),
        Change::Delete => None,
        Change::Put { iterations, salt, salted_password } => {
            let iterations =
                u32::try_from(iterations).ok().filter(|iterations| *iterations >= MIN_ITERATIONS);
            let iterations = iterations.ok_or(CredentialError::TooFewIterations)?;
            if iterations > MAX_ITERATIONS {
                return Err(CredentialError::TooManyIterations);
            }
            if user.len() > MAX_NAME_BYTES || salt.len() > MAX_NAME_BYTES {
                return Err(CredentialError::TooLong);
            }
            Some(Credential::from_salted_password(hash, salt, iterations, &salted_password))
        }
    };
    Ok(Made { user, hash, credential })
}

fn records(made: &[Made]) -> (Vec<StoredCredential>, Vec<CredentialId>) {
    let (mut put, mut removed) = (Vec::new(), Vec::new());
    for Made { user, hash, credential } in made {
        match credential {
            None => removed.push(CredentialId { mechanism: hash.code(), user: user.clone() }),
            Some(credential) => put.push(record(*hash, user, credential)),
        }
    }
    (put, removed)
}

/// The record of a credential.
pub(crate) fn record(hash: Hash, user: &str, credential: &Credential) -> StoredCredential {
    let Credential { salt, iterations, stored_key, server_key } = credential;
    StoredCredential {
        id: CredentialId { mechanism: hash.code(), user: user.to_owned() },
        iterations: *iterations,
        salt: salt.clone(),
        stored_key: stored_key.expose().to_vec(),
        server_key: server_key.expose().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(user: &str, iterations: i32) -> Wanted {
        let (salt, salted_password) = (vec![1], Secret::new("salted"));
        let change = Change::Put { iterations, salt, salted_password };
        Wanted { user: user.to_owned(), hash: Some(Hash::Sha256), change }
    }

    fn delete(user: &str) -> Wanted {
        Wanted { user: user.to_owned(), hash: Some(Hash::Sha256), change: Change::Delete }
    }

    fn judged(wanted: Vec<Wanted>) -> Vec<(String, Option<CredentialError>)> {
        let mut users = Users::default();
        let known = made(&users, put("known", 4096)).unwrap();
        known.apply(&mut users);
        judge(&users, wanted).into_iter().map(|(user, made)| (user, made.err())).collect()
    }

    #[test]
    fn each_change_is_judged_as_in_kafka() {
        let long = "x".repeat(65_536);
        for (wanted, error) in [
            (put("a", 4096), None),
            (put("a", 16_384), None),
            (put("a", 4095), Some(CredentialError::TooFewIterations)),
            (put("a", -1), Some(CredentialError::TooFewIterations)),
            (put("a", 16_385), Some(CredentialError::TooManyIterations)),
            (put("", 4096), Some(CredentialError::EmptyName)),
            (put(&long, 4096), Some(CredentialError::TooLong)),
            (Wanted { hash: None, ..put("a", 1) }, Some(CredentialError::UnknownMechanism)),
            (delete("known"), None),
            (delete("a"), Some(CredentialError::NotFound)),
            (Wanted { hash: Some(Hash::Sha512), ..delete("known") }, Some(CredentialError::NotFound)),
        ] {
            let user = wanted.user.clone();
            assert_eq!(judged(vec![wanted]), [(user, error)]);
        }
    }

    #[test]
    fn a_user_that_is_named_twice_gets_nothing() {
        let duplicate = |user: &str| (user.to_owned(), Some(CredentialError::Duplicate));
        let twice = judged(vec![delete("known"), put("b", 4096), put("known", 4096), put("known", 4096)]);
        assert_eq!(twice, [duplicate("known"), ("b".to_owned(), None)]);
        let other = Wanted { hash: Some(Hash::Sha512), ..put("c", 4096) };
        assert_eq!(judged(vec![put("c", 4096), other]), [duplicate("c")], "of both mechanisms");
        let first_error = ("d".to_owned(), Some(CredentialError::NotFound));
        assert_eq!(judged(vec![delete("d"), put("d", 4096)]), [first_error]);
    }

    #[test]
    fn a_record_with_an_unknown_mechanism_is_an_error() {
        let id = CredentialId { mechanism: 3, user: "a".into() };
        let empty = Vec::new;
        let stored =
            StoredCredential { id, iterations: 1, salt: empty(), stored_key: empty(), server_key: empty() };
        assert!(read(vec![stored.clone()]).is_err());
        let known = StoredCredential { id: CredentialId { mechanism: 2, user: "a".into() }, ..stored };
        assert_eq!(read(vec![known]).unwrap()[0].0, Hash::Sha512);
    }
}
