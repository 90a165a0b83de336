//! Requests that wait for their reply: steps that begin a wait, the sender of each reply by its waiter, and the ends of a wait.

use std::{collections::HashMap, sync::atomic::Ordering};

use coordinator::state_machine::Waiter;
use tokio::sync::oneshot;

use super::durability::Delivery;
use super::kind::{EnvOf, Id, Kind, OutcomeOf};
use super::shell::{Missing, Shell};

/// The waiting requests whose replies have the type `T`.
pub(crate) struct Waiting<T>(HashMap<Waiter<T>, oneshot::Sender<T>>);

impl<T> Default for Waiting<T> {
    fn default() -> Waiting<T> {
        Waiting(HashMap::new())
    }
}

impl<T: Send + 'static> Waiting<T> {
    /// Lets a request wait; its reply comes out of what is returned.
    /// The receiver ends with an error if the reply is never sent.
    pub(super) fn add(&mut self, waiter: Waiter<T>) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.insert(waiter, sender);
        receiver
    }

    /// Requests that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The delivery of a reply. `None`: no request waits for it any more.
    pub(crate) fn deliver(&mut self, waiter: Waiter<T>, reply: T) -> Option<Delivery> {
        let sender = self.0.remove(&waiter)?;
        // A client that has gone needs no reply.
        Some(Box::new(move || drop(sender.send(reply))))
    }
}

/// A reply that a request waits for.
pub(crate) struct Awaited<T> {
    reply: oneshot::Receiver<T>,
    /// That of the machine.
    term: u32,
}

/// The reason for which a waiting request gets no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoReply {
    /// The broker stops.
    Stopping,
    /// This broker does not lead the log any more.
    Unloaded,
    /// The records of the reply could not be made durable.
    WriteFailed,
}

impl<K: Kind> Shell<K> {
    /// A step of a request that may wait. `among` chooses where it waits; the reply comes out of what is returned, see
    /// [`Shell::reply`].
    /// `act` answers by the waiter, in this step or a later one.
    ///
    /// # Errors
    /// As [`Shell::step`].
    pub(crate) fn step_and_wait<T: Send + 'static>(
        &self,
        id: &Id<K>,
        create: bool,
        among: impl FnOnce(&mut K::Waiting) -> &mut Waiting<T>,
        act: impl FnOnce(&mut K::Machine, EnvOf<'_, K>, Waiter<T>, &mut OutcomeOf<K>),
    ) -> Result<Awaited<T>, Missing> {
        // Named before the step, so that the machine can reply within it.
        // Relaxed: the number only has to be unique.
        let waiter = Waiter::new(self.waiters.fetch_add(1, Ordering::Relaxed));
        let find = || if create { self.find_or_create(id) } else { self.find(id) };
        let (reply, ticket) = self.step_in_slot(find, |slot, env, out| {
            let reply = among(&mut slot.waiting).add(waiter);
            act(&mut slot.machine, env, waiter, out);
            reply
        })?;
        Ok(Awaited { reply, term: ticket.term() })
    }

    /// Waits for a reply, or for the end of all waiting.
    ///
    /// # Errors
    /// `Stopping` after the end of all waiting; `Unloaded` if its machine was; `WriteFailed` if what the reply tells could not
    /// be made durable, or its machine was set aside.
    pub(crate) async fn reply<T>(&self, awaited: Awaited<T>) -> Result<T, NoReply> {
        let Awaited { reply, term } = awaited;
        let gone = |_| if self.log.term() == Ok(term) { NoReply::WriteFailed } else { NoReply::Unloaded };
        tokio::select! {
            biased;
            // A reply that is there goes out even while the broker stops.
            reply = reply => reply.map_err(gone),
            () = self.stop_waiting.cancelled() => Err(NoReply::Stopping),
        }
    }
}
