//! From a broker's configuration and storage to a running coordinator.

use std::sync::Arc;

use coordinator::group::{
    ConsumerGroupConfig, GroupConfig, GroupId, MigrationPolicy,
    assignor::Assignor,
    records::{Record, RecordError},
};
use storage::{CoordinatorRecord, StorageError};
use tokio_util::sync::CancellationToken;

use super::super::topics;
use super::{GroupService, Journal, JournalFailed};
use crate::{
    clock::Clock,
    config::{BrokerConfig, GroupTimeouts},
    io::Io,
    tasks::Tasks,
};

/// Why the groups that are stored cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("reading them was cut short")]
    Interrupted,
}

/// The coordinator with all groups that storage holds, its tasks running. Offsets of topics that are gone are forgotten.
/// `configured` are the groups with timeouts of their own.
///
/// # Errors
/// If the records cannot be read, or not understood.
pub(crate) async fn open(
    config: &BrokerConfig,
    clock: &Clock,
    tasks: &Tasks,
    waiting: &CancellationToken,
    io: &Io,
    configured: Vec<(GroupId, GroupTimeouts)>,
) -> Result<Arc<GroupService>, OpenError> {
    let reader = io.clone();
    let records = tasks.blocking("load-groups", move || reader.coordinator_records()).await;
    let records = records.ok_or(OpenError::Interrupted)??;
    let service = GroupService::new(
        config.into(),
        clock.clone(),
        tasks.clone(),
        waiting.clone(),
        journal(io.clone()),
        topics::source(io.clone()),
    );
    for (id, timeouts) in configured {
        service.configure(&id, Some(timeouts));
    }
    service.load(records)?;
    let catalog = io.catalog();
    // A topic that cannot be read now may be readable again after the next start.
    service.forget_offsets(|topic, committed| {
        let served = catalog.topic(topic).is_some_and(|topic| committed.is_of_topic(topic.id));
        !served && !catalog.is_unreadable(topic, committed.topic_id)
    });
    let service = Arc::new(service);
    service.start();
    Ok(service)
}

fn journal(io: Io) -> Journal {
    Box::new(move |records| {
        let writing = io.write_coordinator(records.into_iter().map(stored).collect());
        Box::pin(async move {
            writing.await.map_err(|error| {
                tracing::error!(%error, "a group's records were not written");
                JournalFailed
            })
        })
    })
}

fn stored(Record { key, value }: Record) -> CoordinatorRecord {
    CoordinatorRecord { key, value }
}

impl From<&BrokerConfig> for GroupConfig {
    fn from(config: &BrokerConfig) -> GroupConfig {
        // The keys' ranges exclude negative numbers.
        let ms = |ms: i32| u32::try_from(ms).unwrap_or(0);
        let count = |count: i32| usize::try_from(count).unwrap_or(0);
        let minutes = u64::try_from(config.offsets_retention_minutes).unwrap_or(0);
        GroupConfig {
            min_session_timeout_ms: ms(config.group_min_session_timeout_ms),
            max_session_timeout_ms: ms(config.group_max_session_timeout_ms),
            max_size: count(config.group_max_size),
            initial_rebalance_delay_ms: ms(config.group_initial_rebalance_delay_ms),
            offset_metadata_max_bytes: count(config.offset_metadata_max_bytes),
            offsets_retention_ms: minutes * 60_000,
            offsets_retention_check_interval_ms: u64::try_from(config.offsets_retention_check_interval_ms)
                .unwrap_or(1),
            consumer: consumer_config(config),
            ..GroupConfig::default()
        }
    }
}

/// The same configuration with these timeouts for the consumer protocol.
pub(super) fn with_timeouts(config: &GroupConfig, timeouts: GroupTimeouts) -> GroupConfig {
    // The keys' ranges exclude negative numbers.
    let ms = |ms: i32| u32::try_from(ms).unwrap_or(0);
    let consumer = ConsumerGroupConfig {
        heartbeat_interval_ms: ms(timeouts.heartbeat_interval_ms),
        session_timeout_ms: ms(timeouts.session_timeout_ms),
        ..config.consumer.clone()
    };
    GroupConfig { consumer, ..config.clone() }
}

/// The tables of keys allow only known assignors and policies.
fn consumer_config(config: &BrokerConfig) -> ConsumerGroupConfig {
    let ms = |ms: i32| u32::try_from(ms).unwrap_or(0);
    let assignors = config.group_consumer_assignors.iter();
    ConsumerGroupConfig {
        heartbeat_interval_ms: ms(config.group_consumer_heartbeat_interval_ms),
        session_timeout_ms: ms(config.group_consumer_session_timeout_ms),
        max_size: usize::try_from(config.group_consumer_max_size).unwrap_or(0),
        assignors: assignors.filter_map(|name| Assignor::named(name)).collect(),
        migration: MigrationPolicy::named(&config.group_consumer_migration_policy)
            .unwrap_or(MigrationPolicy::Bidirectional),
    }
}
