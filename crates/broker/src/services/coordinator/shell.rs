//! The shell: hosts the machines of one kind, runs their steps and carries out what follows.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, atomic::AtomicU64},
};

use bytes::Bytes;
use coordinator::state_machine::{Now, Outcome, StateMachine};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use super::alarms::{Alarm, Alarms};
use super::durability::Ticket;
use super::hosted::{Hosted, Slot};
use super::kind::{EnvOf, Id, Kind, OutcomeOf, StepWrite};
use super::log::{NotLed, RecordLog};
use crate::{clock::Clock, tasks::Tasks};

/// The reason for which there is no machine to take a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is none, and none was to be created.
    /// Also of a machine that was dropped since it was forgettable.
    Absent,
    /// There are records of it that cannot be read.
    /// Or a step of it could not be written in this process.
    Unreadable,
    /// This broker does not lead the log: another one may have it.
    NotCoordinator,
    /// This broker leads the log, or is about to, and has not loaded its machines yet.
    Loading,
}

impl From<NotLed> for Missing {
    fn from(not_led: NotLed) -> Missing {
        match not_led {
            NotLed::Elsewhere => Missing::NotCoordinator,
            NotLed::TakingOver => Missing::Loading,
        }
    }
}

/// The machines that are loaded.
pub(super) struct Machines<K: Kind> {
    /// The term of the log in which they were loaded; `None`: they are not.
    pub(super) term: Option<u32>,
    pub(super) by_id: HashMap<Id<K>, Arc<Hosted<K>>>,
    /// Machines that left the map so far: one that was looked for on the disk meanwhile may be older than what is there now.
    pub(super) removals: u64,
}

impl<K: Kind> Default for Machines<K> {
    fn default() -> Machines<K> {
        Machines { term: None, by_id: HashMap::new(), removals: 0 }
    }
}

/// All machines of one kind.
/// The lock of a machine in the map is taken before those of the maps and the alarms. No lock is held over
/// an await.
pub(crate) struct Shell<K: Kind> {
    pub(super) kind: K,
    clock: Clock,
    tasks: Tasks,
    /// Cancelled when waiting has to end.
    pub(super) stop_waiting: CancellationToken,
    /// Takes the records of all machines, in the order of the calls.
    pub(super) log: Box<dyn RecordLog>,
    /// Written to when a machine is created, loaded or dropped.
    pub(super) machines: RwLock<Machines<K>>,
    /// The keys of those whose records cannot be read.
    /// Empty for a machine that was set aside by a step: its records can be read.
    pub(super) unreadable: RwLock<HashMap<Id<K>, Vec<Bytes>>>,
    pub(super) alarms: Alarms<Id<K>>,
    /// Waiters named so far.
    pub(super) waiters: AtomicU64,
}

impl<K: Kind> Shell<K> {
    /// A shell that has loaded no machines. Waiting ends when `stop_waiting` is cancelled.
    pub(crate) fn new(
        kind: K,
        clock: Clock,
        tasks: Tasks,
        stop_waiting: CancellationToken,
        log: Box<dyn RecordLog>,
    ) -> Shell<K> {
        Shell {
            kind,
            clock,
            tasks,
            stop_waiting,
            log,
            machines: RwLock::default(),
            unreadable: RwLock::default(),
            alarms: Alarms::default(),
            waiters: AtomicU64::new(0),
        }
    }

    pub(crate) fn kind(&self) -> &K {
        &self.kind
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Starts the task that wakes machines. It ends when the broker's tasks are told to.
    pub(crate) fn start(self: &Arc<Self>) {
        let (shell, stop) = (Arc::clone(self), self.tasks.token().clone());
        self.tasks.spawn(K::NAME, async move {
            while let Some(alarm) = shell.alarms.next(&shell.clock, &stop).await {
                shell.ring(&alarm);
            }
        });
    }

    /// A machine's alarm has gone off. One that the machine has replaced meanwhile is ignored.
    fn ring(&self, alarm: &Alarm<Id<K>>) {
        let rung = self.step_in_slot(
            || self.find_loaded(&alarm.id),
            |slot, env, out| {
                let is_set = slot.alarm == Some(alarm.at);
                if is_set {
                    slot.alarm = None;
                    slot.machine.tick(env, out);
                }
                is_set
            },
        );
        // A machine that is gone has no deadlines.
        if matches!(rung, Ok((true, _))) {
            self.rest_if_idle(&alarm.id);
        }
    }

    /// One step of one machine, with all that follows from it: the step's result, and what must be durable before it is
    /// told.
    /// `create`: a machine that does not exist begins with this step. Its records are on their way when it
    /// returns; the ticket waits until they are durable.
    ///
    /// # Errors
    /// If there is no machine, or its records cannot be read, or this step's cannot be written.
    pub(crate) fn step<T>(
        &self,
        id: &Id<K>,
        create: bool,
        act: impl FnOnce(&mut K::Machine, EnvOf<'_, K>, &mut OutcomeOf<K>) -> T,
    ) -> Result<(T, Ticket), Missing> {
        let find = || if create { self.find_or_create(id) } else { self.find(id) };
        self.step_in_slot(find, |slot, env, out| act(slot.used(), env, out))
    }

    /// As [`Shell::step`], of a step that `write` writes together with something else. `write` gets the step's result, and
    /// is called under the machine's lock.
    ///
    /// # Errors
    /// As [`Shell::step`].
    pub(crate) fn step_and_write<T, W>(
        &self,
        id: &Id<K>,
        act: impl FnOnce(&mut K::Machine, EnvOf<'_, K>, &mut OutcomeOf<K>) -> T,
        write: impl FnOnce(T, StepWrite<K>) -> W,
    ) -> Result<(W, Ticket), Missing> {
        self.step_in_slot_and_write(
            || self.find(id),
            |slot, env, out| act(slot.used(), env, out),
            |hosted, slot, result, out| write(result, self.begin_write(hosted, slot, out)),
        )
    }

    /// As [`Shell::step`] of a machine that exists, by its id in any form. Of kinds whose machines do not rest.
    ///
    /// # Errors
    /// As [`Shell::step`].
    pub(crate) fn step_known<Q, T>(
        &self,
        id: &Q,
        act: impl FnOnce(&mut K::Machine, EnvOf<'_, K>, &mut OutcomeOf<K>) -> T,
    ) -> Result<(T, Ticket), Missing>
    where
        Id<K>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.step_in_slot(|| self.find_loaded(id), |slot, env, out| act(&mut slot.machine, env, out))
    }

    /// A step on every machine.
    /// One machine after the other, each with a write of its own. Machines that are created meanwhile may be
    /// left out.
    pub(crate) fn step_all(&self, act: impl Fn(&mut K::Machine, EnvOf<'_, K>, &mut OutcomeOf<K>)) {
        // The map's lock ends here: a step takes a machine's lock first and then, to remove the machine, the map's.
        let ids: Vec<Id<K>> = self.machines.read().by_id.keys().cloned().collect();
        for id in ids {
            // One that has gone meanwhile needs no step.
            drop(self.step(&id, false, &act));
        }
    }

    /// Looks at a machine.
    ///
    /// # Errors
    /// If there is none that could be looked at.
    /// Under its lock, so `look` must be short. What it shows may not be durable before the ticket is.
    pub(crate) fn view<T>(
        &self,
        id: &Id<K>,
        look: impl FnOnce(&K::Machine) -> T,
    ) -> Result<(T, Ticket), Missing> {
        let hosted = self.find(id)?;
        let slot = hosted.lock();
        if slot.removed { Err(Missing::Absent) } else { Ok((look(&slot.machine), hosted.ticket(&slot))) }
    }

    /// Looks at every machine that is in memory, in no order, as [`Shell::view`].
    /// Each under its own lock: together they are no snapshot of one moment.
    pub(crate) fn view_all<T>(&self, look: impl Fn(&K::Machine) -> T) -> Vec<(T, Ticket)> {
        // The map's lock ends here, see `step_all`.
        let hosted: Vec<_> = self.machines.read().by_id.values().cloned().collect();
        let look = |hosted: &Arc<Hosted<K>>| {
            let slot = hosted.lock();
            (!slot.removed).then(|| (look(&slot.machine), hosted.ticket(&slot)))
        };
        hosted.iter().filter_map(look).collect()
    }

    /// The step itself, with its write. See [`Shell::step_in_slot_and_write`].
    pub(super) fn step_in_slot<T>(
        &self,
        find: impl Fn() -> Result<Arc<Hosted<K>>, Missing>,
        act: impl FnOnce(&mut Slot<K>, EnvOf<'_, K>, &mut OutcomeOf<K>) -> T,
    ) -> Result<(T, Ticket), Missing> {
        self.step_in_slot_and_write(find, act, |hosted, slot, result, out| {
            self.carry_out(hosted, slot, out);
            result
        })
    }

    /// The step itself and then its write, under the machine's lock: writes have to be queued in the order of the steps.
    /// The loop ends: a machine that was removed is out of the map.
    pub(super) fn step_in_slot_and_write<T, W>(
        &self,
        find: impl Fn() -> Result<Arc<Hosted<K>>, Missing>,
        act: impl FnOnce(&mut Slot<K>, EnvOf<'_, K>, &mut OutcomeOf<K>) -> T,
        write: impl FnOnce(&Hosted<K>, &mut Slot<K>, T, OutcomeOf<K>) -> W,
    ) -> Result<(W, Ticket), Missing> {
        loop {
            let hosted = find()?;
            let mut slot = hosted.lock();
            // Removed after it was found, and out of the map by now: look again.
            if slot.removed {
                continue;
            }
            let mut out = Outcome::default();
            let result = self.kind.in_env(&hosted.id, self.now(), |env| act(&mut slot, env, &mut out));
            if let Some(too_long) = out.too_long {
                self.set_aside(&hosted.id, &mut slot, too_long);
                return Err(Missing::Unreadable);
            }
            let result = write(&hosted, &mut slot, result, out);
            self.remove_if_forgettable(&hosted, &mut slot);
            let ticket = hosted.ticket(&slot);
            return Ok((result, ticket));
        }
    }

    /// Sets the alarm of a step, begins its write, and has its replies sent once everything so far is durable.
    /// Called under the machine's lock.
    pub(super) fn carry_out(&self, hosted: &Hosted<K>, slot: &mut Slot<K>, out: OutcomeOf<K>) {
        self.write_step(self.begin_write(hosted, slot, out));
    }

    /// Begins the write of a step, if it has anything to write. Called under the machine's lock.
    pub(super) fn write_step(&self, step: StepWrite<K>) {
        if !step.is_empty() {
            self.kind.write(&*self.log, step);
        }
    }

    /// Sets the alarm of a step and takes the place of its write, which the caller begins before it gives up the machine's
    /// lock. Its replies are sent once everything so far is durable.
    pub(super) fn begin_write(
        &self,
        hosted: &Hosted<K>,
        slot: &mut Slot<K>,
        mut out: OutcomeOf<K>,
    ) -> StepWrite<K> {
        self.wake_to_rest(slot, &mut out);
        if let Some(alarm) = slot.note_alarm(&out) {
            self.alarms.set(alarm);
        }
        self.take_place(hosted, slot, out)
    }

    /// As [`Shell::begin_write`], without the alarm.
    pub(super) fn take_place(
        &self,
        hosted: &Hosted<K>,
        slot: &mut Slot<K>,
        out: OutcomeOf<K>,
    ) -> StepWrite<K> {
        let Outcome { records, effects, replies, .. } = out;
        self.kind.account(&mut slot.account, &slot.machine);
        let writes = !records.is_empty() || !effects.is_empty();
        // A step without a write is told once those before it are durable: a reply must not show what a crash could take back.
        slot.written += u64::from(writes);
        let place = slot.written;
        for reply in replies {
            if let Some(delivery) = K::deliver(&mut slot.waiting, reply) {
                hosted.durability.deliver(place, delivery);
            }
        }
        let written = if writes { hosted.ended(place) } else { Box::new(|_| {}) };
        StepWrite { term: hosted.term, records, effects, written }
    }

    pub(super) fn now(&self) -> Now {
        let monotonic_ms = u64::try_from(self.clock.monotonic().as_millis())
            .expect("a process does not run for 600 million years");
        Now { monotonic_ms, unix_ms: self.clock.now_ms(), open_ms: self.log.open_ms() }
    }
}
