//! Loading: machines are built from their records, kind by kind, at the start and after every take-over of the log; and unloading,
//! when the log is given up.
//!
//! A machine with a record that cannot be read is set aside whole: to go on without its record would give its clients wrong
//! offsets or wrong members. Requests for it are refused until a broker starts that can read it, or until an operator
//! deletes it, records and all.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use coordinator::record_kinds::RecordKind;
use coordinator::state_machine::{Now, Outcome, Record, RecordError, StateMachine};

use super::durability::Ticket;
use super::hosted::Hosted;
use super::kind::{Id, Kind, OutcomeOf};
use super::log::Written;
use super::shell::{Machines, Shell};

/// Machines in the course of loading.
struct Loading<K: Kind> {
    /// The same for all machines.
    now: Now,
    /// With the wake-ups that replaying its records has asked for.
    machines: HashMap<Id<K>, (K::Machine, OutcomeOf<K>)>,
    /// The keys of all its records, also of those that can be read: deleting it removes them all.
    unreadable: HashMap<Id<K>, Vec<Bytes>>,
    /// Machines that rest: their records can be read, and they are not kept.
    resting: usize,
}

impl<K: Kind> Shell<K> {
    /// Builds the machines from what storage holds in `term`, while none are loaded; blocks. `scan` calls its second argument with
    /// every key and value that begins with the first, in key order. Sessions start now. Requests are answered once all machines are
    /// there.
    ///
    /// # Errors
    /// If storage cannot be read.
    pub(crate) fn load<E>(
        &self,
        term: u32,
        scan: impl Fn(&[u8], &mut dyn FnMut(&[u8], &[u8])) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut loading: Loading<K> =
            Loading { now: self.now(), machines: HashMap::new(), unreadable: HashMap::new(), resting: 0 };
        for kind in K::Machine::RECORDS {
            scan(&[kind.number()], &mut |key, value| loading.take(*kind, key, value))?;
        }
        // A second pass, only when needed: keys may come before the record that cannot be read.
        if !loading.unreadable.is_empty() {
            for kind in K::Machine::RECORDS {
                scan(&[kind.number()], &mut |key, _| loading.note_unreadable(key))?;
            }
        }
        let Loading { now, machines, unreadable, resting } = loading;
        tracing::info!(
            loaded = machines.len(),
            resting,
            unreadable = unreadable.len(),
            kind = K::NAME,
            "coordinator loaded"
        );
        *self.unreadable.write() = unreadable;
        self.kind.counted(machines.len() + resting);
        let (mut by_id, mut alarms) = (HashMap::new(), Vec::new());
        for (id, (mut machine, mut out)) in machines {
            // Sessions begin now: the time for which no broker led them counts against no member.
            self.kind.in_env(&id, now, |env| machine.start(env, &mut out));
            let hosted = Arc::new(Hosted::new(machine, term));
            let mut slot = hosted.lock();
            slot.account = self.kind.account_of_stored(&slot.machine);
            alarms.extend(slot.note_alarm(&out));
            self.write_step(self.take_place(&hosted, &mut slot, out));
            drop(slot);
            by_id.insert(id, hosted);
        }
        let removals = self.machines.read().removals;
        *self.machines.write() = Machines { term: Some(term), by_id, removals };
        // Only now: an alarm that goes off before its machine is there is lost.
        alarms.into_iter().for_each(|alarm| self.alarms.set(alarm));
        Ok(())
    }

    /// Drops all machines, and with them the senders of replies: requests that wait get none. Those that come are refused until machines are loaded again.
    pub(crate) fn unload(&self) {
        let machines = {
            let mut machines = self.machines.write();
            let removals = machines.removals + 1;
            std::mem::replace(&mut *machines, Machines { removals, ..Machines::default() })
        };
        self.unreadable.write().clear();
        self.alarms.clear();
        for hosted in machines.by_id.values() {
            // Waits for a step under way: one that has found the machine before sees that it was removed.
            hosted.lock().removed = true;
        }
        // After the last step of each.
        self.kind.counted(0);
        if machines.term.is_some() {
            tracing::info!(unloaded = machines.by_id.len(), kind = K::NAME, "coordinator unloaded");
        }
    }

    /// Deletes the records of a machine that could not be read. `None`: there is none to be deleted.
    pub(crate) fn discard(&self, id: &Id<K>) -> Option<Ticket> {
        self.discard_and_write(id, |term, records, written| self.log.write(term, records, written))
    }

    /// As [`Shell::discard`]. `write` gets the term and the removals, which it writes before it returns. It must not take the lock
    /// of a machine of this kind: one may wait for this one's.
    pub(super) fn discard_and_write(
        &self,
        id: &Id<K>,
        write: impl FnOnce(u32, Vec<Record>, Written),
    ) -> Option<Ticket> {
        let term = self.term().ok()?;
        // The lock is held until the write has its place: a new machine of that id writes after it.
        let mut unreadable = self.unreadable.write();
        if unreadable.get(id)?.is_empty() {
            // Set aside since its start: a restart can read it.
            return None;
        }
        let keys = unreadable.remove(id)?;
        tracing::warn!(%id, kind = K::NAME, records = keys.len(), "unreadable records are deleted as a client asks");
        let hosted = Hosted::<K>::new(K::Machine::new(id.clone(), self.now()), term);
        let mut slot = hosted.lock();
        slot.written += 1;
        write(term, keys.into_iter().map(removal).collect(), hosted.ended(slot.written));
        Some(hosted.ticket(&slot))
    }

    /// The keys of machines that could not be read.
    pub(super) fn unreadable_keys(&self, is_meant: impl Fn(&Id<K>) -> bool) -> Vec<Bytes> {
        let unreadable = self.unreadable.read();
        unreadable.iter().filter(|(id, _)| is_meant(id)).flat_map(|(_, keys)| keys.iter().cloned()).collect()
    }

    /// The removals of some records of a machine that could not be read; the caller writes them.
    pub(super) fn remove_unreadable(&self, id: &Id<K>, is_meant: impl Fn(&[u8]) -> bool) -> Vec<Record> {
        let mut unreadable = self.unreadable.write();
        let Some(keys) = unreadable.get_mut(id).filter(|keys| !keys.is_empty()) else { return Vec::new() };
        let removed: Vec<Bytes> = keys.extract_if(.., |key| is_meant(key)).collect();
        // Nothing of it is left, so nothing of it cannot be read.
        if keys.is_empty() {
            unreadable.remove(id);
        }
        removed.into_iter().map(removal).collect()
    }
}

fn removal(key: Bytes) -> Record {
    Record { key, value: None }
}

impl<K: Kind> Loading<K> {
    /// Replays one record, or sets its machine aside.
    fn take(&mut self, kind: RecordKind, key: &[u8], value: &[u8]) {
        let id = match K::Machine::owner(key) {
            Ok(id) => id,
            Err(error) => return refused(kind, key, None::<&Id<K>>, &error),
        };
        // A later record must not begin the machine again: it would lack the state of the earlier ones.
        if self.unreadable.contains_key(&id) {
            return;
        }
        let now = self.now;
        let (machine, out) = self
            .machines
            .entry(id.clone())
            .or_insert_with_key(|id| (K::Machine::new(id.clone(), now), Outcome::default()));
        if let Err(error) = machine.replay(now, key, value, out) {
            refused(kind, key, Some(&id), &error);
            self.machines.remove(&id);
            // Its keys are collected in a second pass: some were replayed already, and are not kept.
            self.unreadable.insert(id, Vec::new());
        } else if K::Machine::RESTS && machine.rests_after_ms().is_some() {
            self.machines.remove(&id);
            self.resting += 1;
        }
    }

    /// Keeps a key of a machine that was set aside.
    fn note_unreadable(&mut self, key: &[u8]) {
        let id = K::Machine::owner(key).ok();
        if let Some(keys) = id.and_then(|id| self.unreadable.get_mut(&id)) {
            keys.push(Bytes::copy_from_slice(key));
        }
    }
}

/// An error in the log, with the key in readable form.
fn refused<I: std::fmt::Display>(kind: RecordKind, key: &[u8], id: Option<&I>, error: &RecordError) {
    let key = key.escape_ascii();
    let kind = kind.name();
    match id {
        Some(id) => {
            tracing::error!(%id, kind, %key, %error, "a stored record cannot be read; requests for its owner are refused")
        }
        None => {
            tracing::error!(kind, %key, %error, "a stored record cannot be read, nor whose it is; it is left alone")
        }
    }
}
