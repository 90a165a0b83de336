//! Requests that wait for their reply: the sender of each, by its waiter.

use std::collections::HashMap;

use coordinator::state_machine::Waiter;
use tokio::sync::oneshot;

use super::durability::Delivery;

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

    /// The delivery of a reply. `None`: no request waits for it any more.
    pub(crate) fn deliver(&mut self, waiter: Waiter<T>, reply: T) -> Option<Delivery> {
        let sender = self.0.remove(&waiter)?;
        // A client that has gone needs no reply.
        Some(Box::new(move || drop(sender.send(reply))))
    }
}
