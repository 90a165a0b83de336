//! One group as a whole: its members and its committed offsets, and the steps that concern both.
//!
//! Pure. The shell calls one method per request, deadline or stored record, and carries out the [`Outcome`].

use std::sync::Arc;

use super::{
    GroupConfig, GroupError, GroupId, Now, Outcome,
    classic::{ClassicGroup, CommitIdentity},
    offsets::{CommittedOffset, OffsetCommit, Offsets, Retention},
    records::{self, GroupMetadata, Key, Record, RecordError},
};

/// The state machine of one group.
#[derive(Debug)]
pub(crate) struct GroupMachine {
    /// Members and rebalances. Requests that concern nothing else are called on it directly.
    pub(crate) classic: ClassicGroup,
    offsets: Offsets,
}

impl GroupMachine {
    /// A group that nobody has joined yet.
    pub(crate) fn new(id: GroupId, now: Now) -> GroupMachine {
        GroupMachine { classic: ClassicGroup::new(id, now), offsets: Offsets::default() }
    }

    pub(crate) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Nothing is lost when this group is forgotten: no member, no offset, no record.
    pub(crate) fn is_vacant(&self) -> bool {
        self.classic.is_vacant() && self.offsets.is_empty()
    }

    /// Takes in a record at start-up. The records of a group come in the order of their keys; time starts `now`.
    pub(crate) fn replay(
        &mut self,
        now: Now,
        key: Key,
        value: &[u8],
        out: &mut Outcome,
    ) -> Result<(), RecordError> {
        match key {
            Key::GroupMetadata { .. } => self.classic.restore(now, GroupMetadata::decode(value)?, out),
            Key::CommittedOffset { topic, partition, .. } => {
                self.offsets.commit(topic, partition, records::decode_offset(value)?);
            }
        }
        Ok(())
    }

    /// Handles OffsetCommit (`commitOffset`): all partitions are refused, or each gets its own result.
    /// `retention_ms` is what versions 2–4 may ask for instead of the broker's retention.
    pub(crate) fn commit_offsets(
        &mut self,
        now: Now,
        config: &GroupConfig,
        who: &CommitIdentity,
        retention_ms: Option<i64>,
        commits: Vec<OffsetCommit>,
        out: &mut Outcome,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        self.classic.validate_offset_commit(now, who, out)?;
        let expires_at_ms = retention_ms.map(|retention_ms| now.unix_ms.saturating_add(retention_ms));
        let mut results = Vec::with_capacity(commits.len());
        for commit in commits {
            // Kafka counts the characters of a Java string.
            if commit.metadata.encode_utf16().count() > config.offset_metadata_max_bytes {
                results.push(Err(GroupError::OffsetMetadataTooLarge));
                continue;
            }
            let offset = CommittedOffset {
                offset: commit.offset,
                leader_epoch: commit.leader_epoch,
                metadata: commit.metadata,
                committed_at_ms: now.unix_ms,
                expires_at_ms,
                topic_id: commit.topic_id,
            };
            out.records.push(Record::committed_offset(
                self.classic.id(),
                &commit.topic,
                commit.partition,
                &offset,
            ));
            self.offsets.commit(commit.topic, commit.partition, offset);
            results.push(Ok(()));
        }
        Ok(results)
    }

    /// Handles DeleteGroups: an empty group goes, with its offsets.
    pub(crate) fn delete(&mut self, now: Now, out: &mut Outcome) -> Result<(), GroupError> {
        self.classic.validate_delete()?;
        let offsets: Vec<(Arc<str>, i32)> =
            self.offsets.iter().map(|(topic, partition, _)| (Arc::clone(topic), partition)).collect();
        self.remove_offsets(&offsets, out);
        self.bury(now, out);
        Ok(())
    }

    /// Forgets the offsets of topics that are not there any more: deleted, or another topic under the same name.
    pub(crate) fn forget_offsets(
        &mut self,
        is_gone: impl Fn(&str, &CommittedOffset) -> bool,
        out: &mut Outcome,
    ) {
        let gone: Vec<(Arc<str>, i32)> = self
            .offsets
            .iter()
            .filter(|(topic, _, offset)| is_gone(topic, offset))
            .map(|(topic, partition, _)| (Arc::clone(topic), partition))
            .collect();
        self.remove_offsets(&gone, out);
    }

    /// Forgets offsets past their retention, and the group itself when it is empty and nothing is left of it
    /// (`cleanupExpiredOffsets`, `maybeDeleteGroup`).
    pub(crate) fn expire_offsets(&mut self, now: Now, config: &GroupConfig, out: &mut Outcome) {
        if let Some(retention) = Retention::of(&self.classic, config.offsets_retention_ms) {
            let expired = self.offsets.expired(now.unix_ms, &retention);
            self.remove_offsets(&expired, out);
        }
        let empty = self.classic.validate_delete().is_ok();
        if empty && self.offsets.is_empty() && !self.classic.has_pending_members() {
            self.bury(now, out);
        }
    }

    fn remove_offsets(&mut self, offsets: &[(Arc<str>, i32)], out: &mut Outcome) {
        for (topic, partition) in offsets {
            self.offsets.remove(topic, *partition);
            out.records.push(self.offset_tombstone(topic, *partition));
        }
    }

    fn offset_tombstone(&self, topic: &Arc<str>, partition: i32) -> Record {
        let group = self.classic.id().clone();
        Record::tombstone(&Key::CommittedOffset { group, topic: Arc::clone(topic), partition })
    }

    fn bury(&mut self, now: Now, out: &mut Outcome) {
        if self.classic.is_persisted() {
            out.records.push(Record::tombstone(&Key::GroupMetadata { group: self.classic.id().clone() }));
        }
        self.classic.bury(now);
    }
}

#[cfg(test)]
mod tests;
