//! The group coordinator: the shell for groups, their configuration, and one method per request (`requests`, `looks`).

mod config;
mod leading;
mod looks;
mod requests;
mod topics;
mod transactions;

#[cfg(test)]
mod leading_tests;
#[cfg(test)]
mod pending_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use coordinator::group::{
    Env, GroupConfig, GroupError, GroupId, Reply,
    machine::GroupMachine,
    offsets::CommittedOffset,
    reply::{JoinReply, SyncReply},
    topics::TopicsOfStep,
};
use coordinator::state_machine::Now;
use storage::{Storage, StorageError};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::durability::Delivery;
use super::kind::Kind;
use super::log::{self, NotLed, RecordLog};
use super::shell::Shell;
use super::waiting::Waiting;
use crate::{
    clock::Clock,
    config::{BrokerConfig, GroupTimeouts},
    services::disk_reserve::{DiskReserve, Write},
    session::authorizer::Authorizer,
    tasks::Tasks,
};
use config::GroupConfigs;
use topics::TopicSource;

pub(crate) use looks::GroupOverview;
pub(crate) use requests::CommitTerms;
pub(crate) use topics::viewer;

/// The coordinator of all groups. One per broker.
pub(crate) struct GroupService {
    shell: Arc<Shell<Groups>>,
    /// Admits joins and commits.
    disk: Arc<DiskReserve>,
}

/// The surroundings of groups: configuration and topics.
struct Groups {
    /// Read at every step, by all threads and without a lock; replaced whole when an operator changes the configuration of a group, or
    /// that of the broker.
    configs: ArcSwap<GroupConfigs>,
    /// Asked once for each step that looks at topics.
    topics: TopicSource,
}

/// Requests that wait for a group.
#[derive(Default)]
struct GroupWaiting {
    /// JoinGroups that wait for a generation.
    joins: Waiting<JoinReply>,
    /// SyncGroups that wait for an assignment.
    syncs: Waiting<SyncReply>,
}

impl Kind for Groups {
    type Machine = GroupMachine;
    type Waiting = GroupWaiting;
    type Account = ();

    const NAME: &'static str = "groups";

    fn in_env<T>(&self, id: &GroupId, now: Now, step: impl FnOnce(Env<'_>) -> T) -> T {
        self.with_config(id, |config| {
            let topics = TopicsOfStep::new(&self.topics);
            step(Env { now, config, topics: &topics })
        })
    }

    fn deliver(waiting: &mut GroupWaiting, reply: Reply) -> Option<Delivery> {
        match reply {
            Reply::Join(waiter, reply) => waiting.joins.deliver(waiter, reply),
            Reply::Sync(waiter, reply) => waiting.syncs.deliver(waiter, reply),
        }
    }
}

impl Groups {
    /// Hands the configuration that holds for a group to `read`.
    fn with_config<T>(&self, id: &GroupId, read: impl FnOnce(&GroupConfig) -> T) -> T {
        read(self.configs.load().of(id))
    }

    /// The configuration of groups without one of their own.
    fn config(&self) -> Arc<GroupConfig> {
        Arc::clone(&self.configs.load().common)
    }
}

impl GroupService {
    /// A coordinator without groups. Waiting ends when `stop_waiting` is cancelled.
    fn new(
        configs: GroupConfigs,
        clock: Clock,
        tasks: Tasks,
        stop_waiting: CancellationToken,
        log: Box<dyn RecordLog>,
        topics: TopicSource,
        disk: Arc<DiskReserve>,
    ) -> GroupService {
        let groups = Groups { configs: ArcSwap::from_pointee(configs), topics };
        GroupService { shell: Arc::new(Shell::new(groups, clock, tasks, stop_waiting, log)), disk }
    }

    /// Only of commits and of joins of those that are no members: what members write that stay or leave is little,
    /// and what deletes frees space. Asked before a step and told in it, so that a group that is not here is refused
    /// as such.
    ///
    /// # Errors
    /// The disk has no space for them.
    fn ensure_room(&self) -> Result<(), GroupError> {
        let has_room = self.disk.has_room(Write::Commits, crate::clock::now());
        if has_room { Ok(()) } else { Err(GroupError::DiskFull) }
    }

    /// Gives a group timeouts of its own from its next step on, or takes them back. The group need not exist.
    pub(crate) fn configure(&self, id: &GroupId, timeouts: Option<GroupTimeouts>) {
        // Of two calls at a time, for two groups, neither is lost: the second begins again.
        self.shell.kind().configs.rcu(|configs| {
            let mut configs = GroupConfigs::clone(configs);
            configs.set(id, timeouts);
            configs
        });
    }

    /// Takes the broker's configuration of now, from the next step of each group on. `given` are the groups with timeouts of their own:
    /// some of these may follow the broker's.
    pub(crate) fn reconfigure(&self, broker: &BrokerConfig, given: Vec<(GroupId, GroupTimeouts)>) {
        self.shell.kind().configs.store(Arc::new(GroupConfigs::new(broker.into(), given)));
    }

    /// Starts the tasks that time needs. They end when the broker's tasks are told to.
    fn start(self: &Arc<Self>) {
        self.shell.start();
        let tasks = self.shell.tasks();
        let (service, stop) = (Arc::clone(self), tasks.token().clone());
        tasks.spawn("offset-expiry", async move {
            let check_ms = service.shell.kind().config().offsets_retention_check_interval_ms;
            // `interval_at` panics if the period is zero.
            let period = Duration::from_millis(check_ms.max(1));
            let mut ticks = tokio::time::interval_at(crate::clock::timer_now() + period, period);
            // Late ticks are skipped: one look finds all that has expired.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                service.expire_offsets();
            }
        });
    }

    /// Forgets the offsets that have outlived their retention, and groups of which nothing is left.
    /// One step for each group, in turn. Returns before the tombstones are durable.
    pub(crate) fn expire_offsets(&self) {
        self.shell.step_all(|machine, env, out| machine.expire_offsets(env, out));
    }

    /// Forgets the offsets for which `is_gone` says that their topic no longer exists.
    /// As [`GroupService::expire_offsets`].
    pub(crate) fn forget_offsets(&self, is_gone: impl Fn(&str, &CommittedOffset) -> bool) {
        self.shell.step_all(|machine, _, out| machine.forget_offsets(&is_gone, out));
    }
}

/// The reason for which the stored groups cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// They are not this broker's to load.
    #[error("the shard is not led here")]
    NotLed,
    /// The thread that read them panicked.
    #[error("loading them was interrupted")]
    Interrupted,
}

impl From<NotLed> for OpenError {
    fn from(_: NotLed) -> OpenError {
        OpenError::NotLed
    }
}

/// The coordinator with all groups that storage holds, its tasks running. Offsets of topics that are gone are forgotten.
/// `configured` are the groups with timeouts of their own.
///
/// # Errors
/// If the records cannot be read from storage. A record that cannot be understood concerns its group only.
/// Reads all records, so it takes time in proportion to groups and offsets.
pub(crate) async fn open(
    config: &BrokerConfig,
    clock: &Clock,
    tasks: &Tasks,
    stop_waiting: &CancellationToken,
    (storage, authorizer): (&Storage, Option<&Arc<Authorizer>>),
    disk: &Arc<DiskReserve>,
    configured: Vec<(GroupId, GroupTimeouts)>,
) -> Result<Arc<GroupService>, OpenError> {
    let service = Arc::new(GroupService::new(
        // Before the load: it starts the machines, which set their timers by these timeouts.
        GroupConfigs::new(config.into(), configured),
        clock.clone(),
        tasks.clone(),
        stop_waiting.clone(),
        log::stored(storage.shard().clone()),
        topics::source(storage.cluster().clone(), authorizer.cloned()),
        Arc::clone(disk),
    ));
    let term = service.shell.term()?;
    service.load(term, storage).await?;
    service.start();
    Ok(service)
}
