//! Appending: what callers ask for, and how one batch becomes part of a write group.
//!
//! The batch stays opaque. Its base offset, leader epoch and (LogAppendTime) timestamp are patched in one copy, which serves
//! the journal and the tail in memory alike; the request's own buffer is freed. The caller's thread makes
//! the copy, since all callers wait for the writer's thread.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use codec::records::{self, BatchHeader, RecordBatch};
use thiserror::Error;

use crate::{
    Partition, ProducerState,
    generation::Extent,
    index::IndexInterval,
    keys::{self, BatchFamily, LogStart},
    partition::Written,
    producer_state::{self, Verdict},
    write_group::WriteGroup,
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
    partition: Arc<Partition>,
    header: BatchHeader,
    bytes: BytesMut,
    log_append_time: bool,
}

/// An [`AppendRequest`] on its way to the writer.
pub(crate) struct OwnedRequest {
    pub(crate) entries: Vec<OwnedEntry>,
    pub(crate) acks: Acks,
}

impl OwnedRequest {
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
    /// The partition has no offsets left.
    #[error("offsets are used up")]
    OffsetsExhausted,
}

/// One entry's answer.
pub type AppendResult = Result<Appended, AppendError>;

/// The writer's knowledge of a partition between appends.
#[derive(Debug)]
pub(crate) struct AppendState {
    next_offset: i64,
    producers: HashMap<i64, ProducerState>,
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
        let next_offset = log_start.offset;
        Self { next_offset, producers: HashMap::new(), interval, family, log_start, epoch_recorded }
    }

    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

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

    /// Forgets producers that last wrote before `before_ms` and have no transaction open; returns their ids.
    pub(crate) fn expire(&mut self, before_ms: i64) -> Vec<i64> {
        let is_expired = |state: &ProducerState| {
            state.last_timestamp_ms < before_ms && state.current_txn_start_offset.is_none()
        };
        self.producers.extract_if(|_, state| is_expired(state)).map(|(id, _)| id).collect()
    }
}

/// Gives the batch its offset and adds all its changes to the group.
pub(crate) fn append(group: &mut WriteGroup<'_>, entry: OwnedEntry, awaits: Option<u64>) -> AppendResult {
    let OwnedEntry { partition, header, bytes, log_append_time } = entry;
    if partition.is_deleted() {
        return Err(AppendError::PartitionDeleted);
    }
    let header = &header;
    let log_start_offset = partition.log_start_offset();
    // Held until the offset is taken: cleaning and retention change the same state.
    let mut state = partition.append.lock();
    let known = state.producers.get(&header.producer_id);
    if header.has_producer_id()
        && let Verdict::Duplicate(found) = producer_state::check(known, header)?
    {
        let (base_offset, log_append_time_ms) = (found.base_offset, found.log_append_time_ms);
        return Ok(Appended { base_offset, log_append_time_ms, log_start_offset, duplicate: true });
    }
    let base_offset = state.next_offset;
    let records = i64::from(header.last_offset_delta) + 1;
    let next_offset = base_offset.checked_add(records).ok_or(AppendError::OffsetsExhausted)?;

    let log_append_time_ms = if log_append_time { group.now_ms } else { -1 };
    let bytes =
        patched(bytes, base_offset, partition.leader_epoch(), log_append_time.then_some(group.now_ms));
    let max_timestamp = if log_append_time { group.now_ms } else { header.max_timestamp };
    let family = BatchFamily::Generation(group.current);
    group.append_batch(partition.number(), base_offset, &bytes);

    if state.family != Some(family) {
        let extent = Extent { base_offset, family, position: state.interval.end.end_position };
        group.put_extent(&partition, extent);
        partition.add_extent(extent);
        state.family = Some(family);
    }
    if !state.epoch_recorded {
        group.put_state(
            keys::leader_epoch(partition.number(), partition.leader_epoch()),
            base_offset.to_be_bytes(),
        );
        state.epoch_recorded = true;
    }
    if let Some(complete) = state.interval.add(bytes.len(), max_timestamp, next_offset, group.open_ms) {
        group.put_interval(partition.number(), complete);
    }
    if header.has_producer_id() {
        let known = state.producers.get_mut(&header.producer_id);
        let new = producer_state::appended(known, header, base_offset, log_append_time_ms, group.now_ms);
        if let Some(new) = new {
            state.producers.insert(header.producer_id, new);
        }
        group.producers.insert((partition.number(), header.producer_id), Arc::clone(&partition));
    }
    state.next_offset = next_offset;
    group.records += u64::try_from(header.records_count).expect("a parsed batch has no negative count");
    let interval = state.interval;
    let written = Written { base_offset, next_offset, bytes, interval, awaits };
    drop(state);
    group.written.push((partition, written));
    Ok(Appended { base_offset, log_append_time_ms, log_start_offset, duplicate: false })
}

/// The batch with the fields that the broker sets.
fn patched(
    mut bytes: BytesMut,
    base_offset: i64,
    leader_epoch: i32,
    log_append_time_ms: Option<i64>,
) -> Bytes {
    records::set_base_offset(&mut bytes, base_offset);
    records::set_partition_leader_epoch(&mut bytes, leader_epoch);
    if let Some(timestamp_ms) = log_append_time_ms {
        records::set_log_append_time(&mut bytes, timestamp_ms);
    }
    bytes.freeze()
}
