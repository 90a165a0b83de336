//! Records of a streams group: written by a step, read by a restart.
//!
//! A step marks what it changes; when it ends, the records of all that is marked are written together. So a
//! record always says what the group is like after a whole step.

use std::collections::BTreeSet;

use super::super::{MemberId, Outcome, records::Key};
use super::records::StreamsGroupEpochs;
use super::{Current, Metadata, StreamsGroup, TaskLists, Topology};
use crate::state_machine::{Record, RecordError};

/// The changes since the last records were written.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// The epochs, the hash or the time since when the group is empty.
    group: bool,
    topology: bool,
    /// Members whose metadata changed.
    members: BTreeSet<MemberId>,
    /// Members whose targets changed.
    targets: BTreeSet<MemberId>,
    /// Members whose current assignments changed.
    currents: BTreeSet<MemberId>,
    /// Members that were taken out, all three of whose records go.
    removed: BTreeSet<MemberId>,
}

impl Dirty {
    pub(super) fn group(&mut self) {
        self.group = true;
    }

    pub(super) fn topology(&mut self) {
        self.topology = true;
    }

    pub(super) fn member(&mut self, id: &MemberId) {
        self.members.insert(id.clone());
    }

    pub(super) fn target(&mut self, id: &MemberId) {
        self.targets.insert(id.clone());
    }

    pub(super) fn current(&mut self, id: &MemberId) {
        self.currents.insert(id.clone());
    }

    pub(super) fn removed(&mut self, id: &MemberId) {
        self.removed.insert(id.clone());
    }
}

impl StreamsGroup {
    /// Writes what the step has changed.
    /// Called at the end of every step that can change the group.
    pub fn flush(&mut self, out: &mut Outcome) {
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.group {
            out.write(Record::streams_group(&self.id, &self.epochs()));
        }
        if let Some(topology) = self.topology.as_ref().filter(|_| dirty.topology) {
            out.write(Record::streams_topology(&self.id, topology));
        }
        for id in &dirty.removed {
            self.write_tombstones(id, out);
        }
        // A member that was marked and then removed in the same step has its tombstones only.
        for (id, member) in dirty.members.iter().filter_map(|id| Some((id, self.members.get(id)?))) {
            out.write(Record::streams_member(&self.id, id, &member.metadata));
        }
        for (id, target) in dirty.targets.iter().filter_map(|id| Some((id, self.target.get(id)?))) {
            out.write(Record::streams_target(&self.id, id, target));
        }
        for (id, member) in dirty.currents.iter().filter_map(|id| Some((id, self.members.get(id)?))) {
            out.write(Record::streams_current(&self.id, id, &member.current));
        }
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

    /// Tombstones of all three records of a member, whether it has them or not.
    fn write_tombstones(&self, id: &MemberId, out: &mut Outcome) {
        let (group, member) = (self.id.clone(), id.clone());
        out.write(Record::tombstone(&Key::StreamsMember { group: group.clone(), member: member.clone() }));
        out.write(Record::tombstone(&Key::StreamsTarget { group: group.clone(), member: member.clone() }));
        out.write(Record::tombstone(&Key::StreamsCurrent { group, member }));
    }

    /// Removes every record of the group: it is deleted, or becomes one of another kind.
    pub fn bury(&mut self, out: &mut Outcome) {
        // Members that left in this step are no longer in `members`; only this writes their tombstones.
        self.flush(out);
        for id in self.members.keys() {
            self.write_tombstones(id, out);
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
        if !self.members.contains_key(id) {
            return Err(RecordError::Damaged("is the target assignment of no member"));
        }
        self.target.insert(id.clone(), target);
        Ok(())
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
