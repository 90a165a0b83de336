//! The record of a classic group; the format is in `group/records.rs`.

use std::sync::Arc;

use bytes::Bytes;

use crate::group::records::{Key, Reader, Writer};
use crate::group::requests::Protocol;
use crate::group::{GenerationId, GroupId, GroupInstanceId, MemberId};
use crate::state_machine::{Record, RecordError, TooLong};

/// The persistent part of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// The generation has begun, but its assignment has not come yet.
    pub awaits_assignment: bool,
    pub generation: GenerationId,
    /// Wall clock, milliseconds.
    pub state_since_ms: i64,
    /// `None` if no member has joined.
    pub protocol_type: Option<Arc<str>>,
    /// `None` in a generation without members.
    pub protocol: Option<Arc<str>>,
    /// `None` without members.
    pub leader: Option<MemberId>,
    /// In the order in which they joined, which a restart keeps.
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
    /// All of them, in the member's order; Kafka stores the chosen one alone.
    pub protocols: Vec<Protocol>,
    /// Empty while the generation awaits its assignment.
    pub assignment: Bytes,
}

impl Record {
    /// The record of a classic group.
    pub(super) fn group_metadata(group: &GroupId, metadata: &GroupMetadata) -> Result<Record, TooLong> {
        Record::value(&Key::GroupMetadata { group: group.clone() }, metadata.encode())
    }
}

impl GroupMetadata {
    fn encode(&self) -> Writer {
        let mut out = Writer::value();
        out.flag(self.awaits_assignment);
        out.i32(self.generation.0);
        out.i64(self.state_since_ms);
        out.option_string(self.protocol_type.as_deref());
        out.option_string(self.protocol.as_deref());
        out.option_string(self.leader.as_ref().map(MemberId::as_str));
        out.list(self.members.iter(), |out, member| member.encode(out));
        out
    }

    /// Reads the value of a classic group's record.
    ///
    /// # Errors
    /// If it is of a newer version, or does not parse to its last byte.
    pub fn decode(value: &[u8]) -> Result<GroupMetadata, RecordError> {
        let mut from = Reader::new(value);
        from.version()?;
        let mut metadata = GroupMetadata {
            awaits_assignment: from.flag()?,
            generation: GenerationId(from.i32()?),
            state_since_ms: from.i64()?,
            protocol_type: from.option(Reader::str)?.map(Arc::from),
            protocol: from.option(Reader::str)?.map(Arc::from),
            leader: from.option(Reader::str)?.map(MemberId::from),
            members: Vec::new(),
        };
        for _ in 0..from.count()? {
            metadata.members.push(MemberMetadata::decode(&mut from)?);
        }
        from.end()?;
        Ok(metadata)
    }
}

impl MemberMetadata {
    fn encode(&self, out: &mut Writer) {
        out.string(self.member_id.as_str());
        out.option_string(self.group_instance_id.as_ref().map(GroupInstanceId::as_str));
        out.string(&self.client_id);
        out.string(&self.client_host);
        out.u32(self.rebalance_timeout_ms);
        out.u32(self.session_timeout_ms);
        out.list(self.protocols.iter(), |out, protocol| {
            out.string(&protocol.name);
            out.bytes(&protocol.metadata);
        });
        out.bytes(&self.assignment);
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
        for _ in 0..from.count()? {
            let name = Arc::from(from.str()?);
            let metadata = Bytes::copy_from_slice(from.bytes()?);
            member.protocols.push(Protocol { name, metadata });
        }
        member.assignment = Bytes::copy_from_slice(from.bytes()?);
        Ok(member)
    }
}

#[cfg(test)]
mod tests;
