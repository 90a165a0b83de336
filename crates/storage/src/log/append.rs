//! Appending: what callers ask for and are answered, and what decides if a batch may be appended.
//!
//! The batch stays opaque. Its base offset, leader epoch and (LogAppendTime) timestamp are patched in one copy, which serves
//! the journal and the tail in memory alike; the request's own buffer is freed. The caller's thread makes
//! the copy, since all callers wait for the writer's thread.

use std::{collections::BTreeMap, sync::Arc};

use bytes::BytesMut;
use codec::records::{BatchHeader, RecordBatch};
use thiserror::Error;

use crate::{
    CoordinatorWrite, MarkerError, Partition, ProducerState, TransactionMarker,
    log::{
        aborted::AbortedEntry,
        extent::BatchFamily,
        index::{IndexInterval, LogStart},
        producer_state::{self, Moment, Verdict},
        producers::Producers,
        transaction::TransactionStep,
    },
};

/// When an append is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// No answer is awaited.
    None,
    /// The operating system has it: survives `kill -9`.
    Leader,
    /// It is on the disk: survives power loss (unless [`FlushPolicy::Os`](crate::FlushPolicy::Os)).
    All,
}

/// One batch for one partition.
#[derive(Clone, Debug)]
pub struct AppendEntry {
    /// The partition that it is appended to.
    pub partition: Arc<Partition>,
    /// The batch, validated by the caller.
    pub batch: RecordBatch,
    /// Put the broker's time into the batch (`message.timestamp.type=LogAppendTime`).
    pub log_append_time: bool,
    /// A producer of which nothing is known must begin at sequence 0 (KIP-890).
    pub unknown_producer_begins_at_zero: bool,
}

/// Batches of one request: they have one place in the order and one answer.
#[derive(Clone, Debug)]
pub struct AppendRequest {
    /// One batch each; a partition may come up more than once.
    pub entries: Vec<AppendEntry>,
    /// When to answer.
    pub acks: Acks,
    /// Records that are written in the same group, also if a batch is refused. Where their epoch is not the one in which the shard
    /// is led, nothing is written and the request is refused as a whole.
    pub coordinator: Option<CoordinatorWrite>,
}

/// An [`AppendEntry`] on its way to the writer, with the copy of its batch.
pub(crate) struct OwnedEntry {
    pub(crate) partition: Arc<Partition>,
    pub(crate) header: BatchHeader,
    pub(crate) bytes: BytesMut,
    pub(crate) log_append_time: bool,
    pub(crate) begins_at_zero: bool,
}

/// An [`AppendRequest`] on its way to the writer.
pub(crate) struct OwnedRequest {
    pub(crate) entries: Vec<OwnedEntry>,
    pub(crate) acks: Acks,
    pub(crate) coordinator: Option<CoordinatorWrite>,
}

impl OwnedRequest {
    /// Bytes of all batches; an append of few is written by its caller (ADR 4).
    pub(crate) fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.bytes.len()).sum()
    }

    /// Coordinators' records in it.
    pub(crate) fn records(&self) -> usize {
        self.coordinator.as_ref().map_or(0, |coordinator| coordinator.records.len())
    }
}

impl From<AppendRequest> for OwnedRequest {
    fn from(request: AppendRequest) -> Self {
        let own = |entry: AppendEntry| OwnedEntry {
            partition: entry.partition,
            header: *entry.batch.header(),
            log_append_time: entry.log_append_time,
            begins_at_zero: entry.unknown_producer_begins_at_zero,
            bytes: BytesMut::from(entry.batch.bytes().as_ref()),
        };
        let AppendRequest { entries, acks, coordinator } = request;
        Self { entries: entries.into_iter().map(own).collect(), acks, coordinator }
    }
}

/// Position of an appended batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: i64,
    /// The broker's time in it, Unix ms; -1 if the producer's timestamps stayed.
    pub log_append_time_ms: i64,
    /// The partition's first readable offset.
    pub log_start_offset: i64,
    /// It was in the log already: the producer sent it again.
    pub duplicate: bool,
}

/// Refusal of one batch; the others of its request are not affected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// A gap, or a repeat of something too old to be remembered.
    #[error("out of order sequence: last was {last}, found {found}")]
    OutOfOrderSequence {
        /// The last sequence written.
        last: i32,
        /// The first one of the batch.
        found: i32,
    },
    /// Its sequences are those of a batch of a transaction that has ended.
    #[error("sequence {found} is one of a transaction that has ended")]
    SequenceReused {
        /// The first one of the batch.
        found: i32,
    },
    /// Another instance of the producer took over.
    #[error("producer epoch {found} is older than {current}")]
    InvalidProducerEpoch {
        /// The epoch that fences.
        current: i16,
        /// The one in the batch.
        found: i16,
    },
    /// A batch without transaction while its producer's transaction is open in the partition.
    #[error("the producer's transaction is open, and the batch is not part of it")]
    InvalidTxnState,
    /// The topic was deleted.
    #[error("the partition is deleted")]
    PartitionDeleted,
    /// This process does not lead the partition.
    #[error("the partition is not led here")]
    NotLeader,
    /// This process is taking the partition over: it leads it once its new epoch is durable.
    #[error("the partition is being taken over")]
    Unavailable,
    /// The partition has no offsets left.
    #[error("offsets are used up")]
    OffsetsExhausted,
}

/// One entry's answer.
pub type AppendResult = Result<Appended, AppendError>;

/// The writer's knowledge of a partition between appends.
#[derive(Debug)]
pub(crate) struct AppendState {
    /// Offset of the next batch. Ahead of the log end while a group is built.
    next_offset: i64,
    /// By producer id; batches without one leave nothing here.
    producers: Producers,
    /// The transactions that are open: first offset, and the time of its append, Unix ms.
    open_transactions: BTreeMap<i64, i64>,
    /// Ahead of the one that readers see while a group is built.
    pub(crate) interval: IndexInterval,
    /// Family of its newest extent; `None` if the log is empty.
    pub(crate) family: Option<BatchFamily>,
    /// Ahead of the one that readers see until the next sync.
    pub(crate) log_start: LogStart,
    /// Below this offset the aborted index has no entries, as far as this process knows.
    pub(crate) aborted_from: i64,
    /// The start of the current leader epoch is on the disk.
    pub(crate) epoch_recorded: bool,
}

impl AppendState {
    pub(crate) fn new(
        log_start: LogStart,
        interval: IndexInterval,
        family: Option<BatchFamily>,
        epoch_recorded: bool,
    ) -> Self {
        // A log that holds batches gets its true end from `recover`.
        let next_offset = log_start.offset;
        let (producers, open_transactions) = (Producers::default(), BTreeMap::new());
        Self {
            next_offset,
            producers,
            open_transactions,
            interval,
            family,
            log_start,
            aborted_from: 0,
            epoch_recorded,
        }
    }

    /// The offset that the next batch gets.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The state as a start found it; nothing was appended before.
    pub(crate) fn recover(&mut self, next_offset: i64, producers: Producers) {
        self.next_offset = next_offset;
        self.producers = producers;
        // Their begin is not stored: the last append is the earliest time that is known.
        let open = |(_, state): (i64, ProducerState)| {
            Some((state.current_txn_start_offset?, state.last_timestamp_ms))
        };
        self.open_transactions = self.producers.after(None).filter_map(open).collect();
    }

    /// At most `most` producers with greater ids than `after`, by id.
    pub(crate) fn producers_after(
        &self,
        after: Option<i64>,
        most: usize,
    ) -> impl Iterator<Item = (i64, ProducerState)> {
        self.producers.after(after).take(most)
    }

    pub(crate) fn producer(&self, producer_id: i64) -> Option<ProducerState> {
        self.producers.get(producer_id)
    }

    /// First offsets of the transactions that are open, in order.
    pub(crate) fn open_transactions(&self) -> impl Iterator<Item = i64> {
        self.open_transactions.keys().copied()
    }

    /// Producers that are remembered.
    pub(crate) fn producer_count(&self) -> usize {
        self.producers.len()
    }

    /// The time at which the oldest transaction that is open began, Unix ms; `None`: none is.
    pub(crate) fn oldest_transaction_ms(&self) -> Option<i64> {
        self.open_transactions.first_key_value().map(|(_, began_ms)| *began_ms)
    }

    /// Decides if the batch may be appended, as far as its producer is concerned.
    pub(crate) fn check(&self, header: &BatchHeader, begins_at_zero: bool) -> Result<Verdict, AppendError> {
        match header.has_producer_id() {
            // Batches of one group see each other: the state changes with each, before anything is written.
            true => {
                let known = self.producers.get(header.producer_id);
                producer_state::check(known.as_ref(), header, begins_at_zero)
            }
            false => Ok(Verdict::Append),
        }
    }

    /// Decides if the marker may be written; the coordinator's epoch in it.
    pub(crate) fn check_marker(&self, marker: &TransactionMarker) -> Result<i32, MarkerError> {
        let known = self.producers.get(marker.producer_id);
        producer_state::check_marker(known.as_ref(), marker)?;
        Ok(producer_state::epoch_of_coordinator(known.as_ref(), marker))
    }

    /// The batch was appended at `base_offset`; the next one goes to `next_offset`.
    pub(crate) fn appended(
        &mut self,
        header: &BatchHeader,
        base_offset: i64,
        next_offset: i64,
        log_append_time_ms: i64,
        moment: Moment,
    ) -> TransactionStep {
        self.next_offset = next_offset;
        if !header.has_producer_id() {
            return TransactionStep::None;
        }
        let known = self.producers.get(header.producer_id);
        let was_open = known.as_ref().is_some_and(|state| state.current_txn_start_offset.is_some());
        let state = producer_state::appended(known, header, base_offset, log_append_time_ms, moment);
        self.producers.set(header.producer_id, &state);
        if was_open || !header.attributes.is_transactional() {
            return TransactionStep::None;
        }
        self.open_transactions.insert(base_offset, moment.now_ms);
        TransactionStep::Begins
    }

    /// The marker was appended at `offset`, and ends the producer's transaction if one is open.
    pub(crate) fn ended(
        &mut self,
        marker: &TransactionMarker,
        offset: i64,
        moment: Moment,
    ) -> TransactionStep {
        self.next_offset = offset + 1;
        let known = self.producers.get(marker.producer_id);
        let open = known.as_ref().and_then(|state| state.current_txn_start_offset);
        self.producers.set(marker.producer_id, &producer_state::ended(known, marker, moment));
        // A transaction that has written nothing here leaves no entry.
        let Some(first_offset) = open else { return TransactionStep::None };
        self.open_transactions.remove(&first_offset);
        let entry = AbortedEntry {
            producer_id: marker.producer_id,
            first_offset,
            marker_offset: offset,
            last_stable_offset: self.open_transactions().next().unwrap_or(offset + 1),
        };
        TransactionStep::Ends { first_offset, aborted: (!marker.commit).then_some(entry) }
    }

    /// Forgets a producer that last wrote before this time of the folder's clock and has no transaction open; false if it stays.
    pub(crate) fn expire(&mut self, producer_id: i64, before_open_ms: u64) -> bool {
        let expired = self.producers.get(producer_id).is_some_and(|state| state.is_expired(before_open_ms));
        expired && self.producers.remove(producer_id)
    }
}
