//! One group as the shell keeps it: the state machine under its lock, those who wait for answers, and how far the
//! group's records are durable.

use std::{collections::HashMap, future::Future, pin::Pin, sync::Arc};

use coordinator::group::{GroupError, Reply, Waiter, machine::GroupMachine, records::Record};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{oneshot, watch};

/// Makes records durable, together. Its place in the order is taken when it is called, not when it is awaited.
pub(crate) type Journal = Box<dyn Fn(Vec<Record>) -> Writing + Send + Sync>;

/// A write under way. It goes on whether or not somebody waits for it.
pub(crate) type Writing = Pin<Box<dyn Future<Output = Result<(), JournalFailed>> + Send>>;

/// Records could not be made durable. The cause has been logged; what was not written yet never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the records of a group could not be written")]
pub(crate) struct JournalFailed;

/// A group with its surroundings.
pub(super) struct Hosted {
    slot: Mutex<Slot>,
    progress: watch::Sender<Progress>,
}

/// What a group's lock protects.
pub(super) struct Slot {
    pub(super) machine: GroupMachine,
    pub(super) answers: HashMap<Waiter, oneshot::Sender<Reply>>,
    /// The earliest alarm that is set for this group.
    pub(super) alarm: Option<u64>,
    /// No longer in the map: whoever still holds it looks again.
    pub(super) removed: bool,
    /// Writes begun so far.
    written: u64,
}

/// How many of the group's writes have ended.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    durable: u64,
    failed: bool,
}

/// What has to be durable before an answer may be given.
pub(super) struct Ticket {
    hosted: Arc<Hosted>,
    position: u64,
}

impl Hosted {
    pub(super) fn new(machine: GroupMachine) -> Hosted {
        let slot = Slot { machine, answers: HashMap::new(), alarm: None, removed: false, written: 0 };
        Hosted { slot: Mutex::new(slot), progress: watch::Sender::new(Progress::default()) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock()
    }

    /// Everything that the group has begun to write by now.
    pub(super) fn ticket(self: &Arc<Self>, slot: &Slot) -> Ticket {
        Ticket { hosted: Arc::clone(self), position: slot.written }
    }

    /// Takes the next place in the group's order of writes. The caller holds the lock and begins the write.
    pub(super) fn next_write(self: &Arc<Self>, slot: &mut Slot) -> Ticket {
        slot.written += 1;
        self.ticket(slot)
    }
}

impl Ticket {
    /// The write at this place has ended. Those before it have too, since the journal keeps the order.
    pub(super) fn ended(&self, outcome: Result<(), JournalFailed>) {
        self.hosted.progress.send_modify(|progress| {
            progress.durable = progress.durable.max(self.position);
            progress.failed |= outcome.is_err();
        });
    }

    /// Whether nothing needs to be waited for.
    pub(super) fn is_durable(&self) -> bool {
        let progress = *self.hosted.progress.borrow();
        progress.durable >= self.position && !progress.failed
    }

    /// Waits until everything up to this place is durable.
    ///
    /// # Errors
    /// `StorageFailed` if something of the group could not be written: nothing after it may be promised.
    pub(super) async fn durable(&self) -> Result<(), GroupError> {
        let mut progress = self.hosted.progress.subscribe();
        let reached = |progress: &Progress| progress.failed || progress.durable >= self.position;
        match progress.wait_for(reached).await {
            Ok(progress) if !progress.failed => Ok(()),
            _ => Err(GroupError::StorageFailed),
        }
    }
}
