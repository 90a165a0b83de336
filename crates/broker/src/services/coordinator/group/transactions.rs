//! The part of groups in transactions: offsets that become committed with the end of their transaction.
//!
//! Both steps are written together with records of the transaction, by the caller, while the groups are locked: a
//! transaction's lock is taken before those of its groups.

use std::collections::BTreeSet;

use bytes::Bytes;
use coordinator::group::{
    GenerationId, GroupError, GroupId, machine::GroupMachine, offsets::OffsetCommit, records::Key,
};
use coordinator::state_machine::{Record, StateMachine as _};
use coordinator::transaction::{Ending, GroupRef, ProducerId};

use super::super::durability::Ticket;
use super::super::log::Written;
use super::super::shell::Missing;
use super::GroupService;
use super::requests::{CommitTerms, not_empty, refusal};

/// The result of each commit, in their order; or one for all.
pub(crate) type Staged = Result<Vec<Result<(), GroupError>>, GroupError>;

impl GroupService {
    /// TxnOffsetCommit: the result of each commit, in their order, or one for all; told once the ticket is durable. `write`
    /// is called in any case.
    ///
    /// # Errors
    /// As [`GroupService::commit`].
    pub(crate) fn stage_offsets(
        &self,
        group_id: &GroupId,
        producer_id: ProducerId,
        terms: &CommitTerms,
        commits: Vec<OffsetCommit>,
        write: impl FnOnce(Vec<Record>, Written),
    ) -> Result<(Staged, Ticket), GroupError> {
        let room = not_empty(group_id.as_str()).and_then(|()| self.ensure_room());
        // As a commit without a transaction: a sender that is no member may be the first of its group.
        let create = terms.who.generation < GenerationId(0) && room.is_ok();
        let mut commits = Some(commits);
        let results = self.shell.step_together(
            &BTreeSet::from([group_id.clone()]),
            create,
            |machine, env, out| {
                room?;
                let commits = commits.take().unwrap_or_default();
                machine.txn_offset_commit(
                    env,
                    producer_id.0,
                    &terms.who,
                    terms.knows_member_epochs,
                    commits,
                    out,
                )
            },
            write,
        );
        room?;
        let result = results.into_iter().next().unwrap_or(Err(Missing::Absent));
        result.map_err(|missing| refusal(missing, terms.refusal_of_absent()))
    }

    /// Ends transactions in the groups that have offsets of them. `write` is called in any case. An abort removes its offsets also from
    /// a group that cannot be read.
    pub(crate) fn end_transactions(&self, endings: &[Ending], write: impl FnOnce(Vec<Record>, Written)) {
        let groups: BTreeSet<GroupId> =
            endings.iter().flat_map(|ending| ending.groups.iter().map(|group| group.group.clone())).collect();
        let unreached = self.aborted_unreadable(endings);
        let results = self.shell.step_together(
            &groups,
            false,
            |machine, _, out| {
                let id = machine.id().clone();
                for Ending { producer_id, commit, .. } in
                    endings.iter().filter(|ending| has_group(ending, &id))
                {
                    machine.end_transaction(producer_id.0, *commit, out);
                }
            },
            |mut records, written| {
                records.extend(unreached);
                write(records, written);
            },
        );
        for (group, result) in groups.iter().zip(results) {
            let commits = || endings.iter().any(|ending| ending.commit && has_group(ending, group));
            // The caller refuses a commit as long as a group cannot be read: it was set aside since that look. A group that was
            // deleted has lost its pending offsets with it.
            if matches!(result, Err(Missing::Unreadable)) && commits() {
                tracing::error!(%group, "a transaction is committed without the offsets of a group that cannot be read: its consumers go on from earlier ones");
            }
        }
    }

    /// The removals of offsets that aborted transactions have pending in groups that cannot be read.
    fn aborted_unreadable(&self, endings: &[Ending]) -> Vec<Record> {
        if !self.shell.has_unreadable() {
            return Vec::new();
        }
        let removals = |ending: &Ending| {
            let is_pending = |key: &[u8]| matches!(Key::decode(key), Ok(Key::PendingOffset { producer_id, .. }) if producer_id == ending.producer_id.0);
            let remove = |group: &GroupRef| self.shell.remove_unreadable(&group.group, is_pending);
            ending.groups.iter().flat_map(remove).collect::<Vec<_>>()
        };
        endings.iter().filter(|ending| !ending.commit).flat_map(removals).collect()
    }

    /// True if records of the group cannot be read.
    pub(crate) fn is_unreadable(&self, group_id: &GroupId) -> bool {
        self.shell.is_unreadable(group_id)
    }

    /// True if there is such a group.
    pub(crate) fn has_unreadable(&self) -> bool {
        self.shell.has_unreadable()
    }

    /// The producers with pending offsets, in any group that can be read.
    pub(crate) fn pending_producers(&self) -> BTreeSet<i64> {
        let pending =
            self.shell.view_all(|machine| machine.offsets().pending().producers().collect::<Vec<_>>());
        pending.into_iter().flat_map(|(producers, _)| producers).collect()
    }

    /// The producers with pending offsets in one group, also in one that cannot be read.
    pub(crate) fn pending_in(&self, group_id: &GroupId) -> BTreeSet<i64> {
        let pending = |machine: &GroupMachine| machine.offsets().pending().producers().collect();
        self.shell.view(group_id, pending).map_or_else(
            |_| {
                let keys = self.shell.unreadable_keys(|id| id == group_id);
                let producer = |key: &Bytes| match Key::decode(key) {
                    Ok(Key::PendingOffset { producer_id, .. }) => Some(producer_id),
                    _ => None,
                };
                keys.iter().filter_map(producer).collect()
            },
            |(pending, _)| pending,
        )
    }

    /// Drops all pending offsets of these producers, as their aborts would.
    pub(crate) fn drop_pending(&self, producers: &BTreeSet<i64>) {
        self.shell.step_all(|machine, _, out| {
            for producer_id in producers {
                machine.end_transaction(*producer_id, false, out);
            }
        });
    }
}

fn has_group(ending: &Ending, group_id: &GroupId) -> bool {
    ending.groups.iter().any(|group| group.group == *group_id)
}
