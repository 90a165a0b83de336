//! Runs of producers with an id: their topics, and the check that everything committed is there for readers, and nothing else.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Target, nanos, new_topic, produce as produce_plain, timed, volume};
use crate::control::Control;
use crate::loads::{Load, LoadKind, ProducerKind};
use crate::meter::Meter;
use crate::report::Figures;
use crate::stream::Span;
use crate::tally::Tally;
use crate::transactions::{self, Topics};

/// Of the input of copiers, which each of them reads again and again.
const INPUT_BYTES: u64 = 8 << 20;
/// Of the topic beside transactions.
const BESIDE_PARTITIONS: u32 = 6;
/// Apache Kafka writes markers after it has answered; they must be there within this many looks, 50 ms apart.
const LOOKS: u32 = 1200;

/// Produces in transactions, or as an idempotent producer, with all that the load puts beside it.
///
/// # Errors
/// A request is refused, or the topic does not hold what was acknowledged.
pub(super) fn produce(load: &Load, target: &Target) -> Result<Figures> {
    let (topic, mut control) = new_topic(load, target)?;
    let input = (load.kind == LoadKind::Copy).then(|| filled_input(load, target)).transpose()?;
    let beside = Load { partitions: BESIDE_PARTITIONS, ..*load };
    let beside = (load.beside > 0).then(|| new_topic(&beside, target)).transpose()?;
    let topics = Topics {
        topic: &topic,
        input: input.as_ref().map(|(name, ends)| (name.as_str(), ends.as_slice())),
        beside: beside.as_ref().map(|(name, _)| (name.as_str(), BESIDE_PARTITIONS)),
    };
    let mut meter = Meter::start(target)?;
    let span = timed(nanos(target.warmup), target);
    let clock = meter.clock;
    let (tally, acked_beside) =
        transactions::run(target.endpoint, load, topics, clock, span, || meter.edge())?;
    stored(&mut control, &topic, load, &tally)?;
    if let Some((name, mut control)) = beside {
        let ends = control.end_offsets(&name, BESIDE_PARTITIONS)?.iter().sum::<i64>().cast_unsigned();
        ensure!(ends == acked_beside, "{acked_beside} records acknowledged, {name} holds {ends}");
    }
    meter.settle(None)?;
    let mut figures = meter.figures(&tally);
    figures.markers = tally.transactions.markers.iter().sum();
    // Everything that the topics of this run hold.
    let copied_from = input.map_or(0, |(_, ends)| ends.iter().sum::<i64>().cast_unsigned());
    figures.produced.records = tally.transactions.records.iter().sum::<u64>() + acked_beside + copied_from;
    Ok(figures)
}

/// Fills a topic until that many bytes were sent; also returns, per partition, the records that a reader sees.
pub(super) fn fill(load: &Load, target: &Target, topic: &str, span: Span) -> Result<(Tally, Vec<u64>)> {
    let load = Load { kind: LoadKind::Transactions, ..*load };
    let topics = Topics { topic, input: None, beside: None };
    let clock = Meter::start(target)?.clock;
    let (tally, _) = transactions::run(target.endpoint, &load, topics, clock, span, || Ok(()))?;
    let counts = &tally.transactions;
    let visible = if load.read_committed { counts.committed.clone() } else { counts.records.clone() };
    Ok((tally, visible))
}

/// A topic with plain batches for copiers, and the ends of its partitions.
fn filled_input(load: &Load, target: &Target) -> Result<(String, Vec<i64>)> {
    let load = Load { kind: LoadKind::Stream, producer: ProducerKind::Plain, ..*load };
    let (topic, mut control) = new_topic(&load, target)?;
    let tally = produce_plain(&load, target, &topic, volume(INPUT_BYTES), &mut Meter::start(target)?)?;
    let ends = super::stored(&mut control, &topic, &load, &tally)?;
    Ok((topic, ends))
}

/// The ends of the partitions, once readers of committed records see all of it.
///
/// # Errors
/// They do not hold exactly the records that were acknowledged and a marker for each transaction, or a transaction is still open
/// after a minute.
pub(super) fn stored(control: &mut Control, topic: &str, load: &Load, tally: &Tally) -> Result<Vec<i64>> {
    let counts = &tally.transactions;
    let expected: Vec<i64> = counts
        .records
        .iter()
        .zip(&counts.markers)
        .map(|(records, markers)| (records + markers).cast_signed())
        .collect();
    let mut stable = Vec::new();
    for _ in 0..LOOKS {
        stable = control.stable_offsets(topic, load.partitions)?;
        if stable == expected {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let ends = control.end_offsets(topic, load.partitions)?;
    for (index, ((stable, end), expected)) in stable.iter().zip(&ends).zip(&expected).enumerate() {
        ensure!(
            stable == expected && end == expected,
            "partition {index}: {expected} offsets were acknowledged, it ends at {end}, readable up to {stable}"
        );
    }
    Ok(ends)
}
