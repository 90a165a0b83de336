//! A classic group as others see it: DescribeGroups, ListGroups, expiry, and the record that survives a restart.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use super::super::offsets::Retention;
use super::super::{GroupError, GroupInstanceId, MemberId, Outcome, consumer_protocol};
use super::member::Member;
use super::records::{GroupMetadata, MemberMetadata};
use super::{ClassicGroup, JoinPhase, State};
use crate::state_machine::{Now, Record, TooLong};

/// A group as DescribeGroups shows it.
#[derive(Clone, Debug)]
pub struct GroupDescription {
    pub state: State,
    /// Empty for a group that only stores offsets.
    pub protocol_type: Arc<str>,
    /// The assignor in use; empty unless the group is stable.
    pub protocol: Arc<str>,
    /// In the order in which they joined.
    pub members: Vec<MemberDescription>,
}

/// A member as DescribeGroups shows it.
#[derive(Clone, Debug)]
pub struct MemberDescription {
    pub member_id: MemberId,
    pub group_instance_id: Option<GroupInstanceId>,
    pub client_id: Arc<str>,
    /// As Java prints an address, `/127.0.0.1`.
    pub client_host: Arc<str>,
    /// Empty unless the group is stable, as in Kafka.
    pub metadata: Bytes,
    /// As the leader made it; empty unless the group is stable.
    pub assignment: Bytes,
}

impl ClassicGroup {
    /// The group as it is in memory: its last step may not be durable yet.
    pub fn describe(&self) -> GroupDescription {
        let stable = self.state == State::Stable;
        let protocol = self.protocol.clone().filter(|_| stable).unwrap_or_default();
        let member = |member: &Member| MemberDescription {
            member_id: member.id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            metadata: if stable { member.metadata(&protocol) } else { Bytes::new() },
            assignment: if stable { member.assignment.clone() } else { Bytes::new() },
        };
        GroupDescription {
            state: self.state,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: self.members.values().map(member).collect(),
            protocol,
        }
    }

    /// The topics that the members subscribe to. `None` when the coordinator cannot know: the members are not
    /// consumers, have not agreed on a protocol yet, or their metadata does not parse.
    pub fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if self.protocol_type.as_deref() != Some(consumer_protocol::PROTOCOL_TYPE) {
            return None;
        }
        let mut topics = BTreeSet::new();
        // Before the protocol, which an empty group does not have: its subscriptions are known to be none.
        if self.members.is_empty() {
            return Some(topics);
        }
        let protocol = self.protocol.as_deref()?;
        for member in self.members.values() {
            consumer_protocol::subscribed_topics(&member.metadata(protocol), &mut topics)?;
        }
        Some(topics)
    }

    /// Topics whose offsets an administrator may not delete (`ClassicGroup.validateOffsetDelete`, `isSubscribedToTopic`).
    /// `None`: all of them, because the subscriptions of the members are unknown.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND if the group is deleted, NON_EMPTY_GROUP if its members are not consumers.
    pub fn topics_to_keep(&self) -> Result<Option<BTreeSet<String>>, GroupError> {
        match self.state {
            State::Dead => Err(GroupError::GroupIdNotFound),
            State::Empty => Ok(Some(BTreeSet::new())),
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                let are_consumers = self.protocol_type.as_deref() == Some(consumer_protocol::PROTOCOL_TYPE);
                if are_consumers { Ok(self.subscribed_topics()) } else { Err(GroupError::NonEmptyGroup) }
            }
        }
    }

    /// The rule by which offsets expire now (`ClassicGroup.offsetExpirationCondition`). `None`: nothing may expire.
    pub(in crate::group) fn retention(&self, retention_ms: u64) -> Option<Retention> {
        let rule = |empty_since_ms, subscribed| Some(Retention { retention_ms, empty_since_ms, subscribed });
        match (&self.protocol_type, self.state) {
            (_, State::Dead) => None,
            // Only a store of offsets: each counts for itself.
            (None, _) => rule(None, BTreeSet::new()),
            (Some(_), State::Empty) => rule(Some(self.state_since_ms), BTreeSet::new()),
            (Some(kind), State::Stable) if &**kind == consumer_protocol::PROTOCOL_TYPE => {
                rule(None, self.subscribed_topics()?)
            }
            // Members without known subscriptions may need any offset.
            (Some(_), State::PreparingRebalance | State::CompletingRebalance | State::Stable) => None,
        }
    }

    /// The record of the group as it is now.
    ///
    /// # Errors
    /// If members and their metadata are together more than a record can hold.
    pub(super) fn record(&self) -> Result<Record, TooLong> {
        let member = |member: &Member| MemberMetadata {
            member_id: member.id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            protocols: member.protocols.clone(),
            assignment: member.assignment.clone(),
        };
        let metadata = GroupMetadata {
            // PreparingRebalance too: `take_over` writes the record of a downgraded group in that state.
            awaits_assignment: matches!(self.state, State::PreparingRebalance | State::CompletingRebalance),
            generation: self.generation,
            state_since_ms: self.state_since_ms,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: self.members.values().map(member).collect(),
        };
        Record::group_metadata(&self.id, &metadata)
    }

    /// The group as its record says: stable with all its members, or empty. Sessions begin now, so that members who
    /// come back within their session timeout go on in the same generation, without a rebalance. A generation that
    /// had no assignment yet is not continued: its members are sent back to join.
    pub fn restore(&mut self, now: Now, metadata: GroupMetadata, out: &mut Outcome) {
        *self = ClassicGroup::new(self.id.clone(), now);
        self.generation = metadata.generation;
        self.state = if metadata.members.is_empty() { State::Empty } else { State::Stable };
        let awaits_assignment = metadata.awaits_assignment && self.state == State::Stable;
        // The stored time: offsets of an empty group expire counting from it, and no restart may delay that.
        self.state_since_ms = metadata.state_since_ms;
        self.protocol = metadata.protocol;
        // Before the members: `add_member` makes the first one the leader if there is none.
        self.leader = metadata.leader;
        self.persisted = true;
        let protocol_type = metadata.protocol_type;
        for member in metadata.members {
            let mut member = Member {
                id: member.member_id,
                group_instance_id: member.group_instance_id,
                client_id: member.client_id,
                client_host: member.client_host,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                session_timeout_ms: member.session_timeout_ms,
                protocols: member.protocols,
                assignment: member.assignment,
                is_new: false,
                awaiting_join: None,
                awaiting_sync: None,
                pending_sync: false,
                session_deadline: None,
            };
            member.restart_session(now, out);
            self.add_member(member, &Arc::default());
        }
        // After the members: adding the first of them has set the type, to an empty one.
        self.protocol_type = protocol_type;
        if awaits_assignment {
            self.transition(State::PreparingRebalance, now);
            let deadline = now.deadline(self.rebalance_timeout_ms());
            self.set_join_phase(JoinPhase::Rejoining { deadline }, out);
        }
    }
}
