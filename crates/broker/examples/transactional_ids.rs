//! Fills a data folder with transactional ids, for figures of a broker that starts on it:
//! `cargo run --release -p ottla-broker --example transactional_ids FOLDER [IDS [OPEN]]`.
//!
//! Writes what the coordinator writes for 1 000 000 ids that were given to a producer, of which 10 000 have a transaction open in one
//! partition; then ends as by `kill -9`. `ottla serve --data FOLDER` says in its log how long the start takes, and
//! `/proc/PID/status` what memory it has.
#![allow(clippy::disallowed_methods, reason = "an example that measures")]

use std::error::Error;
use std::io::{Write as _, stdout};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use codec::records::{BatchBuilder, RecordBatch};
use coordinator::state_machine::{Now, Record, StateMachine as _};
use coordinator::transaction::{
    Env, InitRequest, Outcome, ProducerId, Protocol, Sender, ShardId, TopicPartitionRef, TransactionConfig,
    TransactionMachine, TransactionalId,
};
use storage::{
    Acks, AppendEntry, AppendRequest, CoordinatorRecord, CoordinatorWrite, NewTopic, Partition, Storage,
    StorageOptions,
};

type Failure = Box<dyn Error>;

/// Ids in one write.
const AT_ONCE: usize = 1_000;
/// The longest timeout, so that no transaction ends while a broker is looked at.
const TIMEOUT_MS: i32 = 900_000;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("transactional_ids FOLDER [IDS [OPEN]]")?;
    let ids = args.next().map_or(Ok(1_000_000), |text| text.parse::<usize>())?;
    let open = args.next().map_or(Ok(10_000), |text| text.parse::<usize>())?;
    let started = Instant::now();
    let storage = Storage::open(StorageOptions::new(folder))?;
    let partition = create(&storage)?;
    let numbers: Vec<usize> = (0..ids).collect();
    for some in numbers.chunks(AT_ONCE) {
        let (mut records, mut entries) = (Vec::new(), Vec::new());
        for number in some {
            let out = id(&storage, *number, (*number < open).then_some(&partition))?;
            records.extend(
                out.records.into_iter().map(|Record { key, value }| CoordinatorRecord { key, value }),
            );
            if *number < open {
                entries.push(first_batch(&partition, *number)?);
            }
        }
        append(&storage, entries, records)?;
    }
    let took = started.elapsed().as_secs_f64();
    writeln!(stdout().lock(), "{ids} ids, {open} of them with an open transaction, in {took:.0} s")?;
    std::process::exit(0);
}

fn create(storage: &Storage) -> Result<Arc<Partition>, Failure> {
    let (sender, answer) = mpsc::channel();
    let topic = NewTopic {
        name: "open".into(),
        id: storage::random_id(),
        partitions: 1,
        configs: Default::default(),
    };
    storage.cluster().create_topics(vec![topic], Box::new(move |created| drop(sender.send(created))));
    answer.recv()??.remove(0)?;
    let catalog = storage.cluster().catalog();
    let partition = catalog.topic("open").and_then(|topic| topic.led_here().next().cloned());
    Ok(partition.ok_or("no partition")?)
}

/// The steps of an id, up to the first batch of a transaction where a partition is given.
fn id(storage: &Storage, number: usize, partition: Option<&Arc<Partition>>) -> Result<Outcome, Failure> {
    let now = Now { monotonic_ms: 0, unix_ms: 0, open_ms: storage.shard().open_ms() };
    let env = Env { now, config: &TransactionConfig::default(), shard: ShardId::default() };
    let mut machine =
        TransactionMachine::new(TransactionalId::from(format!("transactional-id-{number}")), now);
    let mut out = Outcome::default();
    let fresh = Some(ProducerId(i64::try_from(number)?));
    let request = InitRequest { timeout_ms: TIMEOUT_MS, producer: None, fresh };
    let producer = machine.init_producer_id(env, request, &mut out)?;
    if let Some(partition) = partition {
        let part = TopicPartitionRef {
            shard: ShardId::default(),
            topic_id: partition.topic_id(),
            topic: "open".into(),
            partition: partition.index(),
        };
        let sender = Sender { producer, connection: 0 };
        let joined = machine.produce(env, sender, &[part], Protocol::V2, &mut out)?;
        joined.into_iter().collect::<Result<Vec<()>, _>>()?;
    }
    Ok(out)
}

fn first_batch(partition: &Arc<Partition>, number: usize) -> Result<AppendEntry, Failure> {
    let builder = BatchBuilder::new().producer(i64::try_from(number)?, 0, 0).transactional();
    let batch = RecordBatch::parse(builder.record(1_700_000_000_000, None, Some(b"value")).build())?;
    Ok(AppendEntry {
        partition: Arc::clone(partition),
        batch,
        log_append_time: false,
        unknown_producer_begins_at_zero: true,
    })
}

fn append(
    storage: &Storage,
    entries: Vec<AppendEntry>,
    records: Vec<CoordinatorRecord>,
) -> Result<(), Failure> {
    let epoch = storage.shard().led_epoch()?;
    let coordinator = Some(CoordinatorWrite { epoch, records });
    let (sender, answer) = mpsc::channel();
    let request = AppendRequest { entries, acks: Acks::Leader, coordinator };
    storage.shard().append(request, Box::new(move |outcome| drop(sender.send(outcome))));
    for appended in answer.recv()?? {
        appended?;
    }
    Ok(())
}
