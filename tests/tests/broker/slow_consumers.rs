//! A thousand consumers that ask for 55 MiB and hardly read: memory stays bounded, and others get their records.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use codec::messages::FetchRequest;
use codec::records::BatchBuilder;
use ottla_tests::admin::{create_topic, list_offset};
use ottla_tests::broker::Options;
use ottla_tests::client::Client;
use ottla_tests::consumer::{Ask, fetch, fetch_request};
use ottla_tests::honest::Honest;
use ottla_tests::process::reset_peak;
use ottla_tests::producer::produce;

const TOPIC: &str = "large";
const SLOW: usize = 1000;
const ASKED_BYTES: i32 = 55 << 20;
/// Memory beyond the budget of fetches: buffers of a thousand connections, and pages that the allocator keeps.
const MAY_GROW_BYTES: u64 = (256 + 64) << 20;

fn request() -> FetchRequest {
    let mut request = fetch_request(&Ask { topic: TOPIC, partition: 0, offset: 0, max_wait_ms: 0 });
    request.max_bytes = ASKED_BYTES;
    for partition in request.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.partition_max_bytes = ASKED_BYTES;
    }
    request
}

#[test]
fn a_thousand_slow_consumers_take_bounded_memory_and_leave_room_for_others() -> Result<()> {
    // A thousand sockets' worth of buffers in the kernel would be the test's own limit.
    let broker = Options::default()
        .set("socket.send.buffer.bytes", 64 << 10)
        .set("max.connections.per.ip", 2 * SLOW)
        .set("max.connection.creation.rate", 1_000_000)
        .start()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 1)?;
    let value = vec![7; 60_000];
    for _ in 0..1500 {
        let batch: Bytes = BatchBuilder::new().record(1, None, Some(&value)).build();
        produce(&mut client, TOPIC, 0, 1, batch)?;
    }
    let honest = Honest::start(broker.address())?;
    thread::sleep(Duration::from_millis(500));
    reset_peak(broker.pid()?)?;
    let before = broker.memory()?;

    let mut slow = Vec::with_capacity(SLOW);
    for _ in 0..SLOW {
        let mut consumer = Client::connect(broker.address())?;
        consumer.send(12, &request())?;
        slow.push(consumer.stream()?);
    }
    let mut bytes = [0; 1024];
    for _ in 0..3 {
        let second = Instant::now();
        for consumer in &mut slow {
            consumer.read_exact(&mut bytes)?;
        }
        thread::sleep(Duration::from_secs(1).saturating_sub(second.elapsed()));
    }
    // A client that reads its answers gets all records meanwhile.
    let end = list_offset(&mut client, TOPIC, 0, -1)?;
    let mut other = Client::connect(broker.address())?;
    let data = fetch(&mut other, &Ask { topic: TOPIC, partition: 0, offset: end - 1, max_wait_ms: 0 })?;
    ensure!(data.records.is_some_and(|records| records.len() > 60_000), "others starve");

    let grown = broker.memory()?.peak_bytes.saturating_sub(before.now_bytes);
    let latency = honest.finish()?;
    eprintln!("grew by {} MiB at most, honest: {latency:?}", grown >> 20);
    ensure!(grown < MAY_GROW_BYTES, "memory grew by {} MiB", grown >> 20);
    ensure!(latency.p99 < Duration::from_millis(500), "the honest client noticed: {latency:?}");
    Ok(())
}
