//! Changes of client quotas: on the disk before they are in force, in force before they are answered.
//!
//! Guarantees that changes do not overtake each other, and that one which was begun is completed, whether its client waits or
//! not. Who may change them is asked by the APIs; how clients are throttled is in `session/quotas.rs`, the figures are the security crate's.

use std::collections::HashSet;
use std::sync::Arc;

use security::quota::{Change, Entity, InvalidEntity, InvalidQuota, Key, Quotas};
use storage::{QuotaId, StorageError, StoredQuota, TooLarge};
use thiserror::Error;

use crate::io::ClusterIo;
use crate::session::quotas::ClientQuotas;
use crate::tasks::Tasks;

/// The most changes of one request.
pub(crate) const MAX_CHANGES: usize = 10_000;
/// The most entities with quotas: all are in memory, and a change copies them.
pub(crate) const MAX_ENTITIES: usize = 100_000;

/// Why quotas are not changed. The text is shown to the user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum QuotaError {
    /// The entity cannot be meant.
    #[error(transparent)]
    Entity(#[from] InvalidEntity),
    /// The value cannot be meant, or the entity has no such quota.
    #[error(transparent)]
    Quota(#[from] InvalidQuota),
    /// The request names the entity twice. Nothing of it is changed; Kafka makes the first change, and answers as if it had not.
    #[error("Ignoring duplicate entity: the request names it twice, and changes nothing of it")]
    DuplicateEntity,
    /// The request names the quota twice.
    #[error("Duplicate quota key {0} not updating quota for this entity")]
    DuplicateKey(String),
    /// More than [`MAX_CHANGES`].
    #[error("one request may change at most {MAX_CHANGES} quotas")]
    TooMany,
    /// The request would make more than [`MAX_ENTITIES`]; nothing of it is changed. Kafka has no bound.
    #[error(
        "there may be quotas of at most {MAX_ENTITIES} entities; remove some of them, or give a default in their place"
    )]
    TooManyEntities,
    /// The disk failed, or the broker stops.
    #[error("the storage failed")]
    Storage,
}

impl From<StorageError> for QuotaError {
    fn from(_: StorageError) -> Self {
        Self::Storage
    }
}

impl From<TooLarge> for QuotaError {
    fn from(_: TooLarge) -> Self {
        // Checked before, by a lower bound.
        Self::Entity(InvalidEntity::TooLong)
    }
}

/// Changes of one entity, as asked for: name and value of each quota, `None` to remove it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) entity: Result<Entity, InvalidEntity>,
    pub(crate) quotas: Vec<(String, Option<f64>)>,
}

/// A record that is no quota of this release.
#[derive(Debug, Error)]
#[error("the quota {quota} of {owner} is none that this release knows: {reason}")]
pub(crate) struct UnknownQuota {
    quota: String,
    owner: String,
    reason: String,
}

/// The quotas that the data folder holds.
///
/// # Errors
/// A record has an unknown entity or name: it may bound a client, so that it cannot be left aside.
pub(crate) fn read(stored: Vec<StoredQuota>) -> Result<Quotas, UnknownQuota> {
    let changes: Result<Vec<Change>, UnknownQuota> = stored.into_iter().map(change).collect();
    Ok(Quotas::new(changes?))
}

fn change(stored: StoredQuota) -> Result<Change, UnknownQuota> {
    let StoredQuota { id: QuotaId { entity: parts, quota }, value } = stored;
    let known = || {
        let entity = Entity::of(parts.iter().map(|(kind, name)| (&**kind, name.as_deref())))?;
        let key = key_of(&entity, &quota)?;
        key.check(value)?;
        Ok(Change { entity, key, value: Some(value) })
    };
    known().map_err(|error: QuotaError| UnknownQuota {
        owner: format!("{parts:?}"),
        reason: error.to_string(),
        quota,
    })
}

/// The parts of the broker that a change of quotas reaches.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) quotas: Arc<ClientQuotas>,
    pub(crate) cluster: ClusterIo,
    pub(crate) tasks: Tasks,
}

/// Makes the changes of those entities that can be meant, all of them in one write, unless they are only to be validated. The outcome
/// for each entity, in the order of the request.
pub(crate) async fn alter(
    reach: Reach,
    wanted: Vec<Wanted>,
    validate_only: bool,
) -> Vec<Result<(), QuotaError>> {
    let count = wanted.len();
    if wanted.iter().map(|one| one.quotas.len().max(1)).sum::<usize>() > MAX_CHANGES {
        return vec![Err(QuotaError::TooMany); count];
    }
    let judged = judge(wanted);
    let changes: Vec<Change> = judged.iter().flatten().flatten().cloned().collect();
    let made = if validate_only || changes.is_empty() { Ok(()) } else { make(reach, changes).await };
    judged.into_iter().map(|judged| judged.and_then(|_| made.clone())).collect()
}

/// The changes of each entity.
fn judge(wanted: Vec<Wanted>) -> Vec<Result<Vec<Change>, QuotaError>> {
    let (mut seen, mut twice) = (HashSet::new(), HashSet::new());
    for entity in wanted.iter().filter_map(|one| one.entity.as_ref().ok()) {
        if !seen.insert(entity.clone()) {
            twice.insert(entity.clone());
        }
    }
    let judge = |Wanted { entity, quotas }| {
        let entity = entity?;
        if twice.contains(&entity) {
            return Err(QuotaError::DuplicateEntity);
        }
        let mut names = HashSet::new();
        if let Some((name, _)) = quotas.iter().find(|(name, _)| !names.insert(name)) {
            return Err(QuotaError::DuplicateKey(name.clone()));
        }
        let changes = quotas.iter().filter_map(|(name, value)| one(&entity, name, *value).transpose());
        changes.collect()
    };
    wanted.into_iter().map(judge).collect()
}

/// One change; `None` if there is nothing to remove.
fn one(entity: &Entity, name: &str, value: Option<f64>) -> Result<Option<Change>, QuotaError> {
    let key = match key_of(entity, name) {
        Ok(key) => key,
        // As Kafka: what does not exist is removed.
        Err(_) if value.is_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if let Some(value) = value {
        key.check(value)?;
    }
    Ok(Some(Change { entity: entity.clone(), key, value }))
}

/// The quota of that name, if such an entity can have it.
fn key_of(entity: &Entity, name: &str) -> Result<Key, InvalidQuota> {
    let key = Key::named(name).filter(|key| key.is_of_addresses() == entity.is_address());
    key.ok_or_else(|| InvalidQuota::Key(name.to_owned()))
}

/// Writes the changes and puts them in force.
async fn make(reach: Reach, changes: Vec<Change>) -> Result<(), QuotaError> {
    let Reach { quotas, cluster, tasks } = reach;
    // In a task: a client that leaves between the write and its effect must not leave memory behind the disk.
    let changing = async move {
        // Held until the change is in force: the next one is worked out from it.
        let _changing = quotas.changing().await;
        check_number(&quotas.in_force(), &changes, MAX_ENTITIES)?;
        let mut put = Vec::new();
        let mut removed = Vec::new();
        for Change { entity, key, value } in &changes {
            let parts = entity.parts().into_iter().map(|(kind, name)| (kind.name().to_owned(), name));
            let id = QuotaId { entity: parts.collect(), quota: key.name().to_owned() };
            match value {
                Some(value) => put.push(StoredQuota { id, value: *value }),
                None => removed.push(id),
            }
        }
        cluster.change_quotas(&put, &removed).await??;
        quotas.change(changes);
        Ok(())
    };
    // It panicked, or the broker ends by force: the outcome is unknown, as after a failed write.
    tasks.complete("change-quotas", changing).await.unwrap_or(Err(QuotaError::Storage))
}

/// Refuses changes after which there could be more entities than that. Those that only change or remove what there is pass.
fn check_number(quotas: &Quotas, changes: &[Change], most: usize) -> Result<(), QuotaError> {
    let is_new = |change: &&Change| {
        change.value.is_some() && quotas.of_entity(&change.entity).iter().all(Option::is_none)
    };
    let new: HashSet<&Entity> = changes.iter().filter(is_new).map(|change| &change.entity).collect();
    if !new.is_empty() && quotas.len() + new.len() > most {
        return Err(QuotaError::TooManyEntities);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_bounded_in_number() {
        let change = |user: &str, key, value| Change {
            entity: Entity::of([("user", Some(user))]).unwrap(),
            key,
            value,
        };
        let (produced, fetched) =
            (Key::named("producer_byte_rate").unwrap(), Key::named("consumer_byte_rate").unwrap());
        let two = Quotas::new([change("a", produced, Some(1.0)), change("b", produced, Some(1.0))]);
        let check = |changes: &[Change]| check_number(&two, changes, 3);
        let third = [change("c", produced, Some(1.0)), change("c", fetched, Some(1.0))];
        assert_eq!(check(&third), Ok(()));
        let fourth = [&third[..], &[change("d", produced, Some(1.0))]].concat();
        assert_eq!(check(&fourth), Err(QuotaError::TooManyEntities));
        let full = check_number(&two, &[change("c", produced, Some(1.0))], 2);
        assert_eq!(full, Err(QuotaError::TooManyEntities));
        let known =
            [change("a", fetched, Some(2.0)), change("b", produced, None), change("e", produced, None)];
        assert_eq!(check_number(&two, &known, 1), Ok(()), "what there is may be changed and removed");
    }

    fn wanted(name: Option<&str>, quotas: &[(&str, Option<f64>)]) -> Wanted {
        let quotas = quotas.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Wanted { entity: Entity::of([("user", name)]), quotas }
    }

    fn texts(wanted: Vec<Wanted>) -> Vec<String> {
        let text = |judged: Result<Vec<Change>, QuotaError>| {
            judged.map_or_else(|error| error.to_string(), |changes| changes.len().to_string())
        };
        judge(wanted).into_iter().map(text).collect()
    }

    #[test]
    fn each_entity_is_judged_by_itself() {
        let judged = texts(vec![
            wanted(Some("a"), &[("producer_byte_rate", Some(1.0)), ("consumer_byte_rate", None)]),
            wanted(None, &[("producer_byte_rate", Some(0.0))]),
            wanted(Some("b"), &[("unknown", Some(1.0))]),
            wanted(Some("c"), &[("unknown", None)]),
            wanted(Some("d"), &[("connection_creation_rate", Some(1.0))]),
            wanted(Some("e"), &[("request_percentage", Some(1.0)), ("request_percentage", None)]),
        ]);
        let expected = [
            "2",
            "Quota producer_byte_rate must be greater than 0",
            "Invalid configuration key unknown",
            "0",
            "Invalid configuration key connection_creation_rate",
            "Duplicate quota key request_percentage not updating quota for this entity",
        ];
        assert_eq!(judged, expected);
    }

    #[test]
    fn an_entity_that_is_named_twice_is_not_changed() {
        let one = wanted(Some("a"), &[("producer_byte_rate", Some(1.0))]);
        let judged = judge(vec![one.clone(), wanted(Some("b"), &[]), one]);
        assert_eq!(judged, [Err(QuotaError::DuplicateEntity), Ok(vec![]), Err(QuotaError::DuplicateEntity)]);
    }

    #[test]
    fn a_record_that_is_unknown_is_an_error() {
        let stored = |kind: &str, quota: &str, value| StoredQuota {
            id: QuotaId { entity: vec![(kind.to_owned(), None)], quota: quota.to_owned() },
            value,
        };
        let known = stored("user", "producer_byte_rate", 5.0);
        assert_eq!(read(vec![known.clone()]).unwrap().len(), 1);
        for unknown in [
            stored("group", "producer_byte_rate", 5.0),
            stored("user", "other_rate", 5.0),
            stored("ip", "producer_byte_rate", 5.0),
            stored("user", "producer_byte_rate", f64::NAN),
        ] {
            assert!(read(vec![known.clone(), unknown.clone()]).is_err(), "{unknown:?}");
        }
    }
}
