//! Clients that begin large frames and do not end them: requests of others are served meanwhile, and memory stays bounded.
//!
//! Users saw a Produce wait for 20 s, as 80 connections had each sent half of a frame of 100 MB: together more than
//! `queued.max.request.bytes`.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use bytes::Bytes;
use codec::records::BatchBuilder;
use ottla_tests::admin::create_topic;
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::honest::{Honest, Latency};
use ottla_tests::process::reset_peak;
use ottla_tests::producer::produce;
use parking_lot::Mutex;

/// The address of the clients that do not end their frames.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const ANNOUNCED: usize = 100_000_000;
/// `queued.max.request.bytes` by default, and what is beside it: one frame beyond the budget, while it moves to a larger
/// buffer, and pages that the allocator keeps.
const MAY_GROW_BYTES: u64 = (256 + 200 + 64) << 20;
const TOPIC: &str = "medium";

/// Connections that send what the broker takes, up to half of their frame.
struct HalfSent {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<usize>>,
}

impl HalfSent {
    fn start(broker: &TestBroker, connections: usize) -> Result<HalfSent> {
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            let mut client = Client::connect_from(STRANGER, broker.address())?;
            // The start of a Produce v9.
            client.send_raw(&[&u32::try_from(ANNOUNCED)?.to_be_bytes()[..], &[0, 0, 0, 9]].concat())?;
            let stream = client.stream()?;
            stream.set_nonblocking(true)?;
            streams.push((stream, 8));
        }
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("half-sent".to_owned()).spawn(move || {
            let sent = send_halves(streams, &stopped)?;
            Ok(sent)
        })?;
        Ok(HalfSent { stop, thread })
    }

    /// Bytes that the broker took in all.
    fn finish(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("panicked"))?
    }
}

fn send_halves(mut streams: Vec<(TcpStream, usize)>, stop: &AtomicBool) -> Result<usize> {
    let piece = vec![0; 256 << 10];
    let mut total = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut moved = false;
        for (stream, sent) in streams.iter_mut().filter(|(_, sent)| *sent < ANNOUNCED / 2) {
            match stream.write(&piece) {
                Ok(bytes) => {
                    (*sent, total, moved) = (*sent + bytes, total + bytes, true);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The broker has closed it: it sends nothing more.
                Err(_) => *sent = ANNOUNCED,
            }
        }
        if !moved {
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(total)
}

struct Seen {
    small: Latency,
    worst_medium: Duration,
    grown_mib: u64,
}

/// Round trips of small requests, and of some whose frame takes many reads, beside that many half-sent frames.
fn beside_half_sent_frames(connections: usize) -> Result<Seen> {
    // One at a time, as the whole process is measured.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    let broker = Options::default()
        .set("max.connection.creation.rate", 1_000_000)
        .set("max.connections.per.ip", 10_000)
        .start()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 1)?;
    let value = vec![7; 900_000];
    let batch: Bytes = BatchBuilder::new().record(1, None, Some(&value)).build();
    produce(&mut client, TOPIC, 0, -1, batch.clone())?;
    let honest = Honest::start(broker.address())?;
    reset_peak(broker.pid()?)?;
    let before = broker.memory()?;

    let half_sent = HalfSent::start(&broker, connections)?;
    // The time in which they fill the budget.
    thread::sleep(Duration::from_secs(1));
    let since = Instant::now();
    let mut worst_medium = Duration::ZERO;
    client.set_patience(Duration::from_secs(60))?;
    while since.elapsed() < Duration::from_secs(4) {
        let sent = Instant::now();
        let answer = produce(&mut client, TOPIC, 0, -1, batch.clone())?;
        ensure!(answer.error_code == 0, "Produce: error {}", answer.error_code);
        worst_medium = worst_medium.max(sent.elapsed());
        thread::sleep(Duration::from_millis(100));
    }
    let taken = half_sent.finish()?;
    let grown_mib = broker.memory()?.peak_bytes.saturating_sub(before.now_bytes) >> 20;
    let small = honest.finish()?;
    eprintln!(
        "{connections} half-sent frames ({} MB): small {small:?}, medium {worst_medium:?} at most, grew by {grown_mib} MiB",
        taken / 1_000_000
    );
    ensure!(taken > 300_000_000, "the broker's budget was not filled: {taken} bytes");
    Ok(Seen { small, worst_medium, grown_mib })
}

#[test]
fn requests_do_not_wait_for_frames_that_are_not_sent() -> Result<()> {
    let seen = beside_half_sent_frames(80)?;
    // Far more than they take, and far less than the 20 s that users saw: what is measured here is the whole machine.
    ensure!(seen.small.worst < Duration::from_secs(4), "a small request waited: {:?}", seen.small);
    ensure!(
        seen.worst_medium < Duration::from_secs(6),
        "a request of 900 KB waited: {:?}",
        seen.worst_medium
    );
    ensure!(seen.grown_mib << 20 < MAY_GROW_BYTES, "memory grew by {} MiB", seen.grown_mib);
    Ok(())
}

#[test]
fn memory_stays_bounded_beside_two_hundred_half_sent_frames() -> Result<()> {
    let seen = beside_half_sent_frames(200)?;
    ensure!(seen.small.p99 < Duration::from_secs(1), "a small request waited: {:?}", seen.small);
    ensure!(seen.grown_mib << 20 < MAY_GROW_BYTES, "memory grew by {} MiB", seen.grown_mib);
    Ok(())
}
