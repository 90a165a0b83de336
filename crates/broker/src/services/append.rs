//! Appending for clients: from a topic's name or id and bytes to offsets, whatever protocol the bytes came by.
//!
//! ```text
//! look-up (topics/) ─► rules of the topic ─► checks (batch.rs) ─► space (disk_reserve) ─► appends (entries.rs, io.rs) ─► counters
//! ```
//! Guarantees that every partition has its outcome, that one partition's refusal leaves the others alone, and that the
//! batches are in their partitions' queues before the first wait, so that callers keep the order of their clients by
//! calling in it. The messages of a protocol, and how it names refusals, are left to its own code.
//! Kafka: `ReplicaManager.appendRecords`, `UnifiedLog.append`.

pub(crate) mod batch;
mod entries;
pub(crate) mod transaction;

use std::sync::Arc;

use bytes::Bytes;
use codec::ErrorCode;
use codec::records::{BatchError, BatchHeader};
use coordinator::transaction::ProducerIdAndEpoch;
use storage::{Acks, AppendEntry, AppendError, Appended};

use self::batch::{ProduceError, ProduceRules, ProducerFormats, RequestFacts, check, transactional_producer};
use self::entries::Entries;
use self::transaction::InTransaction;
use crate::clock::{self, Clock};
use crate::io::ShardIo;
use crate::services::disk_reserve::DiskReserve;
use crate::tasks::in_place;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;
use crate::topics::{TopicState, Topics};

/// From this many compressed bytes on, a request is checked while the thread's other tasks run elsewhere: fewer take less
/// time than half a millisecond (gzip), and to move the tasks is not free either.
const LONG_FROM_BYTES: usize = 64 * 1024;

/// The batches that a client sends for one topic.
#[derive(Debug)]
pub(crate) struct TopicBatches {
    /// The topic.
    pub(crate) topic: TopicRef,
    /// One for each partition that is named; a partition may be named twice.
    pub(crate) partitions: Vec<PartitionBatch>,
}

/// The batch that a client sends for one partition.
#[derive(Debug)]
pub(crate) struct PartitionBatch {
    /// The partition's index in the topic.
    pub(crate) index: i32,
    /// The bytes of the batch, as they came.
    pub(crate) records: Option<Bytes>,
}

/// The outcome of one partition's batch.
#[derive(Debug)]
pub(crate) struct PartitionOutcome {
    /// The partition's index in the topic.
    pub(crate) index: i32,
    /// The batch's place in the log, or why it was not appended.
    pub(crate) result: Result<Appended, ProduceError>,
}

/// Appends for clients. One per broker.
#[derive(Debug)]
pub(crate) struct Appender {
    shard: ShardIo,
    topics: Arc<Topics>,
    clock: Clock,
    reserve: Arc<DiskReserve>,
}

/// A topic whose batches were checked.
struct CheckedTopic {
    state: Result<Arc<TopicState>, PartitionError>,
    partitions: Vec<CheckedPartition>,
}

struct CheckedPartition {
    index: i32,
    /// The batch as it came, for the counters.
    bytes: u64,
    /// How many records storage was given, or why it was given none.
    records: Result<u32, ProduceError>,
}

impl Appender {
    /// Appends to the partitions of `topics` through `shard`, as far as `reserve` admits it.
    pub(crate) fn new(shard: ShardIo, topics: Arc<Topics>, clock: Clock, reserve: Arc<DiskReserve>) -> Self {
        Self { shard, topics, clock, reserve }
    }

    /// Appends the batches that pass the checks, and returns the outcomes by topic and partition, in their order.
    ///
    /// `formats` is what a producer of that age may send, `transaction` the one that its transactional batches belong to. A
    /// batch that is sound meets the refusal in `acks`, if there is one: as in Kafka, only a request that is sound so far is
    /// blamed for its acks.
    pub(crate) async fn append(
        &self,
        topics: Vec<TopicBatches>,
        acks: Result<Acks, ProduceError>,
        formats: ProducerFormats,
        transaction: InTransaction<'_>,
    ) -> Vec<Vec<PartitionOutcome>> {
        let facts = facts_of(&topics);
        let transaction = match transaction.of(facts.producers, || self.producers_of_existing(&topics)) {
            Ok(transaction) => transaction,
            Err(refused) => return refuse(&topics, &refused),
        };
        let mut entries = Entries::new(transaction);
        let is_long = facts.compressed_bytes >= LONG_FROM_BYTES;
        let checked: Vec<CheckedTopic> = in_place(is_long, || {
            topics.into_iter().map(|topic| self.check_topic(topic, &acks, formats, &mut entries)).collect()
        });
        let mut results = match acks {
            Ok(acks) => self.append_if_there_is_space(entries, acks).await,
            // No entry was made, so no batch will look for a result.
            Err(_) => Vec::new(),
        }
        .into_iter();
        checked.into_iter().map(|topic| topic.outcomes(&mut results)).collect()
    }

    /// The producers of the transactional batches whose partitions exist, the first two at least: Kafka looks at no others.
    fn producers_of_existing(&self, topics: &[TopicBatches]) -> Vec<ProducerIdAndEpoch> {
        let mut facts = RequestFacts::default();
        for TopicBatches { topic, partitions } in topics {
            let Ok(state) = self.topics.topic_for_writing(topic) else { continue };
            let existing = partitions.iter().filter(|partition| state.partition(partition.index).is_ok());
            existing
                .filter_map(|partition| partition.records.as_ref())
                .for_each(|records| facts.add(records));
        }
        facts.producers
    }

    async fn append_if_there_is_space(
        &self,
        entries: Entries<'_>,
        acks: Acks,
    ) -> Vec<Result<Appended, ProduceError>> {
        // Held until the append ends: until then the free space of the disk may not show these bytes.
        let Some(_on_its_way) = self.reserve.admit(entries.bytes(), clock::now()) else {
            return vec![Err(ProduceError::DiskFull); entries.len()];
        };
        // Nothing has waited so far: this call takes the batches' places in the order of the log (ADR 6).
        entries.append(&self.shard, acks).await
    }

    /// Looks a topic up and checks its batches; those that pass are added to `entries`.
    fn check_topic(
        &self,
        TopicBatches { topic, partitions }: TopicBatches,
        acks: &Result<Acks, ProduceError>,
        formats: ProducerFormats,
        entries: &mut Entries<'_>,
    ) -> CheckedTopic {
        let state = self.topics.topic_for_writing(&topic);
        // Worked out once for all partitions of the topic.
        let known =
            state.as_ref().map(|state| (state, ProduceRules::of(&state.config))).map_err(|error| *error);
        let check_one = |PartitionBatch { index, records }: PartitionBatch| {
            let bytes = records.as_ref().map_or(0, Bytes::len) as u64;
            let entry =
                known.as_ref().map_err(|error| ProduceError::from(*error)).and_then(|(state, rules)| {
                    let partition = state.partition(index)?.partition;
                    // Before the checks: in Kafka a batch begins its transaction before the log refuses it.
                    if let Some(producer) = records.as_ref().and_then(producer_of_transaction) {
                        entries.join(&state.topic, &partition, producer)?;
                    }
                    let batch = check(records, rules, formats, self.clock.now_ms())?;
                    acks.clone()?;
                    let unknown_producer_begins_at_zero =
                        entries.announces() && transactional_producer(batch.header()).is_some();
                    Ok(AppendEntry {
                        partition,
                        batch,
                        log_append_time: rules.log_append_time,
                        unknown_producer_begins_at_zero,
                    })
                });
            let records = entry.map(|entry| {
                // A batch that was checked counts its records right.
                let records = entry.batch.header().records_count.unsigned_abs();
                // In the order of the request: results are matched by it.
                entries.push(entry);
                records
            });
            CheckedPartition { index, bytes, records }
        };
        let partitions = partitions.into_iter().map(check_one).collect();
        CheckedTopic { state, partitions }
    }
}

/// The facts in the headers of a request's batches.
fn facts_of(topics: &[TopicBatches]) -> RequestFacts {
    let mut facts = RequestFacts::default();
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    partitions.filter_map(|partition| partition.records.as_ref()).for_each(|records| facts.add(records));
    facts
}

/// Returns true if a batch of these belongs to a transaction.
pub(crate) fn are_transactional(topics: &[TopicBatches]) -> bool {
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    partitions
        .filter_map(|partition| partition.records.as_ref())
        .any(|records| producer_of_transaction(records).is_some())
}

/// The producer of a batch that its header calls transactional.
fn producer_of_transaction(records: &Bytes) -> Option<ProducerIdAndEpoch> {
    BatchHeader::parse(records).ok().and_then(|header| transactional_producer(&header))
}

/// The same refusal for every partition.
fn refuse(topics: &[TopicBatches], error: &ProduceError) -> Vec<Vec<PartitionOutcome>> {
    let one =
        |partition: &PartitionBatch| PartitionOutcome { index: partition.index, result: Err(error.clone()) };
    topics.iter().map(|topic| topic.partitions.iter().map(one).collect()).collect()
}

impl CheckedTopic {
    /// Takes the result of each batch that became an entry, and counts.
    fn outcomes(
        self,
        results: &mut impl Iterator<Item = Result<Appended, ProduceError>>,
    ) -> Vec<PartitionOutcome> {
        let Self { state, partitions } = self;
        let outcome = |CheckedPartition { index, bytes, records }: CheckedPartition| {
            let (records, result) = match records {
                Ok(records) => (records, results.next().unwrap_or(Err(ProduceError::Storage))),
                Err(refused) => (0, Err(refused)),
            };
            if let Ok(state) = &state {
                count(state, bytes, records, &result);
            }
            PartitionOutcome { index, result }
        };
        partitions.into_iter().map(outcome).collect()
    }
}

/// Counts one batch. As in Kafka each partition of a request counts as a request (`ReplicaManager`).
fn count(state: &TopicState, bytes: u64, records: u32, result: &Result<Appended, ProduceError>) {
    let metrics = &state.metrics;
    metrics.total_produce_requests.inc();
    match result {
        Ok(_) => {
            metrics.bytes_in.add(bytes);
            metrics.messages_in.add(records.into());
        }
        // Kafka counts no other refusal as rejected bytes (`UnifiedLog`).
        Err(ProduceError::TooLarge { .. }) => metrics.bytes_rejected.add(bytes),
        Err(error) if is_failure(error) => metrics.failed_produce_requests.inc(),
        Err(_) => {}
    }
}

/// True for refusals that Kafka counts as failed (`ReplicaManager.appendToLocalLog`): not what a change of leaders, a
/// failed disk or the transport explains, and not what it refuses before it looks for the log.
fn is_failure(error: &ProduceError) -> bool {
    match error {
        ProduceError::ControlBatch
        | ProduceError::InvalidTimestamp(_)
        | ProduceError::InvalidRecords { .. }
        | ProduceError::Append(
            AppendError::OutOfOrderSequence { .. }
            | AppendError::SequenceReused { .. }
            | AppendError::InvalidProducerEpoch { .. }
            | AppendError::InvalidTxnState,
        ) => true,
        ProduceError::Batch(error) => match error {
            // Kafka's `ProduceRequest.validateRecords`, which the request does not survive.
            BatchError::Truncated { .. } | BatchError::Leftover(_) | BatchError::Magic(_) => false,
            error => !matches!(error.error_code(), ErrorCode::CorruptMessage | ErrorCode::MessageTooLarge),
        },
        ProduceError::ZstdTooEarly
        | ProduceError::TooLarge { .. }
        | ProduceError::Partition(_)
        | ProduceError::Transaction(_)
        | ProduceError::NoTransactionalId
        | ProduceError::Append(
            AppendError::PartitionDeleted
            | AppendError::NotLeader
            | AppendError::Unavailable
            | AppendError::OffsetsExhausted,
        )
        | ProduceError::Storage
        | ProduceError::DiskFull
        | ProduceError::RequiredAcks(_) => false,
    }
}

#[cfg(test)]
mod tests;
