//! A long load with retention: mixed producers, tailing and catching-up consumers, commits of groups.
//!
//! ```text
//! this thread   producers ─► topic ─► tailing consumers        a sample every minute
//! catch-up      from the first offset that retention left to the end, again and again
//! commits       one offset of one of eight groups, a hundred times a second
//! ```
//! Memory, disk and descriptors, which a broker must return, may not grow in the second half of the load: the greatest
//! sample there is compared with the greatest of the first half.

use std::collections::HashMap;
use std::fs;
use std::iter;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::{GroupId, OffsetCommitRequest, StrBytes};
use hdrhistogram::Histogram;

use crate::clock::SECOND;
use crate::connection::Connection;
use crate::control::{Control, topic_name};
use crate::frames::{self, FetchTerms};
use crate::loads::Load;
use crate::print;
use crate::process;
use crate::responses;
use crate::run::Target;
use crate::stream::Stream;
use crate::tally::{Counts, Tally};

/// Between two fetches of the consumer that catches up: 50 MB/s at most.
const FETCH_PAUSE: Duration = Duration::from_millis(20);
const GROUPS: i64 = 8;
const COMMIT_PAUSE: Duration = Duration::from_millis(10);
/// The second half may exceed the first by a fifth, and by these.
const SLACK: Sample = Sample { resident_bytes: 32 << 20, disk_bytes: 64 << 20, descriptors: 32 };

/// Memory, disk and descriptors of a broker at one moment.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    resident_bytes: u64,
    /// Blocks of the files that are open and of those beside them.
    disk_bytes: u64,
    descriptors: u64,
}

/// Adds the consumer that catches up, the commits and the samples to a stream; `run` runs it.
///
/// # Errors
/// Something is refused or missing, or the broker holds more and more.
pub(crate) fn beside<'a>(
    load: &Load,
    target: &Target,
    topic: &str,
    stream: Stream<'a>,
    run: impl FnOnce(Stream<'_>) -> Result<Tally>,
) -> Result<Tally> {
    let stop = AtomicBool::new(false);
    let mut samples = Vec::new();
    let tally = thread::scope(|scope| {
        let beside = [
            scope.spawn(|| catch_up(load, target, topic, &stop)),
            scope.spawn(|| commit(target, topic, &stop)),
        ];
        let mut before: Option<Histogram<u64>> = None;
        let seconds = u64::from(load.length_s);
        let every = (seconds * SECOND / 20).min(60 * SECOND);
        let stream = stream.each(every, |tally| {
            // The hour need not pass before an error is seen.
            ensure!(
                !beside.iter().any(|thread| thread.is_finished()),
                "a consumer or the commits ended early"
            );
            let mut latency = tally.acked.latency.clone();
            if let Some(before) = &before {
                latency.subtract(before).map_err(|error| anyhow!("{error:?}"))?;
            }
            before = Some(tally.acked.latency.clone());
            let p99_ms = latency.value_at_quantile(0.99) as f64 / 1e6;
            if let Some(pid) = target.pid {
                let sample = sample(pid)?;
                print(&sample.line(p99_ms))?;
                samples.push(sample);
            }
            Ok(())
        });
        let tally = run(stream);
        stop.store(true, Ordering::Relaxed);
        for thread in beside {
            let ended = thread.join().map_err(|_| anyhow!("a thread panicked"))?;
            ended.context("beside the producers")?;
        }
        tally
    })?;
    steady(&samples)?;
    Ok(tally)
}

/// Prints how much retention has dropped: the share of the records below the first offsets, in bytes.
///
/// # Errors
/// It dropped nothing, so the load says nothing about retention.
pub(crate) fn dropped(first_offsets: &[i64], tally: &Tally) -> Result<()> {
    let Counts { records, bytes, .. } = tally.acked.total;
    let dropped = first_offsets.iter().sum::<i64>().cast_unsigned();
    ensure!(
        dropped > 0,
        "retention dropped nothing of {bytes} bytes: is the broker's log.retention.check.interval.ms shorter than the load?"
    );
    let dropped_bytes = u128::from(bytes) * u128::from(dropped) / u128::from(records.max(1));
    print(&format!(
        "  retention dropped {dropped} of {records} records, about {dropped_bytes} of {bytes} bytes\n"
    ))
}

/// # Errors
/// The second half of the samples exceeds the first.
fn steady(samples: &[Sample]) -> Result<()> {
    let (first, second) = samples.split_at(samples.len() / 2);
    let bounded = |name: &str, slack: u64, of: fn(&Sample) -> u64| -> Result<()> {
        let most = |half: &[Sample]| half.iter().map(of).max().unwrap_or_default();
        let bound = most(first) + most(first) / 5 + slack;
        let seen = most(second);
        ensure!(first.is_empty() || seen <= bound, "{name} grew to {seen}, at most {bound} was expected");
        Ok(())
    };
    bounded("resident memory", SLACK.resident_bytes, |sample| sample.resident_bytes)?;
    bounded("disk", SLACK.disk_bytes, |sample| sample.disk_bytes)?;
    bounded("the number of descriptors", SLACK.descriptors, |sample| sample.descriptors)
}

impl Sample {
    fn line(&self, p99_ms: f64) -> String {
        let Sample { resident_bytes, disk_bytes, descriptors } = self;
        let [resident, disk] = [resident_bytes, disk_bytes].map(|bytes| bytes >> 20);
        format!(
            "  {resident} MiB resident, {disk} MiB on disk, {descriptors} descriptors, ack p99 {p99_ms:.3} ms\n"
        )
    }
}

/// Reads the process's descriptors, and the folders in which its open files are.
fn sample(pid: u32) -> Result<Sample> {
    let mut sample = Sample { resident_bytes: process::usage(pid)?.resident_bytes, ..Sample::default() };
    // By device and inode: a file counts once, and a removed one that is still open counts too.
    let mut files = HashMap::new();
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let path = entry?.path();
        sample.descriptors += 1;
        // Files come and go while the broker runs.
        let Ok(meta) = fs::metadata(&path) else { continue };
        if meta.is_file() {
            files.insert((meta.dev(), meta.ino()), meta.blocks() * 512);
            folders.extend(fs::read_link(&path)?.parent().map(PathBuf::from));
        }
    }
    folders.sort();
    folders.dedup();
    for entry in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        if let Ok(meta) = entry.metadata()
            && meta.is_file()
        {
            files.insert((meta.dev(), meta.ino()), meta.blocks() * 512);
        }
    }
    sample.disk_bytes = files.values().sum();
    Ok(sample)
}

/// Reads every partition from its first offset to its end, again and again.
fn catch_up(load: &Load, target: &Target, topic: &str, stop: &AtomicBool) -> Result<()> {
    let mut control = Control::connect(target.endpoint)?;
    let mut connection = Connection::open(target.endpoint)?;
    // A session epoch of -1: no session (KIP-227).
    let terms = FetchTerms {
        session_id: 0,
        session_epoch: -1,
        max_bytes: load.fetch_bytes,
        max_wait_ms: 0,
        read_committed: false,
    };
    loop {
        let ends = control.end_offsets(topic, load.partitions)?;
        let mut offsets = control.first_offsets(topic, load.partitions)?;
        for (index, end) in (0..).zip(ends) {
            while let Some(offset) = offsets.get_mut(index as usize)
                && *offset < end
            {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let frame = frames::fetch(topic, 1, terms, iter::once((index, *offset)))?;
                let answer = connection.exchange(&frame)?;
                let fetched = responses::fetched(&answer, |_, _, records| {
                    responses::whole_batches(records, |header, _| {
                        *offset = header.next_offset();
                        Ok(())
                    })
                });
                if let Err(error) = fetched {
                    // Retention may have overtaken this consumer; any other refusal is a failure.
                    let asked = *offset;
                    offsets = control.first_offsets(topic, load.partitions)?;
                    let first = *offsets.get(index as usize).context("no such partition")?;
                    ensure!(
                        first > asked,
                        "{error:#} at offset {asked} of {topic}-{index}, which begins at {first}"
                    );
                }
                thread::sleep(FETCH_PAUSE);
            }
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        thread::sleep(FETCH_PAUSE);
    }
}

/// Commits an offset of one of eight groups without members, as a consumer that assigns its partitions itself.
fn commit(target: &Target, topic: &str, stop: &AtomicBool) -> Result<()> {
    let mut control = Control::connect(target.endpoint)?;
    let group = |number: i64| format!("{topic}-{}", number % GROUPS);
    (0..GROUPS).try_for_each(|number| control.find_coordinator(&group(number)))?;
    for number in 0_i64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let partition = OffsetCommitRequestPartition::default()
            .with_committed_offset(number)
            .with_committed_metadata(Some(StrBytes::default()));
        let topics =
            OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(group(number))))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topics]);
        let answer = control.call(7, &request)?;
        let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let error = partitions.next().context("OffsetCommit: no answer")?.error_code;
        ensure!(error == 0, "OffsetCommit: error {error}");
        thread::sleep(COMMIT_PAUSE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_in_the_second_half_is_refused() {
        let sample =
            |disk: u64| Sample { resident_bytes: 100 << 20, disk_bytes: disk << 20, descriptors: 50 };
        // As retention leaves it: up and down.
        let waves: Vec<Sample> = (0..60).map(|at| sample(300 + at % 7 * 100)).collect();
        steady(&waves).unwrap();
        let leak: Vec<Sample> = (0..60).map(|at| sample(300 + at * 20)).collect();
        assert!(steady(&leak).unwrap_err().to_string().contains("disk"));
        let mut memory = waves;
        memory[59].resident_bytes *= 2;
        assert!(steady(&memory).unwrap_err().to_string().contains("memory"));
        steady(&[]).unwrap();
    }

    #[test]
    fn a_load_whose_retention_drops_nothing_is_refused() {
        let mut tally = Tally::new().unwrap();
        tally.ack(0, 1, Counts { requests: 2, records: 20, bytes: 2_000 });
        assert!(dropped(&[0, 0], &tally).unwrap_err().to_string().contains("dropped nothing"));
        dropped(&[0, 5], &tally).unwrap();
    }

    #[test]
    fn files_that_are_open_or_beside_them_count() {
        let folder = tempfile::tempdir().unwrap();
        let before = sample(std::process::id()).unwrap();
        let _open = fs::File::create(folder.path().join("open")).unwrap();
        fs::write(folder.path().join("beside"), vec![1; 64 << 20]).unwrap();
        let after = sample(std::process::id()).unwrap();
        // Tests beside this one, in the same process, close some MiB of their own meanwhile.
        assert!(after.disk_bytes >= before.disk_bytes + (48 << 20), "{before:?} {after:?}");
        assert!(after.descriptors >= 4 && after.resident_bytes > 1 << 20, "{after:?}");
    }
}
