//! A look at one partition: is it there, what does its log hold for this client, and is that news. Reads no records.

use std::sync::Arc;

use storage::{Isolation, Partition};

use super::answer::{PartitionAnswer, Served};
use super::delayed::{Arrivals, Subscription};
use super::set::{PartitionFetch, SlotId};
use crate::topics::error::PartitionError;
use crate::topics::position::{EpochEnd, LogState, Position, PositionCheck, check_position};
use crate::topics::{FoundPartition, Topics};

/// The log of an entry of a [`FetchSet`](super::set::FetchSet), and the subscription to its appends. A subscription reports to its own session, so the
/// two live and die together.
#[derive(Debug)]
pub(crate) struct Log {
    pub(super) found: FoundPartition,
    pub(super) subscription: Option<Subscription>,
}

/// The result of a look.
#[derive(Debug)]
pub(super) enum Looked {
    /// No log: the partition is missing.
    Missing(PartitionAnswer),
    /// Nothing to read. `is_urgent` if the client has to know at once.
    Nothing { answer: PartitionAnswer, is_urgent: bool },
    /// Something to read at the client's position.
    Readable {
        /// The log.
        partition: Arc<Partition>,
        /// The client's wishes for it.
        wanted: PartitionFetch,
        /// The answer if nothing can be read now.
        empty: PartitionAnswer,
    },
}

/// Looks at the partition of `wanted`, whose log is in `handle` once it was found. With `watch` its appends are reported from
/// before the look on, as changes of that entry.
pub(super) fn look(
    topics: &Topics,
    wanted: &PartitionFetch,
    handle: &mut Option<Log>,
    watch: Option<(&Arc<Arrivals>, SlotId)>,
    isolation: Isolation,
) -> Looked {
    let answer = |outcome, metrics| PartitionAnswer {
        topic: wanted.topic.clone(),
        index: wanted.index,
        outcome,
        metrics,
    };
    let log = match find(topics, wanted, handle, watch) {
        Ok(log) => log,
        // The partition is not served here, or not yet, so the client must not wait here (`ReplicaManager.fetchMessages`).
        Err(error @ (PartitionError::NotLeader | PartitionError::Unavailable)) => {
            return Looked::Nothing { answer: answer(Err(error), None), is_urgent: true };
        }
        Err(error) => return Looked::Missing(answer(Err(error), None)),
    };
    // Before the log is looked at: what advances after that is counted by it.
    if let Some(subscription) = &log.subscription {
        subscription.count_for(isolation);
    }
    let metrics = &log.found.topic.metrics;
    let answer = |outcome| answer(outcome, Some(Arc::clone(metrics)));
    let partition = &log.found.partition;
    let state = log_state(partition);
    let visible_end = match isolation {
        Isolation::ReadUncommitted => state.high_watermark,
        Isolation::ReadCommitted => state.last_stable_offset,
    };
    let nothing_read = served(&state, isolation);
    match check_position(&state, visible_end, &position(wanted), |epoch| epoch_end(partition, epoch)) {
        Ok(PositionCheck::Readable) => Looked::Readable {
            partition: Arc::clone(partition),
            wanted: wanted.clone(),
            empty: answer(Ok(nothing_read)),
        },
        Ok(PositionCheck::CaughtUp) => Looked::Nothing { answer: answer(Ok(nothing_read)), is_urgent: false },
        // A client that has records of another history must not wait to hear of it (KIP-595).
        Ok(PositionCheck::Diverging(end)) => Looked::Nothing {
            answer: answer(Ok(Served { diverging: Some(end), ..nothing_read })),
            is_urgent: true,
        },
        // No failed fetch for the counters: the client asks for what cannot be (see `round.rs`).
        Err(error) => Looked::Nothing { answer: answer(Err(error)), is_urgent: true },
    }
}

/// The log, looked up if it is not known, was deleted or is not led here, and watched if there is to be a watch.
fn find<'h>(
    topics: &Topics,
    wanted: &PartitionFetch,
    handle: &'h mut Option<Log>,
    watch: Option<(&Arc<Arrivals>, SlotId)>,
) -> Result<&'h Log, PartitionError> {
    let log = match handle.take() {
        Some(log) if log.found.partition.ensure_led().is_ok() => handle.insert(log),
        before => {
            let name = before.as_ref().map(|log| &*log.found.topic.topic.name);
            match topics.find_again(&wanted.topic, wanted.index, name) {
                Ok(found) => handle.insert(Log { found, subscription: None }),
                Err(error) => {
                    // Kept for its name: a topic of that name under another id is worth another error.
                    *handle = before.map(|log| Log { subscription: None, ..log });
                    return Err(error);
                }
            }
        }
    };
    if let Some((arrivals, id)) = watch
        && log.subscription.is_none()
    {
        log.subscription = Some(Subscription::new(&log.found.partition, arrivals, id));
        // Deleted or given up before the subscription began: its report came too early for this session.
        log.found.partition.ensure_led()?;
    }
    Ok(log)
}

/// The state of the log, with no records.
fn served(state: &LogState, isolation: Isolation) -> Served {
    Served {
        high_watermark: state.high_watermark,
        last_stable_offset: state.last_stable_offset,
        log_start_offset: state.log_start_offset,
        // Null for readers of uncommitted records, as in Kafka.
        aborted: (isolation == Isolation::ReadCommitted).then(Vec::new),
        ..Served::default()
    }
}

fn position(wanted: &PartitionFetch) -> Position {
    Position {
        fetch_offset: wanted.fetch_offset,
        current_leader_epoch: wanted.current_leader_epoch,
        last_fetched_epoch: wanted.last_fetched_epoch,
    }
}

/// The offsets of the log. Read one after another while appends go on: they are not of one moment.
fn log_state(partition: &Partition) -> LogState {
    // In this order: each is at most the next, and none goes back.
    let log_start_offset = partition.log_start_offset();
    let last_stable_offset = partition.last_stable_offset();
    let high_watermark = partition.high_watermark();
    let log_end_offset = partition.log_end_offset();
    LogState {
        log_start_offset,
        last_stable_offset,
        high_watermark,
        log_end_offset,
        leader_epoch: partition.leader_epoch(),
    }
}

fn epoch_end(partition: &Partition, epoch: i32) -> EpochEnd {
    let end = partition.epoch_end_offset(epoch);
    EpochEnd { leader_epoch: end.leader_epoch, end_offset: end.end_offset }
}
