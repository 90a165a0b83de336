//! TxnOffsetCommit: the group's offsets and what makes the group a part of the transaction are one write.

use coordinator::group::offsets::OffsetCommit;
use coordinator::group::{GroupError, GroupId};
use coordinator::transaction::{GroupRef, Protocol, Sender, ShardId, TransactionError, TransactionalId};

use super::super::group::CommitTerms;
use super::super::kind::StepWrite;
use super::{TransactionService, unwritten};

/// Why offsets did not become part of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotStaged {
    /// The transaction refuses.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The group refuses.
    #[error(transparent)]
    Group(#[from] GroupError),
}

impl TransactionService {
    /// TxnOffsetCommit: the result of each commit, in their order. Durable when it returns.
    ///
    /// # Errors
    /// For all of them. What the group refuses has joined the transaction all the same.
    pub(crate) async fn commit_offsets(
        &self,
        id: &TransactionalId,
        sender: Sender,
        protocol: Protocol,
        group_id: &GroupId,
        terms: &CommitTerms,
        commits: Vec<OffsetCommit>,
    ) -> Result<Vec<Result<(), GroupError>>, NotStaged> {
        let group = GroupRef { shard: ShardId::default(), group: group_id.clone() };
        let kind = self.shell.kind();
        let step = self.shell.step_and_write(
            id,
            |machine, env, out| machine.txn_offset_commit(env, sender, &group, protocol, out),
            |joined, step| {
                if let Err(error) = joined {
                    self.shell.write_step(step);
                    return Err(self.refused(error));
                }
                let producer_id = sender.producer.id;
                Ok(kind.groups.stage_offsets(
                    group_id,
                    producer_id,
                    terms,
                    commits,
                    |staged, groups_written| {
                        let StepWrite { term, mut records, written, .. } = step;
                        records.extend(staged);
                        if records.is_empty() {
                            return;
                        }
                        let all_written = move |outcome| {
                            written(outcome);
                            groups_written(outcome);
                        };
                        self.shell.log.write(term, records, Box::new(all_written));
                    },
                ))
            },
        );
        let (staged, ticket) = step.map_err(|missing| self.missing(missing))?;
        ticket.durable().await.map_err(unwritten)?;
        let (result, ticket) = staged??;
        ticket.durable().await.map_err(GroupError::from)?;
        Ok(result?)
    }
}
