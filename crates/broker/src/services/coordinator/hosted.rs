//! One machine as the shell keeps it: under its lock, with the requests that wait for it and its place in the log.

use std::sync::Arc;

use coordinator::state_machine::StateMachine as _;
use parking_lot::{Mutex, MutexGuard};

use super::alarms::{Alarm, NewAlarm};
use super::durability::{Durability, Ticket};
use super::kind::{Id, Kind, OutcomeOf};
use super::log::Written;

/// A machine with its surroundings.
pub(super) struct Hosted<K: Kind> {
    /// That of the machine.
    pub(super) id: Id<K>,
    slot: Mutex<Slot<K>>,
    /// The term of the log in which it was loaded or created: it writes in no other.
    pub(super) term: u32,
    /// Outside the lock, since a write ends on a thread that may hold it already.
    pub(super) durability: Arc<Durability>,
    /// Of announcements, which have places of their own: they end before older writes that wait for a sync.
    announcements: Arc<Durability>,
}

/// The data that a machine's lock protects.
pub(super) struct Slot<K: Kind> {
    pub(super) machine: K::Machine,
    /// Dropped with the machine, which ends these requests without a reply.
    pub(super) waiting: K::Waiting,
    /// The alarm that is set for this machine, the only one: monotonic milliseconds. One that went off with another time is
    /// ignored.
    pub(super) alarm: Option<u64>,
    /// No longer in the map: a caller that still holds it looks again.
    pub(super) removed: bool,
    /// Writes begun so far: the place of the last one.
    /// 0: none, so nothing needs to be awaited.
    pub(super) written: u64,
    /// Announcements begun so far: the place of the last one.
    announced: u64,
    /// A request has taken a step since the alarm went off last. Of kinds whose machines rest.
    pub(super) used: bool,
    /// For how long none has, as the alarms tell, ms.
    pub(super) idle_ms: u32,
    pub(super) account: K::Account,
}

impl<K: Kind> Slot<K> {
    /// Notes the alarm of a step, if it is the machine's earliest; the caller sets it.
    pub(super) fn note_alarm(&mut self, out: &OutcomeOf<K>) -> Option<NewAlarm<Id<K>>> {
        let at = out.wake_at.filter(|at| self.alarm.is_none_or(|alarm| *at < alarm))?;
        let replaced = self.take_alarm();
        self.alarm = Some(at);
        Some(NewAlarm { alarm: Alarm { at, id: self.machine.id().clone() }, replaced })
    }

    /// The machine, for a step of a request.
    pub(super) fn used(&mut self) -> &mut K::Machine {
        self.used = true;
        &mut self.machine
    }

    /// The alarm that is set for the machine, which has none from now on.
    pub(super) fn take_alarm(&mut self) -> Option<Alarm<Id<K>>> {
        self.alarm.take().map(|at| Alarm { at, id: self.machine.id().clone() })
    }
}

impl<K: Kind> Hosted<K> {
    pub(super) fn new(machine: K::Machine, term: u32) -> Hosted<K> {
        let (id, waiting) = (machine.id().clone(), K::Waiting::default());
        let slot = Slot {
            machine,
            waiting,
            alarm: None,
            removed: false,
            written: 0,
            announced: 0,
            used: false,
            idle_ms: 0,
            account: K::Account::default(),
        };
        Hosted { id, slot: Mutex::new(slot), term, durability: Arc::default(), announcements: Arc::default() }
    }

    /// Held for one step or one look, never over an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, Slot<K>> {
        self.slot.lock()
    }

    /// Takes the outcome of the write at that place.
    /// A write may end on any thread, also on one that holds the machine's lock: so this takes no lock of the machine.
    pub(super) fn ended(&self, place: u64) -> Written {
        let durability = Arc::clone(&self.durability);
        Box::new(move |outcome| durability.ended(place, outcome))
    }

    /// Takes the place of an announcement, and its outcome.
    pub(super) fn announced(&self, slot: &mut Slot<K>) -> Written {
        slot.announced += 1;
        let (announcements, place) = (Arc::clone(&self.announcements), slot.announced);
        Box::new(move |outcome| announcements.ended(place, outcome))
    }

    /// All that the machine wrote and announced has ended well.
    pub(super) fn is_settled(&self, slot: &Slot<K>) -> bool {
        self.durability.is_settled(slot.written) && self.announcements.is_settled(slot.announced)
    }

    /// Everything that the machine has begun to write by now.
    pub(super) fn ticket(&self, slot: &Slot<K>) -> Ticket {
        let announced = (slot.announced > 0).then(|| (Arc::clone(&self.announcements), slot.announced));
        Ticket::new(&self.durability, slot.written, announced, self.term)
    }
}
