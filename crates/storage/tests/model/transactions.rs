//! Transactions of a walk: producers that write to several partitions and end what they wrote, and what a reader of committed records
//! then sees.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use codec::records::{self, BatchBuilder, RecordBatch};
use rand::RngExt;
use storage::{
    AppendEntry, CoordinatorRecord, CoordinatorWrite, Isolation, Partition, ProducerState, ReadLimits,
    Storage, TransactionEnd, TransactionMarker,
};

use crate::{
    Walk,
    crash::{LogName, Request},
    log::{Batch, Kind, Log, Record},
};

const PRODUCERS: u64 = 4;
/// Key of the coordinators' record that counts the requests which carry one.
const COUNT: &[u8] = b"count";

#[derive(Clone, Debug, Default)]
struct Producer {
    epoch: i16,
    /// Of each partition that it wrote to: the epoch and the next sequence there.
    sequences: BTreeMap<LogName, (i16, i32)>,
    /// First offsets of its transaction.
    open: BTreeMap<LogName, i64>,
}

/// The transactional producers, and how many requests carried records of a coordinator.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers {
    by_id: BTreeMap<i64, Producer>,
    pub(crate) count: u64,
}

impl Producers {
    /// The batch is in the log. Returns the first offset of the transaction that it ends.
    pub(crate) fn apply(&mut self, name: &LogName, batch: &Batch) -> Option<i64> {
        match batch.kind {
            Kind::Plain => None,
            Kind::Data { producer_id, epoch, sequence } => {
                let producer = self.by_id.entry(producer_id).or_default();
                let next = sequence + (batch.end - batch.base_offset) as i32;
                producer.sequences.insert(name.clone(), (epoch, next));
                producer.open.entry(name.clone()).or_insert(batch.base_offset);
                None
            }
            Kind::Marker { producer_id, epoch, .. } => {
                let producer = self.by_id.entry(producer_id).or_default();
                producer.epoch = producer.epoch.max(epoch);
                producer.sequences.entry(name.clone()).and_modify(|known| {
                    if known.0 != epoch {
                        *known = (epoch, 0);
                    }
                });
                producer.open.remove(name)
            }
        }
    }

    pub(crate) fn topic_deleted(&mut self, topic: &str) {
        for producer in self.by_id.values_mut() {
            producer.sequences.retain(|(name, _), _| name != topic);
            producer.open.retain(|(name, _), _| name != topic);
        }
    }

    /// Of each producer that wrote to the partition: id, epoch, last sequence, first offset of its open transaction.
    fn states_in(&self, name: &LogName) -> Vec<(i64, i16, i32, Option<i64>)> {
        let state = |(id, producer): (&i64, &Producer)| {
            let (epoch, next) = *producer.sequences.get(name)?;
            Some((*id, epoch, next - 1, producer.open.get(name).copied()))
        };
        self.by_id.iter().filter_map(state).collect()
    }

    /// The storage remembers the producers of the partition as they are.
    pub(crate) fn check(&self, name: &LogName, partition: &Partition, context: &str) {
        let state = |(id, state): &(i64, ProducerState)| {
            (*id, state.producer_epoch, state.last_sequence(), state.current_txn_start_offset)
        };
        let found: Vec<_> = partition.producers().iter().map(state).collect();
        assert_eq!(found, self.states_in(name), "{context}: producers");
    }

    /// First offset of the oldest transaction that is open in the partition.
    pub(crate) fn first_open(&self, name: &LogName) -> Option<i64> {
        self.by_id.values().filter_map(|producer| producer.open.get(name).copied()).min()
    }
}

impl Walk {
    /// A batch of a transaction, and how it is asked for.
    pub(crate) fn transactional(
        &mut self,
        producers: &Producers,
        name: &LogName,
        partition: &Arc<Partition>,
        records: &[Record],
    ) -> (AppendEntry, Kind) {
        let producer_id = 100 + self.random.random_range(0..PRODUCERS) as i64;
        let producer = producers.by_id.get(&producer_id).cloned().unwrap_or_default();
        let epoch = producer.epoch;
        let known = producer.sequences.get(name).filter(|(known, _)| *known == epoch);
        let sequence = known.map_or(0, |(_, sequence)| *sequence);
        let mut builder = BatchBuilder::new().producer(producer_id, epoch, sequence).transactional();
        for (_, key, value) in records {
            builder.push(1, key.as_deref(), value.as_deref(), &[]);
        }
        let batch = RecordBatch::parse(builder.build()).unwrap();
        let partition = Arc::clone(partition);
        let entry =
            AppendEntry { partition, batch, log_append_time: false, unknown_producer_begins_at_zero: true };
        (entry, Kind::Data { producer_id, epoch, sequence })
    }

    /// The end of a transaction that is open, if there is one: the markers that the logs are to hold, and how it is asked for.
    pub(crate) fn end(
        &mut self,
        producers: &mut Producers,
        ends: &mut BTreeMap<LogName, i64>,
    ) -> Option<(Request, TransactionEnd)> {
        let open = producers.by_id.iter().filter(|(_, producer)| !producer.open.is_empty());
        let (producer_id, producer) = open.map(|(id, producer)| (*id, producer.clone())).next()?;
        let (commit, raises_epoch) = (self.random.random(), self.random.random());
        let epoch = producer.epoch + i16::from(raises_epoch);
        let (mut batches, mut markers) = (Vec::new(), Vec::new());
        for name in producer.open.keys() {
            let offset = *ends.entry(name.clone()).or_insert(self.log(name).end);
            ends.insert(name.clone(), offset + 1);
            let key = Bytes::from(vec![0, 0, 0, u8::from(commit)]);
            let records = vec![(offset, Some(key), Some(Bytes::from(vec![0, 0, 0, 0, 0, 1])))];
            let kind = Kind::Marker { producer_id, epoch, commit };
            let appended_ms = self.world.now_ms();
            let batch = Batch { base_offset: offset, end: offset + 1, records, bytes: 78, appended_ms, kind };
            producers.apply(name, &batch);
            batches.push((name.clone(), batch));
            markers.push(TransactionMarker {
                partition: self.partition(&name.0, name.1),
                producer_id,
                producer_epoch: epoch,
                coordinator_epoch: 1,
                by_coordinator: false,
                commit,
                raises_epoch,
                log_append_time: false,
            });
        }
        let (count, coordinator) = self.counted(producers);
        let request = Request { acks: storage::Acks::All, batches, count: Some(count) };
        Some((request, TransactionEnd { coordinator, markers }))
    }

    /// The coordinators' record of the next request that has one.
    pub(crate) fn counted(&self, producers: &mut Producers) -> (u64, CoordinatorWrite) {
        producers.count += 1;
        let (key, value) = (Bytes::from_static(COUNT), producers.count.to_string().into());
        let record = CoordinatorRecord { key, value: Some(value) };
        let epoch = self.storage().shard().led_epoch().unwrap();
        (producers.count, CoordinatorWrite { epoch, records: vec![record] })
    }

    /// Requests with coordinators' records that the folder has.
    pub(crate) fn count_found(&self) -> u64 {
        let mut found = 0;
        let count = &mut |_: &[u8], value: &[u8]| found = str::from_utf8(value).unwrap().parse().unwrap();
        self.storage().shard().scan_coordinator(COUNT, count).unwrap();
        found
    }

    pub(crate) fn last_stable_offset(&self, name: &LogName) -> i64 {
        let log = self.log(name);
        self.producers.first_open(name).unwrap_or(log.end).min(log.end).max(log.start)
    }
}

/// A client of `isolation.level=read_committed` reads from `from`: it must see what the log has committed, and no more.
pub(crate) fn check_committed(
    storage: &Storage,
    partition: &Partition,
    log: &Log,
    (from, max_bytes): (i64, usize),
    context: &str,
) {
    let limits = ReadLimits { max_bytes, at_least_one: true, isolation: Isolation::ReadCommitted };
    let read = storage.shard().read(partition, from, limits).unwrap();
    assert!(read.aborted.is_sorted_by_key(|aborted| aborted.first_offset), "{context}: {:?}", read.aborted);
    let (mut told, mut dropped) = (read.aborted.iter().peekable(), Vec::new());
    let (mut seen, mut until) = (Vec::new(), from);
    for bytes in read.batches.iter().flat_map(records::batches).map(|batch| batch.unwrap().1) {
        let batch = RecordBatch::parse_stored(bytes).unwrap();
        let header = *batch.header();
        until = header.next_offset();
        while let Some(aborted) = told.next_if(|next| next.first_offset <= header.last_offset()) {
            dropped.push(aborted.producer_id);
        }
        if header.attributes.is_control() {
            dropped.retain(|producer_id| *producer_id != header.producer_id);
        } else if !header.attributes.is_transactional() || !dropped.contains(&header.producer_id) {
            let records = batch.records().unwrap().map(Result::unwrap);
            seen.extend(records.map(|record| (record.offset, record.key, record.value)));
        }
    }
    seen.retain(|(offset, ..)| *offset >= from);
    let committed = log.committed_from(from).into_iter();
    let committed: Vec<Record> = committed.filter(|(offset, ..)| *offset < until).collect();
    let (found, expected): (Vec<_>, Vec<_>) = (offsets(&seen), offsets(&committed));
    assert_eq!(found, expected, "{context}: committed from {from} to {until}, told {:?}", read.aborted);
    assert_eq!(seen, committed, "{context}");
    let overlapping = |one: &&(i64, i64)| log.aborts(one.0, one.1, from, until);
    let pairs: Vec<_> = read.aborted.iter().map(|one| (one.producer_id, one.first_offset)).collect();
    assert_eq!(pairs.iter().filter(overlapping).count(), pairs.len(), "{context}: {pairs:?} from {from}");
    if !log.cleaned && until > from {
        assert_eq!(pairs.len(), log.aborted_in(from, until), "{context}: {pairs:?} from {from} to {until}");
    }
}

fn offsets(records: &[Record]) -> Vec<i64> {
    records.iter().map(|(offset, ..)| *offset).collect()
}
