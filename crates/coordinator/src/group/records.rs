//! The bytes that groups leave in storage: keys and values, format version 0.
//!
//! The forms of numbers, strings and lists are those of `record_bytes`.
//!
//! | record | key | value |
//! | --- | --- | --- |
//! | group metadata | `1 ‖ string(group)` | see below |
//! | committed offset | `2 ‖ string(group) ‖ string(topic) ‖ partition: i32` | see below |
//! | consumer group | `3 ‖ string(group)` | see below |
//! | consumer group member | `4 ‖ string(group) ‖ string(member)` | see below |
//! | target assignment | `5 ‖ string(group) ‖ string(member)` | see below |
//! | current assignment | `6 ‖ string(group) ‖ string(member)` | see below |
//! | pending offset | `7 ‖ string(group) ‖ producer_id: i64 ‖ string(topic) ‖ partition: i32` | see below |
//! | those of streams groups | 11 to 15 | see `streams/records.rs` |
//!
//! *Group metadata*: `version: u8 = 0 ‖ phase: u8 ‖ generation: i32 ‖ state_since_ms: i64 ‖ option(string) protocol_type ‖
//! option(string) protocol ‖ option(string) leader ‖ list(member)`, where a *member* is `string member_id ‖
//! option(string) group_instance_id ‖ string client_id ‖ string client_host ‖ rebalance_timeout_ms: u32 ‖
//! session_timeout_ms: u32 ‖ list(string name ‖ bytes metadata) protocols ‖ bytes assignment`.
//! The *phase* is 0 for a group that is stable or empty, 1 for one whose members know the generation but have no
//! assignments yet; started again, such a group has everybody join once more.
//! Written when a generation begins, when it gets its assignment, when a static member changes its id, and when the
//! group becomes empty.
//!
//! *Committed offset*: `version: u8 = 0 ‖ offset: i64 ‖ leader_epoch: i32 (−1: unknown) ‖ committed_at_ms: i64 ‖
//! option(i64) expires_at_ms ‖ topic_id: 16 bytes (zeros: unknown) ‖ string metadata`.
//!
//! *Pending offset*, of a transaction that is open: `version: u8 = 0 ‖ order: u64 ‖ overtaken: u8 ‖` the
//! fields of a committed offset after its version. Of two producers' pending offsets of a partition the
//! greater *order* came later. *Overtaken* is 1 once an offset that came later was committed: the commit of
//! the transaction then changes nothing. The end of the transaction removes the record, and in the same write
//! puts the committed offset if it counts.
//!
//! A group is classic, or has records 3–6 and speaks the consumer protocol (KIP-848), or has records 11–15 and
//! is a streams group (KIP-1071). These are written whenever they change, all that one step changes together.
//!
//! *Consumer group*: `version: u8 = 0 ‖ group_epoch: i32 ‖ assignment_epoch: i32 ‖ metadata_hash: u64 ‖
//! empty_since_ms: i64`. The hash is FNV-1a (64 bits) over `name ‖ 0 ‖ topic_id: 16 bytes ‖ partitions: i32` of each
//! subscribed topic that exists, in the order of the names; where it differs, the topics have changed.
//!
//! *Consumer group member*, what it said of itself: `version: u8 = 0 ‖ option(string) group_instance_id ‖ option(string)
//! rack_id ‖ string client_id ‖ string client_host ‖ rebalance_timeout_ms: u32 ‖ list(string) topic_names ‖
//! option(string) topic_regex ‖ option(string) server_assignor ‖ option(session_timeout_ms: u32 ‖ list(string name ‖ bytes
//! metadata) protocols) classic`, the last for members that speak the classic protocol while the group migrates.
//!
//! *Target assignment* of a member: `version: u8 = 0 ‖ list(topic_id: 16 bytes ‖ list(partition: i32))`.
//!
//! *Current assignment* of a member: `version: u8 = 0 ‖ state: u8 ‖ member_epoch: i32 ‖ previous_epoch: i32 ‖ partitions
//! assigned ‖ partitions revoking`, where *partitions* is `list(topic_id: 16 bytes ‖ list(partition: i32 ‖
//! assignment_epoch: i32))`. The *state* is 0 when the member has all that it is to have in its epoch, 1 while it has to
//! give partitions up, 2 while it waits for some that others have. Epoch −2: a static member that is away.
//!
//! A deletion removes the key. A value of a newer version, or one that does not parse to its last byte, is an error: to guess
//! would move offsets. What a record may hold at most is in [`limits`](crate::limits).
//!
//! The values are encoded where the types are: `classic/records.rs`, `consumer/records.rs`,
//! `streams/records.rs`, `offsets.rs` and `offsets/pending.rs`.

use std::sync::Arc;

use bytes::Bytes;

use super::{GroupId, MemberId};
pub(super) use crate::record_bytes::{Reader, Writer};
use crate::record_kinds::RecordKind;
use crate::state_machine::{Record, RecordError, TooLong};

/// The records of groups, in the order in which they are replayed: a group before its members, a member before what it is
/// assigned.
pub(super) const KINDS: &[RecordKind] = &[
    RecordKind::GroupMetadata,
    RecordKind::CommittedOffset,
    RecordKind::PendingOffset,
    RecordKind::ConsumerGroup,
    RecordKind::ConsumerGroupMember,
    RecordKind::TargetAssignment,
    RecordKind::CurrentAssignment,
    RecordKind::StreamsGroup,
    RecordKind::StreamsGroupMember,
    RecordKind::StreamsTopology,
    RecordKind::StreamsTargetAssignment,
    RecordKind::StreamsCurrentAssignment,
];

/// The key of a record, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    GroupMetadata { group: GroupId },
    CommittedOffset { group: GroupId, topic: Arc<str>, partition: i32 },
    ConsumerGroup { group: GroupId },
    ConsumerMember { group: GroupId, member: MemberId },
    TargetAssignment { group: GroupId, member: MemberId },
    CurrentAssignment { group: GroupId, member: MemberId },
    PendingOffset { group: GroupId, producer_id: i64, topic: Arc<str>, partition: i32 },
    StreamsGroup { group: GroupId },
    StreamsMember { group: GroupId, member: MemberId },
    StreamsTopology { group: GroupId },
    StreamsTarget { group: GroupId, member: MemberId },
    StreamsCurrent { group: GroupId, member: MemberId },
}

impl Record {
    /// A value under `key`.
    ///
    /// # Errors
    /// If a part of the key or the value is longer than can be stored.
    pub(super) fn value(key: &Key, value: Writer) -> Result<Record, TooLong> {
        Ok(Record { key: key.encode()?, value: Some(value.finish()?) })
    }

    /// The removal of whatever is under `key`.
    ///
    /// # Errors
    /// If the key is too long to be stored.
    pub fn tombstone(key: &Key) -> Result<Record, TooLong> {
        Ok(Record { key: key.encode()?, value: None })
    }
}

impl Key {
    fn kind(&self) -> RecordKind {
        match self {
            Key::GroupMetadata { .. } => RecordKind::GroupMetadata,
            Key::CommittedOffset { .. } => RecordKind::CommittedOffset,
            Key::ConsumerGroup { .. } => RecordKind::ConsumerGroup,
            Key::ConsumerMember { .. } => RecordKind::ConsumerGroupMember,
            Key::TargetAssignment { .. } => RecordKind::TargetAssignment,
            Key::CurrentAssignment { .. } => RecordKind::CurrentAssignment,
            Key::PendingOffset { .. } => RecordKind::PendingOffset,
            Key::StreamsGroup { .. } => RecordKind::StreamsGroup,
            Key::StreamsMember { .. } => RecordKind::StreamsGroupMember,
            Key::StreamsTopology { .. } => RecordKind::StreamsTopology,
            Key::StreamsTarget { .. } => RecordKind::StreamsTargetAssignment,
            Key::StreamsCurrent { .. } => RecordKind::StreamsCurrentAssignment,
        }
    }

    /// Keys of one kind and group lie side by side: the lengths come before the strings.
    ///
    /// # Errors
    /// If the id of a group or a member, or the name of a topic, is too long.
    pub(super) fn encode(&self) -> Result<Bytes, TooLong> {
        let mut out = Writer::empty();
        out.u8(self.kind().number());
        match self {
            Key::GroupMetadata { group }
            | Key::ConsumerGroup { group }
            | Key::StreamsGroup { group }
            | Key::StreamsTopology { group } => out.string(group.as_str()),
            Key::CommittedOffset { group, topic, partition } => {
                out.string(group.as_str());
                out.string(topic);
                out.i32(*partition);
            }
            Key::PendingOffset { group, producer_id, topic, partition } => {
                out.string(group.as_str());
                out.i64(*producer_id);
                out.string(topic);
                out.i32(*partition);
            }
            Key::ConsumerMember { group, member }
            | Key::TargetAssignment { group, member }
            | Key::CurrentAssignment { group, member }
            | Key::StreamsMember { group, member }
            | Key::StreamsTarget { group, member }
            | Key::StreamsCurrent { group, member } => {
                out.string(group.as_str());
                out.string(member.as_str());
            }
        }
        out.finish()
    }

    /// Reads a whole key.
    ///
    /// # Errors
    /// If it is not the key of a group's record.
    pub fn decode(key: &[u8]) -> Result<Key, RecordError> {
        let mut from = Reader::new(key);
        let (kind, group) = (kind(&mut from)?, GroupId::from(from.str()?));
        let decoded = match kind {
            RecordKind::GroupMetadata => Key::GroupMetadata { group },
            RecordKind::CommittedOffset => {
                Key::CommittedOffset { group, topic: from.str()?.into(), partition: from.i32()? }
            }
            RecordKind::ConsumerGroup => Key::ConsumerGroup { group },
            RecordKind::ConsumerGroupMember => Key::ConsumerMember { group, member: from.str()?.into() },
            RecordKind::TargetAssignment => Key::TargetAssignment { group, member: from.str()?.into() },
            RecordKind::CurrentAssignment => Key::CurrentAssignment { group, member: from.str()?.into() },
            RecordKind::PendingOffset => Key::PendingOffset {
                group,
                producer_id: from.i64()?,
                topic: from.str()?.into(),
                partition: from.i32()?,
            },
            RecordKind::StreamsGroup => Key::StreamsGroup { group },
            RecordKind::StreamsGroupMember => Key::StreamsMember { group, member: from.str()?.into() },
            RecordKind::StreamsTopology => Key::StreamsTopology { group },
            RecordKind::StreamsTargetAssignment => Key::StreamsTarget { group, member: from.str()?.into() },
            RecordKind::StreamsCurrentAssignment => Key::StreamsCurrent { group, member: from.str()?.into() },
            _ => return Err(RecordError::Damaged("is not of a group")),
        };
        from.end()?;
        Ok(decoded)
    }

    /// The group of a key, which may be damaged after it.
    ///
    /// # Errors
    /// If the key is damaged before the end of the group's id.
    pub fn group(key: &[u8]) -> Result<GroupId, RecordError> {
        let mut from = Reader::new(key);
        kind(&mut from)?;
        Ok(GroupId::from(from.str()?))
    }
}

fn kind(from: &mut Reader<'_>) -> Result<RecordKind, RecordError> {
    RecordKind::of(&[from.u8()?]).ok_or(RecordError::Damaged("is of an unknown kind"))
}

#[cfg(test)]
mod tests;
