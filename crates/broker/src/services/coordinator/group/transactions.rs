//! The part of groups in transactions: offsets that become committed with the end of their transaction.
//!
//! Both steps are written together with records of the transaction, by the caller, while the groups are locked: a
//! transaction's lock is taken before those of its groups.

use std::collections::BTreeSet;

use coordinator::group::{GenerationId, GroupError, GroupId, offsets::OffsetCommit};
use coordinator::state_machine::{Record, StateMachine as _};
use coordinator::transaction::{Ending, ProducerId};

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

    /// Ends transactions in the groups that have offsets of them. `write` is called in any case.
    pub(crate) fn end_transactions(&self, endings: &[Ending], write: impl FnOnce(Vec<Record>, Written)) {
        let groups: BTreeSet<GroupId> =
            endings.iter().flat_map(|ending| ending.groups.iter().map(|group| group.group.clone())).collect();
        let results = self.shell.step_together(
            &groups,
            false,
            |machine, _, out| {
                let id = machine.id().clone();
                let is_in = |ending: &&Ending| ending.groups.iter().any(|group| group.group == id);
                for Ending { producer_id, commit, .. } in endings.iter().filter(is_in) {
                    machine.end_transaction(producer_id.0, *commit, out);
                }
            },
            write,
        );
        for (group, result) in groups.iter().zip(results) {
            // A group that was deleted has lost its pending offsets with it.
            if let Err(missing @ (Missing::Unreadable | Missing::Loading | Missing::NotCoordinator)) = result
            {
                tracing::error!(%group, ?missing, "a transaction ends without the offsets of a group that cannot be read");
            }
        }
    }
}
