//! Work that would hold up the writer: creating and dropping column families. Also the timer that expires producers.

use std::{sync::Arc, time::Duration};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::{
    StorageOptions, clock, engine::Engine, keys::GenerationNumber, options::saturating_ms,
    queue::CommandQueue, storage::Failure, writer::WriteCommand,
};

/// One task for the maintenance thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MaintenanceTask {
    /// Create the family of a generation, then tell the writer.
    Prepare(GenerationNumber),
    /// Drop the family of a generation that the state does not name any more.
    Drop(GenerationNumber),
    /// Wait for the flush that the writer began.
    FinishFlush,
}

/// Queues a task; false if too many wait.
pub(crate) fn ask(tasks: &Sender<MaintenanceTask>, engine: &Engine, task: MaintenanceTask) -> bool {
    engine.faults.task_queued();
    let asked = tasks.try_send(task).is_ok();
    if !asked {
        engine.faults.task_done();
    }
    asked
}

pub(crate) struct Maintenance {
    pub(crate) engine: Arc<Engine>,
    pub(crate) options: StorageOptions,
    pub(crate) tasks: Receiver<MaintenanceTask>,
    pub(crate) commands: CommandQueue,
    pub(crate) failure: Arc<Failure>,
}

impl Maintenance {
    /// Runs on its own thread until the writer and the syncer have ended.
    pub(crate) fn run(self) {
        let interval = self.options.producer_id_expiration_check_interval.max(Duration::from_millis(10));
        let mut tick = clock::now() + interval;
        loop {
            match self.tasks.recv_deadline(tick) {
                Ok(task) => self.run_task(task),
                Err(RecvTimeoutError::Timeout) => {
                    self.expire_producers();
                    tick = clock::now() + interval;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn run_task(&self, task: MaintenanceTask) {
        let done = match task {
            MaintenanceTask::Prepare(number) => self.engine.create_generation(number),
            MaintenanceTask::Drop(number) => self.engine.drop_generation(number),
            MaintenanceTask::FinishFlush => self.engine.finish_flush(),
        };
        match (done, task) {
            (Err(error), _) => self.failure.set(&error),
            (Ok(()), MaintenanceTask::Prepare(number)) => {
                self.commands.send(WriteCommand::GenerationReady(number))
            }
            (Ok(()), MaintenanceTask::Drop(number)) => {
                tracing::debug!(generation = number.0, "dropped");
                // Its journal is deleted once RocksDB has flushed beyond it.
                self.commands.send(WriteCommand::Flush);
            }
            (Ok(()), MaintenanceTask::FinishFlush) => {
                tracing::debug!("memtables are flushed");
                // A generation may have been dropped meanwhile.
                if self.engine.has_retired() {
                    self.commands.send(WriteCommand::Flush);
                }
            }
        }
        self.engine.faults.task_done();
    }

    fn expire_producers(&self) {
        let expiration_ms = saturating_ms(self.options.producer_id_expiration);
        let before_ms = (self.options.clock)().saturating_sub(expiration_ms);
        self.commands.send(WriteCommand::ExpireProducers { before_ms });
    }
}
