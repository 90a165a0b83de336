//! Work that would stall the writer: creating and dropping column families, and the ticks of periodic work.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::{
    StorageOptions, engine::Engine, keys::GenerationNumber, queue::CommandQueue, storage::Failure,
    writer::Command,
};

/// One thing to do off the writer's thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Chore {
    /// Create the family of a generation, then tell the writer.
    Prepare(GenerationNumber),
    /// Drop the family of a generation that the state names no more.
    Drop(GenerationNumber),
}

/// Asks for a chore; false if too many wait.
pub(crate) fn ask(chores: &Sender<Chore>, engine: &Engine, chore: Chore) -> bool {
    engine.faults.chore_asked();
    let asked = chores.try_send(chore).is_ok();
    if !asked {
        engine.faults.chore_done();
    }
    asked
}

pub(crate) struct Housekeeping {
    pub(crate) engine: Arc<Engine>,
    pub(crate) options: StorageOptions,
    pub(crate) chores: Receiver<Chore>,
    pub(crate) commands: CommandQueue,
    pub(crate) failure: Arc<Failure>,
}

impl Housekeeping {
    /// The thread's whole life: ends when the writer and the syncer have.
    pub(crate) fn run(self) {
        let interval = self.options.producer_id_expiration_check_interval.max(Duration::from_millis(10));
        let mut tick = Instant::now() + interval;
        loop {
            match self.chores.recv_deadline(tick) {
                Ok(chore) => self.do_chore(chore),
                Err(RecvTimeoutError::Timeout) => {
                    self.expire_producers();
                    tick = Instant::now() + interval;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn do_chore(&self, chore: Chore) {
        let done = match chore {
            Chore::Prepare(number) => self.engine.create_generation(number),
            Chore::Drop(number) => self.engine.drop_generation(number),
        };
        match (done, chore) {
            (Err(error), _) => self.failure.set(&error),
            (Ok(()), Chore::Prepare(number)) => self.commands.send(Command::GenerationReady(number)),
            (Ok(()), Chore::Drop(number)) => tracing::debug!(generation = number.0, "dropped"),
        }
        self.engine.faults.chore_done();
    }

    fn expire_producers(&self) {
        let expiration = i64::try_from(self.options.producer_id_expiration.as_millis()).unwrap_or(i64::MAX);
        let before_ms = (self.options.clock)().saturating_sub(expiration);
        self.commands.send(Command::ExpireProducers { before_ms });
    }
}
