//! Records of a consumer group: written at the end of a step (`group/changes.rs`), read by a restart.

use super::super::changes::{Recorded, restore_target, write_tombstones};
use super::super::{MemberId, Outcome, assignor::TopicPartitions, records::Key};
use super::records::ConsumerGroupEpochs;
use super::{ConsumerGroup, Current, Subscription};
use crate::state_machine::{Record, RecordError, TooLong};

impl Recorded for ConsumerGroup {
    fn group_record(&self) -> Result<Record, TooLong> {
        let epochs = ConsumerGroupEpochs {
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            metadata_hash: self.metadata_hash,
            empty_since_ms: self.empty_since_ms,
        };
        Record::consumer_group(&self.id, &epochs)
    }

    fn member_record(&self, id: &MemberId) -> Option<Result<Record, TooLong>> {
        self.members.get(id).map(|member| Record::consumer_member(&self.id, id, &member.subscription))
    }

    fn target_record(&self, id: &MemberId) -> Option<Result<Record, TooLong>> {
        self.target.get(id).map(|target| Record::target_assignment(&self.id, id, target))
    }

    fn current_record(&self, id: &MemberId) -> Option<Result<Record, TooLong>> {
        self.members.get(id).map(|member| Record::current_assignment(&self.id, id, &member.current))
    }

    fn keys_of_member(&self, id: &MemberId) -> [Key; 3] {
        let (group, member) = (self.id.clone(), id.clone());
        [
            Key::ConsumerMember { group: group.clone(), member: member.clone() },
            Key::TargetAssignment { group: group.clone(), member: member.clone() },
            Key::CurrentAssignment { group, member },
        ]
    }
}

impl ConsumerGroup {
    /// Writes what the step has changed.
    /// Called at the end of every step that can change members, also if it refuses.
    pub fn flush(&mut self, out: &mut Outcome) {
        std::mem::take(&mut self.changes).write(self, out);
    }

    /// Marks everything, for a group that has just been made from another kind.
    pub fn mark_all(&mut self) {
        self.changes.group();
        self.members.keys().for_each(|id| self.changes.member(id));
        self.target.keys().for_each(|id| self.changes.target(id));
        self.members.keys().for_each(|id| self.changes.current(id));
    }

    /// Removes every record of the group: it is deleted, or becomes one of another kind.
    pub fn bury(&mut self, out: &mut Outcome) {
        // Members that left in this step are no longer in `members`; only this writes their tombstones.
        self.flush(out);
        for id in self.members.keys() {
            write_tombstones(self, id, out);
        }
        out.write(Record::tombstone(&Key::ConsumerGroup { group: self.id.clone() }));
        self.members.clear();
        self.target.clear();
        self.static_members.clear();
        self.holders.clear();
        self.is_dead = true;
    }

    /// From the record of the group, the first to be replayed.
    pub fn restore_epochs(&mut self, epochs: &ConsumerGroupEpochs) {
        self.epoch = epochs.epoch;
        self.assignment_epoch = epochs.assignment_epoch;
        self.metadata_hash = epochs.metadata_hash;
        self.empty_since_ms = epochs.empty_since_ms;
    }

    /// From the record of a member, before its two assignments.
    pub fn restore_member(&mut self, id: &MemberId, subscription: Subscription) {
        let mut member = self.members.get(id).cloned().unwrap_or_default();
        member.subscription = subscription;
        self.put(id, member);
    }

    /// From the record of a target assignment.
    ///
    /// # Errors
    /// If there is no such member.
    pub fn restore_target(&mut self, id: &MemberId, target: TopicPartitions) -> Result<(), RecordError> {
        restore_target(&self.members, &mut self.target, id, target)
    }

    /// From the record of a current assignment. Deadlines start later (`start_clocks`).
    ///
    /// # Errors
    /// If there is no such member.
    pub fn restore_current(&mut self, id: &MemberId, current: Current) -> Result<(), RecordError> {
        let Some(mut member) = self.members.get(id).cloned() else {
            return Err(RecordError::Damaged("is the current assignment of no member"));
        };
        member.current = current;
        // By `put`, which builds `holders` anew: they are not stored.
        self.put(id, member);
        Ok(())
    }
}
