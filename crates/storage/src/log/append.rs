//! Appending: what callers ask for and are answered, and what decides if a batch may be appended.
//!
//! The batch stays opaque. Its base offset, leader epoch and (LogAppendTime) timestamp are patched in one copy, which serves
//! the journal and the tail in memory alike; the request's own buffer is freed. The caller's thread makes
//! the copy, since all callers wait for the writer's thread.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use bytes::BytesMut;
use codec::records::{BatchHeader, RecordBatch};
use thiserror::Error;

use crate::{
    Partition, ProducerState,
    log::{
        extent::BatchFamily,
        index::{IndexInterval, LogStart},
        producer_state::{self, Verdict},
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
}

/// Batches of one request: they have one place in the order and one answer.
#[derive(Clone, Debug)]
pub struct AppendRequest {
    /// One batch each; a partition may come up more than once.
    pub entries: Vec<AppendEntry>,
    /// When to answer.
    pub acks: Acks,
}

/// An [`AppendEntry`] on its way to the writer, with the copy of its batch.
pub(crate) struct OwnedEntry {
    pub(crate) partition: Arc<Partition>,
    pub(crate) header: BatchHeader,
    pub(crate) bytes: BytesMut,
    pub(crate) log_append_time: bool,
}

/// An [`AppendRequest`] on its way to the writer.
pub(crate) struct OwnedRequest {
    pub(crate) entries: Vec<OwnedEntry>,
    pub(crate) acks: Acks,
}

impl OwnedRequest {
    /// Bytes of all batches; an append of few is written by its caller (ADR 4).
    pub(crate) fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.bytes.len()).sum()
    }
}

impl From<AppendRequest> for OwnedRequest {
    fn from(request: AppendRequest) -> Self {
        let own = |entry: AppendEntry| OwnedEntry {
            partition: entry.partition,
            header: *entry.batch.header(),
            bytes: BytesMut::from(entry.batch.bytes().as_ref()),
            log_append_time: entry.log_append_time,
        };
        Self { entries: request.entries.into_iter().map(own).collect(), acks: request.acks }
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
    /// Another instance of the producer took over.
    #[error("producer epoch {found} is older than {current}")]
    InvalidProducerEpoch {
        /// The epoch that fences.
        current: i16,
        /// The one in the batch.
        found: i16,
    },
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
    producers: HashMap<i64, ProducerState>,
    /// Ahead of the one that readers see while a group is built.
    pub(crate) interval: IndexInterval,
    /// Family of its newest extent; `None` if the log is empty.
    pub(crate) family: Option<BatchFamily>,
    /// Ahead of the one that readers see until the next sync.
    pub(crate) log_start: LogStart,
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
        Self { next_offset, producers: HashMap::new(), interval, family, log_start, epoch_recorded }
    }

    /// The offset that the next batch gets.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The state as a start found it; nothing was appended before.
    pub(crate) fn recover(&mut self, next_offset: i64, producers: Vec<(i64, ProducerState)>) {
        self.next_offset = next_offset;
        self.producers = producers.into_iter().collect();
    }

    pub(crate) fn producers(&self) -> hash_map::Iter<'_, i64, ProducerState> {
        self.producers.iter()
    }

    pub(crate) fn producer(&self, producer_id: i64) -> Option<&ProducerState> {
        self.producers.get(&producer_id)
    }

    /// Decides if the batch may be appended, as far as its producer is concerned.
    pub(crate) fn check(&self, header: &BatchHeader) -> Result<Verdict, AppendError> {
        match header.has_producer_id() {
            // Batches of one group see each other: the state changes with each, before anything is written.
            true => producer_state::check(self.producers.get(&header.producer_id), header),
            false => Ok(Verdict::Append),
        }
    }

    /// The batch was appended at `base_offset`, at `now_ms`; the next one goes to `next_offset`.
    pub(crate) fn appended(
        &mut self,
        header: &BatchHeader,
        base_offset: i64,
        next_offset: i64,
        log_append_time_ms: i64,
        now_ms: i64,
    ) {
        self.next_offset = next_offset;
        if header.has_producer_id() {
            let known = self.producers.get_mut(&header.producer_id);
            let new = producer_state::appended(known, header, base_offset, log_append_time_ms, now_ms);
            if let Some(new) = new {
                self.producers.insert(header.producer_id, new);
            }
        }
    }

    /// Forgets producers that last wrote before `before_ms` and have no transaction open; returns their ids.
    pub(crate) fn expire(&mut self, before_ms: i64) -> Vec<i64> {
        let is_expired = |state: &ProducerState| {
            // As in Kafka's `ProducerStateManager.isProducerExpired`: an open transaction keeps its producer.
            state.last_timestamp_ms < before_ms && state.current_txn_start_offset.is_none()
        };
        self.producers.extract_if(|_, state| is_expired(state)).map(|(id, _)| id).collect()
    }
}
