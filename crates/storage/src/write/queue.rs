//! The writer's queue: bounded and in order. Every command in it is answered, by a refusal if the writer has ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, Select, Sender, TrySendError, bounded};

use crate::{
    clock,
    metrics::Counters,
    write::command::{WriteCommand, refuse},
};

/// Commands that may wait for the writer before callers wait for it.
const CAPACITY: usize = 16 << 10;

/// Both ends. Clones share the queue.
#[derive(Clone)]
pub(crate) struct CommandQueue {
    sender: Sender<WriteCommand>,
    receiver: Receiver<WriteCommand>,
    /// The writer has ended; never reset.
    closed: Arc<AtomicBool>,
    /// Counts the waits for room.
    counters: Arc<Counters>,
}

impl CommandQueue {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self::with_capacity(CAPACITY, counters)
    }

    fn with_capacity(capacity: usize, counters: Arc<Counters>) -> Self {
        let (sender, receiver) = bounded(capacity);
        Self { sender, receiver, closed: Arc::default(), counters }
    }

    /// Adds a command after all others; waits while the queue is full.
    /// If the writer has ended, the command is refused on this thread.
    pub(crate) fn send(&self, command: impl Into<WriteCommand>) {
        let sent = match self.sender.try_send(command.into()) {
            Err(TrySendError::Full(command)) => {
                let full = clock::now();
                let sent = self.sender.send(command);
                self.counters.waited_for_queue(clock::since(full));
                sent.map_err(|unsent| unsent.into_inner())
            }
            Err(TrySendError::Disconnected(command)) => Err(command),
            Ok(()) => Ok(()),
        };
        match sent {
            // Looked at after the command is in the queue: either `close` finds it there, or this thread sees that the
            // queue is closed.
            Ok(()) if self.closed.load(Ordering::SeqCst) => self.refuse_all(),
            Ok(()) => {}
            Err(command) => refuse(command),
        }
    }

    /// Commands that wait.
    pub(crate) fn len(&self) -> usize {
        self.receiver.len()
    }

    /// Takes the first command.
    pub(crate) fn take(&self) -> Option<WriteCommand> {
        self.receiver.try_recv().ok()
    }

    /// No command waits; one may arrive at any moment.
    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Waits for a command and leaves it where it is; false if none came.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        // A `recv_timeout` would take the command before the lock of the writer is held.
        let mut queue = Select::new();
        queue.recv(&self.receiver);
        queue.ready_timeout(at_most).is_ok()
    }

    /// The writer has ended: refuses all commands, queued or later.
    pub(crate) fn close(&self) {
        // Before the queue is emptied: see `send`.
        self.closed.store(true, Ordering::SeqCst);
        self.refuse_all();
    }

    fn refuse_all(&self) {
        while let Some(command) = self.take() {
            refuse(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_caller_that_waits_for_room_is_counted() {
        let counters = Arc::new(Counters::default());
        let queue = CommandQueue::with_capacity(2, Arc::clone(&counters));
        let command = || WriteCommand::Flush;
        queue.send(command());
        queue.send(command());
        assert_eq!((queue.len(), counters.snapshot(0).queue_stalls.count), (2, 0));
        let late = queue.clone();
        #[allow(clippy::disallowed_methods, reason = "a test's own thread")]
        let taker = thread::spawn(move || {
            thread::sleep(Duration::from_millis(60));
            late.take().is_some()
        });
        queue.send(command());
        assert!(taker.join().unwrap());
        let stalls = counters.snapshot(0).queue_stalls;
        assert!(stalls.count == 1 && stalls.sum_seconds >= 0.05, "{stalls:?}");
    }
}
