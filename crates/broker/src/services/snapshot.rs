//! Topics and partitions as a scrape of the metrics sees them: plain values, taken from the catalog at that moment.

use storage::{Catalog, Partition, Topic};

use crate::telemetry::metrics::{PartitionSnapshot, TopicSnapshot};

/// Every topic. A transaction that began before `late_ms`, Unix ms, is late.
pub(super) fn topics(catalog: &Catalog, node_id: i32, late_ms: i64) -> Vec<TopicSnapshot> {
    catalog.topics().map(|one| topic(one, node_id, late_ms)).collect()
}

fn topic(topic: &Topic, node_id: i32, late_ms: i64) -> TopicSnapshot {
    let partitions = topic.led_here().map(|one| partition(one, node_id, late_ms)).collect();
    TopicSnapshot { name: topic.name.clone(), partitions }
}

fn partition(partition: &Partition, node_id: i32, late_ms: i64) -> PartitionSnapshot {
    PartitionSnapshot {
        partition: partition.index(),
        // In this order, as each of them only rises: none is above the next.
        log_start_offset: partition.log_start_offset(),
        last_stable_offset: partition.last_stable_offset(),
        high_watermark: partition.high_watermark(),
        log_end_offset: partition.log_end_offset(),
        size_bytes: Some(partition.size_bytes()),
        // Only those that are led here are listed; this node has their only replicas.
        leader: Some(node_id),
        replicas: vec![node_id],
        in_sync_replicas: vec![node_id],
        producers: partition.producer_count(),
        has_late_transaction: partition.oldest_transaction_ms().is_some_and(|began_ms| began_ms < late_ms),
    }
}
