//! The effects of each command: its part of the write group, and when it is answered.
//!
//! `cluster.rs` and `shard.rs` apply the commands of theirs; those for the upkeep of the folder are applied here.

mod cluster;
mod shard;

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::Writer;
use crate::{
    Done, FlushPolicy,
    engine::{GenerationRecord, NodeKey, keys},
    write::{command::WriteCommand, group::WriteGroup},
};

impl Writer {
    /// Adds the changes of one command to the group, and its answer to those that are due after the write or
    /// after the sync.
    pub(super) fn apply(&mut self, group: &mut WriteGroup<'_>, command: WriteCommand) {
        match command {
            WriteCommand::Cluster(command) => self.apply_to_cluster(group, command),
            WriteCommand::Shard(command) => self.apply_to_shard(group, command),
            WriteCommand::SealSoon(number) => self.generations.seal_soon(number),
            WriteCommand::CompactSettled(begin, done) => self.hold_for_compaction(group, begin, done),
            // After the group, as after every group.
            WriteCommand::Flush => {}
            WriteCommand::KeepTime => {
                group.put_state(keys::node(NodeKey::OpenFor), group.open_ms.to_be_bytes());
                // Where a caller has asked for it, and not the maintenance thread.
                self.keep_time();
            }
            WriteCommand::GenerationReady(number) => {
                let record = GenerationRecord { created_ms: group.now_ms };
                group.put_state(keys::generation(number), record.encode());
            }
            WriteCommand::Close(done) => {
                // The next start takes its absence for an unclean stop (`Node::load`).
                group.put_state(keys::node(NodeKey::Clean), [1]);
                // The clock of retention goes on from here. A crash loses the time since the last search (ADR
                // 3).
                group.put_state(keys::node(NodeKey::OpenFor), group.open_ms.to_be_bytes());
                // Under every flush policy: a clean stop leaves nothing to the operating system.
                group.after_sync.push(done);
            }
        }
    }

    /// After the group: syncs all that is written, lets a compaction of the settled family begin, and waits for its flush to take
    /// all memtables. Nothing is written meanwhile, so the flush takes nothing that is not synced.
    fn hold_for_compaction(&self, group: &mut WriteGroup<'_>, begin: Sender<()>, done: Done<()>) {
        // An empty memtable would not be flushed, and its flush could not be seen.
        group.touch_settled();
        let (engine, failure) = (Arc::clone(&self.shared.engine), Arc::clone(&self.shared.failure));
        group.after_write.push(Box::new(move |written| {
            let begun = written.and_then(|()| {
                engine.sync()?;
                // The receiver waits for it; where it has gone, nothing is compacted.
                match begin.send(()) {
                    Ok(()) => engine.await_compaction(),
                    Err(_) => Ok(()),
                }
            });
            done(begun.inspect_err(|error| failure.set(error)));
        }));
    }

    /// Answers when the group has what the flush policy calls durable.
    fn after_durable(&self, group: &mut WriteGroup<'_>, after: Done<()>) {
        match self.shared.options.flush_policy {
            FlushPolicy::Sync => group.after_sync.push(after),
            FlushPolicy::Os => group.after_write.push(after),
        }
    }
}
