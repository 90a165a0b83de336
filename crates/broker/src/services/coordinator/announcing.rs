//! Steps that announce: their records mean nothing until the machine writes something else after them.
//!
//! They are told once the operating system has their records. The sync of what is written later covers them, since the log keeps the
//! order (ADR 13).

use super::durability::Ticket;
use super::hosted::{Hosted, Slot};
use super::kind::{EnvOf, Id, Kind, OutcomeOf};
use super::shell::{Missing, Shell};

impl<K: Kind> Shell<K> {
    /// As [`Shell::step`], of a step whose records mean nothing until the machine writes something else after them: the ticket waits
    /// until the operating system has them. Everything that was written before them must be durable all the same.
    ///
    /// # Errors
    /// As [`Shell::step`].
    pub(crate) fn step_announcing<T>(
        &self,
        id: &Id<K>,
        act: impl FnOnce(&mut K::Machine, EnvOf<'_, K>, &mut OutcomeOf<K>) -> T,
    ) -> Result<(T, Ticket), Missing> {
        self.step_in_slot_and_write(
            || self.find(id),
            |slot, env, out| act(slot.used(), env, out),
            |hosted, slot, result, out| {
                self.announce(hosted, slot, out);
                result
            },
        )
    }

    /// As [`Shell::carry_out`], for a step that announces. One that does more than write records is carried out as any other.
    fn announce(&self, hosted: &Hosted<K>, slot: &mut Slot<K>, mut out: OutcomeOf<K>) {
        if !out.effects.is_empty() || !out.replies.is_empty() {
            return self.carry_out(hosted, slot, out);
        }
        self.kind.account(&mut slot.account, &slot.machine);
        self.wake_to_rest(slot, &mut out);
        if let Some(alarm) = slot.note_alarm(&out) {
            self.alarms.set(alarm);
        }
        let records = std::mem::take(&mut out.records);
        if !records.is_empty() {
            self.log.announce(hosted.term, records, hosted.announced(slot));
        }
    }
}
