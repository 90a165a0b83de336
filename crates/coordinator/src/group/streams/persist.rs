//! Records of a streams group: written at the end of a step (`group/changes.rs`), read by a restart.

use super::super::changes::{Recorded, restore_target, write_tombstones};
use super::super::{MemberId, Outcome, records::Key};
use super::records::StreamsGroupEpochs;
use super::{Current, Metadata, StreamsGroup, TaskLists, Topology};
use crate::state_machine::{Record, RecordError, TooLong};

impl Recorded for StreamsGroup {
    fn group_record(&self) -> Result<Record, TooLong> {
        Record::streams_group(&self.id, &self.epochs())
    }

    fn member_record(&self, id: &MemberId) -> Option<Result<Record, TooLong>> {
        self.members.get(id).map(|member| Record::streams_member(&self.id, id, &member.metadata))
    }

    fn target_record(&self, id: &MemberId) -> Option<Result<Record, TooLong>> {
        self.target.get(id).map(|target| Record::streams_target(&self.id, id, target))
    }

    fn current_record(&self, id: &MemberId) -> Option<Result<Record, TooLong>> {
        self.members.get(id).map(|member| Record::streams_current(&self.id, id, &member.current))
    }

    fn keys_of_member(&self, id: &MemberId) -> [Key; 3] {
        let (group, member) = (self.id.clone(), id.clone());
        [
            Key::StreamsMember { group: group.clone(), member: member.clone() },
            Key::StreamsTarget { group: group.clone(), member: member.clone() },
            Key::StreamsCurrent { group, member },
        ]
    }
}

impl StreamsGroup {
    /// Writes what the step has changed.
    /// Called at the end of every step that can change the group.
    pub fn flush(&mut self, out: &mut Outcome) {
        if std::mem::take(&mut self.has_new_topology)
            && let Some(topology) = &self.topology
        {
            out.write(Record::streams_topology(&self.id, topology));
        }
        std::mem::take(&mut self.changes).write(self, out);
    }

    /// The content of the record of the group.
    pub(super) fn epochs(&self) -> StreamsGroupEpochs {
        StreamsGroupEpochs {
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assigned_at_ms: self.assigned_at_ms,
            metadata_hash: self.metadata_hash,
            validated_topology_epoch: self.validated_topology_epoch,
            standby_replicas: self.standby_replicas,
            empty_since_ms: self.empty_since_ms,
        }
    }

    /// Removes every record of the group: it is deleted, or becomes one of another kind.
    pub fn bury(&mut self, out: &mut Outcome) {
        // Members that left in this step are no longer in `members`; only this writes their tombstones.
        self.flush(out);
        for id in self.members.keys() {
            write_tombstones(self, id, out);
        }
        out.write(Record::tombstone(&Key::StreamsTopology { group: self.id.clone() }));
        out.write(Record::tombstone(&Key::StreamsGroup { group: self.id.clone() }));
        self.members.clear();
        self.target.clear();
        self.active_holders.clear();
        self.standby_holders.clear();
        self.topology = None;
        self.is_dead = true;
    }

    /// From the record of the group, the first to be replayed.
    pub fn restore_epochs(&mut self, epochs: &StreamsGroupEpochs) {
        self.epoch = epochs.epoch;
        self.assignment_epoch = epochs.assignment_epoch;
        self.assigned_at_ms = epochs.assigned_at_ms;
        self.metadata_hash = epochs.metadata_hash;
        self.validated_topology_epoch = epochs.validated_topology_epoch;
        self.standby_replicas = epochs.standby_replicas;
        self.empty_since_ms = epochs.empty_since_ms;
    }

    /// From the record of the topology.
    pub fn restore_topology(&mut self, topology: Topology) {
        self.topology = Some(topology);
    }

    /// From the record of a member, before its two assignments.
    pub fn restore_member(&mut self, id: &MemberId, metadata: Metadata) {
        let mut member = self.members.get(id).cloned().unwrap_or_default();
        member.metadata = metadata;
        self.put(id, member);
    }

    /// From the record of a target assignment.
    ///
    /// # Errors
    /// If there is no such member.
    pub fn restore_target(&mut self, id: &MemberId, target: TaskLists) -> Result<(), RecordError> {
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
        // By `put`, which builds the holders anew: they are not stored.
        self.put(id, member);
        Ok(())
    }
}
