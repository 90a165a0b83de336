//! Committed offsets of a group: OffsetCommit, OffsetDelete, the checks of OffsetFetch, and what expires. Those of transactions are
//! in `transactions.rs` until their transaction commits.

use std::sync::Arc;

use super::super::{
    Env, GroupError, MemberId, Outcome,
    consumer::CommitRule,
    offsets::{CommittedOffset, OffsetCommit},
    records::Key,
    requests::CommitIdentity,
};
use super::transactions::overtake;
use super::{GroupMachine, Members};
use crate::limits::MAX_BYTES;
use crate::state_machine::{Record, StateMachine as _};

impl GroupMachine {
    /// Handles OffsetCommit (`commitOffset`): all partitions are refused, or each gets its own result.
    /// `retention_ms` is what versions 2–4 may ask for instead of the broker's retention; `knows_member_epochs` is true
    /// for version 9 and later.
    ///
    /// # Errors
    /// If the sender may not commit at all: it is unknown, of another generation, in the middle of a
    /// rebalance, or its version knows no member epochs. Also if it names an earlier epoch of its own, and got one of the
    /// partitions later: then none is stored.
    pub fn commit_offsets(
        &mut self,
        env: Env<'_>,
        who: &CommitIdentity,
        retention_ms: Option<i64>,
        knows_member_epochs: bool,
        commits: Vec<OffsetCommit>,
        out: &mut Outcome,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let group_id = self.id().clone();
        let rule = match &mut self.members {
            Members::Classic(group) => {
                group.validate_offset_commit(env.now, who, out)?;
                CommitRule::All
            }
            Members::Consumer(group) => group.validate_offset_commit(who, knows_member_epochs)?,
            Members::Streams(group) => group.validate_offset_commit(who, knows_member_epochs)?,
        };
        let results = judged(env, rule, &commits, |stale| stale)?;
        // Saturating: a client may send any 64-bit number. Version 5 removed the field (KIP-211).
        let expires_at_ms = retention_ms.map(|retention_ms| env.now.unix_ms.saturating_add(retention_ms));
        for commit in welcome(commits, &results) {
            let (topic, partition) = (Arc::clone(&commit.topic), commit.partition);
            let offset = committed(env, commit, expires_at_ms);
            out.write(offset.record(&group_id, &topic, partition));
            // What transactions have sent so far for the partition came before this commit.
            overtake(&mut self.offsets, &group_id, (&topic, partition), u64::MAX, out);
            self.offsets.commit(topic, partition, offset);
        }
        Ok(results)
    }

    /// Checks that a member may fetch offsets under this identity (OffsetFetch 9 and later).
    ///
    /// # Errors
    /// Only of a consumer group: the member is unknown, or its epoch is not the current one.
    pub fn validate_offset_fetch(&self, member_id: Option<&MemberId>, epoch: i32) -> Result<(), GroupError> {
        match &self.members {
            // As Kafka: the offsets of a classic group are for everybody.
            Members::Classic(_) => Ok(()),
            Members::Consumer(group) => group.validate_offset_fetch(member_id, epoch),
            Members::Streams(group) => group.validate_offset_fetch(member_id, epoch),
        }
    }

    /// Handles OffsetDelete (KIP-496): one result for each partition, or one for all. Offsets of topics that members
    /// subscribe to stay. The pending offsets of a partition go with its committed one.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND if the group is deleted, NON_EMPTY_GROUP if its members are not consumers.
    pub fn delete_offsets(
        &mut self,
        env: Env<'_>,
        wanted: &[(Arc<str>, i32)],
        out: &mut Outcome,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let kept = match &mut self.members {
            Members::Classic(group) => group.topics_to_keep()?,
            Members::Consumer(group) => {
                let names = group.all_subscribed_names(env);
                Some(names.iter().map(ToString::to_string).collect())
            }
            Members::Streams(group) => Some(group.subscribed_topics()),
        };
        let mut results = Vec::with_capacity(wanted.len());
        let mut gone = Vec::new();
        for (topic, partition) in wanted {
            // Without known subscriptions any topic may be in use.
            if kept.as_ref().is_none_or(|kept| kept.contains(&**topic)) {
                results.push(Err(GroupError::GroupSubscribedToTopic));
                continue;
            }
            results.push(Ok(()));
            if self.offsets.committed(topic, *partition).is_some() {
                gone.push((Arc::clone(topic), *partition));
            }
            self.drop_pending_of(topic, *partition, out);
        }
        self.remove_offsets(&gone, out);
        Ok(results)
    }

    /// Forgets the offsets of topics that no longer exist: deleted, or another topic under the same name.
    /// Pending ones, too.
    pub fn forget_offsets(&mut self, is_gone: impl Fn(&str, &CommittedOffset) -> bool, out: &mut Outcome) {
        let gone: Vec<(Arc<str>, i32)> = self
            .offsets
            .iter()
            .filter(|(topic, _, offset)| is_gone(topic, offset))
            .map(|(topic, partition, _)| (Arc::clone(topic), partition))
            .collect();
        self.remove_offsets(&gone, out);
        self.drop_pending(|topic, pending| is_gone(topic, &pending.offset), out);
    }

    /// Forgets offsets past their retention, and the group itself when it is empty and nothing is left of it
    /// (`cleanupExpiredOffsets`, `maybeDeleteGroup`).
    /// Looks at every offset of the group: call it rarely.
    pub fn expire_offsets(&mut self, env: Env<'_>, out: &mut Outcome) {
        let retention = match &mut self.members {
            Members::Classic(group) => group.retention(env.config.offsets_retention_ms),
            Members::Consumer(group) => group.retention(env),
            Members::Streams(group) => group.retention(env),
        };
        if let Some(retention) = retention {
            let expired = self.offsets.expired(env.now.unix_ms, &retention);
            self.remove_offsets(&expired, out);
        }
        // Deleting the group would also forget the ids that clients were given and are about to join with.
        let awaits_joins = matches!(&self.members, Members::Classic(group) if group.has_pending_members());
        // After the offsets (Kafka's `cleanupGroupMetadata`): they may have been all that kept the group.
        if self.validate_delete().is_ok() && self.offsets.is_empty() && !awaits_joins {
            self.bury(env.now, out);
        }
    }

    /// Forgets these committed offsets, with a tombstone for each.
    pub(super) fn remove_offsets(&mut self, offsets: &[(Arc<str>, i32)], out: &mut Outcome) {
        for (topic, partition) in offsets {
            self.offsets.remove(topic, *partition);
            let (group, topic) = (self.id().clone(), Arc::clone(topic));
            let key = Key::CommittedOffset { group, topic, partition: *partition };
            out.write(Record::tombstone(&key));
        }
    }
}

/// The result of each commit, in their order. One partition that the member may not commit refuses them all, as in Kafka
/// (`CommitPartitionValidator`); one whose note is too long is not judged. `told` makes of a refusal the one that the client
/// knows.
///
/// # Errors
/// A partition is refused by the rule.
pub(super) fn judged(
    env: Env<'_>,
    rule: CommitRule<'_>,
    commits: &[OffsetCommit],
    told: impl Fn(GroupError) -> GroupError,
) -> Result<Vec<Result<(), GroupError>>, GroupError> {
    let judge = |commit: &OffsetCommit| {
        let result = check_metadata(env, &commit.metadata);
        if result.is_ok() {
            rule.judge(&commit.topic, commit.topic_id, commit.partition).map_err(&told)?;
        }
        Ok(result)
    };
    commits.iter().map(judge).collect()
}

/// The commits that are to be stored.
pub(super) fn welcome(
    commits: Vec<OffsetCommit>,
    results: &[Result<(), GroupError>],
) -> impl Iterator<Item = OffsetCommit> {
    commits.into_iter().zip(results).filter(|(_, result)| result.is_ok()).map(|(commit, _)| commit)
}

/// The offset that a commit is stored as.
pub(super) fn committed(env: Env<'_>, commit: OffsetCommit, expires_at_ms: Option<i64>) -> CommittedOffset {
    CommittedOffset {
        offset: commit.offset,
        leader_epoch: commit.leader_epoch,
        metadata: commit.metadata,
        committed_at_ms: env.now.unix_ms,
        expires_at_ms,
        topic_id: commit.topic_id,
    }
}

/// OFFSET_METADATA_TOO_LARGE if the client's note cannot be stored.
fn check_metadata(env: Env<'_>, metadata: &str) -> Result<(), GroupError> {
    // Kafka counts the characters of a Java string.
    let length = metadata.encode_utf16().count();
    // The second limit is that of the record: an operator may configure more than it can hold.
    let fits = length <= env.config.offset_metadata_max_bytes && metadata.len() <= MAX_BYTES;
    if fits { Ok(()) } else { Err(GroupError::OffsetMetadataTooLarge) }
}

#[cfg(test)]
mod tests;
