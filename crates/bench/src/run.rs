//! One load against one running broker: its topic, the records it needs, the run, the figures.
//!
//! Each run has a topic of its own, so that every record in it is one of this run. A run fails rather than
//! report figures of a load in which something was refused, lost or left unanswered.

mod transactional;

use crate::endpoint::Endpoint;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::arrivals;
use crate::clock::SECOND;
use crate::connection::Connection;
use crate::consumer::Reading;
use crate::control::{self, Control};
use crate::frames::ProduceFrames;
use crate::groups;
use crate::handshakes;
use crate::listing;
use crate::loads::{Load, LoadKind, ProducerKind, Spec};
use crate::meter::Meter;
use crate::process;
use crate::report::Figures;
use crate::soak;
use crate::stream::{Span, Stream};
use crate::tally::Tally;

/// A broker's endpoint, and the times of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// The broker; all connections go there, whatever address it advertises.
    pub(crate) endpoint: Endpoint,
    /// Its process, if it is on this machine: without it there are no figures about its cost.
    pub(crate) pid: Option<u32>,
    /// The same load before the measured window, not counted.
    pub(crate) warmup: Duration,
    /// The measured time.
    pub(crate) window: Duration,
}

/// Runs a load.
///
/// # Errors
/// If anything is refused, missing or unanswered.
pub(crate) fn run(spec: &Spec, target: &Target) -> Result<Figures> {
    let figures = match spec.load.kind {
        LoadKind::Stream => stream(&spec.load, target),
        LoadKind::Transactions | LoadKind::Copy => transactional::produce(&spec.load, target),
        LoadKind::CatchUp => catch_up(&spec.load, target),
        LoadKind::Commit | LoadKind::Heartbeat => members(&spec.load, target),
        LoadKind::Soak => soak(&spec.load, target),
        LoadKind::Handshake => handshakes(&spec.load, target),
        LoadKind::Arrivals => arrivals(&spec.load, target),
        LoadKind::Listing => listing(&spec.load, target),
        LoadKind::Idle => idle(&spec.load, target),
        LoadKind::Restart => Err(anyhow!("only `compare` can start a broker again")),
    };
    figures.with_context(|| format!("load {}", spec.text))
}

/// Fills a broker, lets `restart` kill it and start it again, and checks that no record is missing.
///
/// # Errors
/// As [`run`], or if a record is missing afterwards.
pub(crate) fn restart(load: &Load, target: &Target, restart: impl FnOnce() -> Result<()>) -> Result<Figures> {
    let (topic, control) = new_topic(load, target)?;
    // The broker is killed next; a connection over it would only fail.
    drop(control);
    let mut meter = Meter::start(target)?;
    let span = Span { abandon: true, ..volume(u64::from(load.volume_mib) << 20) };
    let frames = ProduceFrames::build(&topic, load)?;
    let reading = reading(&topic, load, frames.sizes(), Vec::new());
    let stream = Stream::open(target.endpoint, load, frames, reading, meter.clock)?;
    let (mut edges, mut restart) = (0, Some(restart));
    // At the second edge requests are under way: it is then that the broker dies.
    let tally = stream.run(span, || {
        meter.edge()?;
        edges += 1;
        if edges == 2
            && let Some(restart) = restart.take()
        {
            restart()?;
        }
        Ok(())
    })?;
    let ends = Control::connect(target.endpoint)?.end_offsets(&topic, load.partitions)?;
    let stored = ends.iter().sum::<i64>().cast_unsigned();
    let (acked, sent) = (tally.acked.total.records, tally.sent.records);
    // What was under way may be there or not.
    ensure!(
        (acked..=sent).contains(&stored),
        "{acked} records acknowledged, {sent} sent, the topic holds {stored}"
    );
    Ok(meter.figures(&tally))
}

/// Produces, with tailing consumers if the load has any, and checks that the topic holds what was
/// acknowledged.
fn stream(load: &Load, target: &Target) -> Result<Figures> {
    let (topic, mut control) = new_topic(load, target)?;
    let mut meter = Meter::start(target)?;
    let bytes = match load.dirty_limits {
        0 => u64::from(load.volume_mib) << 20,
        times => u64::from(times) * process::dirty_limit()?,
    };
    let span = if bytes == 0 { timed(nanos(target.warmup), target) } else { volume(bytes) };
    let tally = produce(load, target, &topic, span, &mut meter)?;
    stored(&mut control, &topic, load, &tally)?;
    // A load with a volume is asked how many bytes reach the disk per byte, so flushes after it count.
    meter.settle((bytes > 0).then(|| quiet(target)))?;
    Ok(meter.figures(&tally))
}

/// Runs producers for a span, and tailing consumers if the load has any.
fn produce(load: &Load, target: &Target, topic: &str, span: Span, meter: &mut Meter) -> Result<Tally> {
    let frames = ProduceFrames::build(topic, load)?;
    let reading = reading(topic, load, frames.sizes(), Vec::new());
    Stream::open(target.endpoint, load, frames, reading, meter.clock)?.run(span, || meter.edge())
}

/// Produces for a long time, with everything that [`soak::beside`] puts beside it.
fn soak(load: &Load, target: &Target) -> Result<Figures> {
    let (topic, _) = new_topic(load, target)?;
    let mut meter = Meter::start(target)?;
    let frames = ProduceFrames::build(&topic, load)?;
    let reading = reading(&topic, load, frames.sizes(), Vec::new());
    let stream = Stream::open(target.endpoint, load, frames, reading, meter.clock)?;
    let window = u64::from(load.length_s) * SECOND;
    let span = Span { warmup: 0, window, sent_bytes: u64::MAX, abandon: false };
    let tally = soak::beside(load, target, &topic, stream, |stream| stream.run(span, || meter.edge()))?;
    // A new connection: brokers close one that was idle for as long (connections.max.idle.ms).
    let mut control = Control::connect(target.endpoint)?;
    stored(&mut control, &topic, load, &tally)?;
    soak::dropped(&control.first_offsets(&topic, load.partitions)?, &tally)?;
    meter.settle(None)?;
    Ok(meter.figures(&tally))
}

/// The ends of the partitions.
///
/// # Errors
/// If they do not hold exactly what was acknowledged.
fn stored(control: &mut Control, topic: &str, load: &Load, tally: &Tally) -> Result<Vec<i64>> {
    let ends = control.end_offsets(topic, load.partitions)?;
    // The topic is new, so the end of a partition is the number of its records.
    let stored = ends.iter().sum::<i64>().cast_unsigned();
    let acked = tally.acked.total.records;
    ensure!(stored == acked, "{acked} records acknowledged, the topic holds {stored}");
    Ok(ends)
}

/// The settings of consumers. Empty `ends`: they wait for more records.
fn reading<'a>(topic: &'a str, load: &Load, batch_sizes: Vec<usize>, ends: Vec<i64>) -> Reading<'a> {
    Reading {
        topic,
        fetch_bytes: load.fetch_bytes,
        batch_sizes,
        ends,
        // What was read once is in the page cache.
        again: !load.cold,
        read_committed: load.read_committed,
        visible: Vec::new(),
    }
}

/// Fills a topic, waits until the broker is quiet, then reads it from the beginning.
fn catch_up(load: &Load, target: &Target) -> Result<Figures> {
    let (topic, mut control) = new_topic(load, target)?;
    let fill = Load {
        kind: LoadKind::Stream,
        acks: 1,
        connections: 2,
        in_flight: 5,
        rate: 0,
        consumers: 0,
        read_partitions: 0,
        ..*load
    };
    let bytes = volume(u64::from(load.volume_mib) << 20);
    let (filled, visible) = match load.producer {
        ProducerKind::Plain => {
            (produce(&fill, target, &topic, bytes, &mut Meter::start(target)?)?, Vec::new())
        }
        _ => transactional::fill(&fill, target, &topic, bytes)?,
    };
    let ends = match load.producer {
        ProducerKind::Plain => stored(&mut control, &topic, load, &filled)?,
        _ => transactional::stored(&mut control, &topic, load, &filled)?,
    };
    // Flushes of the filling would otherwise take time from the reads that are measured.
    Meter::start(target)?.settle(Some(quiet(target)))?;
    let mut warmup = nanos(target.warmup);
    // A warm-up would read the pages that must be cold.
    if load.cold {
        warmup = 0;
        drop_page_cache()?;
    }
    let span = timed(warmup, target);
    let frames = ProduceFrames::build(&topic, load)?;
    let reading = Reading { visible, ..reading(&topic, load, frames.sizes(), ends) };
    let mut meter = Meter::start(target)?;
    let tally =
        Stream::open(target.endpoint, load, frames, reading, meter.clock)?.run(span, || meter.edge())?;
    let read = tally.fetched.total.records;
    ensure!(!load.cold || read <= filled.acked.total.records, "read more than there is");
    ensure!(read > 0, "nothing was read");
    let figures = meter.figures(&tally);
    let markers = filled.transactions.markers.iter().sum::<u64>();
    Ok(Figures { filled_records: Some(filled.acked.total.records), markers, ..figures })
}

/// Offset commits or heartbeats. The topic is named in commits, and gives the groups their names.
fn members(load: &Load, target: &Target) -> Result<Figures> {
    let (topic, control) = new_topic(load, target)?;
    drop(control);
    let mut meter = Meter::start(target)?;
    let span = timed(nanos(target.warmup), target);
    let clock = meter.clock;
    let tally = groups::run(target.endpoint, load, &topic, clock, span, || meter.edge())?;
    Ok(meter.figures(&tally))
}

/// Connections that are made and closed.
fn handshakes(load: &Load, target: &Target) -> Result<Figures> {
    let mut meter = Meter::start(target)?;
    let (clock, times) = (meter.clock, [target.warmup, target.window]);
    let tally = handshakes::run(target.endpoint, load, clock, times, || meter.edge())?;
    Ok(meter.figures(&tally))
}

/// Requests for all topics.
fn listing(load: &Load, target: &Target) -> Result<Figures> {
    listing::prepare(target.endpoint, load)?;
    let mut meter = Meter::start(target)?;
    let (clock, times) = (meter.clock, [target.warmup, target.window]);
    let tally = listing::run(target.endpoint, load, clock, times, || meter.edge())?;
    Ok(meter.figures(&tally))
}

/// Clients that come all at once.
fn arrivals(load: &Load, target: &Target) -> Result<Figures> {
    let (topic, mut control) = new_topic(load, target)?;
    let mut meter = Meter::start(target)?;
    let tally = arrivals::run(target.endpoint, load, &topic, meter.clock, || meter.edge())?;
    stored(&mut control, &topic, load, &tally)?;
    Ok(meter.figures(&tally))
}

/// Opens connections that speak once and then say nothing. Fails if one of them was closed meanwhile.
fn idle(load: &Load, target: &Target) -> Result<Figures> {
    let mut meter = Meter::start(target)?;
    let request = control::api_versions()?;
    let mut connections = Vec::with_capacity(load.connections as usize);
    for _ in 0..load.connections {
        let mut connection = Connection::open(target.endpoint)?;
        // A connection that has spoken: what a broker allocates at the first request counts too.
        connection.exchange(&request)?;
        connection.forget_buffers();
        connections.push(connection);
    }
    thread::sleep(target.warmup);
    meter.edge()?;
    thread::sleep(target.window);
    meter.edge()?;
    let mut tally = Tally::new()?;
    tally.window = meter.window();
    for connection in &mut connections {
        connection.exchange(&request).context("a connection that had been idle")?;
    }
    Ok(meter.figures(&tally))
}

/// A new topic, with every partition ready, and the connection that created it.
fn new_topic(load: &Load, target: &Target) -> Result<(String, Control)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Unique over runs against the same broker.
    let topic = format!("bench-{}-{number}", std::process::id());
    let mut control = Control::connect(target.endpoint)?;
    control.create_topic(&topic, load.partitions, load.retention_mib)?;
    Ok((topic, control))
}

/// The window of the target, after a warm-up of that many nanoseconds.
fn timed(warmup: u64, target: &Target) -> Span {
    Span { warmup, window: nanos(target.window), sent_bytes: u64::MAX, abandon: false }
}

/// The time it takes to send that many bytes, without a warm-up.
fn volume(bytes: u64) -> Span {
    // Half, so that adding the present time to it cannot overflow.
    Span { warmup: 0, window: u64::MAX / 2, sent_bytes: bytes, abandon: false }
}

/// Waits until the page cache is written to disk, then drops it.
fn drop_page_cache() -> Result<()> {
    // The kernel drops clean pages only.
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").context("dropping the page cache (needs root)")
}

/// A broker that wrote nothing for this long counts as settled.
fn quiet(target: &Target) -> Duration {
    target.window.min(Duration::from_secs(1))
}

fn nanos(duration: Duration) -> u64 {
    crate::clock::nanos(duration)
}
