//! Commands for what belongs to the shard: batches, records of coordinators, old records, leadership.

use std::sync::Arc;

use crate::{
    Acks, AppendError, AppendResult, CoordinatorRecord, CoordinatorWrite, Done, FlushPolicy, MarkerError,
    Partition, StorageError, TransactionEnd,
    engine::{NodeKey, keys},
    log::{OwnedEntry, OwnedRequest},
    write::{
        append,
        command::{Answer, LogChange, ShardCommand},
        group::WriteGroup,
        writer::Writer,
    },
};

impl Writer {
    /// All but a change of leadership is refused, or does nothing, while the shard is not led here.
    pub(super) fn apply_to_shard(&mut self, group: &mut WriteGroup<'_>, command: ShardCommand) {
        match command {
            ShardCommand::Append(request, done) => self.append(group, request, done),
            ShardCommand::Coordinator { epoch, records, answer, done } => {
                self.write_coordinator(group, epoch, records, answer, done);
            }
            ShardCommand::EndTransaction(end, done) => self.end_transaction(group, end, done),
            ShardCommand::Lead { lead, call, done } => self.lead(group, lead, call, done),
            ShardCommand::ExpireProducers { partition, producer_ids, before_open_ms, done } => {
                self.expire_producers(group, &partition, producer_ids, before_open_ms);
                group.after_write.push(done);
            }
            ShardCommand::Change(change, done) => self.change_log(group, change, done),
        }
    }

    /// Appends the batches of a request, in their order. One that is refused does not affect the others.
    /// `acks=0` and `acks=1` are answered after the write, as is `acks=all` under [`FlushPolicy::Os`].
    fn append(&mut self, group: &mut WriteGroup<'_>, request: OwnedRequest, done: Done<Vec<AppendResult>>) {
        let OwnedRequest { entries, acks, coordinator } = request;
        let syncs = acks == Acks::All && self.shared.options.flush_policy == FlushPolicy::Sync;
        let awaits = syncs.then_some(self.group);
        // Also if a batch is refused: a refused batch has begun its transaction all the same.
        if let Some(CoordinatorWrite { epoch, records }) = coordinator {
            if let Err(error) = self.led_in(epoch) {
                // Of the request as a whole: its records are not written either.
                return self.after_durable(group, Box::new(move |durable| done(durable.and(Err(error)))));
            }
            // An append of a transaction that is open already has none, and need not store the clock.
            if !records.is_empty() {
                put_records(group, records);
            }
        }
        // Asked here too: a partition that was created while the shard was being given up may not know of it yet.
        let refusal = self.shared.shard.led_epoch().err().map(|error| match error {
            StorageError::Unavailable => AppendError::Unavailable,
            _ => AppendError::NotLeader,
        });
        let append = |entry: OwnedEntry| match &refusal {
            Some(refusal) if !entry.partition.is_deleted() => Err(refusal.clone()),
            _ => append::append(group, entry, awaits),
        };
        let results: Vec<AppendResult> = entries.into_iter().map(append).collect();
        let after: Done<()> = Box::new(move |written| done(written.map(|()| results)));
        match syncs {
            // A repeated batch waits too: its first copy may not be on the disk yet.
            true => group.after_sync.push(after),
            false => group.after_write.push(after),
        }
    }

    /// Ends a transaction: its markers and the coordinators' records are all in this group, and visible once it is durable.
    fn end_transaction(
        &self,
        group: &mut WriteGroup<'_>,
        end: TransactionEnd,
        done: Done<Vec<Result<i64, MarkerError>>>,
    ) {
        let TransactionEnd { coordinator: CoordinatorWrite { epoch, records }, markers } = end;
        // Once for all of it: what is written after this belongs together, also if the shard is given up meanwhile.
        if let Err(error) = self.led_in(epoch) {
            return self.after_durable(group, Box::new(move |durable| done(durable.and(Err(error)))));
        }
        put_records(group, records);
        let awaits = (self.shared.options.flush_policy == FlushPolicy::Sync).then_some(self.group);
        let results: Vec<_> =
            markers.iter().map(|marker| append::append_marker(group, marker, awaits)).collect();
        self.after_durable(group, Box::new(move |durable| done(durable.map(|()| results))));
    }

    /// Adds records of a coordinator, if the shard is led in the epoch in which it was loaded.
    fn write_coordinator(
        &self,
        group: &mut WriteGroup<'_>,
        epoch: u32,
        records: Vec<CoordinatorRecord>,
        answer: Answer,
        done: Done<()>,
    ) {
        let led = self.led_in(epoch);
        if led.is_err() {
            // In its turn: writes of a coordinator end in their order.
            return self.after_durable(group, Box::new(move |durable| done(durable.and(led))));
        }
        put_records(group, records);
        match answer {
            Answer::Written => group.after_write.push(done),
            Answer::Synced => self.after_durable(group, done),
        }
    }

    /// The shard is led, in the epoch in which a coordinator was loaded.
    fn led_in(&self, epoch: u32) -> Result<(), StorageError> {
        // Against the writer's own epoch too: a take-over that comes before this in the queue may not be durable yet, and
        // the coordinator that is loaded after it would miss these records.
        match self.shared.shard.led_epoch() {
            Ok(_) if self.term.epoch != epoch => Err(StorageError::NotLeader),
            led => led.map(|_| ()),
        }
    }

    /// Leads every partition in a new epoch, or none. Both take effect after the group's sync, in the order of the
    /// commands: an epoch that a client has seen must not be given again after a crash.
    fn lead(&mut self, group: &mut WriteGroup<'_>, lead: bool, call: u64, done: Done<()>) {
        self.term.led = lead;
        if lead {
            self.term.epoch = self.term.epoch.saturating_add(1);
            group.put_state(keys::node(NodeKey::Epoch), u64::from(self.term.epoch).to_be_bytes());
        }
        let epoch = lead.then_some(self.term.epoch);
        let (catalog, shard) = (self.catalog.catalog.clone(), Arc::clone(&self.shared.shard));
        group.after_sync.push(Box::new(move |durable| done(shard.finish(call, epoch, &catalog, durable))));
    }

    /// Makes a change of old records as a whole: what it leaves undone is done again after a take-over.
    fn change_log(&self, group: &mut WriteGroup<'_>, change: LogChange, done: Done<()>) {
        if let Err(error) = self.shared.shard.led_epoch() {
            return done(Err(error));
        }
        (change.apply)(group);
        match change.answer {
            Answer::Written => group.after_write.push(done),
            Answer::Synced => group.after_sync.push(done),
        }
    }

    /// Forgets producers of a partition, in memory and on the disk, unless they have written meanwhile.
    fn expire_producers(
        &self,
        group: &mut WriteGroup<'_>,
        partition: &Partition,
        producer_ids: Vec<i64>,
        before_open_ms: u64,
    ) {
        if self.shared.shard.led_epoch().is_err() || partition.is_deleted() {
            return;
        }
        let number = partition.number();
        let mut state = partition.append.lock();
        for producer_id in producer_ids.into_iter().filter(|id| state.expire(*id, before_open_ms)) {
            // A batch of the same group may have changed the state: it must not be written after it was removed.
            group.producers.remove(&(number, producer_id));
            group.delete_state(keys::producer(number, producer_id));
        }
        partition.note_producers(&state);
    }
}

fn put_records(group: &mut WriteGroup<'_>, records: Vec<CoordinatorRecord>) {
    group.has_coordinator_records = true;
    for CoordinatorRecord { key, value } in records {
        match value {
            Some(value) => group.put_state(keys::coordinator(&key), value),
            None => group.delete_state(keys::coordinator(&key)),
        }
    }
}
