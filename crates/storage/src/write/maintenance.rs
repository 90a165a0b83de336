//! Work that would hold up the writer: creating and dropping column families. Also the timers that expire producers, and that store
//! the folder's clock while a transaction is open.
//!
//! The thread may wait for room in the writer's queue, so the writer never waits for the thread.

use std::{sync::Arc, time::Duration};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::{
    StorageError, clock,
    engine::Engine,
    log::GenerationNumber,
    options::saturating_ms,
    write::{
        command::{ShardCommand, WriteCommand},
        shared::Shared,
    },
};

/// How often the folder's clock is stored while a transaction is open: each crash makes its timeout later by
/// no more than that, so that three in a row leave it exact to a second.
const KEEP_TIME: Duration = Duration::from_millis(250);
/// Producers that the writer forgets in one command: appends wait for it.
const EXPIRED_AT_ONCE: usize = 500;

/// One task for the maintenance thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MaintenanceTask {
    /// Create the family of a generation, then tell the writer.
    Prepare(GenerationNumber),
    /// Drop the family of a generation that the state does not name any more.
    Drop(GenerationNumber),
    /// Wait for the flush that the writer began.
    FinishFlush,
    /// Store the folder's clock from now on, as long as a transaction is open or a caller holds it.
    KeepTime,
}

/// Queues a task; false if too many wait.
pub(crate) fn ask(tasks: &Sender<MaintenanceTask>, engine: &Engine, task: MaintenanceTask) -> bool {
    // Counted first: the thread may be done with it before this function goes on.
    engine.faults.task_queued();
    let asked = tasks.try_send(task).is_ok();
    if !asked {
        engine.faults.task_done();
    }
    asked
}

/// The thread for such work.
pub(crate) struct Maintenance {
    shared: Shared,
    tasks: Receiver<MaintenanceTask>,
}

impl Maintenance {
    pub(crate) fn new(shared: Shared, tasks: Receiver<MaintenanceTask>) -> Self {
        Self { shared, tasks }
    }

    /// Runs on its own thread until the writer and the syncer have ended.
    pub(crate) fn run(self) {
        // An interval of 0 would keep the thread busy.
        let interval =
            self.shared.options.producer_id_expiration_check_interval.max(Duration::from_millis(10));
        let mut tick = clock::now() + interval;
        // Also for transactions that the start found open.
        self.shared.time_keeping.set(true);
        self.keep_time();
        loop {
            let next =
                if self.shared.time_keeping.is_on() { tick.min(clock::now() + KEEP_TIME) } else { tick };
            match self.tasks.recv_deadline(next) {
                Ok(task) => self.run_task(task),
                Err(RecvTimeoutError::Timeout) if clock::now() < tick => self.keep_time(),
                Err(RecvTimeoutError::Timeout) => {
                    self.expire_producers();
                    tick = clock::now() + interval;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Has the writer store the folder's clock, if a transaction is open or a caller holds it; otherwise the next one asks for it.
    fn keep_time(&self) {
        let Shared { time_keeping, catalog, commands, engine, .. } = &self.shared;
        // Before the look: one that begins after it is not overlooked.
        time_keeping.set(false);
        let catalog = catalog.load();
        let mut partitions = catalog.topics().flat_map(|topic| &topic.partitions);
        // Walks of the model say themselves what is written.
        let is_open = time_keeping.is_held() || partitions.any(|partition| partition.is_unstable());
        if is_open && !engine.faults.tends_when_asked() {
            time_keeping.set(true);
            commands.send(WriteCommand::KeepTime);
        }
    }

    /// Does a task, and tells the writer if that has something to do after it. A failure is final, as that of
    /// a write is.
    fn run_task(&self, task: MaintenanceTask) {
        self.do_task(task);
        // A topic of many generations was deleted: more of them died at once than there is room for.
        while let Some(number) = self.shared.drops.lock().pop() {
            self.shared.engine.faults.task_queued();
            self.do_task(MaintenanceTask::Drop(number));
        }
    }

    fn do_task(&self, task: MaintenanceTask) {
        let done = match task {
            MaintenanceTask::Prepare(number) => self.shared.engine.create_generation(number),
            MaintenanceTask::Drop(number) => self.shared.engine.drop_generation(number),
            MaintenanceTask::FinishFlush => self.shared.engine.finish_flush(),
            MaintenanceTask::KeepTime => Ok(()),
        };
        match (done, task) {
            (Err(error), _) => self.shared.failure.set(&error),
            (Ok(()), MaintenanceTask::Prepare(number)) => {
                self.shared.commands.send(WriteCommand::GenerationReady(number))
            }
            (Ok(()), MaintenanceTask::Drop(number)) => {
                tracing::debug!(generation = number.0, "dropped");
                // Its journal is deleted once RocksDB has flushed beyond it.
                self.shared.commands.send(WriteCommand::Flush);
            }
            (Ok(()), MaintenanceTask::KeepTime) => {}
            (Ok(()), MaintenanceTask::FinishFlush) => {
                tracing::debug!("memtables are flushed");
                // A generation may have been dropped meanwhile.
                if self.shared.engine.has_retired() {
                    self.shared.commands.send(WriteCommand::Flush);
                }
            }
        }
        self.shared.engine.faults.task_done();
    }

    /// Has the writer forget producers that wrote nothing for `producer.id.expiration.ms`, by the folder's clock: a step of the wall
    /// clock forgets none. They are looked for here, some at a time, and each command has few. Only one of these commands is in the
    /// writer's queue at a time, so an append waits for one at most.
    fn expire_producers(&self) {
        let expiration = (self.shared.options.producer_id_expiration)();
        let expiration_ms = saturating_ms(expiration).cast_unsigned();
        let before_open_ms = self.shared.open_clock.now_ms().saturating_sub(expiration_ms);
        let catalog = self.shared.catalog.load_full();
        let mut keep_time = clock::now() + KEEP_TIME;
        for partition in catalog.topics().flat_map(|topic| &topic.partitions) {
            for producer_ids in partition.expired_producers(before_open_ms).chunks(EXPIRED_AT_ONCE) {
                let (partition, producer_ids) = (Arc::clone(partition), producer_ids.to_vec());
                let (sender, written) = crossbeam_channel::bounded(1);
                let done = Box::new(move |outcome| drop(sender.send(outcome)));
                self.shared.commands.send(ShardCommand::ExpireProducers {
                    partition,
                    producer_ids,
                    before_open_ms,
                    done,
                });
                if !self.wait_for(&written) {
                    return;
                }
                if clock::now() >= keep_time {
                    self.keep_time();
                    keep_time = clock::now() + KEEP_TIME;
                }
            }
        }
    }

    /// Waits for the writer, and does meanwhile what it asks for; false if it has ended or failed.
    fn wait_for(&self, written: &Receiver<Result<(), StorageError>>) -> bool {
        loop {
            crossbeam_channel::select_biased! {
                recv(self.tasks) -> task => match task {
                    Ok(task) => self.run_task(task),
                    Err(_) => return false,
                },
                recv(written) -> outcome => return matches!(outcome, Ok(Ok(()))),
            }
        }
    }
}
