//! The broker's state as a scrape of its metrics sees it: plain values, taken from the services at that moment.
//!
//! Takes no lock that a request waits for, and time in proportion to topics, partitions and groups.

use storage::{Partition, Topic};

use crate::services::Services;
use crate::telemetry::metrics::{BrokerSnapshot, BrokerState, PartitionSnapshot, Snapshot, TopicSnapshot};

/// Everything now.
pub(crate) fn take(services: &Services) -> Snapshot {
    let node_id = services.config.node_id;
    let catalog = services.io.catalog();
    Snapshot {
        broker: broker(services),
        storage: Some(services.io.storage().metrics()),
        topics: catalog.topics().map(|one| topic(one, node_id)).collect(),
        extra: [
            services.appender.families(),
            services.fetcher.families(),
            services.client_metrics.families(services.clock.now_ms()),
        ]
        .concat(),
        groups: services.groups.snapshot(),
    }
}

fn broker(services: &Services) -> BrokerSnapshot {
    let shutdown = &services.shutdown;
    BrokerSnapshot {
        node_id: services.config.node_id,
        cluster_id: services.io.storage().cluster_id().to_owned(),
        address: services.advertised.outside(),
        state: if shutdown.accepting.is_cancelled() {
            BrokerState::PendingControlledShutdown
        } else {
            BrokerState::Running
        },
        active_controller: true,
        task_panics: services.tasks.panics(),
    }
}

fn topic(topic: &Topic, node_id: i32) -> TopicSnapshot {
    let partitions = topic.partitions.iter().map(|one| partition(one, node_id)).collect();
    TopicSnapshot { name: topic.name.clone(), partitions }
}

fn partition(partition: &Partition, node_id: i32) -> PartitionSnapshot {
    PartitionSnapshot {
        partition: partition.index(),
        log_start_offset: partition.log_start_offset(),
        high_watermark: partition.high_watermark(),
        log_end_offset: partition.log_end_offset(),
        size_bytes: Some(partition.size_bytes()),
        leader: Some(node_id),
        replicas: vec![node_id],
        in_sync_replicas: vec![node_id],
    }
}
