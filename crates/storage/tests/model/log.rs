//! The plain model: what each log must hold, and what the storage may make of it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use codec::records::{self, Record as StoredRecord, RecordBatch};
use storage::{Partition, Retention, Storage};

use crate::common::UNLIMITED;

/// Offset, key and value.
pub(crate) type Record = (i64, Option<Bytes>, Option<Bytes>);

/// The part of a batch in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Data { producer_id: i64, epoch: i16, sequence: i32 },
    Marker { producer_id: i64, epoch: i16, commit: bool },
}

/// A batch as it was appended, or as a cleaning left it.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) base_offset: i64,
    pub(crate) end: i64,
    pub(crate) records: Vec<Record>,
    pub(crate) bytes: u64,
    pub(crate) appended_ms: u64,
    pub(crate) kind: Kind,
}

/// A transaction that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    pub(crate) marker_offset: i64,
    pub(crate) commit: bool,
}

#[derive(Default, Debug)]
pub(crate) struct Log {
    pub(crate) ended: Vec<Ended>,
    /// It may have been compacted: the aborted index need not have all transactions any more.
    pub(crate) cleaned: bool,
    pub(crate) batches: Vec<Batch>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) leader_epoch: i32,
    /// Bytes that a cleaning which was cut short has freed, at most: they are still counted, all or some of them.
    pub(crate) uncounted: u64,
    /// Bytes by which such a cleaning has made batches longer, at most: they are not counted yet, all or some of them.
    pub(crate) grown: u64,
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) logs: Vec<Log>,
    /// Its records have keys, so that it can be compacted.
    pub(crate) keyed: bool,
    /// Nothing hid an append time from the storage since it was empty.
    pub(crate) never_restarted: bool,
}

impl Log {
    /// The batches that hold something at or above the log start.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().filter(|batch| batch.end > self.start)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.alive().map(|batch| batch.bytes).sum()
    }

    pub(crate) fn records_from(&self, from: i64) -> Vec<Record> {
        self.alive().flat_map(|batch| batch.records.clone()).filter(|(offset, ..)| *offset >= from).collect()
    }

    /// The batch is data of a transaction that was aborted (or committed).
    fn is_of(&self, batch: &Batch, commit: bool) -> bool {
        let Kind::Data { producer_id, .. } = batch.kind else { return false };
        let holds = |ended: &Ended| {
            (ended.producer_id, ended.commit) == (producer_id, commit)
                && (ended.first_offset..ended.marker_offset).contains(&batch.base_offset)
        };
        self.ended.iter().any(holds)
    }

    /// Its records are such that a reader of committed records sees them, now or once the log is stable up to there.
    fn is_committed(&self, batch: &Batch) -> bool {
        match batch.kind {
            Kind::Plain => true,
            Kind::Data { .. } => self.is_of(batch, true),
            Kind::Marker { .. } => false,
        }
    }

    pub(crate) fn committed_from(&self, from: i64) -> Vec<Record> {
        let committed = self.alive().filter(|batch| self.is_committed(batch));
        committed.flat_map(|batch| batch.records.clone()).filter(|(offset, ..)| *offset >= from).collect()
    }

    /// A reader from `from` to before `until` has to know of this aborted transaction.
    pub(crate) fn aborts(&self, producer_id: i64, first_offset: i64, from: i64, until: i64) -> bool {
        let is = |ended: &&Ended| (ended.producer_id, ended.first_offset) == (producer_id, first_offset);
        let found = self.ended.iter().find(is);
        found.is_some_and(|ended| !ended.commit && ended.marker_offset >= from && first_offset < until)
    }

    pub(crate) fn aborted_in(&self, from: i64, until: i64) -> usize {
        let aborts = |ended: &&Ended| self.aborts(ended.producer_id, ended.first_offset, from, until);
        self.ended.iter().filter(aborts).count()
    }

    pub(crate) fn push(&mut self, batch: Batch) {
        assert_eq!(batch.base_offset, self.end);
        self.end = batch.end;
        self.batches.push(batch);
    }

    /// The storage counts the bytes of the log right.
    pub(crate) fn check_size(&self, partition: &Partition, context: &str) {
        let (found, bytes) = (partition.size_bytes(), self.bytes());
        let (least, most) = (bytes - self.grown, bytes + self.uncounted);
        assert!((least..=most).contains(&found), "{context}: {found} bytes, not {least} to {most}");
    }

    /// A look at the log after the storage was to tend it: nothing went that had to stay and, if the storage got to the end
    /// of its work, nothing stayed that had to go. From here on what is there must stay.
    ///
    /// `first_open`: the first offset of the oldest transaction that is open.
    pub(crate) fn tended(
        &mut self,
        storage: &Storage,
        partition: &Partition,
        rules: &Rules,
        first_open: Option<i64>,
        context: &str,
    ) {
        self.check_retained(partition, rules, context);
        self.start = partition.log_start_offset();
        if !rules.compacts {
            return;
        }
        self.cleaned = true;
        let found = stored(storage, partition, self.start);
        let last_stable_offset = first_open.unwrap_or(self.end).max(self.start);
        self.check_compacted(&found, rules.cleaned && first_open.is_none(), last_stable_offset, context);
        let counted = self.bytes() + self.uncounted;
        for batch in &mut self.batches {
            let left = found.iter().find(|left| left.base_offset == batch.base_offset);
            self.grown += left.map_or(0, |left| left.bytes.saturating_sub(batch.bytes));
            (batch.records, batch.bytes) =
                left.map_or((Vec::new(), 0), |left| (left.records.clone(), left.bytes));
        }
        self.uncounted = counted.saturating_sub(self.bytes());
        if rules.cleaned || partition.size_bytes() == self.bytes() {
            (self.uncounted, self.grown) = (0, 0);
        }
    }

    /// Nothing appeared, of each key the newest committed record stayed unless it deletes, nothing went that is not stable, and no data
    /// lost its marker. If the cleaning is `complete`, no older record of a key stayed, and nothing that was aborted.
    fn check_compacted(&self, found: &[Batch], complete: bool, last_stable_offset: i64, context: &str) {
        let before = self.records_from(self.start);
        let records = found.iter().flat_map(|batch| &batch.records);
        let records: Vec<&Record> = records.filter(|(offset, ..)| *offset >= self.start).collect();
        assert!(records.iter().all(|record| before.contains(record)), "{context}: something appeared");
        for unstable in before.iter().filter(|(offset, ..)| *offset >= last_stable_offset) {
            assert!(records.contains(&unstable), "{context}: offset {} is not stable", unstable.0);
        }
        let committed = self.committed_from(self.start);
        let stable = committed.iter().filter(|(offset, ..)| *offset < last_stable_offset);
        let newest: BTreeMap<_, _> = stable.map(|record| (record.1.clone(), record)).collect();
        for newest in newest.values().filter(|(_, _, value)| value.is_some()) {
            assert!(records.contains(newest), "{context}: offset {} is the newest of its key", newest.0);
        }
        let has_data = |batch: &&Batch| {
            found.iter().any(|left| {
                left.base_offset == batch.base_offset
                    && left.records.iter().any(|record| record.0 >= self.start)
            })
        };
        let left: Vec<&Batch> = self.batches.iter().filter(has_data).collect();
        for ended in &self.ended {
            let range = ended.first_offset..ended.marker_offset;
            let is_data = |batch: &&&Batch| {
                matches!(batch.kind, Kind::Data { producer_id, .. } if producer_id == ended.producer_id)
                    && range.contains(&batch.base_offset)
            };
            let data = left.iter().find(is_data);
            let has_marker = left.iter().any(|batch| batch.base_offset == ended.marker_offset);
            assert!(data.is_none() || has_marker, "{context}: {data:?} lost the marker of {ended:?}");
            let stays = data.is_some() && complete && !ended.commit;
            assert!(!stays, "{context}: {data:?} of {ended:?} was aborted");
        }
        let mut seen = BTreeSet::new();
        for (offset, key, _) in records.iter().filter(|record| committed.contains(record)) {
            assert!(seen.insert(key) || !complete, "{context}: offset {offset} is not the first of its key");
        }
    }

    /// Nothing went too early by retention nor, if that is complete, stayed too long.
    fn check_retained(&self, partition: &Partition, rules: &Rules, context: &str) {
        let Rules { retention, now_ms, .. } = *rules;
        let start = partition.log_start_offset();
        assert!(start >= self.start, "{context}: it went back");
        let is_old = |batch: &Batch| retention.ms.is_some_and(|limit| now_ms - batch.appended_ms >= limit);
        let mut after = self.bytes() + self.uncounted;
        for gone in self.alive() {
            after -= gone.bytes;
            let over = retention.bytes.is_some_and(|limit| after >= limit);
            let deleted = gone.end <= start;
            assert!(!deleted || is_old(gone) || over, "{context}: {} went too early", gone.base_offset);
        }
        if rules.complete {
            let all_old = rules.never_restarted && self.alive().all(is_old);
            assert!(!all_old || start == self.end, "{context}: all is old");
            let too_much = retention.bytes.is_some_and(|limit| partition.size_bytes() > limit + 200_000);
            assert!(!too_much, "{context}: {} bytes", partition.size_bytes());
        }
    }
}

/// Rules for what tending may delete, and must.
pub(crate) struct Rules {
    pub(crate) retention: Retention,
    pub(crate) compacts: bool,
    pub(crate) now_ms: u64,
    /// The storage knows when each batch was appended.
    pub(crate) never_restarted: bool,
    /// It was not cut short.
    pub(crate) complete: bool,
    /// Nor was compaction, which waits while the disk is full.
    pub(crate) cleaned: bool,
}

/// The batches of the partition from the one that holds `from`, as they are stored.
fn stored(storage: &Storage, partition: &Partition, from: i64) -> Vec<Batch> {
    let parsed = |bytes: Bytes| {
        let batch = RecordBatch::parse_stored(bytes.clone()).unwrap();
        let record = |record: StoredRecord| (record.offset, record.key, record.value);
        let records = batch.records().unwrap().map(|found| record(found.unwrap())).collect();
        let (base_offset, end) = (batch.header().base_offset, batch.header().next_offset());
        Batch { base_offset, end, records, bytes: bytes.len() as u64, appended_ms: 0, kind: Kind::Plain }
    };
    let found = storage.shard().read(partition, from, UNLIMITED).unwrap().batches;
    found.iter().flat_map(records::batches).map(|batch| parsed(batch.unwrap().1)).collect()
}

pub(crate) fn stored_records(storage: &Storage, partition: &Partition, from: i64) -> Vec<Record> {
    let records = stored(storage, partition, from).into_iter().flat_map(|batch| batch.records);
    records.filter(|(offset, ..)| *offset >= from).collect()
}
