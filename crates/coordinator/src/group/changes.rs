//! The changes of a step to a consumer or streams group, and the records that they need.
//!
//! A step marks what it changes; when it ends, the records of all that is marked are written together. So a record always has
//! the state of the group after a whole step.

use std::collections::{BTreeMap, BTreeSet};

use super::records::Key;
use super::{MemberId, Outcome};
use crate::state_machine::{Record, RecordError, TooLong};

/// The changes since the last records were written.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The epochs, the hash or the time since when the group is empty.
    group: bool,
    /// Members that describe themselves otherwise.
    members: BTreeSet<MemberId>,
    /// Members whose targets changed.
    targets: BTreeSet<MemberId>,
    /// Members whose current assignments changed.
    currents: BTreeSet<MemberId>,
    /// Members that were taken out, all three of whose records go.
    removed: BTreeSet<MemberId>,
}

/// The records of a group: one of its own, and three of each member.
pub(super) trait Recorded {
    /// The record of the group's epochs.
    fn group_record(&self) -> Result<Record, TooLong>;
    /// The record of a member's own description; `None`: no such member.
    fn member_record(&self, id: &MemberId) -> Option<Result<Record, TooLong>>;
    /// The record of a member's target assignment; `None`: it has none.
    fn target_record(&self, id: &MemberId) -> Option<Result<Record, TooLong>>;
    /// The record of a member's current assignment; `None`: no such member.
    fn current_record(&self, id: &MemberId) -> Option<Result<Record, TooLong>>;
    /// The keys of all three.
    fn keys_of_member(&self, id: &MemberId) -> [Key; 3];
}

impl Changes {
    pub(super) fn group(&mut self) {
        self.group = true;
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

    /// Writes the records of all that is marked.
    pub(super) fn write(self, of: &impl Recorded, out: &mut Outcome) {
        if self.group {
            out.write(of.group_record());
        }
        // Tombstones before values: a static member that comes back under the id it had is taken out and put
        // in again in one step, and its new records must win.
        for id in &self.removed {
            write_tombstones(of, id, out);
        }
        // A member that was marked and then removed in the same step has its tombstones only.
        self.members.iter().filter_map(|id| of.member_record(id)).for_each(|record| out.write(record));
        self.targets.iter().filter_map(|id| of.target_record(id)).for_each(|record| out.write(record));
        self.currents.iter().filter_map(|id| of.current_record(id)).for_each(|record| out.write(record));
    }
}

/// Tombstones of all three records of a member, also of those that it does not have.
pub(super) fn write_tombstones(of: &impl Recorded, id: &MemberId, out: &mut Outcome) {
    for key in of.keys_of_member(id) {
        out.write(Record::tombstone(&key));
    }
}

/// Takes a target assignment from its record, which is replayed after the member's.
///
/// # Errors
/// If there is no such member.
pub(super) fn restore_target<Member, Target>(
    members: &BTreeMap<MemberId, Member>,
    targets: &mut BTreeMap<MemberId, Target>,
    id: &MemberId,
    target: Target,
) -> Result<(), RecordError> {
    if !members.contains_key(id) {
        return Err(RecordError::Damaged("is the target assignment of no member"));
    }
    targets.insert(id.clone(), target);
    Ok(())
}
