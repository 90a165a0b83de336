//! Random walks beside a plain model: appends, reads, retention, deletion of records, changes of policy, restarts, kills.
//! `OTTLA_SEEDS=N` walks N times, `OTTLA_SEED=S` only from that seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use codec::records::{BatchBuilder, Record as StoredRecord, RecordBatch};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use storage::{
    Acks, Compaction, DeleteBelow, LogPolicy, Partition, ReadError, Retention, Storage, StorageOptions,
};

use crate::common::{UNLIMITED, append, copy_of, create, delete};

const STEPS: u64 = 150;
const PARTITIONS: u32 = 3;

/// Offset, key and value.
type Record = (i64, Option<Bytes>, Option<Bytes>);

/// A batch as it was appended, or as a cleaning left it.
struct Batch {
    base_offset: i64,
    end: i64,
    records: Vec<Record>,
    bytes: u64,
    appended_ms: u64,
}

#[derive(Default)]
struct Log {
    batches: Vec<Batch>,
    start: i64,
    end: i64,
}

impl Log {
    /// The batches that hold something at or above the log start.
    fn alive(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().filter(|batch| batch.end > self.start)
    }

    fn records_from(&self, from: i64) -> Vec<Record> {
        self.alive().flat_map(|batch| batch.records.clone()).filter(|(offset, ..)| *offset >= from).collect()
    }
}

struct Topic {
    logs: Vec<Log>,
    /// Its records have keys, so that it can be compacted.
    keyed: bool,
    /// Nothing hid an append time from the storage since it was empty.
    never_restarted: bool,
}

/// What the storage is told from outside.
struct World {
    uptime_ms: AtomicU64,
    wall_ms: AtomicI64,
    policies: Mutex<BTreeMap<String, LogPolicy>>,
    /// Generations may be settled in this walk; in the others they stay, and with them other paths.
    settles: bool,
}

struct Walk {
    context: String,
    random: StdRng,
    world: Arc<World>,
    folder: tempfile::TempDir,
    storage: Storage,
    topics: BTreeMap<String, Topic>,
}

#[test]
fn random_walks_agree_with_a_plain_model() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("OTTLA_SEED") {
        return Walk::new(seed).walk(seed);
    }
    for seed in 1..=number("OTTLA_SEEDS").unwrap_or(6) {
        Walk::new(seed).walk(seed);
    }
}

impl World {
    fn open(self: &Arc<Self>, folder: &Path) -> Storage {
        let (uptime, wall, policies) = (Arc::clone(self), Arc::clone(self), Arc::clone(self));
        let options = StorageOptions {
            generation_bytes: 40_000,
            settle_bytes: if self.settles { 1 } else { u64::MAX },
            tail_bytes: 5_000,
            uptime: Arc::new(move || Duration::from_millis(uptime.uptime_ms.load(Ordering::SeqCst))),
            clock: Arc::new(move || wall.wall_ms.load(Ordering::SeqCst)),
            log_policy: Arc::new(move |topic| {
                policies.policies.lock().get(&topic.name).copied().unwrap_or_default()
            }),
            ..StorageOptions::new(folder)
        };
        Storage::open(options).unwrap()
    }

    fn now_ms(&self) -> u64 {
        self.uptime_ms.load(Ordering::SeqCst)
    }
}

impl Walk {
    fn new(seed: u64) -> Self {
        let world = Arc::new(World {
            uptime_ms: AtomicU64::new(5_000_000),
            wall_ms: AtomicI64::new(1_700_000_000_000),
            policies: Mutex::default(),
            settles: seed.is_multiple_of(2),
        });
        let folder = tempfile::tempdir().unwrap();
        let storage = world.open(folder.path());
        let random = StdRng::seed_from_u64(seed);
        Self { context: String::new(), random, world, folder, storage, topics: BTreeMap::new() }
    }

    fn walk(mut self, seed: u64) {
        for step in 0..STEPS {
            self.context = format!("seed {seed} step {step}");
            match self.random.random_range(0..24) {
                0 if self.topics.len() < 4 => self.create(step),
                1 if self.topics.len() > 2 => self.delete(),
                2 => self.restart(),
                3 => self.kill(),
                4 | 5 => self.delete_records(),
                6 | 7 => self.tend(),
                8 => self.change_policy(),
                9 => self.pass_time(),
                _ => self.append(step),
            }
            self.check_positions();
        }
        for _ in 0..3 {
            self.tend();
        }
        self.restart();
        self.check_records();
        self.storage.close().unwrap();
    }

    fn partition(&self, name: &str, index: usize) -> Arc<Partition> {
        Arc::clone(&self.storage.catalog().topic(name).unwrap().partitions[index])
    }

    fn create(&mut self, step: u64) {
        let name = format!("topic-{step}");
        create(&self.storage, &name, PARTITIONS);
        let logs = (0..PARTITIONS).map(|_| Log::default()).collect();
        let keyed = self.random.random_range(0..2) == 0;
        self.topics.insert(name, Topic { logs, keyed, never_restarted: true });
    }

    fn delete(&mut self) {
        let name = self.topics.keys().next().unwrap().clone();
        delete(&self.storage, self.storage.catalog().topic(&name).unwrap());
        self.topics.remove(&name);
        self.world.policies.lock().remove(&name);
    }

    fn restart(&mut self) {
        self.storage.close().unwrap();
        let path = self.folder.path().to_owned();
        self.reopen(&path, false);
    }

    fn kill(&mut self) {
        let killed = copy_of(self.folder.path());
        self.storage.close().unwrap();
        let path = killed.path().to_owned();
        self.reopen(&path, true);
        self.folder = killed;
    }

    fn reopen(&mut self, path: &Path, unclean: bool) {
        // The old handle goes first: it holds the folder's lock.
        let elsewhere = tempfile::tempdir().unwrap();
        self.storage = Storage::open(StorageOptions::new(elsewhere.path())).unwrap();
        self.storage.close().unwrap();
        self.storage = self.world.open(path);
        assert_eq!(self.storage.recovery().unclean, unclean, "{}", self.context);
        for topic in self.topics.values_mut() {
            topic.never_restarted = false;
        }
    }

    fn append(&mut self, step: u64) {
        for name in self.topics.keys().cloned().collect::<Vec<_>>() {
            let index = self.random.random_range(0..u64::from(PARTITIONS)) as usize;
            let partition = self.partition(&name, index);
            let mut record = |_| {
                let key =
                    self.topics[&name].keyed.then(|| Bytes::from(vec![self.random.random_range(0..5) as u8]));
                let value = Bytes::from(vec![step as u8; self.random.random_range(0..9000) as usize]);
                (key, (self.random.random_range(0..5) > 0).then_some(value))
            };
            let sent: Vec<_> = (0..1 + step % 4).map(&mut record).collect();
            let mut builder = BatchBuilder::new();
            for (key, value) in &sent {
                builder.push(1, key.as_deref(), value.as_deref(), &[]);
            }
            let batch = RecordBatch::parse(builder.build()).unwrap();
            let bytes = batch.bytes().len() as u64;
            let base_offset = append(&self.storage, &partition, batch, Acks::All).unwrap().base_offset;
            let log = &mut self.topics.get_mut(&name).unwrap().logs[index];
            assert_eq!(base_offset, log.end, "{}", self.context);
            log.end += sent.len() as i64;
            let records =
                (base_offset..).zip(sent).map(|(offset, (key, value))| (offset, key, value)).collect();
            let appended_ms = self.world.now_ms();
            log.batches.push(Batch { base_offset, end: log.end, records, bytes, appended_ms });
            let from = log.start + self.random.random_range(0..(log.end - log.start) as u64) as i64;
            assert_eq!(
                stored_records(&self.storage, &partition, from),
                log.records_from(from),
                "{} {name}-{index} from {from}",
                self.context
            );
        }
    }

    fn delete_records(&mut self) {
        let mut asked = Vec::new();
        for (name, topic) in &mut self.topics {
            let index = self.random.random_range(0..u64::from(PARTITIONS)) as usize;
            let log = &mut topic.logs[index];
            let partition = Arc::clone(&self.storage.catalog().topic(name).unwrap().partitions[index]);
            let (below, start) = match self.random.random_range(0..6) {
                0 => (DeleteBelow::HighWatermark, Ok(log.end)),
                1 => (DeleteBelow::Offset(log.end + 1), Err(())),
                _ => {
                    let offset = self.random.random_range(0..log.end as u64 + 1) as i64;
                    (DeleteBelow::Offset(offset), Ok(offset.max(log.start)))
                }
            };
            log.start = start.unwrap_or(log.start);
            asked.push((partition, below, start));
        }
        let calls: Vec<_> =
            asked.iter().map(|(partition, below, _)| (Arc::clone(partition), *below)).collect();
        let answers = self.storage.delete_records(&calls).unwrap();
        for ((_, below, expected), answer) in asked.into_iter().zip(answers) {
            assert_eq!(answer.map_err(|_| ()), expected, "{} {below:?}", self.context);
        }
    }

    /// Retention, compaction, and the space of what is dead: checks that nothing went too early, nor stayed too long.
    fn tend(&mut self) {
        self.world.uptime_ms.fetch_add(1, Ordering::SeqCst);
        self.storage.tend_logs().unwrap();
        let now_ms = self.world.now_ms();
        for (name, topic) in &mut self.topics {
            let policy = self.world.policies.lock().get(name).copied().unwrap_or_default();
            for (index, log) in topic.logs.iter_mut().enumerate() {
                let partition = Arc::clone(&self.storage.catalog().topic(name).unwrap().partitions[index]);
                let context = format!("{} {name}-{index} {policy:?}", self.context);
                let found = stored(&self.storage, &partition, partition.log_start_offset());
                // By the sizes of before: retention goes first.
                let rules = policy.retention.unwrap_or_default();
                check_retained(log, &partition, rules, now_ms, topic.never_restarted, &context);
                if policy.compaction.is_some() {
                    check_compacted(log, &found, &context);
                    // From here on what is left must stay.
                    for batch in &mut log.batches {
                        if let Some(left) = found.iter().find(|left| left.base_offset == batch.base_offset) {
                            (batch.records, batch.bytes) = (left.records.clone(), left.bytes);
                        } else {
                            (batch.records, batch.bytes) = (Vec::new(), 0);
                        }
                    }
                }
                log.start = partition.log_start_offset();
            }
        }
        self.check_records();
    }

    fn change_policy(&mut self) {
        for (name, topic) in &self.topics {
            let ms = (self.random.random_range(0..2) == 0).then(|| self.random.random_range(0..100_000));
            let bytes = (self.random.random_range(0..2) == 0).then(|| self.random.random_range(0..300_000));
            let compaction = Compaction {
                min_cleanable_dirty_ratio: 0.0,
                min_compaction_lag_ms: 0,
                max_compaction_lag_ms: i64::MAX,
                delete_retention_ms: self.random.random_range(0..50_000) as i64,
            };
            let policy = LogPolicy {
                retention: (self.random.random_range(0..2) == 0).then_some(Retention { ms, bytes }),
                compaction: (topic.keyed && self.random.random_range(0..3) > 0).then_some(compaction),
            };
            self.world.policies.lock().insert(name.clone(), policy);
        }
    }

    /// Time passes; the wall clock goes its own way.
    fn pass_time(&mut self) {
        self.world.uptime_ms.fetch_add(self.random.random_range(0..60_000), Ordering::SeqCst);
        let step = self.random.random_range(-2_000_000_000_000..2_000_000_000_000);
        self.world.wall_ms.fetch_add(step, Ordering::SeqCst);
    }

    fn check_positions(&self) {
        for (name, topic) in &self.topics {
            for (index, log) in topic.logs.iter().enumerate() {
                let partition = self.partition(name, index);
                let context = format!("{} {name}-{index}", self.context);
                let found = (partition.log_start_offset(), partition.high_watermark());
                assert_eq!(found, (log.start, log.end), "{context}");
                let size: u64 = log.alive().map(|batch| batch.bytes).sum();
                assert_eq!(partition.size_bytes(), size, "{context}");
            }
        }
    }

    fn check_records(&self) {
        for (name, topic) in &self.topics {
            for (index, log) in topic.logs.iter().enumerate() {
                let partition = self.partition(name, index);
                let context = format!("{} {name}-{index}", self.context);
                assert_eq!(
                    stored_records(&self.storage, &partition, log.start),
                    log.records_from(log.start),
                    "{context}"
                );
                if log.start > 0 {
                    let below = self.storage.read(&partition, log.start - 1, UNLIMITED);
                    assert!(matches!(below, Err(ReadError::OffsetOutOfRange { .. })), "{context}");
                }
            }
        }
    }
}

/// The batches of the partition from the one that holds `from`, as they are stored.
fn stored(storage: &Storage, partition: &Partition, from: i64) -> Vec<Batch> {
    let parsed = |bytes: Bytes| {
        let batch = RecordBatch::parse_stored(bytes.clone()).unwrap();
        let record = |record: StoredRecord| (record.offset, record.key, record.value);
        let records = batch.records().unwrap().map(|found| record(found.unwrap())).collect();
        let (base_offset, end) = (batch.header().base_offset, batch.header().next_offset());
        Batch { base_offset, end, records, bytes: bytes.len() as u64, appended_ms: 0 }
    };
    storage.read(partition, from, UNLIMITED).unwrap().batches.into_iter().map(parsed).collect()
}

fn stored_records(storage: &Storage, partition: &Partition, from: i64) -> Vec<Record> {
    let records = stored(storage, partition, from).into_iter().flat_map(|batch| batch.records);
    records.filter(|(offset, ..)| *offset >= from).collect()
}

/// Nothing appeared, of each key the newest record stayed unless it deletes, and no older one did.
fn check_compacted(log: &Log, found: &[Batch], context: &str) {
    let before = log.records_from(log.start);
    let found: Vec<&Record> =
        found.iter().flat_map(|batch| &batch.records).filter(|(offset, ..)| *offset >= log.start).collect();
    assert!(found.iter().all(|record| before.contains(record)), "{context}: something appeared");
    let newest: BTreeMap<_, _> = before.iter().map(|record| (record.1.clone(), record)).collect();
    let start = found.first().map_or(log.end, |(offset, ..)| *offset);
    for newest in newest.values().filter(|(offset, _, value)| *offset >= start && value.is_some()) {
        assert!(found.contains(newest), "{context}: offset {} is the newest of its key", newest.0);
    }
    let mut seen = BTreeSet::new();
    for (offset, key, _) in found {
        assert!(seen.insert(key), "{context}: offset {offset} is not the first of its key");
    }
}

/// Nothing went too early by retention, nor stayed too long.
fn check_retained(
    log: &Log,
    partition: &Partition,
    rules: Retention,
    now_ms: u64,
    never_restarted: bool,
    context: &str,
) {
    let start = partition.log_start_offset();
    assert!(start >= log.start, "{context}: it went back");
    let mut behind: u64 = log.alive().map(|batch| batch.bytes).sum();
    for gone in log.alive() {
        behind -= gone.bytes;
        let old = rules.ms.is_some_and(|limit| now_ms - gone.appended_ms >= limit);
        let over = rules.bytes.is_some_and(|limit| behind >= limit);
        let deleted = gone.end <= start;
        assert!(!deleted || old || over, "{context}: {} went too early", gone.base_offset);
    }
    let is_old = |batch: &Batch| rules.ms.is_some_and(|limit| now_ms - batch.appended_ms >= limit);
    assert!(!(never_restarted && log.alive().all(is_old)) || start == log.end, "{context}: all is old");
    let too_much = rules.bytes.is_some_and(|limit| partition.size_bytes() > limit + 200_000);
    assert!(!too_much, "{context}: {} bytes", partition.size_bytes());
}
