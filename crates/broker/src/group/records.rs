//! The bytes that groups leave in storage: keys and values, format version 0.
//!
//! All numbers are big-endian. `string` is `length: u32 ‖ UTF-8`, `bytes` is `length: u32 ‖ bytes`, `option(x)` is `0`
//! or `1 ‖ x`, `list(x)` is `count: u32 ‖ x…`.
//!
//! | record | key | value |
//! | --- | --- | --- |
//! | group metadata | `1 ‖ string(group)` | see below |
//! | committed offset | `2 ‖ string(group) ‖ string(topic) ‖ partition: i32` | see below |
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
//! A deletion removes the key. Other first bytes of a key belong to other coordinators. A value of a newer version, or one
//! that does not parse to its last byte, is an error: guessing would move somebody's offsets.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::{GenerationId, GroupId, GroupInstanceId, MemberId, member::Protocol, offsets::CommittedOffset};

const GROUP_METADATA: u8 = 1;
const COMMITTED_OFFSET: u8 = 2;
const VERSION: u8 = 0;

/// A durable write: a value under a key, or (`None`) the removal of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Bytes,
    pub(crate) value: Option<Bytes>,
}

/// What the key of a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    GroupMetadata { group: GroupId },
    CommittedOffset { group: GroupId, topic: Arc<str>, partition: i32 },
}

/// The persistent part of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupMetadata {
    /// The generation has begun, but its assignment has not come yet.
    pub(crate) awaits_assignment: bool,
    pub(crate) generation: GenerationId,
    pub(crate) state_since_ms: i64,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Option<MemberId>,
    pub(crate) members: Vec<MemberMetadata>,
}

/// The persistent part of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberMetadata {
    pub(crate) member_id: MemberId,
    pub(crate) group_instance_id: Option<GroupInstanceId>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout_ms: u32,
    pub(crate) session_timeout_ms: u32,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
}

/// A stored record that this version cannot read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("a group record has format version {0}, which is newer than this broker understands")]
    NewerVersion(u8),
    #[error("a group record is damaged: it {0}")]
    Damaged(&'static str),
}

impl Record {
    pub(crate) fn group_metadata(group: &GroupId, metadata: &GroupMetadata) -> Record {
        let key = Key::GroupMetadata { group: group.clone() }.encode();
        Record { key, value: Some(metadata.encode()) }
    }

    pub(crate) fn committed_offset(
        group: &GroupId,
        topic: &Arc<str>,
        partition: i32,
        offset: &CommittedOffset,
    ) -> Record {
        let key = Key::CommittedOffset { group: group.clone(), topic: Arc::clone(topic), partition }.encode();
        Record { key, value: Some(encode_offset(offset)) }
    }

    /// The removal of whatever is under `key`.
    pub(crate) fn tombstone(key: &Key) -> Record {
        Record { key: key.encode(), value: None }
    }
}

impl Key {
    pub(crate) fn group(&self) -> &GroupId {
        match self {
            Key::GroupMetadata { group } | Key::CommittedOffset { group, .. } => group,
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
        }
        out.freeze()
    }

    /// `None`: the key belongs to another coordinator.
    pub(crate) fn decode(key: &[u8]) -> Result<Option<Key>, RecordError> {
        let mut from = Reader(key);
        let decoded = match from.u8()? {
            GROUP_METADATA => Key::GroupMetadata { group: from.str()?.into() },
            COMMITTED_OFFSET => Key::CommittedOffset {
                group: from.str()?.into(),
                topic: from.str()?.into(),
                partition: i32::from_be_bytes(from.array()?),
            },
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

    pub(crate) fn decode(value: &[u8]) -> Result<GroupMetadata, RecordError> {
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

pub(crate) fn decode_offset(value: &[u8]) -> Result<CommittedOffset, RecordError> {
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
