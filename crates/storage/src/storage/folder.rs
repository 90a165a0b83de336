//! An open folder as its handles share it: the state that its threads use too, the way to the writer, and the lock.

use std::sync::Arc;

use crate::{
    engine::Guard,
    write::{Shared, SharedWriter, WriteCommand, writer},
};

/// Shared by the handles of the cluster and of the shard.
pub(super) struct Folder {
    pub(super) shared: Shared,
    /// Locked by the writer's thread for each group, and by callers of small appends if it is free.
    writer: Arc<SharedWriter>,
    /// Keeps other processes from the folder until the last handle is dropped.
    _guard: Guard,
}

impl Folder {
    pub(super) fn new(shared: Shared, writer: Arc<SharedWriter>, guard: Guard) -> Self {
        Self { shared, writer, _guard: guard }
    }

    /// Writes a small command on this thread if the writer is free, else queues it; waits while the queue is
    /// full.
    pub(super) fn send(&self, command: impl Into<WriteCommand>) {
        let command = command.into();
        let left = match command.is_small() {
            // Not written here: the lock was taken, others came first, or commands are many.
            true => writer::write_here(&self.writer, &self.shared.commands, command).err(),
            false => Some(command),
        };
        if let Some(command) = left {
            self.shared.commands.send(command);
        }
    }
}
