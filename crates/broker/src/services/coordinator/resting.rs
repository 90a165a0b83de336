//! Machines that rest: they are on the disk only, and are built from their records when they are asked for.
//!
//! A machine leaves the memory once no request has needed it for a while and all that it wrote is durable, so its records say what it
//! said. One that is looked for on the disk enters the map only if no machine has left it since the look began: its records may have
//! changed otherwise.

use std::sync::Arc;

use coordinator::state_machine::{Outcome, RecordError, StateMachine, TooLong};
use storage::StorageError;

use super::hosted::{Hosted, Slot};
use super::kind::{Id, Kind, OutcomeOf};
use super::shell::{Missing, Shell};
use crate::telemetry::line_limit::FAULTS;

/// The longest time between two looks at a machine that may rest, ms.
const LOOK_MS: u32 = 60_000;
/// With more machines in memory each rests after [`LOOK_MS`] at the latest.
const MANY: usize = 50_000;

/// The reason for which a machine cannot be built.
#[derive(Debug, thiserror::Error)]
enum NotBuilt {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl<K: Kind> Shell<K> {
    /// The machine of that id, from memory or from its records; a new one if there is none and `create` says so. May wait for the disk,
    /// for one record: as long as a small append does (ADR 4).
    pub(super) fn find_at_rest(&self, id: &Id<K>, create: bool) -> Result<Arc<Hosted<K>>, Missing> {
        loop {
            match self.find_loaded(id) {
                Err(Missing::Absent) => {}
                found => return found,
            }
            let (term, removals) = {
                let machines = self.machines.read();
                (machines.term.ok_or(Missing::Loading)?, machines.removals)
            };
            let stored = self.stored(id).map_err(|error| {
                if let Some(suppressed) = FAULTS.take("resting") {
                    tracing::error!(%id, kind = K::NAME, %error, suppressed, "stored records cannot be read");
                }
                Missing::Unreadable
            })?;
            let mut machines = self.machines.write();
            if machines.term != Some(term) {
                return Err(Missing::Loading);
            }
            // Found by another request meanwhile, or what was read may be old by now.
            if machines.removals != removals || machines.by_id.contains_key(id) {
                continue;
            }
            let (machine, out, is_stored) = match stored {
                Some((machine, out)) => (machine, out, true),
                None if create => (K::Machine::new(id.clone(), self.now()), Outcome::default(), false),
                None => return Err(Missing::Absent),
            };
            let hosted = Arc::new(Hosted::new(machine, term));
            // Before another thread can find it, so this waits for none, though the lock of the map is held.
            let mut slot = hosted.lock();
            machines.by_id.insert(id.clone(), Arc::clone(&hosted));
            drop(machines);
            if is_stored {
                slot.account = self.kind.account_of_stored(&slot.machine);
                let step = self.begin_write(&hosted, &mut slot, out);
                self.write_step(step);
            }
            drop(slot);
            return Ok(hosted);
        }
    }

    /// A machine with what its start asks for, from its records. `None`: there are none.
    #[allow(clippy::type_complexity, reason = "a machine and its outcome, said once")]
    fn stored(&self, id: &Id<K>) -> Result<Option<(K::Machine, OutcomeOf<K>)>, NotBuilt> {
        let keys = K::Machine::keys(id);
        let Some((first, others)) = keys.split_first() else { return Ok(None) };
        let Some(value) = self.log.record(first)? else { return Ok(None) };
        let now = self.now();
        let (mut machine, mut out) = (K::Machine::new(id.clone(), now), Outcome::default());
        machine.replay(now, first, &value, &mut out)?;
        // One that may rest has no other records.
        if machine.rests_after_ms().is_none() {
            for prefix in others {
                let mut replayed = Ok(());
                self.log.scan(prefix, prefix, &mut |key, value| {
                    replayed = machine.replay(now, key, value, &mut out);
                    replayed.is_ok()
                })?;
                replayed?;
            }
        }
        self.kind.in_env(id, now, |env| machine.start(env, &mut out));
        Ok(Some((machine, out)))
    }

    /// Asks for an alarm at which the machine may rest.
    pub(super) fn wake_to_rest(&self, slot: &Slot<K>, out: &mut OutcomeOf<K>) {
        if K::Machine::RESTS
            && !slot.removed
            && let Some(after_ms) = slot.machine.rests_after_ms()
        {
            out.wake(self.now().deadline(after_ms.min(LOOK_MS)));
        }
    }

    /// Drops a machine that no request has needed for as long as it asks for. Called when its alarm has gone off.
    pub(super) fn rest_if_idle(&self, id: &Id<K>) {
        if !K::Machine::RESTS {
            return;
        }
        let Ok(hosted) = self.find_loaded(id) else { return };
        let mut slot = hosted.lock();
        let Some(after_ms) = slot.machine.rests_after_ms().filter(|_| !slot.removed) else { return };
        if std::mem::take(&mut slot.used) {
            slot.idle_ms = 0;
            return;
        }
        slot.idle_ms = slot.idle_ms.saturating_add(after_ms.min(LOOK_MS));
        let is_crowded = || self.machines.read().by_id.len() > MANY && slot.idle_ms >= LOOK_MS;
        // What is on its way to the disk is not found there yet; and what failed must go on failing.
        if (slot.idle_ms >= after_ms || is_crowded()) && hosted.is_settled(&slot) {
            self.remove(id, &mut slot);
        }
    }

    /// Drops a machine that a later request may begin anew.
    /// Under the machine's lock, so that a caller who finds it removed does not find it in the map.
    pub(super) fn remove_if_forgettable(&self, hosted: &Hosted<K>, slot: &mut Slot<K>) {
        // The removal of its record may be on its way, and a look at the disk find the record: it goes later, as one that rests.
        let is_gone = || !K::Machine::RESTS || hosted.is_settled(slot);
        if slot.machine.is_forgettable() && is_gone() {
            self.remove(&hosted.id, slot);
        }
    }

    /// Takes a machine out whose step cannot be written: what is stored is older than what it says. Requests for it are
    /// refused until the next start, which finds it as it was before the step. Those that wait lose their reply.
    pub(super) fn set_aside(&self, id: &Id<K>, slot: &mut Slot<K>, too_long: TooLong) {
        tracing::error!(%id, kind = K::NAME, %too_long, "a step cannot be written; requests are refused until the next start");
        // Known as unreadable before it is missing, so that no new one is created in between.
        self.unreadable.write().insert(id.clone(), Vec::new());
        slot.waiting = K::Waiting::default();
        self.remove(id, slot);
    }

    /// Under the machine's lock.
    fn remove(&self, id: &Id<K>, slot: &mut Slot<K>) {
        slot.removed = true;
        {
            let mut machines = self.machines.write();
            machines.by_id.remove(id);
            machines.removals += 1;
        }
        if let Some(alarm) = slot.take_alarm() {
            self.alarms.remove(&alarm);
        }
    }
}

#[cfg(test)]
mod tests;
