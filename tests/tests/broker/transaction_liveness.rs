//! A client that is killed, stopped or cut off with a transaction open holds readers up for its timeout, and at most a second longer:
//! also over restarts of the broker and steps of its wall clock. Readers at read_committed wait without asking again and again, and
//! go on as soon as they can. `OTTLA_STOPPED_SECONDS=60` stops the client for longer.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use codec::records::{RecordBatch, batches};
use ottla_tests::admin::{create_topic, last_stable_offset, list_offset};
use ottla_tests::broker::{Options, TestBroker, named_binary};
use ottla_tests::client::Client;
use ottla_tests::consumer::{Ask, FETCH_VERSION, fetch_request};
use ottla_tests::process::signal;
use ottla_tests::transactions::requests::{Owner, Protocol, content, produce_code};

const TOPIC: &str = "held";
/// A transaction ends at most that long after its timeout.
const SLACK: Duration = Duration::from_secs(1);
/// INVALID_TXN_STATE: a commit after the timeout.
const INVALID_TXN_STATE: &str = "answered 48";

/// A producer in a process of its own.
struct Holder {
    child: Child,
    out: BufReader<ChildStdout>,
    /// Before and after the transaction began.
    began: (Instant, Instant),
}

impl Holder {
    fn start(address: SocketAddr, partition: i32, timeout: Duration) -> Result<Holder> {
        let before = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_hold-transaction"))
            .args([&address.to_string(), TOPIC, &partition.to_string(), &format!("holder-{partition}")])
            .arg(timeout.as_millis().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = BufReader::new(child.stdout.take().context("its output")?);
        let mut holder = Holder { child, out, began: (before, before) };
        let line = holder.line()?;
        ensure!(line == "open", "the holder says {line:?}");
        holder.began.1 = Instant::now();
        Ok(holder)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Has it ask for the commit; its answer.
    fn commit(&mut self) -> Result<String> {
        writeln!(self.child.stdin.as_mut().context("its input")?)?;
        self.line()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// No transaction is open in the partition, and it has records.
fn is_stable(client: &mut Client, partition: i32) -> Result<bool> {
    let end = list_offset(client, TOPIC, partition, -1)?;
    Ok(end > 0 && last_stable_offset(client, TOPIC, partition)? == end)
}

/// Waits until the partition's transaction has ended, and checks the time. `away` is the time for which no broker ran.
fn ends_in_time(
    client: &mut Client,
    partition: i32,
    began: (Instant, Instant),
    timeout: Duration,
    away: Duration,
) -> Result<Duration> {
    loop {
        let asked = Instant::now();
        if is_stable(client, partition)? {
            let (most, least) = (began.0.elapsed(), asked.duration_since(began.1));
            ensure!(most >= timeout, "partition {partition}: ended after {most:?}, before its timeout");
            let late = least.saturating_sub(timeout + away);
            ensure!(late <= SLACK, "partition {partition}: ended {late:?} after its timeout");
            return Ok(late);
        }
        let waited = asked.duration_since(began.1);
        ensure!(waited < timeout + away + Duration::from_secs(20), "partition {partition}: stays open");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_client_that_is_killed_stopped_or_cut_off_holds_readers_up_for_its_timeout() -> Result<()> {
    let stopped: u64 = env::var("OTTLA_STOPPED_SECONDS").map_or(Ok(4), |seconds| seconds.parse())?;
    let timeout = Duration::from_secs(2);
    let broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 3)?;
    let cable = Cable::lay(broker.address())?;
    let mut holders = vec![
        Holder::start(broker.address(), 0, timeout)?,
        Holder::start(broker.address(), 1, timeout)?,
        Holder::start(cable.address, 2, timeout)?,
    ];
    holders[0].child.kill()?;
    signal(holders[1].child.id(), "STOP")?;
    let since = Instant::now();
    cable.pull();
    for (partition, holder) in (0..).zip(&holders) {
        let late = ends_in_time(&mut client, partition, holder.began, timeout, Duration::ZERO)?;
        eprintln!("partition {partition}: ended {late:.1?} after the timeout");
    }
    thread::sleep(Duration::from_secs(stopped).saturating_sub(since.elapsed()));
    signal(holders[1].child.id(), "CONT")?;
    let answer = holders[1].commit()?;
    ensure!(answer == INVALID_TXN_STATE, "the client that was stopped is told {answer:?}");
    Ok(())
}

/// A connection between a client and a broker that can be silent for ever, as after a pulled cable: no end is told.
struct Cable {
    address: SocketAddr,
    cut: Arc<AtomicBool>,
}

impl Cable {
    fn lay(broker: SocketAddr) -> Result<Cable> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, cut) = (listener.local_addr()?, Arc::<AtomicBool>::default());
        let cutting = Arc::clone(&cut);
        thread::Builder::new().name("cable".to_owned()).spawn(move || -> Result<()> {
            let (client, broker) = (listener.accept()?.0, TcpStream::connect(broker)?);
            let back = (broker.try_clone()?, client.try_clone()?);
            let cut = Arc::clone(&cutting);
            thread::Builder::new().name("cable".to_owned()).spawn(move || carry(back.0, back.1, &cut))?;
            carry(client, broker, &cutting);
            Ok(())
        })?;
        Ok(Cable { address, cut })
    }

    fn pull(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }
}

/// Copies until the cable is pulled; then both connections stay open and silent until the test ends.
fn carry(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !cut.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
    while cut.load(Ordering::SeqCst) {
        thread::park();
    }
}

#[test]
fn a_timeout_goes_on_over_restarts() -> Result<()> {
    let timeout = Duration::from_secs(4);
    let mut broker = TestBroker::start_new()?;
    create_topic(&mut Client::connect(broker.address())?, TOPIC, 1)?;
    let mut holder = Holder::start(broker.address(), 0, timeout)?;
    let mut away = Duration::ZERO;
    for kill in [true, false] {
        thread::sleep(Duration::from_millis(1100));
        let since = Instant::now();
        if kill {
            broker.kill_9()?
        } else {
            broker.terminate().map(drop)?
        };
        broker.start()?;
        away += since.elapsed();
    }
    let late = ends_in_time(&mut Client::connect(broker.address())?, 0, holder.began, timeout, away)?;
    eprintln!("ended {late:.1?} after its timeout, {away:.1?} without a broker left out");
    ensure!(holder.commit()? == "no answer", "its connection outlived the broker");
    Ok(())
}

#[test]
fn steps_of_the_wall_clock_change_no_timeout() -> Result<()> {
    let build = "cargo build --release -p ottla --features fault --bin ottla-faulty";
    let faulty = named_binary("OTTLA_FAULTY_BINARY", "ottla-faulty", build)?;
    let folder = tempfile::tempdir()?;
    let clock = folder.path().join("clock");
    let step = |hours: i64| fs::write(&clock, (hours * 3_600_000).to_string());
    let options = Options::default().binary(&faulty).env("OTTLA_CLOCK_FILE", &clock.display().to_string());
    let mut broker = options.start()?;
    create_topic(&mut Client::connect(broker.address())?, TOPIC, 2)?;
    let timeout = Duration::from_secs(3);
    for (partition, restarts) in [(0, false), (1, true)] {
        step(0)?;
        let holder = Holder::start(broker.address(), partition, timeout)?;
        let mut away = Duration::ZERO;
        for hours in [5, -7, 30] {
            thread::sleep(Duration::from_millis(600));
            step(hours)?;
            if restarts && hours < 0 {
                let since = Instant::now();
                broker.kill_9()?;
                broker.start()?;
                away = since.elapsed();
            }
        }
        let mut client = Client::connect(broker.address())?;
        let late = ends_in_time(&mut client, partition, holder.began, timeout, away)?;
        eprintln!("partition {partition}: ended {late:.1?} after its timeout");
    }
    Ok(())
}

/// One fetch at read_committed: the number of bytes, and the position after them.
fn poll(client: &mut Client, from: i64, min_bytes: i32, max_wait_ms: i32) -> Result<(usize, i64)> {
    let ask = Ask { topic: TOPIC, partition: 0, offset: from, max_wait_ms };
    let request = fetch_request(&ask).with_isolation_level(1).with_min_bytes(min_bytes);
    let answer = client.call(FETCH_VERSION, &request)?.message;
    let partition = answer.responses.first().and_then(|topic| topic.partitions.first());
    let partition = partition.context("Fetch: no answer")?;
    ensure!(partition.error_code == 0, "Fetch: {}", partition.error_code);
    let bytes = partition.records.clone().unwrap_or_default();
    let mut to = from;
    for batch in batches(&bytes) {
        to = RecordBatch::parse_stored(batch?.1)?.header().last_offset() + 1;
    }
    Ok((bytes.len(), to))
}

/// A reader's wait for the first bytes.
struct Wait {
    time: Duration,
    /// Fetches that were answered without bytes.
    empty: u128,
    to: i64,
}

/// A reader that asks until there is something.
fn wait(address: SocketAddr, from: i64, min_bytes: i32, max_wait_ms: i32) -> JoinHandle<Result<Wait>> {
    thread::spawn(move || {
        let mut client = Client::connect(address)?;
        let (since, mut empty) = (Instant::now(), 0);
        loop {
            let (bytes, to) = poll(&mut client, from, min_bytes, max_wait_ms)?;
            if bytes > 0 {
                return Ok(Wait { time: since.elapsed(), empty, to });
            }
            empty += 1;
        }
    })
}

#[test]
fn a_reader_of_committed_records_waits_for_them_and_for_nothing_else() -> Result<()> {
    const WAIT_MS: i32 = 400;
    let broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 1)?;
    let (mut owner, protocol) = (Owner::new("writer"), Protocol::V2);
    let answer = client.call(protocol.init_producer_id(), &owner.init(60_000, true))?;
    (owner.producer_id, owner.epoch) = (answer.producer_id.0, answer.producer_epoch);
    let mut from = 0;
    for commit in [true, false, true] {
        // One waits for a byte. The other waits for less than the transaction will have, and for much longer: the
        // marker makes all of it stable.
        let any = wait(broker.address(), from, 1, WAIT_MS);
        let many = wait(broker.address(), from, 100_000, 20_000);
        let since = Instant::now();
        for sequence in 0..150 {
            let request = owner.produce(TOPIC, 0, sequence, &[content("x".repeat(1000))]);
            let code = produce_code(&client.call(protocol.produce(), &request)?);
            ensure!(code == 0, "Produce: {code}");
            thread::sleep(Duration::from_millis(10));
        }
        let answer = client.call(protocol.end_txn(), &owner.end(commit))?;
        ensure!(answer.error_code == 0, "EndTxn: {}", answer.error_code);
        (owner.producer_id, owner.epoch) = (answer.producer_id.0, answer.producer_epoch);
        let ended = since.elapsed();
        let any = any.join().expect("no reader panics")?;
        let most = any.time.as_millis() / WAIT_MS.unsigned_abs() as u128 + 1;
        ensure!(any.empty <= most, "{} fetches without a record in {:?}: it spins", any.empty, any.time);
        let many = many.join().expect("no reader panics")?;
        for Wait { time, .. } in [&any, &many] {
            ensure!(*time < ended + SLACK, "it stood still for {:?}", time.saturating_sub(ended));
        }
        ensure!(many.empty == 0, "it was answered before there was anything");
        eprintln!("{} fetches while a transaction of {ended:.1?} was open", any.empty + 1);
        from = any.to;
        while let (1.., to) = poll(&mut client, from, 1, 0)? {
            from = to;
        }
    }
    Ok(())
}
