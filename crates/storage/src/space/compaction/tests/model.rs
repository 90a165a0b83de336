//! Random logs over few keys, cleaned again and again in pieces of random size, against what a reader must find.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use codec::records::{TimestampType, set_base_offset, set_log_append_time};
use proptest::prelude::*;

use super::*;
use crate::log::AbortedEntry;

/// Key (null, or one of a few), whether it has a value, its timestamp.
type Content = (Option<u8>, bool, i64);

#[derive(Clone, Debug)]
enum Step {
    Append {
        records: Vec<Content>,
        compression: Compression,
        log_append_time: bool,
        producer_id: i64,
        transaction: Option<ControlType>,
        /// The marker is damaged.
        damaged: bool,
    },
    Clean {
        slots: usize,
        after_ms: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let content = (proptest::option::weighted(0.9, 0u8..5), any::<bool>(), -3i64..3_000_000);
    let transaction = prop_oneof![
        6 => Just(None),
        1 => Just(Some(ControlType::Commit)),
        1 => Just(Some(ControlType::Abort)),
    ];
    let append = (
        proptest::collection::vec(content, 1..6),
        proptest::sample::select(&Compression::ALL[..]),
        proptest::bool::weighted(0.2),
        0i64..5,
        transaction,
        proptest::bool::weighted(0.05),
    )
        .prop_map(|(records, compression, log_append_time, producer_id, transaction, damaged)| {
            Step::Append { records, compression, log_append_time, producer_id, transaction, damaged }
        });
    let clean = (0usize..12, 0..RETENTION).prop_map(|(slots, after_ms)| Step::Clean { slots, after_ms });
    proptest::collection::vec(prop_oneof![3 => append, 2 => clean], 1..40)
}

#[derive(Clone, Copy)]
struct Transaction {
    producer_id: i64,
    marker_offset: i64,
}

/// A log, and all that was ever written to it.
#[derive(Default)]
struct Log {
    batches: BTreeMap<i64, Bytes>,
    end_offset: i64,
    first_dirty_offset: i64,
    now_ms: i64,
    written: BTreeMap<i64, Record>,
    /// Offsets of records in aborted transactions.
    aborted: BTreeSet<i64>,
    /// Those that ended, by first offset; a producer has many, one after the other.
    transactions: BTreeMap<i64, Transaction>,
    /// Offsets of markers that are damaged: they stay, and so do all entries of the aborted index.
    damaged: BTreeSet<i64>,
    /// Entries of the aborted index below this offset were removed, as their batches were cleaned away.
    forgotten_below: i64,
    /// Of tombstones and markers: when the first cleaning was over that could have set their horizon.
    seen_ms: HashMap<i64, i64>,
}

impl Log {
    fn append(&mut self, bytes: &Bytes, base_offset: i64, log_append_time: bool) {
        let mut bytes = bytes.to_vec();
        set_base_offset(&mut bytes, base_offset);
        if log_append_time {
            set_log_append_time(&mut bytes, self.now_ms);
        }
        let bytes = Bytes::from(bytes);
        let header = BatchHeader::parse(&bytes).unwrap();
        self.end_offset = header.next_offset();
        if !header.attributes.is_control() {
            self.written.extend(records(&bytes).into_iter().map(|record| (record.offset, record)));
        }
        self.batches.insert(base_offset, bytes);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append { records, compression, log_append_time, producer_id, transaction, damaged } => {
                let first_offset = self.end_offset;
                let mut builder = BatchBuilder::new().compression(compression).producer(producer_id, 0, 0);
                if transaction.is_some() {
                    builder = builder.transactional();
                }
                for (nth, (key, has_value, timestamp)) in records.into_iter().enumerate() {
                    let value = format!("{}-{nth}", self.end_offset);
                    let value = has_value.then_some(value.as_bytes());
                    let header = [("header", value)];
                    builder.push(
                        timestamp,
                        key.as_ref().map(std::slice::from_ref),
                        value,
                        &header[..nth % 2],
                    );
                }
                self.append(&builder.build(), self.end_offset, log_append_time);
                if let Some(control_type) = transaction {
                    if control_type == ControlType::Abort {
                        self.aborted.extend(first_offset..self.end_offset);
                    }
                    let marker_offset = self.end_offset;
                    self.transactions.insert(first_offset, Transaction { producer_id, marker_offset });
                    if damaged {
                        self.damaged.insert(marker_offset);
                    }
                    let marker = EndTransactionMarker { control_type, coordinator_epoch: 0 };
                    self.append(&marker.batch(producer_id, 0, 5), self.end_offset, false);
                }
            }
            Step::Clean { slots, after_ms } => {
                self.now_ms += after_ms;
                self.clean(OffsetMap::SLOT_BYTES * slots);
            }
        }
    }

    /// As the aborted index tells of them to a walk from this offset.
    fn transactions(&self, from: i64) -> LogTransactions {
        let from = from.max(self.forgotten_below);
        let aborted = self
            .transactions
            .iter()
            .filter(|(first, one)| self.aborted.contains(first) && one.marker_offset >= from);
        let entry = |(first_offset, one): (&i64, &Transaction)| AbortedEntry {
            producer_id: one.producer_id,
            first_offset: *first_offset,
            marker_offset: one.marker_offset,
            last_stable_offset: one.marker_offset + 1,
        };
        LogTransactions::new(aborted.map(entry).collect())
    }

    fn is_aborted(&self, header: &BatchHeader) -> bool {
        self.aborted.contains(&header.base_offset)
    }

    fn has_data(&self, offsets: std::ops::Range<i64>) -> bool {
        self.headers()
            .into_iter()
            .any(|header| offsets.contains(&header.base_offset) && header.records_count > 0)
    }

    fn headers(&self) -> Vec<BatchHeader> {
        self.batches.values().map(|bytes| BatchHeader::parse(bytes).unwrap()).collect()
    }

    /// The last batch of all leaves its header, as does every fourth producer's.
    fn retains(header: &BatchHeader, end_offset: i64) -> bool {
        header.next_offset() == end_offset || header.producer_id % 4 == 0
    }

    fn clean(&mut self, capacity_bytes: usize) {
        let mut map = OffsetMap::new(capacity_bytes);
        if self.first_dirty_offset > 0 {
            map.advance(self.first_dirty_offset - 1);
        }
        let mut met = self.transactions(self.first_dirty_offset);
        let dirty = self.batches.range(..=self.first_dirty_offset).next_back().map_or(0, |(base, _)| *base);
        for (_, bytes) in self.batches.range(dirty..) {
            let header = BatchHeader::parse(bytes).unwrap();
            if header.last_offset() < self.first_dirty_offset {
                continue;
            }
            if self.damaged.contains(&header.base_offset) {
                map.advance(header.last_offset());
                continue;
            }
            let discardable = met.meets(&header);
            if !header.attributes.is_control() {
                assert_eq!(discardable, self.is_aborted(&header), "{header:?}");
            }
            if !header.attributes.is_control() && discardable {
                map.advance(header.last_offset());
            } else if index(bytes, self.first_dirty_offset, &mut map).unwrap() == Indexed::Full {
                break;
            }
        }
        let Some(latest_offset) = map.latest_offset() else { return };
        let is_dirty = self.first_dirty_offset < self.end_offset;
        assert_eq!(latest_offset >= self.first_dirty_offset, is_dirty, "every cleaning gets further");
        let end_offset = self.end_offset;
        let retain_empty = move |header: &BatchHeader| Self::retains(header, end_offset);
        let mut met = self.transactions(0);
        for (base_offset, bytes) in self.batches.clone() {
            let header = BatchHeader::parse(&bytes).unwrap();
            if self.damaged.contains(&base_offset) {
                continue;
            }
            let discardable = met.meets(&header);
            match clean(&bytes, &map, &rules(self.now_ms, &retain_empty), discardable).unwrap() {
                Cleaned::Keep => {}
                Cleaned::Remove => drop(self.batches.remove(&base_offset)),
                Cleaned::Replace(bytes) => {
                    let after = BatchHeader::parse(&bytes).unwrap();
                    assert_eq!(
                        (after.base_offset, after.last_offset()),
                        (header.base_offset, header.last_offset())
                    );
                    assert_eq!(after.last_sequence(), header.last_sequence());
                    self.batches.insert(base_offset, bytes);
                }
            }
            let deletes = (header.attributes.is_control() && discardable && header.records_count > 0)
                .then_some(header.base_offset);
            let tombstones = self.written.range(header.base_offset..=header.last_offset());
            let tombstones =
                tombstones.filter(|(_, record)| record.value.is_none()).map(|(offset, _)| *offset);
            if header.last_offset() <= latest_offset {
                for offset in tombstones.chain(deletes) {
                    self.seen_ms.entry(offset).or_insert(self.now_ms);
                }
            }
        }
        self.first_dirty_offset = latest_offset + 1;
        if self.damaged.range(..self.first_dirty_offset).next().is_none() {
            self.forgotten_below = self.first_dirty_offset;
        }
        self.check();
    }

    fn may_be_gone(&self, offset: i64) -> bool {
        self.seen_ms.get(&offset).is_some_and(|seen_ms| self.now_ms >= seen_ms + RETENTION)
    }

    fn check(&self) {
        let left: Vec<Record> = self
            .batches
            .values()
            .filter(|bytes| !BatchHeader::parse(bytes).unwrap().attributes.is_control())
            .flat_map(records)
            .collect();
        assert!(left.is_sorted_by_key(|record| record.offset));
        for record in &left {
            assert_eq!(self.written.get(&record.offset), Some(record), "nothing new, nothing changed");
        }
        let left: BTreeMap<i64, &Record> = left.iter().map(|record| (record.offset, record)).collect();
        let aborted = |offset: i64| self.aborted.contains(&offset);
        let mut latest: HashMap<&Bytes, i64> = HashMap::new();
        for (offset, record) in self.written.iter().filter(|(offset, _)| !aborted(**offset)) {
            match &record.key {
                Some(key) => drop(latest.insert(key, *offset)),
                None => assert_eq!(
                    left.contains_key(offset),
                    *offset >= self.first_dirty_offset,
                    "keyless {offset}"
                ),
            }
        }
        for (key, offset) in latest {
            let is_tombstone = self.written[&offset].value.is_none();
            if !left.contains_key(&offset) {
                assert!(is_tombstone && self.may_be_gone(offset), "the latest of {key:?} at {offset}");
            }
            // What a reader from the start ends with: no older record without the newer one.
            let of_key =
                left.values().filter(|record| record.key.as_ref() == Some(key) && !aborted(record.offset));
            let last_read = of_key.clone().map(|record| record.offset).max();
            assert!(last_read == Some(offset) || (is_tombstone && last_read.is_none()), "{key:?} came back");
            let cleaned = of_key.filter(|record| record.offset < self.first_dirty_offset).count();
            assert!(cleaned <= 1, "{cleaned} cleaned records of {key:?}");
        }
        for offset in self.written.keys() {
            let stays = *offset >= self.first_dirty_offset && !aborted(*offset);
            assert!(!stays || left.contains_key(offset), "{offset} is not cleaned yet");
        }
        self.check_headers();
    }

    fn check_headers(&self) {
        let headers = self.headers();
        assert_eq!(headers.last().map(BatchHeader::next_offset), Some(self.end_offset));
        for (first_offset, Transaction { marker_offset, .. }) in &self.transactions {
            let has =
                |header: &&BatchHeader| header.base_offset == *marker_offset && header.records_count > 0;
            let has_marker = headers.iter().any(|header| has(&header));
            let has_data = self.has_data(*first_offset..*marker_offset);
            assert!(has_marker || !has_data, "data at {first_offset} lost its marker");
            assert!(has_marker || self.may_be_gone(*marker_offset), "the marker at {marker_offset}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_cleaned_a_reader_finds_the_latest_of_every_key(steps in steps()) {
        let mut log = Log { now_ms: NOW, ..Log::default() };
        for step in steps {
            log.step(step);
        }
        // At last all of it, twice, with the horizons passed in between: then no tombstone is left.
        log.clean(10_000);
        log.now_ms += RETENTION;
        log.clean(10_000);
        for batch in log.batches.values().filter(|batch| !BatchHeader::parse(batch).unwrap().attributes.is_control()) {
            prop_assert!(records(batch).iter().all(|record| record.value.is_some()));
        }
        let of_broker = |header: &BatchHeader| header.attributes.timestamp_type() == TimestampType::LogAppendTime;
        prop_assert!(log.headers().iter().filter(|header| of_broker(header)).all(|header| header.max_timestamp >= NOW));
    }
}
