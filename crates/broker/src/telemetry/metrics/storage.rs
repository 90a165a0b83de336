//! The storage's metrics: `ottla_storage_*`.
//!
//! Counters and histograms count from the opening of the folder, sizes are those of now. A size that is not
//! known (`None`) has no series.

use storage::{DurationHistogram, Stalls, StorageMetrics};

use super::families::{Families, Family};

/// Adds all of them.
pub(super) fn families(metrics: &StorageMetrics, out: &mut Families) {
    writes(metrics, out);
    sizes(metrics, out);
}

/// Writes and syncs: how many, how long, and what they were for.
fn writes(metrics: &StorageMetrics, out: &mut Families) {
    let help = "Write groups handed to the operating system; one holds all that was queued.";
    let groups = metrics.write_groups as f64;
    out.counter("ottla_storage_write_groups_total", help, |family| family.push(&[], groups));
    let records = metrics.records as f64;
    let help = "Records appended by producers.";
    out.counter("ottla_storage_records_total", help, |family| family.push(&[], records));
    let help = "Bytes of write groups, by what they were written for.";
    out.counter("ottla_storage_written_bytes_total", help, |family| {
        for (purpose, bytes) in &metrics.bytes {
            family.push(&[("purpose", purpose.name())], *bytes as f64);
        }
    });
    durations("ottla_storage_write_duration_seconds", "Duration of each write.", &metrics.writes, out);
    durations("ottla_storage_sync_duration_seconds", "Duration of each sync.", &metrics.syncs, out);
    let causes = [("write", metrics.write_stalls), ("queue", metrics.queue_stalls)];
    let each = |value: fn(&Stalls) -> f64| {
        move |family: &mut Family| {
            for (cause, stalls) in &causes {
                family.push(&[("cause", cause)], value(stalls));
            }
        }
    };
    let help = "Writes, and waits for room in the writer's queue, of 50 ms or more.";
    out.counter("ottla_storage_stalls_total", help, each(|stalls| stalls.count as f64));
    let damaged = metrics.damaged_batches as f64;
    let help = "Stored batches that were found damaged, each counted once; the log names them.";
    out.counter("ottla_storage_damaged_batches_total", help, |family| family.push(&[], damaged));
    let help = "Duration of all stalls together.";
    out.counter("ottla_storage_stall_seconds_total", help, each(|stalls| stalls.sum_seconds));
}

/// Queue, generations, settled batches and tail.
fn sizes(metrics: &StorageMetrics, out: &mut Families) {
    let mut gauge = |name: &str, help: &str, value: Option<f64>| {
        // `None` where RocksDB does not tell: 0 would be taken for a size.
        if let Some(value) = value {
            out.gauge(name, help, |family| family.push(&[], value));
        }
    };
    let help = "Commands that wait for the storage's writer.";
    gauge("ottla_storage_queue_depth", help, Some(metrics.queue_depth as f64));
    let help = "Generations of the log that exist.";
    gauge("ottla_storage_generations", help, Some(metrics.generations as f64));
    let help = "Bytes that generations hold in files and memory.";
    gauge("ottla_storage_generation_bytes", help, metrics.generation_bytes.map(|bytes| bytes as f64));
    let help = "Age of the oldest generation.";
    gauge("ottla_storage_oldest_generation_seconds", help, Some(metrics.oldest_generation_seconds));
    let help = "Bytes of batches that outlived their generation.";
    gauge("ottla_storage_settled_bytes", help, metrics.settled_bytes.map(|bytes| bytes as f64));
    let help = "Memory that holds the newest batches of all partitions.";
    gauge("ottla_storage_tail_bytes", help, Some(metrics.tail_bytes as f64));
    let help = "Bytes that a start would apply from the journal if the process ended now.";
    gauge("ottla_storage_replay_operations_bytes", help, Some(metrics.replay_operations_bytes as f64));
    let help = "Bytes of batches in the journal that a start would pass over if the process ended now.";
    gauge("ottla_storage_replay_body_bytes", help, Some(metrics.replay_body_bytes as f64));
}

/// A histogram without labels, in seconds.
fn durations(name: &str, help: &str, durations: &DurationHistogram, out: &mut Families) {
    out.histogram(name, help, |family| {
        family.push_histogram(&[], &durations.buckets, durations.count, durations.sum_seconds);
    });
}
