//! Credentials at a start: those of the data folder, and the users that the operator adds.
//!
//! Guarantees that an added user is on the disk before a client is served, and that no credential that exists is overwritten.

use std::sync::Arc;

use security::sasl::Mechanism;
use security::sasl::scram::new_user::NewUser;
use security::sasl::scram::{Credential, Hash};
use storage::{Cluster, StorageError, TooLarge};

use crate::config::BrokerConfig;
use crate::io::ClusterIo;
use crate::services::credentials::{self, DECOYS};
use crate::session::credentials::Credentials;
use crate::tasks::Tasks;
use crate::{StartError, random};

/// The credentials that the data folder holds, with the users in `wanted` that have none, and the secret that goes with them.
///
/// # Errors
/// They cannot be read, or what is new cannot be kept.
pub(super) async fn load(
    config: &BrokerConfig,
    cluster: &Cluster,
    wanted: Vec<NewUser>,
    tasks: &Tasks,
) -> Result<Arc<Credentials>, StartError> {
    let from = cluster.clone();
    let kept = tasks.blocking("load-credentials", move || {
        Ok::<_, StorageError>((from.credentials()?, from.secret(DECOYS)?))
    });
    let (stored, secret) = kept.await.ok_or(StartError::Interrupted)?.map_err(unusable)?;
    let mut known = credentials::read(stored).map_err(unusable)?;
    let is_new = secret.is_none();
    let secret = secret.unwrap_or_else(random::key);
    let cluster = ClusterIo::new(cluster.clone());
    // Where no client can ask for a salt, none has to stay the same.
    if is_new && config.start().has_scram() {
        written(cluster.write_secret(DECOYS, &secret).await)?;
    }
    if !wanted.is_empty() && !config.start().has_scram() {
        tracing::warn!("users were named at the start, but no listener has SCRAM in sasl.enabled.mechanisms");
    }
    let missing = missing(wanted, &known);
    if !missing.is_empty() {
        // Off the runtime: each takes milliseconds of a processor.
        let made = tasks.blocking("new-users", move || missing.into_iter().map(made).collect::<Vec<_>>());
        let made = made.await.ok_or(StartError::Interrupted)?;
        let records: Vec<_> =
            made.iter().map(|(hash, user, new)| credentials::record(*hash, user, new)).collect();
        written(cluster.change_credentials(&records, &[]).await)?;
        for (hash, user, _) in &made {
            tracing::info!(user, mechanism = hash.mechanism(), "a user was added");
        }
        known.extend(made);
    }
    let credentials = Credentials::new(known, secret);
    if let Some(text) = nobody(config, &credentials) {
        tracing::warn!("{text}");
    }
    Ok(Arc::new(credentials))
}

/// Those that have no credential of their mechanism, each once.
fn missing(wanted: Vec<NewUser>, known: &[(Hash, String, Credential)]) -> Vec<NewUser> {
    let mut missing: Vec<NewUser> = Vec::new();
    for new in wanted {
        let exists = known.iter().any(|(hash, user, _)| (*hash, user) == (new.hash, &new.name));
        if exists {
            let mechanism = new.hash.mechanism();
            tracing::info!(user = new.name, mechanism, "a user is there already, and keeps its password");
        } else if !missing.iter().any(|other| (other.hash, &other.name) == (new.hash, &new.name)) {
            missing.push(new);
        }
    }
    missing
}

fn made(new: NewUser) -> (Hash, String, Credential) {
    (new.hash, new.name.clone(), new.credential(random::salt()))
}

/// The warning of a listener that no user can log in on, with the command to run.
fn nobody(config: &BrokerConfig, credentials: &Credentials) -> Option<String> {
    let has_user = |hash: Hash| credentials.look(|users| users.of(hash).next().is_some());
    let start = config.start();
    start.listeners().iter().find_map(|listener| {
        let mechanisms = &start.logins(listener)?.mechanisms;
        let scram = mechanisms.iter().rev().find_map(|of| match of.mechanism {
            Mechanism::Scram(hash) => Some(hash),
            Mechanism::Plain | Mechanism::OauthBearer => None,
        })?;
        let can_log_in = mechanisms.iter().any(|of| match of.mechanism {
            Mechanism::Scram(hash) => has_user(hash),
            Mechanism::Plain => !of.users.is_empty(),
            Mechanism::OauthBearer => true,
        });
        (!can_log_in).then(|| {
            let (listener, mechanism) = (&listener.name, scram.mechanism());
            format!(
                "no user can log in on listener {listener}: start once with \
                 ottla serve --add-scram '{mechanism}=[name=alice,password=…]', or run kafka-configs.sh --bootstrap-server … \
                 --alter --entity-type users --entity-name alice --add-config '{mechanism}=[password=…]' on a listener \
                 without logins"
            )
        })
    })
}

fn written(outcome: Result<Result<(), TooLarge>, StorageError>) -> Result<(), StartError> {
    outcome.map_err(unusable)?.map_err(unusable)
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> StartError {
    StartError::Credentials(error.into())
}

#[cfg(test)]
mod tests {
    use crate::testing::scram::{PAIRS, TestUser};
    use crate::testing::{Logged, Running};
    use crate::{NewUser, StartOptions};

    fn options(users: &[&str]) -> StartOptions {
        let new_users = users.iter().map(|text| NewUser::parse(text).unwrap()).collect();
        StartOptions { new_users, ..StartOptions::default() }
    }

    /// S23: a user that was added at a start kept that password, whatever an administrator had changed.
    #[tokio::test]
    async fn users_are_added_and_never_overwritten() {
        let logged = Logged::by_this_thread();
        let first =
            options(&["SCRAM-SHA-256=[name=alice,password=old]", "SCRAM-SHA-256=[name=alice,password=x]"]);
        let running = Running::start_with(PAIRS, first).await;
        assert!(TestUser::sha256("alice", "old").logs_in(&running).await);
        assert!(logged.lines("no user can log in").is_empty());
        let again =
            options(&["SCRAM-SHA-256=[name=alice,password=new]", "SCRAM-SHA-512=[name=alice,password=new]"]);
        let running = running.restart_with(PAIRS, again).await;
        assert!(TestUser::sha256("alice", "old").logs_in(&running).await);
        assert!(!TestUser::sha256("alice", "new").logs_in(&running).await);
        assert!(TestUser::sha512("alice", "new").logs_in(&running).await);
        assert!(logged.lines("password=").is_empty());
    }

    #[tokio::test]
    async fn users_that_cannot_log_in_are_warned_of() {
        let logged = Logged::by_this_thread();
        let _running = Running::start_with(&[], options(&["SCRAM-SHA-256=[name=alice,password=pw]"])).await;
        assert_eq!(logged.lines("no listener has SCRAM").len(), 1);
        assert_eq!(logged.lines("a user was added").len(), 1);
    }

    #[tokio::test]
    async fn a_listener_without_users_is_warned_of_once() {
        let logged = Logged::by_this_thread();
        let _running = Running::start(PAIRS).await.unwrap();
        let lines = logged.lines("no user can log in");
        assert_eq!(lines.len(), 1);
        let command = "ottla serve --add-scram 'SCRAM-SHA-512=[name=alice,password=…]'";
        assert!(lines[0].contains("WARN") && lines[0].contains(command), "{lines:?}");
    }
}
