//! The ends of transactions: each is one write group, with a marker for every partition, the offsets of every group, and the
//! records of the id.

use coordinator::transaction::{EndCause, Ending};
use storage::{CoordinatorWrite, MarkerError, StorageError, TransactionEnd, TransactionMarker};

use super::super::kind::StepWrite;
use super::super::log::{not_written, stored_form};
use super::Transactions;
use crate::config::TimestampType;
use crate::telemetry::line_limit::FAULTS;
use crate::topics::names::TopicRef;
use crate::topics::{FoundPartition, Topics};

impl Transactions {
    /// Begins the write of a step that ends a transaction. Called under the lock of its id.
    pub(super) fn end(&self, step: StepWrite<Transactions>) {
        let StepWrite { term, mut records, effects, written } = step;
        for ending in &effects {
            self.counters.ended(ending);
            note(ending);
            self.note_left(ending);
        }
        self.groups.end_transactions(&effects, |group_records, groups_written| {
            records.extend(group_records);
            let markers = effects.iter().flat_map(|ending| markers(&self.topics, ending, term)).collect();
            let coordinator = CoordinatorWrite { epoch: term, records: stored_form(records) };
            let done = move |outcome: Result<Vec<Result<i64, MarkerError>>, StorageError>| {
                let outcome = outcome.map(note_refused).map_err(not_written);
                written(outcome);
                groups_written(outcome);
            };
            self.shard.end_transaction(TransactionEnd { coordinator, markers }, Box::new(done));
        });
    }
}

/// An end in another shard, which no way leads to yet (ADR 15). Its transaction stays prepared, and its id answers
/// CONCURRENT_TRANSACTIONS. No partition or group of this broker has another shard than its own, so this is met only if the
/// records of the id come from a broker that had several.
pub(super) fn note_unreachable(ending: &Ending) {
    if let Some(suppressed) = FAULTS.take("end in another shard") {
        let Ending { transactional_id, producer_id, shard, commit, .. } = ending;
        tracing::error!(
            %transactional_id, %producer_id, shard = shard.0, commit, suppressed,
            "the end of a transaction cannot reach another shard: this broker knows its own folder only. Start the release that \
             has written these records"
        );
    }
}

/// The markers of one end. A partition that is gone needs none.
fn markers<'a>(
    topics: &'a Topics,
    ending: &'a Ending,
    term: u32,
) -> impl Iterator<Item = TransactionMarker> + 'a {
    ending.partitions.iter().filter_map(move |joined| {
        let found = topics.find(&TopicRef::Id(joined.topic_id), joined.partition).ok()?;
        Some(TransactionMarker {
            log_append_time: has_log_append_time(&found),
            partition: found.partition,
            producer_id: ending.producer_id.0,
            producer_epoch: ending.marker_epoch,
            // The node's: it rises with each unclean start.
            coordinator_epoch: i32::try_from(term).unwrap_or(i32::MAX),
            // A refusal would leave the partition's transaction open for ever.
            by_coordinator: true,
            commit: ending.commit,
            // With the older protocol an end keeps the epoch; the coordinator has checked it.
            raises_epoch: false,
        })
    })
}

/// The broker sets the time of the topic's records.
pub(super) fn has_log_append_time(found: &FoundPartition) -> bool {
    found.topic.config.message_timestamp_type == TimestampType::LogAppendTime
}

/// Looks at the results of an end's markers. A marker that the log refuses leaves its partition as it was: a marker by hand has
/// ended the transaction in it already.
fn note_refused(results: Vec<Result<i64, MarkerError>>) {
    for error in results.into_iter().filter_map(Result::err) {
        if error == MarkerError::PartitionDeleted {
            continue;
        }
        if let Some(suppressed) = FAULTS.take("marker") {
            tracing::error!(%error, suppressed, "a partition takes no marker of a transaction that ends");
        }
    }
}

/// One line for an end that its producer has not asked for: whose transaction it was, its age, and what it touched.
fn note(ending: &Ending) {
    let Ending { transactional_id, producer_id, duration_ms, .. } = ending;
    let (key, cause) = match ending.cause {
        EndCause::Producer => return,
        EndCause::Timeout => ("timed out", "its timeout is over"),
        EndCause::Fenced => ("fenced", "a producer has begun anew with its transactional id"),
        EndCause::Admin => ("aborted by an administrator", "an administrator has asked for it"),
    };
    if let Some(suppressed) = FAULTS.take(key) {
        // That of the batches: the markers have the next one.
        let producer_epoch = ending.marker_epoch.saturating_sub(i16::from(ending.raises_epoch));
        let partitions =
            first_of(ending.partitions.iter().map(|one| format!("{}-{}", one.topic, one.partition)));
        let groups = first_of(ending.groups.iter().map(|one| one.group.to_string()));
        tracing::info!(
            %transactional_id, %producer_id, producer_epoch, duration_ms, partitions, groups, suppressed,
            "a transaction is aborted: {cause}"
        );
    }
}

/// The first names of a list, and how many more there are.
fn first_of(names: impl ExactSizeIterator<Item = String>) -> String {
    const NAMED: usize = 5;
    let more = names.len().saturating_sub(NAMED);
    let first: Vec<String> = names.take(NAMED).collect();
    match more {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_five_and_counts_the_others() {
        let names = |count: usize| first_of((0..count).map(|number| format!("t-{number}")));
        assert_eq!(names(0), "");
        assert_eq!(names(2), "t-0, t-1");
        assert_eq!(names(5), "t-0, t-1, t-2, t-3, t-4");
        assert_eq!(names(105), "t-0, t-1, t-2, t-3, t-4 and 100 more");
    }
}
