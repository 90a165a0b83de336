//! Streams groups inside the machine of a group: the request that creates them, and an empty classic group
//! that becomes one.

use super::super::{
    Env, GroupError, GroupId, Outcome, Refused,
    classic::State,
    machine::{GroupMachine, Members, refuse_length},
    records::Key,
};
use super::StreamsGroup;
use super::request::{HeartbeatReply, HeartbeatRequest};
use crate::state_machine::{Record, StateMachine};

impl GroupMachine {
    /// Handles StreamsGroupHeartbeat, which may turn an empty classic group into a streams group. The request
    /// has passed [`HeartbeatRequest::validate`].
    ///
    /// # Errors
    /// As [`StreamsGroup::heartbeat`] and [`StreamsGroup::leave`]; GROUP_ID_NOT_FOUND for a group of another
    /// kind, unless the member joins an empty classic one.
    pub fn streams_heartbeat(
        &mut self,
        env: Env<'_>,
        request: &HeartbeatRequest,
        out: &mut Outcome,
    ) -> Result<HeartbeatReply, Refused> {
        if let Err(too_long) = request.check_lengths() {
            return Err(Refused::new(refuse_length(self.id(), too_long), format!("{too_long}.")));
        }
        let is_vacant = matches!(&self.members, Members::Classic(group) if group.state() == State::Empty);
        let result = match &mut self.members {
            Members::Streams(group) if request.is_leaving() => group.leave(env, request),
            Members::Streams(group) => group.heartbeat(env, request, out),
            _ if is_vacant && request.is_joining() => self.found_streams_group(env, request, out),
            _ => Err(not_a_streams_group(self.id())),
        };
        // The records of what the step changed; after a refusal there are none.
        self.settle(env, out);
        result
    }

    /// The first member of a streams group, in place of a classic group without members. Its offsets stay.
    ///
    /// # Errors
    /// As [`StreamsGroup::heartbeat`]: then the classic group is as it was.
    fn found_streams_group(
        &mut self,
        env: Env<'_>,
        request: &HeartbeatRequest,
        out: &mut Outcome,
    ) -> Result<HeartbeatReply, Refused> {
        let mut group = StreamsGroup::new(self.id().clone(), env.now);
        let reply = group.heartbeat(env, request, out)?;
        if let Members::Classic(classic) = &self.members
            && classic.is_persisted()
        {
            tracing::info!(group = %group.id(), "an empty classic group becomes a streams group");
            // In one outcome with the records of the new group: a restart finds one kind of group, never
            // both.
            out.write(Record::tombstone(&Key::GroupMetadata { group: group.id().clone() }));
        }
        self.members = Members::Streams(group);
        Ok(reply)
    }
}

/// Kafka's answer to requests of the streams protocol for a group of another kind.
pub fn not_a_streams_group(id: &GroupId) -> Refused {
    Refused::new(GroupError::GroupIdNotFound, format!("Group {id} is not a streams group."))
}
