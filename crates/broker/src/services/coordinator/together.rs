//! A step of several machines whose records are written in one group, together with something else.
//!
//! The locks of the machines are taken in the order of their ids, so that two such steps never wait for each other. A caller that
//! holds the lock of a machine of another kind may take these after it, never the other way round.

use std::collections::BTreeSet;
use std::sync::Arc;

use coordinator::state_machine::{Outcome, Record};

use super::durability::Ticket;
use super::hosted::Hosted;
use super::kind::{EnvOf, Id, Kind, OutcomeOf};
use super::log::Written;
use super::shell::{Missing, Shell};

impl<K: Kind> Shell<K> {
    /// One step of each of these machines. `write` gets the records of all of them, perhaps none, and writes them before
    /// it returns; all machines are locked until then. The results are in the order of the ids.
    ///
    /// Machines that are missing take no step: with `create` they begin with it.
    pub(crate) fn step_together<T>(
        &self,
        ids: &BTreeSet<Id<K>>,
        create: bool,
        mut act: impl FnMut(&mut K::Machine, EnvOf<'_, K>, &mut OutcomeOf<K>) -> T,
        write: impl FnOnce(Vec<Record>, Written),
    ) -> Vec<Result<(T, Ticket), Missing>> {
        loop {
            let find = |id| if create { self.find_or_create(id) } else { self.find(id) };
            let found: Vec<Result<Arc<Hosted<K>>, Missing>> = ids.iter().map(find).collect();
            let mut slots: Vec<_> = found
                .iter()
                .map(|found| found.as_ref().map(|hosted| hosted.lock()).map_err(|e| *e))
                .collect();
            // Removed after it was found, and out of the map by now: look again.
            if slots.iter().flatten().any(|slot| slot.removed) {
                continue;
            }
            let (mut records, mut ends): (Vec<Record>, Vec<Written>) = (Vec::new(), Vec::new());
            let mut results = Vec::with_capacity(slots.len());
            for (hosted, slot) in found.iter().zip(&mut slots) {
                let (hosted, slot) = match (hosted, slot) {
                    (Ok(hosted), Ok(slot)) => (hosted, slot),
                    (Err(missing), _) => {
                        results.push(Err(*missing));
                        continue;
                    }
                    (Ok(_), Err(missing)) => {
                        results.push(Err(*missing));
                        continue;
                    }
                };
                let mut out = Outcome::default();
                let result =
                    self.kind.in_env(&hosted.id, self.now(), |env| act(&mut slot.machine, env, &mut out));
                if let Some(too_long) = out.too_long {
                    self.set_aside(&hosted.id, slot, too_long);
                    results.push(Err(Missing::Unreadable));
                    continue;
                }
                let step = self.begin_write(hosted, slot, out);
                if !step.is_empty() {
                    records.extend(step.records);
                    ends.push(step.written);
                }
                results.push(Ok((result, hosted.ticket(slot))));
            }
            write(records, Box::new(move |outcome| ends.into_iter().for_each(|ended| ended(outcome))));
            for (hosted, slot) in found.iter().flatten().zip(slots.iter_mut().flatten()) {
                if !slot.removed {
                    self.remove_if_forgettable(hosted, slot);
                }
            }
            return results;
        }
    }
}
