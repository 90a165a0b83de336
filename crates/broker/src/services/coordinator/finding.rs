//! Finding machines: those of the present term of the log, and no other.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use coordinator::state_machine::StateMachine as _;

use super::hosted::Hosted;
use super::kind::{Id, Kind};
use super::log::NotLed;
use super::shell::{Missing, Shell};

impl<K: Kind> Shell<K> {
    /// The machine of that id.
    pub(super) fn find(&self, id: &Id<K>) -> Result<Arc<Hosted<K>>, Missing> {
        if K::Machine::RESTS { self.find_at_rest(id, false) } else { self.find_loaded(id) }
    }

    /// The machine in memory of that id, in any form of it.
    pub(super) fn find_loaded<Q>(&self, id: &Q) -> Result<Arc<Hosted<K>>, Missing>
    where
        Id<K>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let term = self.log.term()?;
        let machines = self.machines.read();
        // After a take-over the machines of an earlier term may still be there: they may be older than what is stored.
        if machines.term != Some(term) {
            return Err(Missing::Loading);
        }
        machines.by_id.get(id).cloned().ok_or_else(|| self.missing(id))
    }

    /// The machines can be asked.
    ///
    /// # Errors
    /// `NotCoordinator` or `Loading`.
    pub(crate) fn ensure_loaded(&self) -> Result<(), Missing> {
        let term = self.log.term()?;
        if self.is_loaded_in(term) { Ok(()) } else { Err(Missing::Loading) }
    }

    pub(super) fn is_loaded_in(&self, term: u32) -> bool {
        self.machines.read().term == Some(term)
    }

    /// The present term of the log.
    pub(super) fn term(&self) -> Result<u32, NotLed> {
        self.log.term()
    }

    /// True if records of that machine cannot be read.
    pub(super) fn is_unreadable<Q>(&self, id: &Q) -> bool
    where
        Id<K>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.unreadable.read().contains_key(id)
    }

    /// True if there is a machine whose records cannot be read.
    pub(super) fn has_unreadable(&self) -> bool {
        !self.unreadable.read().is_empty()
    }

    fn missing<Q>(&self, id: &Q) -> Missing
    where
        Id<K>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if self.is_unreadable(id) { Missing::Unreadable } else { Missing::Absent }
    }

    /// The machine, or a new one that is in the map from now on.
    pub(super) fn find_or_create(&self, id: &Id<K>) -> Result<Arc<Hosted<K>>, Missing> {
        if K::Machine::RESTS {
            return self.find_at_rest(id, true);
        }
        match self.find_loaded(id) {
            Err(Missing::Absent) => {}
            found => return found,
        }
        self.create(id)
    }

    /// A machine that was not found: a new one, unless another step has created it, or set it aside, meanwhile.
    pub(super) fn create(&self, id: &Id<K>) -> Result<Arc<Hosted<K>>, Missing> {
        let term = self.log.term()?;
        let mut machines = self.machines.write();
        if machines.term != Some(term) {
            return Err(Missing::Loading);
        }
        // Again, under the map's lock: a machine that is set aside is unreadable before it leaves the map. A new one
        // beside its records would answer as if they did not exist.
        if self.is_unreadable(id) {
            return Err(Missing::Unreadable);
        }
        let new = || Arc::new(Hosted::new(K::Machine::new(id.clone(), self.now()), term));
        Ok(Arc::clone(machines.by_id.entry(id.clone()).or_insert_with(new)))
    }
}
