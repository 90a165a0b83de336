//! The writer's queue: bounded, in order, and whatever is put into it is answered, by a refusal if the writer has ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, Select, Sender, bounded};

use crate::writer::{Command, refuse};

/// Commands that may wait for the writer before callers wait for it.
const CAPACITY: usize = 16 << 10;

/// Both ends. Clones share the queue.
#[derive(Clone)]
pub(crate) struct CommandQueue {
    sender: Sender<Command>,
    receiver: Receiver<Command>,
    closed: Arc<AtomicBool>,
}

impl CommandQueue {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = bounded(CAPACITY);
        Self { sender, receiver, closed: Arc::default() }
    }

    /// Puts a command behind all others; waits while the queue is full.
    pub(crate) fn send(&self, command: Command) {
        match self.sender.send(command) {
            // Put in before it is looked: the one who closes finds it, or this sees that it is closed.
            Ok(()) if self.closed.load(Ordering::SeqCst) => self.refuse_all(),
            Ok(()) => {}
            Err(refused) => refuse(refused.into_inner()),
        }
    }

    /// Takes the first command.
    pub(crate) fn take(&self) -> Option<Command> {
        self.receiver.try_recv().ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Waits for a command and leaves it where it is; false if none came.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let mut queue = Select::new();
        queue.recv(&self.receiver);
        queue.ready_timeout(at_most).is_ok()
    }

    /// The writer has ended: refuses what is queued and what is yet to come.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.refuse_all();
    }

    fn refuse_all(&self) {
        while let Some(command) = self.take() {
            refuse(command);
        }
    }
}
