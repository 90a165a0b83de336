//! Leadership of the shard: every partition of the folder and its coordinators' records are led together, or not at all.
//!
//! Calls have an order of their own, which is that of their commands in the writer's queue: a take-over that becomes durable after a
//! later call has begun changes nothing any more.

use std::sync::Arc;

use parking_lot::Mutex;

use super::leadership::{LeaderState, Leadership};
use crate::{Catalog, StorageError, log::leader_epoch};

/// Is told after each change of the shard's leadership, on the thread that made it: must not block.
pub(crate) type LeadWatcher = Arc<dyn Fn() + Send + Sync>;

/// The shard as the writer has it: ahead of [`ShardLeadership`] until the next sync.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardTerm {
    /// The created epoch of new topics. A take-over raises it.
    pub(crate) epoch: u32,
    /// New partitions are led here at once.
    pub(crate) led: bool,
}

/// Leadership of the shard.
pub(crate) struct ShardLeadership {
    leadership: Leadership,
    /// Number of the last call. Locked while a call takes its place in the queue, and while its outcome takes effect.
    last_call: Mutex<u64>,
    watchers: Mutex<Vec<LeadWatcher>>,
}

impl ShardLeadership {
    /// Led here, in `epoch`.
    pub(crate) fn new(epoch: u32) -> Self {
        Self { leadership: Leadership::new(epoch), last_call: Mutex::new(0), watchers: Mutex::default() }
    }

    /// The epoch of the last take-over, or of the start.
    pub(crate) fn epoch(&self) -> u32 {
        self.leadership.epoch()
    }

    /// The epoch in which it is led here.
    ///
    /// # Errors
    /// `NotLeader`: it was given up. `Unavailable`: it is being taken over.
    pub(crate) fn led_epoch(&self) -> Result<u32, StorageError> {
        match self.leadership.now() {
            (LeaderState::Led, epoch) => Ok(epoch),
            (LeaderState::TakingOver, _) => Err(StorageError::Unavailable),
            (LeaderState::Resigned | LeaderState::Deleted, _) => Err(StorageError::NotLeader),
        }
    }

    /// Tells `watcher` of every change from now on.
    pub(crate) fn watch(&self, watcher: LeadWatcher) {
        self.watchers.lock().push(watcher);
    }

    /// Begins to lead or stops to, with the partitions of `catalog`; `send` puts the command for it into the queue.
    /// It stops at once, and leads once [`Self::finish`] says so.
    pub(crate) fn begin(&self, lead: bool, catalog: &Catalog, send: impl FnOnce(u64)) {
        {
            let mut last_call = self.last_call.lock();
            *last_call += 1;
            if lead {
                self.leadership.begin_take_over();
                partitions(catalog, |partition, _| partition.begin_take_over());
            } else {
                self.resign(catalog);
            }
            send(*last_call);
        }
        self.tell();
    }

    /// The command of a call is durable, or (`Err`) will never be. `epoch`: the one in which to lead; `None`: it was to stop.
    ///
    /// # Errors
    /// It was to lead, and does not: the command failed, or a later call came first.
    pub(crate) fn finish(
        &self,
        call: u64,
        epoch: Option<u32>,
        catalog: &Catalog,
        durable: Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        {
            let last_call = self.last_call.lock();
            match (&durable, epoch) {
                (Ok(()), Some(epoch)) if *last_call == call => {
                    self.leadership.take_over(epoch);
                    partitions(catalog, |partition, created_epoch| {
                        partition.take_over(leader_epoch(epoch, created_epoch));
                    });
                }
                (Ok(()), Some(_)) => return self.led_epoch().map(|_| ()),
                (Ok(()), None) if *last_call != call => return Ok(()),
                // Again: with the topics that were created between the call and its command.
                _ => self.resign(catalog),
            }
        }
        self.tell();
        durable
    }

    /// The shard first, so that nothing is written to it any more.
    fn resign(&self, catalog: &Catalog) {
        self.leadership.resign();
        partitions(catalog, |partition, _| partition.resign());
    }

    fn tell(&self) {
        // Without the lock: a watcher may ask, or add another one.
        let watchers = self.watchers.lock().clone();
        watchers.iter().for_each(|watcher| watcher());
    }
}

/// Calls `each` with every partition and the created epoch of its topic.
fn partitions(catalog: &Catalog, each: impl Fn(&crate::Partition, u32)) {
    for topic in catalog.topics() {
        topic.partitions.iter().for_each(|partition| each(partition, topic.created_epoch));
    }
}
