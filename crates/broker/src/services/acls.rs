//! Changes of the access control lists: on the disk before they are in force, in force before they are answered.
//!
//! Guarantees that changes do not overtake each other, and that one which was begun is completed, whether its client waits or
//! not. Who may change them is asked by the APIs; the decisions are in the security crate.

use std::sync::Arc;

use security::acl::{
    Acl, Entry, Filter, InvalidAcl, Operation, Pattern, PatternType, Permission, ResourceType, Rules,
    RulesBuilder,
};
use storage::{Cluster, StorageError, StoredAcl, TooLarge};
use thiserror::Error;

use crate::io::ClusterIo;
use crate::session::authorizer::Authorizer;
use crate::tasks::Tasks;

/// The most entries to add, and the most filters to remove by, of one request.
pub(crate) const MAX_CHANGES: usize = 10_000;

/// Why entries are not changed. The text is shown to the user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum AclError {
    /// The entry cannot be meant.
    #[error(transparent)]
    Invalid(#[from] InvalidAcl),
    /// A code means nothing, or nothing in an entry.
    #[error("{0} of the request is not one that an ACL can have")]
    Code(&'static str),
    /// More than [`MAX_CHANGES`].
    #[error("one request may change at most {MAX_CHANGES} ACLs")]
    TooMany,
    /// The disk failed, or the broker stops.
    #[error("the storage failed")]
    Storage,
}

impl From<StorageError> for AclError {
    fn from(_: StorageError) -> Self {
        Self::Storage
    }
}

impl From<TooLarge> for AclError {
    fn from(_: TooLarge) -> Self {
        // Checked before (`Acl::check`), by a lower bound.
        Self::Invalid(InvalidAcl::TooLong)
    }
}

/// A record that is no entry of this release: it may deny something, so that it cannot be left aside.
#[derive(Debug, Error)]
#[error("the ACL of {principal} on {name} has a code that this release does not know")]
pub(crate) struct UnknownAcl {
    principal: String,
    name: String,
}

/// Why the entries of the data folder are not in force.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    /// The disk failed, or a record cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// See [`UnknownAcl`].
    #[error(transparent)]
    Unknown(#[from] UnknownAcl),
}

/// The rules that the data folder holds. Blocks on the disk.
///
/// # Errors
/// An entry cannot be read.
pub(crate) fn load(cluster: &Cluster) -> Result<Rules, LoadError> {
    let mut found = Found::default();
    cluster.acls(|stored| found.add(stored))?;
    Ok(found.rules()?)
}

/// The entries that were read so far.
#[derive(Default)]
struct Found {
    rules: RulesBuilder,
    /// The first.
    unknown: Option<UnknownAcl>,
}

impl Found {
    fn add(&mut self, stored: StoredAcl) {
        match acl(stored) {
            Ok(acl) => self.rules.add(acl),
            Err(unknown) => {
                self.unknown.get_or_insert(unknown);
            }
        }
    }

    fn rules(self) -> Result<Rules, UnknownAcl> {
        self.unknown.map_or_else(|| Ok(self.rules.build()), Err)
    }
}

fn acl(stored: StoredAcl) -> Result<Acl, UnknownAcl> {
    let StoredAcl { resource_type, pattern_type, operation, permission, name, principal, host } = stored;
    let code = |code: u8| i8::try_from(code).unwrap_or_default();
    let known = || {
        let resource_type = ResourceType::from_code(code(resource_type))?;
        let pattern_type = PatternType::from_code(code(pattern_type))?;
        Some((
            Pattern { resource_type, name: name.as_str().into(), pattern_type },
            Entry {
                principal: principal.as_str().into(),
                host: host.as_str().into(),
                operation: Operation::from_code(code(operation))?,
                permission: Permission::from_code(code(permission))?,
            },
        ))
    };
    match known() {
        Some((pattern, entry)) => Ok(Acl { pattern, entry }),
        None => Err(UnknownAcl { principal, name }),
    }
}

fn stored(acl: &Acl) -> StoredAcl {
    let Acl { pattern, entry } = acl;
    StoredAcl {
        resource_type: pattern.resource_type.code().cast_unsigned(),
        pattern_type: pattern.pattern_type.code().cast_unsigned(),
        operation: entry.operation.code().cast_unsigned(),
        permission: entry.permission.code().cast_unsigned(),
        name: pattern.name.to_string(),
        principal: entry.principal.to_string(),
        host: entry.host.to_string(),
    }
}

/// The parts of the broker that a change of the lists reaches.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) cluster: ClusterIo,
    pub(crate) tasks: Tasks,
}

/// Adds these entries, all or none; one that is known already changes nothing.
///
/// # Errors
/// The storage failed: none of them is in force.
pub(crate) async fn add(reach: Reach, acls: Vec<Acl>) -> Result<(), AclError> {
    change(reach, move |rules| {
        let new = acls.into_iter().filter(|acl| !rules.contains(acl)).collect();
        ((), new, Vec::new())
    })
    .await
}

/// Removes what the filters find; for each filter the entries that it found. One that several find is removed once.
///
/// # Errors
/// The storage failed: all of them are still in force.
pub(crate) async fn remove(reach: Reach, filters: Vec<Filter>) -> Result<Vec<Vec<Acl>>, AclError> {
    change(reach, move |rules| {
        let found: Vec<Vec<Acl>> = filters.iter().map(|filter| rules.find(filter)).collect();
        let mut gone = found.concat();
        gone.sort_unstable();
        gone.dedup();
        (found, Vec::new(), gone)
    })
    .await
}

/// Makes one change, which `wanted` works out from the rules: its answer, the entries to add, and those to remove.
async fn change<T: Send + 'static>(
    reach: Reach,
    wanted: impl FnOnce(&Rules) -> (T, Vec<Acl>, Vec<Acl>) + Send + 'static,
) -> Result<T, AclError> {
    let Reach { authorizer, cluster, tasks } = reach;
    // In a task: a client that leaves between the write and its effect must not leave memory behind the disk.
    let changed = async move {
        // Held until the change is in force: the next one is worked out from it.
        let changing = authorizer.changing().await;
        let in_force = authorizer.in_force();
        let before = &in_force.rules;
        let (answer, added, removed) = wanted(before);
        if added.is_empty() && removed.is_empty() {
            return Ok(answer);
        }
        let records = |acls: &[Acl]| acls.iter().map(stored).collect::<Vec<_>>();
        cluster.change_acls(&records(&added), &records(&removed)).await??;
        for acl in &added {
            let (entry, name) = (&acl.entry, &acl.pattern.name);
            if entry.hosts() == security::acl::Hosts::None {
                let (principal, host) = (&entry.principal, &entry.host);
                tracing::warn!(%principal, %name, %host, "an ACL fits no client, as its host is no IP address");
            }
        }
        authorizer.replace(&changing, before.changed(added, removed));
        Ok(answer)
    };
    // It panicked, or the broker ends by force: the outcome is unknown, as after a failed write.
    tasks.complete("change-acls", changed).await.unwrap_or(Err(AclError::Storage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(stored: impl IntoIterator<Item = StoredAcl>) -> Result<Rules, UnknownAcl> {
        let mut found = Found::default();
        stored.into_iter().for_each(|stored| found.add(stored));
        found.rules()
    }

    #[test]
    fn a_record_with_an_unknown_code_is_an_error() {
        let known = StoredAcl {
            resource_type: 2,
            pattern_type: 3,
            operation: 15,
            permission: 2,
            name: "t".into(),
            principal: "User:a".into(),
            host: "*".into(),
        };
        let read = rules([known.clone()]).unwrap();
        assert_eq!(read.len(), 1);
        let all = Filter {
            resource_type: None,
            pattern: security::acl::PatternFilter::Any,
            name: None,
            principal: None,
            host: None,
            operation: None,
            permission: None,
        };
        assert_eq!(read.find(&all).iter().map(stored).collect::<Vec<_>>(), std::slice::from_ref(&known));
        for unknown in [
            StoredAcl { resource_type: 8, ..known.clone() },
            StoredAcl { pattern_type: 2, ..known.clone() },
            StoredAcl { operation: 1, ..known.clone() },
            StoredAcl { permission: 255, ..known.clone() },
        ] {
            assert!(rules([known.clone(), unknown, known.clone()]).is_err());
        }
    }
}
