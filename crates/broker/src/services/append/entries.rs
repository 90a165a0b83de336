//! The batches of one request that passed their checks, on their way to storage: those of a transaction in one append, the
//! others in another.

use std::sync::Arc;

use coordinator::transaction::{ProducerIdAndEpoch, Protocol, ShardId, TopicPartitionRef, TransactionError};
use storage::{
    Acks, AppendEntry, AppendError, AppendRequest, AppendResult, Appended, Partition, StorageError, Topic,
};

use super::batch::{ProduceError, transactional_producer};
use super::transaction::Transaction;
use crate::io::{Appending, ShardIo};
use crate::services::coordinator::transaction::CoordinatorPart;

/// See the file's header.
pub(super) struct Entries<'a> {
    transaction: Option<Transaction<'a>>,
    /// The partitions of the transaction that the request names, also those whose batch was refused.
    joined: Vec<TopicPartitionRef>,
    /// Batches without a transaction, each with its place among all.
    plain: Vec<(usize, AppendEntry)>,
    /// Those of the transaction, with the position of their partition in `joined`, too.
    transactional: Vec<(usize, usize, AppendEntry)>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(transaction: Option<Transaction<'a>>) -> Entries<'a> {
        Entries { transaction, joined: Vec::new(), plain: Vec::new(), transactional: Vec::new() }
    }

    /// The request itself makes its partitions part of the transaction.
    pub(super) fn announces(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.protocol == Protocol::V2)
    }

    /// A partition for which the request has a transactional batch of this producer.
    ///
    /// # Errors
    /// The partition has seen a newer epoch of the producer. Then it does not take part: the coordinator is not asked at all, as
    /// in Kafka (`UnifiedLog.maybeStartTransactionVerification`).
    pub(super) fn join(
        &mut self,
        topic: &Topic,
        partition: &Partition,
        producer: ProducerIdAndEpoch,
    ) -> Result<(), ProduceError> {
        let verifying = self.transaction.as_ref().filter(|transaction| transaction.verifies);
        if let Some(Transaction { coordinator, .. }) = verifying
            && partition.producer_epoch(producer.id.0).is_some_and(|newest| newest > producer.epoch)
        {
            return Err(coordinator.refused(TransactionError::ProducerFenced).into());
        }
        self.joined.push(TopicPartitionRef {
            shard: ShardId::default(),
            topic_id: topic.id,
            topic: Arc::from(topic.name.as_str()),
            partition: partition.index(),
        });
        Ok(())
    }

    /// A batch that passed its checks. A transactional one is of the partition that has just joined.
    pub(super) fn push(&mut self, entry: AppendEntry) {
        let place = self.len();
        if transactional_producer(entry.batch.header()).is_some() {
            self.transactional.push((place, self.joined.len().saturating_sub(1), entry));
        } else {
            self.plain.push((place, entry));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.plain.len() + self.transactional.len()
    }

    /// Of all batches.
    pub(super) fn bytes(&self) -> u64 {
        let transactional = self.transactional.iter().map(|(_, _, entry)| entry);
        let all = self.plain.iter().map(|(_, entry)| entry).chain(transactional);
        all.map(|entry| entry.batch.bytes().len() as u64).sum()
    }

    /// Appends them, and returns the results in the order in which they were pushed. The batches have their places in the
    /// log before the first await.
    pub(super) async fn append(self, shard: &ShardIo, acks: Acks) -> Vec<Result<Appended, ProduceError>> {
        let mut results = vec![Err(ProduceError::Storage); self.len()];
        let Entries { transaction, joined, plain, transactional } = self;
        let (places, entries): (Vec<usize>, Vec<AppendEntry>) = plain.into_iter().unzip();
        let plain =
            (!entries.is_empty()).then(|| shard.append(AppendRequest { entries, acks, coordinator: None }));
        let in_transaction = match transaction {
            Some(transaction) if !joined.is_empty() => {
                begin(&transaction, &joined, transactional, shard, &mut results)
            }
            _ => None,
        };
        if let Some(appending) = plain {
            fill(&mut results, places, appending.await);
        }
        if let Some((places, appending)) = in_transaction {
            fill(&mut results, places, appending.await);
        }
        results
    }
}

/// Puts the results of an append at their places. A failure of all leaves each at its error.
fn fill(
    results: &mut [Result<Appended, ProduceError>],
    places: Vec<usize>,
    outcome: Result<Vec<AppendResult>, StorageError>,
) {
    let of_all = |refusal: AppendError| vec![Err(refusal); places.len()];
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(StorageError::NotLeader) => of_all(AppendError::NotLeader),
        Err(StorageError::Unavailable) => of_all(AppendError::Unavailable),
        Err(_) => return,
    };
    for (place, result) in places.into_iter().zip(outcome) {
        results[place] = result.map_err(ProduceError::from);
    }
}

/// Begins the append of a transaction's batches, as far as the transaction takes them; the refusals go into `results`. Returns
/// the places of the batches as well.
fn begin(
    transaction: &Transaction<'_>,
    joined: &[TopicPartitionRef],
    entries: Vec<(usize, usize, AppendEntry)>,
    shard: &ShardIo,
    results: &mut [Result<Appended, ProduceError>],
) -> Option<(Vec<usize>, Appending)> {
    // Whatever the producer asks for: what a commit confirms has to be on the disk (ADR 13).
    let append = |entries, part: CoordinatorPart| {
        let (coordinator, written) = part.into_parts();
        let request = AppendRequest { entries, acks: Acks::All, coordinator };
        shard.append_and_tell(request, Box::new(move |outcome| CoordinatorPart::ended(written, outcome)))
    };
    if !transaction.verifies {
        let (places, entries): (Vec<usize>, Vec<AppendEntry>) =
            entries.into_iter().map(|(place, _, entry)| (place, entry)).unzip();
        return (!entries.is_empty()).then(|| (places, append(entries, CoordinatorPart::none())));
    }
    let Transaction { coordinator, id, sender, protocol, .. } = transaction;
    let all: Vec<usize> = entries.iter().map(|(place, ..)| *place).collect();
    // No coordinator has such an id (`KafkaApis.handleAddPartitionsToTxnRequest`).
    if id.as_str().is_empty() {
        all.into_iter().for_each(|place| results[place] = Err(TransactionError::InvalidRequest.into()));
        return None;
    }
    let begun = coordinator.produce(id, *sender, joined, *protocol, |verdicts, part| {
        let (mut places, mut taken) = (Vec::new(), Vec::with_capacity(entries.len()));
        for (place, position, entry) in entries {
            match verdicts.get(position).copied().unwrap_or(Ok(())) {
                Ok(()) => {
                    places.push(place);
                    taken.push(entry);
                }
                Err(error) => results[place] = Err(error.into()),
            }
        }
        // Also without a batch: the records begin the transaction.
        (!taken.is_empty() || part.has_records()).then(|| (places, append(taken, part)))
    });
    match begun {
        Ok(appending) => appending,
        Err(error) => {
            all.into_iter().for_each(|place| results[place] = Err(error.into()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_append_that_is_refused_as_a_whole_refuses_each_batch_so() {
        let filled = |outcome| {
            let mut results = vec![Err(ProduceError::Storage); 2];
            fill(&mut results, vec![1], outcome);
            assert!(matches!(results[0], Err(ProduceError::Storage)), "not one of them");
            results.remove(1)
        };
        let not_led = filled(Err(StorageError::NotLeader));
        assert!(matches!(not_led, Err(ProduceError::Append(AppendError::NotLeader))));
        let taken_over = filled(Err(StorageError::Unavailable));
        assert!(matches!(taken_over, Err(ProduceError::Append(AppendError::Unavailable))));
        assert!(matches!(filled(Err(StorageError::Stopped)), Err(ProduceError::Storage)));
    }
}
