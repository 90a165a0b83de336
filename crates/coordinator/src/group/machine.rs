//! One group as a whole: its members, of the classic, the consumer or the streams protocol, and its committed offsets: replay,
//! ticks and deletion. `members` has the requests of members, `offsets` and `transactions` those that concern offsets.
//!
//! Pure. The shell calls one method per request, deadline or stored record, and carries out the [`Outcome`].

use std::{convert::Infallible, sync::Arc};

use super::{
    Env, GroupError, GroupId, GroupInstanceId, MemberId, Outcome, Reply,
    classic::{ClassicGroup, State, records::GroupMetadata},
    consumer::{ConsumerGroup, ConsumerState, records},
    offsets::{CommittedOffset, Offsets, pending::PendingOffset},
    records::{KINDS, Key},
    streams::{self, StreamsGroup, StreamsState},
};
use crate::record_kinds::RecordKind;
use crate::state_machine::{Now, Record, RecordError, StateMachine};

mod members;
mod offsets;
mod transactions;

pub use members::not_a_consumer_group;
pub(super) use members::refuse_length;

/// The members of a group, by the protocol that the group speaks.
#[derive(Debug)]
pub enum Members {
    /// Also a group without members, and one that only stores offsets.
    Classic(ClassicGroup),
    /// Its members may speak either protocol while the group migrates. It stays one when the last member
    /// leaves.
    Consumer(ConsumerGroup),
    /// It stays one when the last member leaves.
    Streams(StreamsGroup),
}

/// The state machine of one group.
#[derive(Debug)]
pub struct GroupMachine {
    /// Decides which requests are served; a change of protocol replaces it whole.
    pub(super) members: Members,
    /// Apart from the members, so that they outlive a change of protocol and the last member.
    offsets: Offsets,
}

impl StateMachine for GroupMachine {
    type Id = GroupId;
    type Env<'a> = Env<'a>;
    type Reply = Reply;
    type Effect = Infallible;

    const RECORDS: &'static [RecordKind] = KINDS;

    /// A group that no member has joined yet.
    fn new(id: GroupId, now: Now) -> GroupMachine {
        GroupMachine { members: Members::Classic(ClassicGroup::new(id, now)), offsets: Offsets::default() }
    }

    fn id(&self) -> &GroupId {
        match &self.members {
            Members::Classic(group) => group.id(),
            Members::Consumer(group) => group.id(),
            Members::Streams(group) => group.id(),
        }
    }

    fn owner(key: &[u8]) -> Result<GroupId, RecordError> {
        Key::group(key)
    }

    fn replay(&mut self, now: Now, key: &[u8], value: &[u8], out: &mut Outcome) -> Result<(), RecordError> {
        let key = Key::decode(key)?;
        if let Key::ConsumerGroup { group } = &key {
            // Replayed before its members (`KINDS`), which must find a group to belong to.
            let mut group = ConsumerGroup::new(group.clone(), now);
            group.restore_epochs(&records::decode_epochs(value)?);
            self.members = Members::Consumer(group);
            return Ok(());
        }
        if let Key::StreamsGroup { group } = &key {
            let mut group = StreamsGroup::new(group.clone(), now);
            group.restore_epochs(&streams::records::decode_epochs(value)?);
            self.members = Members::Streams(group);
            return Ok(());
        }
        match (&mut self.members, key) {
            // Of both kinds: a group that changes its protocol keeps its offsets.
            (_, Key::CommittedOffset { topic, partition, .. }) => {
                self.offsets.commit(topic, partition, CommittedOffset::decode(value)?);
            }
            (_, Key::PendingOffset { producer_id, topic, partition, .. }) => {
                let pending = PendingOffset::decode(value)?;
                self.offsets.pending.restore(producer_id, topic, partition, pending);
            }
            (Members::Classic(group), Key::GroupMetadata { .. }) => {
                group.restore(now, GroupMetadata::decode(value)?, out);
            }
            (Members::Consumer(group), Key::ConsumerMember { member, .. }) => {
                group.restore_member(&member, records::decode_subscription(value)?);
            }
            (Members::Consumer(group), Key::TargetAssignment { member, .. }) => {
                group.restore_target(&member, records::decode_target(value)?)?;
            }
            (Members::Consumer(group), Key::CurrentAssignment { member, .. }) => {
                group.restore_current(&member, records::decode_current(value)?)?;
            }
            (Members::Streams(group), Key::StreamsMember { member, .. }) => {
                group.restore_member(&member, streams::records::decode_metadata(value)?);
            }
            (Members::Streams(group), Key::StreamsTopology { .. }) => {
                group.restore_topology(streams::records::decode_topology(value)?);
            }
            (Members::Streams(group), Key::StreamsTarget { member, .. }) => {
                group.restore_target(&member, streams::records::decode_target(value)?)?;
            }
            (Members::Streams(group), Key::StreamsCurrent { member, .. }) => {
                group.restore_current(&member, streams::records::decode_current(value)?)?;
            }
            // Records of members without that of their group: all of these are written and removed together.
            _ => return Err(RecordError::Damaged("belongs to no group of its kind")),
        }
        Ok(())
    }

    fn start(&mut self, env: Env<'_>, out: &mut Outcome) {
        match &mut self.members {
            // Its clocks start with its record.
            Members::Classic(_) => {}
            Members::Consumer(group) => group.start_clocks(env.now, env.config, out),
            Members::Streams(group) => group.start_clocks(env.now, env.config, out),
        }
    }

    fn tick(&mut self, env: Env<'_>, out: &mut Outcome) {
        match &mut self.members {
            Members::Classic(group) => group.tick(env.now, env.config, out),
            Members::Consumer(group) => group.tick(env, out),
            Members::Streams(group) => group.tick(env, out),
        }
        // Also after a tick: the last member of the consumer protocol may have expired.
        self.settle(env, out);
    }

    fn is_forgettable(&self) -> bool {
        match &self.members {
            Members::Classic(group) => {
                group.state() == State::Dead || (group.is_vacant() && self.offsets.is_empty())
            }
            // An empty one still has the record of its epochs, and would come back with the next start.
            Members::Consumer(group) => group.state() == ConsumerState::Dead,
            Members::Streams(group) => group.state() == StreamsState::Dead,
        }
    }
}

impl GroupMachine {
    /// The members, by the protocol that the group speaks now.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Static members that are away count too; ids that no client has come back with do not.
    pub fn member_count(&self) -> usize {
        match &self.members {
            Members::Classic(group) => group.member_count(),
            Members::Consumer(group) => group.members().len(),
            Members::Streams(group) => group.members().len(),
        }
    }

    /// True if the sender of a request is a member: by its id, or by its instance id if it comes back without one.
    pub fn knows(&self, id: &MemberId, instance_id: Option<&GroupInstanceId>) -> bool {
        match &self.members {
            Members::Classic(group) => group.knows(id, instance_id),
            Members::Consumer(group) => group.knows(id, instance_id),
            Members::Streams(group) => group.knows(id),
        }
    }

    /// The offsets, committed and pending. Those of the last steps may not be durable yet.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Checks that the group may be deleted.
    fn validate_delete(&self) -> Result<(), GroupError> {
        match &self.members {
            Members::Classic(group) => group.validate_delete(),
            Members::Consumer(group) => match group.state() {
                ConsumerState::Empty => Ok(()),
                ConsumerState::Dead => Err(GroupError::GroupIdNotFound),
                ConsumerState::Assigning | ConsumerState::Reconciling | ConsumerState::Stable => {
                    Err(GroupError::NonEmptyGroup)
                }
            },
            Members::Streams(group) => group.validate_delete(),
        }
    }

    /// Handles DeleteGroups: an empty group goes, with its offsets. Those of open transactions go too, as
    /// Kafka's `deleteAllOffsets`: their end then changes nothing here.
    ///
    /// # Errors
    /// NON_EMPTY_GROUP while there are members; nothing is deleted then.
    pub fn delete(&mut self, now: Now, out: &mut Outcome) -> Result<(), GroupError> {
        self.validate_delete()?;
        // In one outcome with the group: a restart must not find offsets of a group that was deleted.
        let offsets: Vec<(Arc<str>, i32)> =
            self.offsets.iter().map(|(topic, partition, _)| (Arc::clone(topic), partition)).collect();
        self.remove_offsets(&offsets, out);
        self.drop_pending(|_, _| true, out);
        self.bury(now, out);
        Ok(())
    }

    /// Removes what is stored of the group except its offsets, and leaves it dead: the shell drops it after
    /// this step.
    fn bury(&mut self, now: Now, out: &mut Outcome) {
        match &mut self.members {
            Members::Classic(group) => {
                // A group that only stores offsets has no record of its own.
                if group.is_persisted() {
                    let key = Key::GroupMetadata { group: group.id().clone() };
                    out.write(Record::tombstone(&key));
                }
                group.bury(now);
            }
            Members::Consumer(group) => group.bury(out),
            Members::Streams(group) => group.bury(out),
        }
    }
}
