//! The group coordinator: the async shell around the state machines of all groups.
//!
//! Guarantees: a request's step runs before its first await, so requests take effect in the order in which they come;
//! the records of a group are written in the order of its steps; nobody is told anything that is not durable yet, be it
//! that its own step wrote it or an earlier one. A group's lock is held for a step only. Waiting JoinGroups and
//! SyncGroups are oneshots, ended by an answer, by the client's leaving, or by shutdown. One task wakes the groups whose
//! deadlines pass, another forgets what has expired.
//!
//! What the groups decide is in `machine` and below; who may ask, and how it looks on the wire, in `api`.

mod alarms;
mod hosted;
mod open;
mod requests;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use coordinator::group::{
    Env, GroupConfig, GroupId, Now, Outcome, Reply, Waiter,
    machine::GroupMachine,
    offsets::CommittedOffset,
    records::{Key, RecordError},
};
use parking_lot::RwLock;
use tokio::{sync::oneshot, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::topics::TopicSource;
use crate::{clock::Clock, config::GroupTimeouts, tasks::Tasks};
use alarms::{Alarm, Alarms};
use hosted::{Hosted, Slot, Ticket};

pub(crate) use hosted::{Journal, JournalFailed};
pub(crate) use open::open;
pub(crate) use requests::{CommitTerms, GroupOverview};

/// The coordinator of all groups. One per broker.
pub(crate) struct GroupService {
    config: Arc<GroupConfig>,
    /// What holds instead for groups that were given a configuration of their own.
    own_configs: RwLock<HashMap<GroupId, Arc<GroupConfig>>>,
    clock: Clock,
    tasks: Tasks,
    /// Cancelled when waiting has to end.
    waiting: CancellationToken,
    journal: Journal,
    topics: TopicSource,
    groups: RwLock<HashMap<GroupId, Arc<Hosted>>>,
    alarms: Alarms,
    /// Waiters named so far.
    waiters: AtomicU64,
}

impl GroupService {
    /// A coordinator without groups. Waiting ends when `waiting` is cancelled.
    pub(crate) fn new(
        config: GroupConfig,
        clock: Clock,
        tasks: Tasks,
        waiting: CancellationToken,
        journal: Journal,
        topics: TopicSource,
    ) -> GroupService {
        GroupService {
            config: Arc::new(config),
            own_configs: RwLock::default(),
            clock,
            tasks,
            waiting,
            journal,
            topics,
            groups: RwLock::default(),
            alarms: Alarms::default(),
            waiters: AtomicU64::new(0),
        }
    }

    /// Gives a group timeouts of its own from its next step on, or takes them back. It need not exist.
    pub(crate) fn configure(&self, id: &GroupId, timeouts: Option<GroupTimeouts>) {
        let mut own_configs = self.own_configs.write();
        match timeouts {
            Some(timeouts) => {
                own_configs.insert(id.clone(), Arc::new(open::with_timeouts(&self.config, timeouts)));
            }
            None => {
                own_configs.remove(id);
            }
        }
    }

    /// What holds for a group.
    fn config_of(&self, id: &GroupId) -> Arc<GroupConfig> {
        self.own_configs.read().get(id).map_or_else(|| Arc::clone(&self.config), Arc::clone)
    }

    /// Takes in what storage holds, in key order. To be called once, before the first request. Sessions start now.
    ///
    /// # Errors
    /// If a record cannot be read: the broker must not go on without somebody's offsets.
    pub(crate) fn load(&self, records: Vec<(Bytes, Bytes)>) -> Result<(), RecordError> {
        let now = self.now();
        let mut machines: HashMap<GroupId, (GroupMachine, Outcome)> = HashMap::new();
        for (key, value) in records {
            let Some(key) = Key::decode(&key)? else { continue };
            let (machine, out) = machines
                .entry(key.group().clone())
                .or_insert_with_key(|id| (GroupMachine::new(id.clone(), now), Outcome::default()));
            machine.replay(now, key, &value, out)?;
        }
        tracing::info!(groups = machines.len(), "groups loaded");
        for (id, (mut machine, mut out)) in machines {
            machine.start(now, &self.config_of(&id), &mut out);
            let hosted = Arc::new(Hosted::new(machine));
            self.carry_out(&hosted, &mut hosted.lock(), out);
            self.groups.write().insert(id, hosted);
        }
        Ok(())
    }

    /// Starts the tasks that time needs. They end when the broker's tasks are told to.
    pub(crate) fn start(self: &Arc<Self>) {
        let (service, stop) = (Arc::clone(self), self.tasks.token().clone());
        self.tasks.spawn("group-timers", async move {
            while let Some(alarm) = service.alarms.next(&service.clock, &stop).await {
                service.ring(&alarm);
            }
        });
        let (service, stop) = (Arc::clone(self), self.tasks.token().clone());
        self.tasks.spawn("offset-expiry", async move {
            let period = Duration::from_millis(service.config.offsets_retention_check_interval_ms.max(1));
            let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                service.expire_offsets();
            }
        });
    }

    /// Forgets the offsets that have outlived their retention, and groups of which nothing is left.
    pub(crate) fn expire_offsets(&self) {
        self.on_all(|machine, env, out| machine.expire_offsets(env, out));
    }

    /// Forgets the offsets for which `is_gone` says that their topic is not there any more.
    pub(crate) fn forget_offsets(&self, is_gone: impl Fn(&str, &CommittedOffset) -> bool) {
        self.on_all(|machine, _, out| machine.forget_offsets(&is_gone, out));
    }

    /// A step on every group.
    fn on_all(&self, act: impl Fn(&mut GroupMachine, Env<'_>, &mut Outcome)) {
        let ids: Vec<GroupId> = self.groups.read().keys().cloned().collect();
        for id in ids {
            self.step(&id, false, |slot, env, out| act(&mut slot.machine, env, out));
        }
    }

    /// A group's alarm has gone off. One that the group has replaced by an earlier one is ignored.
    fn ring(&self, alarm: &Alarm) {
        self.step(&alarm.group_id, false, |slot, env, out| {
            if slot.alarm == Some(alarm.at) {
                slot.alarm = None;
                slot.machine.tick(env, out);
            }
        });
    }

    /// One step of one group, with all that follows from it. `None`: there is no such group, and it is not to be created.
    fn step<T>(
        &self,
        id: &GroupId,
        create: bool,
        act: impl FnOnce(&mut Slot, Env<'_>, &mut Outcome) -> T,
    ) -> Option<(T, Ticket)> {
        loop {
            let hosted = if create { self.find_or_create(id) } else { self.find(id)? };
            let mut slot = hosted.lock();
            if slot.removed {
                continue;
            }
            let mut out = Outcome::default();
            let (config, topics) = (self.config_of(id), (self.topics)());
            let env = Env { now: self.now(), config: &config, topics: &topics };
            let result = act(&mut slot, env, &mut out);
            self.carry_out(&hosted, &mut slot, out);
            if slot.machine.is_forgettable() {
                // Under the group's lock, so that whoever finds it removed does not find it in the map.
                slot.removed = true;
                self.groups.write().remove(id);
            }
            let ticket = hosted.ticket(&slot);
            return Some((result, ticket));
        }
    }

    fn find(&self, id: &GroupId) -> Option<Arc<Hosted>> {
        self.groups.read().get(id).cloned()
    }

    fn find_or_create(&self, id: &GroupId) -> Arc<Hosted> {
        if let Some(hosted) = self.find(id) {
            return hosted;
        }
        let mut groups = self.groups.write();
        let new = || Arc::new(Hosted::new(GroupMachine::new(id.clone(), self.now())));
        Arc::clone(groups.entry(id.clone()).or_insert_with(new))
    }

    /// Begins the writes of a step, sets its alarm, and sends its answers once everything so far is durable.
    fn carry_out(&self, hosted: &Arc<Hosted>, slot: &mut Slot, out: Outcome) {
        if let Some(at) = out.wake_at.filter(|at| slot.alarm.is_none_or(|alarm| *at < alarm)) {
            slot.alarm = Some(at);
            self.alarms.set(Alarm { at, group_id: slot.machine.id().clone() });
        }
        let mut answers = Vec::with_capacity(out.replies.len());
        for (waiter, reply) in out.replies {
            answers.extend(slot.answers.remove(&waiter).map(|sender| (sender, reply)));
        }
        if out.records.is_empty() {
            let ticket = hosted.ticket(slot);
            if answers.is_empty() || ticket.is_durable() {
                send(answers);
            } else {
                self.tasks.spawn("group-answers", async move {
                    // On failure the senders are dropped, which tells those who wait.
                    if ticket.durable().await.is_ok() {
                        send(answers);
                    }
                });
            }
            return;
        }
        let ticket = hosted.next_write(slot);
        let writing = (self.journal)(out.records);
        self.tasks.spawn("group-write", async move {
            let outcome = writing.await;
            ticket.ended(outcome);
            if ticket.durable().await.is_ok() {
                send(answers);
            }
        });
    }

    /// A name for a request that may have to wait.
    fn name_waiter(&self) -> Waiter {
        Waiter(self.waiters.fetch_add(1, Ordering::Relaxed))
    }

    fn now(&self) -> Now {
        let monotonic_ms = u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        Now { monotonic_ms, unix_ms: self.clock.now_ms() }
    }
}

/// Clients that have gone do not mind.
fn send(answers: Vec<(oneshot::Sender<Reply>, Reply)>) {
    for (sender, reply) in answers {
        drop(sender.send(reply));
    }
}
