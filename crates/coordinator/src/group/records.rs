//! The bytes that groups leave in storage: keys and values, format version 0.
//!
//! All numbers are big-endian. `string` is `length: u32 ‖ UTF-8`, `bytes` is `length: u32 ‖ bytes`, `option(x)` is `0`
//! or `1 ‖ x`, `list(x)` is `count: u32 ‖ x…`.
//!
//! | record | key | value |
//! | --- | --- | --- |
//! | group metadata | `1 ‖ string(group)` | see below |
//! | committed offset | `2 ‖ string(group) ‖ string(topic) ‖ partition: i32` | see below |
//! | consumer group | `3 ‖ string(group)` | see below |
//! | consumer group member | `4 ‖ string(group) ‖ string(member)` | see below |
//! | target assignment | `5 ‖ string(group) ‖ string(member)` | see below |
//! | current assignment | `6 ‖ string(group) ‖ string(member)` | see below |
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
//! A group is classic, or has records 3–6 and speaks the consumer protocol (KIP-848). These are written whenever they
//! change, all that one step changes together.
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
//! A deletion removes the key. Other first bytes of a key belong to other coordinators. A value of a newer version, or one
//! that does not parse to its last byte, is an error: guessing would move somebody's offsets.

mod consumer;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::{GenerationId, GroupId, GroupInstanceId, MemberId, member::Protocol, offsets::CommittedOffset};

pub use consumer::{ConsumerGroupEpochs, decode_current, decode_epochs, decode_subscription, decode_target};

const GROUP_METADATA: u8 = 1;
const COMMITTED_OFFSET: u8 = 2;
const CONSUMER_GROUP: u8 = 3;
const CONSUMER_MEMBER: u8 = 4;
const TARGET_ASSIGNMENT: u8 = 5;
const CURRENT_ASSIGNMENT: u8 = 6;
const VERSION: u8 = 0;

/// A durable write: a value under a key, or (`None`) the removal of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// What the key of a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    GroupMetadata { group: GroupId },
    CommittedOffset { group: GroupId, topic: Arc<str>, partition: i32 },
    ConsumerGroup { group: GroupId },
    ConsumerMember { group: GroupId, member: MemberId },
    TargetAssignment { group: GroupId, member: MemberId },
    CurrentAssignment { group: GroupId, member: MemberId },
}

/// The persistent part of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// The generation has begun, but its assignment has not come yet.
    pub awaits_assignment: bool,
    pub generation: GenerationId,
    pub state_since_ms: i64,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub leader: Option<MemberId>,
    pub members: Vec<MemberMetadata>,
}

/// The persistent part of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    pub member_id: MemberId,
    pub group_instance_id: Option<GroupInstanceId>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub rebalance_timeout_ms: u32,
    pub session_timeout_ms: u32,
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
}

/// A stored record that this version cannot read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("a group record has format version {0}, which is newer than this broker understands")]
    NewerVersion(u8),
    #[error("a group record is damaged: it {0}")]
    Damaged(&'static str),
}

impl Record {
    pub fn group_metadata(group: &GroupId, metadata: &GroupMetadata) -> Record {
        let key = Key::GroupMetadata { group: group.clone() }.encode();
        Record { key, value: Some(metadata.encode()) }
    }

    pub fn committed_offset(
        group: &GroupId,
        topic: &Arc<str>,
        partition: i32,
        offset: &CommittedOffset,
    ) -> Record {
        let key = Key::CommittedOffset { group: group.clone(), topic: Arc::clone(topic), partition }.encode();
        Record { key, value: Some(encode_offset(offset)) }
    }

    /// The removal of whatever is under `key`.
    pub fn tombstone(key: &Key) -> Record {
        Record { key: key.encode(), value: None }
    }
}

impl Key {
    pub fn group(&self) -> &GroupId {
        match self {
            Key::GroupMetadata { group }
            | Key::CommittedOffset { group, .. }
            | Key::ConsumerGroup { group }
            | Key::ConsumerMember { group, .. }
            | Key::TargetAssignment { group, .. }
            | Key::CurrentAssignment { group, .. } => group,
        }
    }

    fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Key::GroupMetadata { group } => {
                out.put_u8(GROUP_METADATA);
                put_string(&mut out, group.as_str());
            }
            Key::CommittedOffset { group, topic, partition } => {
                out.put_u8(COMMITTED_OFFSET);
                put_string(&mut out, group.as_str());
                put_string(&mut out, topic);
                out.put_i32(*partition);
            }
            Key::ConsumerGroup { group } => {
                out.put_u8(CONSUMER_GROUP);
                put_string(&mut out, group.as_str());
            }
            Key::ConsumerMember { group, member } => put_member(&mut out, CONSUMER_MEMBER, group, member),
            Key::TargetAssignment { group, member } => put_member(&mut out, TARGET_ASSIGNMENT, group, member),
            Key::CurrentAssignment { group, member } => {
                put_member(&mut out, CURRENT_ASSIGNMENT, group, member);
            }
        }
        out.freeze()
    }

    /// `None`: the key belongs to another coordinator.
    pub fn decode(key: &[u8]) -> Result<Option<Key>, RecordError> {
        let mut from = Reader(key);
        let decoded = match from.u8()? {
            GROUP_METADATA => Key::GroupMetadata { group: from.str()?.into() },
            COMMITTED_OFFSET => Key::CommittedOffset {
                group: from.str()?.into(),
                topic: from.str()?.into(),
                partition: i32::from_be_bytes(from.array()?),
            },
            CONSUMER_GROUP => Key::ConsumerGroup { group: from.str()?.into() },
            CONSUMER_MEMBER => Key::ConsumerMember { group: from.str()?.into(), member: from.str()?.into() },
            TARGET_ASSIGNMENT => {
                Key::TargetAssignment { group: from.str()?.into(), member: from.str()?.into() }
            }
            CURRENT_ASSIGNMENT => {
                Key::CurrentAssignment { group: from.str()?.into(), member: from.str()?.into() }
            }
            _ => return Ok(None),
        };
        from.end()?;
        Ok(Some(decoded))
    }
}

impl GroupMetadata {
    fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        out.put_u8(u8::from(self.awaits_assignment));
        out.put_i32(self.generation.0);
        out.put_i64(self.state_since_ms);
        put_option(&mut out, self.protocol_type.as_deref());
        put_option(&mut out, self.protocol.as_deref());
        put_option(&mut out, self.leader.as_ref().map(MemberId::as_str));
        put_length(&mut out, self.members.len());
        for member in &self.members {
            member.encode(&mut out);
        }
        out.freeze()
    }

    pub fn decode(value: &[u8]) -> Result<GroupMetadata, RecordError> {
        let mut from = Reader(value);
        from.version()?;
        let mut metadata = GroupMetadata {
            awaits_assignment: from.flag()?,
            generation: GenerationId(i32::from_be_bytes(from.array()?)),
            state_since_ms: i64::from_be_bytes(from.array()?),
            protocol_type: from.option(Reader::str)?.map(Arc::from),
            protocol: from.option(Reader::str)?.map(Arc::from),
            leader: from.option(Reader::str)?.map(MemberId::from),
            members: Vec::new(),
        };
        for _ in 0..from.u32()? {
            metadata.members.push(MemberMetadata::decode(&mut from)?);
        }
        from.end()?;
        Ok(metadata)
    }
}

impl MemberMetadata {
    fn encode(&self, out: &mut BytesMut) {
        put_string(out, self.member_id.as_str());
        put_option(out, self.group_instance_id.as_ref().map(GroupInstanceId::as_str));
        put_string(out, &self.client_id);
        put_string(out, &self.client_host);
        out.put_u32(self.rebalance_timeout_ms);
        out.put_u32(self.session_timeout_ms);
        put_length(out, self.protocols.len());
        for protocol in &self.protocols {
            put_string(out, &protocol.name);
            put_bytes(out, &protocol.metadata);
        }
        put_bytes(out, &self.assignment);
    }

    fn decode(from: &mut Reader<'_>) -> Result<MemberMetadata, RecordError> {
        let mut member = MemberMetadata {
            member_id: from.str()?.into(),
            group_instance_id: from.option(Reader::str)?.map(GroupInstanceId::from),
            client_id: from.str()?.into(),
            client_host: from.str()?.into(),
            rebalance_timeout_ms: from.u32()?,
            session_timeout_ms: from.u32()?,
            protocols: Vec::new(),
            assignment: Bytes::new(),
        };
        for _ in 0..from.u32()? {
            let name = Arc::from(from.str()?);
            let metadata = Bytes::copy_from_slice(from.bytes()?);
            member.protocols.push(Protocol { name, metadata });
        }
        member.assignment = Bytes::copy_from_slice(from.bytes()?);
        Ok(member)
    }
}

fn encode_offset(offset: &CommittedOffset) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(VERSION);
    out.put_i64(offset.offset);
    out.put_i32(offset.leader_epoch);
    out.put_i64(offset.committed_at_ms);
    match offset.expires_at_ms {
        None => out.put_u8(0),
        Some(at) => {
            out.put_u8(1);
            out.put_i64(at);
        }
    }
    out.put_slice(offset.topic_id.as_bytes());
    put_string(&mut out, &offset.metadata);
    out.freeze()
}

pub fn decode_offset(value: &[u8]) -> Result<CommittedOffset, RecordError> {
    let mut from = Reader(value);
    from.version()?;
    let offset = CommittedOffset {
        offset: i64::from_be_bytes(from.array()?),
        leader_epoch: i32::from_be_bytes(from.array()?),
        committed_at_ms: i64::from_be_bytes(from.array()?),
        expires_at_ms: from.option(|from| Ok(i64::from_be_bytes(from.array()?)))?,
        topic_id: Uuid::from_bytes(from.array()?),
        metadata: from.str()?.into(),
    };
    from.end()?;
    Ok(offset)
}

fn put_member(out: &mut BytesMut, kind: u8, group: &GroupId, member: &MemberId) {
    out.put_u8(kind);
    put_string(out, group.as_str());
    put_string(out, member.as_str());
}

/// Lengths come from requests, whose frames are far below 4 GiB. Should one not fit, the record would not decode.
fn put_length(out: &mut BytesMut, length: usize) {
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.put_slice(bytes);
}

fn put_string(out: &mut BytesMut, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn put_option(out: &mut BytesMut, text: Option<&str>) {
    match text {
        None => out.put_u8(0),
        Some(text) => {
            out.put_u8(1);
            put_string(out, text);
        }
    }
}

/// What is left to read. Every length is checked against it before anything is allocated.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(RecordError::Damaged("ends early"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, RecordError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn u32(&mut self) -> Result<u32, RecordError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        let (head, rest) = self.0.split_at_checked(length).ok_or(RecordError::Damaged("ends early"))?;
        self.0 = rest;
        Ok(head)
    }

    fn str(&mut self) -> Result<&'a str, RecordError> {
        str::from_utf8(self.bytes()?).map_err(|_| RecordError::Damaged("holds text that is not UTF-8"))
    }

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    fn flag(&mut self) -> Result<bool, RecordError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Damaged("has a flag that is neither 0 nor 1")),
        }
    }

    fn version(&mut self) -> Result<(), RecordError> {
        match self.u8()? {
            VERSION => Ok(()),
            newer => Err(RecordError::NewerVersion(newer)),
        }
    }

    fn end(&self) -> Result<(), RecordError> {
        if self.0.is_empty() { Ok(()) } else { Err(RecordError::Damaged("has bytes left over")) }
    }
}

#[cfg(test)]
mod tests;
