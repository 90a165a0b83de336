//! The effects of each command: its part of the write group, and when it is answered.

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::Writer;
use crate::{
    Acks, AppendError, AppendResult, CoordinatorRecord, Done, FlushPolicy, StorageError,
    engine::{GenerationRecord, NodeKey, keys},
    log::{OwnedEntry, OwnedRequest},
    write::{
        append,
        catalog::CatalogChange,
        command::{Answer, WriteCommand},
        group::WriteGroup,
    },
};

/// Producer ids taken from the disk at a time; what is left of a block is lost at a stop.
const PRODUCER_ID_BLOCK: i64 = 1000;

impl Writer {
    /// Adds the changes of one command to the group, and its answer to those that are due after the write or
    /// after the sync.
    pub(super) fn apply(&mut self, group: &mut WriteGroup<'_>, command: WriteCommand) {
        match command {
            WriteCommand::Append(request, done) => self.append(group, request, done),
            WriteCommand::Coordinator { epoch, records, done } => {
                self.write_coordinator(group, epoch, records, done);
            }
            WriteCommand::Configs((key, value), done) => {
                match value {
                    Some(value) => group.put_state(key, value),
                    None => group.delete_state(key),
                }
                self.after_durable(group, done);
            }
            WriteCommand::Catalog(change) => self.change_catalog(group, change),
            WriteCommand::ProducerId(done) => {
                let id = self.take_producer_id(group);
                self.after_durable(group, Box::new(move |durable| done(durable.map(|()| id))));
            }
            WriteCommand::Lead { lead, call, done } => self.lead(group, lead, call, done),
            WriteCommand::ExpireProducers { .. } if self.shared.shard.led_epoch().is_err() => {}
            WriteCommand::ExpireProducers { before_ms } => self.expire_producers(group, before_ms),
            // As a whole: what it leaves undone is done again after a take-over.
            WriteCommand::Change(change, done) => match self.shared.shard.led_epoch() {
                Ok(_) => {
                    (change.apply)(group);
                    match change.answer {
                        Answer::Written => group.after_write.push(done),
                        Answer::Synced => group.after_sync.push(done),
                    }
                }
                Err(error) => done(Err(error)),
            },
            // After the group, as after every group.
            WriteCommand::Flush => {}
            WriteCommand::SealSoon(number) => self.generations.seal_soon(number),
            WriteCommand::CompactSettled(begin, done) => self.hold_for_compaction(group, begin, done),
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

    /// Adds records of a coordinator, if the shard is led in the epoch in which it was loaded.
    fn write_coordinator(
        &self,
        group: &mut WriteGroup<'_>,
        epoch: u32,
        records: Vec<CoordinatorRecord>,
        done: Done<()>,
    ) {
        // Against the writer's own epoch too: a take-over that comes before this in the queue may not be durable yet, and the
        // coordinator that is loaded after it would miss these records.
        let led = match self.shared.shard.led_epoch() {
            Ok(_) if self.catalog.node_epoch != epoch => Err(StorageError::NotLeader),
            led => led.map(|_| ()),
        };
        if led.is_err() {
            // In its turn: writes of a coordinator end in their order.
            return self.after_durable(group, Box::new(move |durable| done(durable.and(led))));
        }
        for CoordinatorRecord { key, value } in records {
            match value {
                Some(value) => group.put_state(keys::coordinator(&key), value),
                None => group.delete_state(keys::coordinator(&key)),
            }
        }
        self.after_durable(group, done);
    }

    /// Leads every partition in a new epoch, or none. Both take effect after the group's sync, in the order of the commands: an
    /// epoch that a client has seen must not be given again after a crash.
    fn lead(&mut self, group: &mut WriteGroup<'_>, lead: bool, call: u64, done: Done<()>) {
        self.catalog.led = lead;
        if lead {
            self.catalog.node_epoch = self.catalog.node_epoch.saturating_add(1);
            group.put_state(keys::node(NodeKey::Epoch), u64::from(self.catalog.node_epoch).to_be_bytes());
        }
        let epoch = lead.then_some(self.catalog.node_epoch);
        let (catalog, shard) = (self.catalog.catalog.clone(), Arc::clone(&self.shared.shard));
        group.after_sync.push(Box::new(move |durable| done(shard.finish(call, epoch, &catalog, durable))));
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

    /// Appends the batches of a request, in their order. One that is refused does not affect the others.
    /// `acks=0` and `acks=1` are answered after the write, as is `acks=all` under [`FlushPolicy::Os`].
    fn append(&mut self, group: &mut WriteGroup<'_>, request: OwnedRequest, done: Done<Vec<AppendResult>>) {
        let syncs = request.acks == Acks::All && self.shared.options.flush_policy == FlushPolicy::Sync;
        let awaits = syncs.then_some(self.group);
        // Asked here too: a partition that was created while the shard was being given up may not know of it yet.
        let refusal = self.shared.shard.led_epoch().err().map(|error| match error {
            StorageError::Unavailable => AppendError::Unavailable,
            _ => AppendError::NotLeader,
        });
        let append = |entry: OwnedEntry| match &refusal {
            Some(refusal) if !entry.partition.is_deleted() => Err(refusal.clone()),
            _ => append::append(group, entry, awaits),
        };
        let results: Vec<AppendResult> = request.entries.into_iter().map(append).collect();
        let after: Done<()> = Box::new(move |written| done(written.map(|()| results)));
        match syncs {
            // A repeated batch waits too: its first copy may not be on the disk yet.
            true => group.after_sync.push(after),
            false => group.after_write.push(after),
        }
    }

    /// Answers when the group has what the flush policy calls durable.
    fn after_durable(&self, group: &mut WriteGroup<'_>, after: Done<()>) {
        match self.shared.options.flush_policy {
            FlushPolicy::Sync => group.after_sync.push(after),
            FlushPolicy::Os => group.after_write.push(after),
        }
    }

    /// Applies a change of topics to the writer's own catalog. Callers see it once the group is as durable as
    /// the flush policy says.
    fn change_catalog(&mut self, group: &mut WriteGroup<'_>, change: CatalogChange) {
        group.catalog_changed = true;
        let answer: Done<()> = match change {
            CatalogChange::Create(topics, done) => {
                let results: Vec<_> = topics.into_iter().map(|new| self.catalog.create(group, new)).collect();
                Box::new(move |durable| done(durable.map(|()| results)))
            }
            CatalogChange::CreatePartitions(counts, done) => {
                let mut create = |(id, wanted)| self.catalog.create_partitions(group, id, wanted);
                let results: Vec<_> = counts.into_iter().map(&mut create).collect();
                Box::new(move |durable| done(durable.map(|()| results)))
            }
            CatalogChange::AlterConfigs(changes, done) => {
                let mut alter = |change| self.catalog.alter_configs(group, change);
                let results: Vec<_> = changes.into_iter().map(&mut alter).collect();
                Box::new(move |durable| done(durable.map(|()| results)))
            }
            CatalogChange::Delete(ids, done) => {
                let mut results = Vec::with_capacity(ids.len());
                for id in ids {
                    let removed = self.catalog.delete(group, id);
                    results.push(removed.map(|extents| group.extents_removed.extend(extents)));
                }
                Box::new(move |durable| done(durable.map(|()| results)))
            }
        };
        self.after_durable(group, answer);
    }

    /// The next producer id. Reserves a block of [`PRODUCER_ID_BLOCK`] in this group if the last one is used
    /// up.
    fn take_producer_id(&mut self, group: &mut WriteGroup<'_>) -> i64 {
        // The block is synced with the first id of it: an id is not given twice, whatever crashes.
        if self.next_producer_id == self.producer_ids_end {
            self.producer_ids_end += PRODUCER_ID_BLOCK;
            group.put_state(keys::node(NodeKey::NextProducerId), self.producer_ids_end.to_be_bytes());
        }
        self.next_producer_id += 1;
        self.next_producer_id - 1
    }

    /// Forgets the producers that last wrote before this time, Unix ms, in memory and on the disk. Looks at
    /// those of all partitions.
    fn expire_producers(&self, group: &mut WriteGroup<'_>, before_ms: i64) {
        for partition in self.catalog.catalog.topics().flat_map(|topic| &topic.partitions) {
            // A batch of the same group may have changed the state: it must not be written after it was removed.
            for producer_id in partition.append.lock().expire(before_ms) {
                group.producers.remove(&(partition.number(), producer_id));
                group.delete_state(keys::producer(partition.number(), producer_id));
            }
        }
    }
}
