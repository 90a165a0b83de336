//! The thread that deletes old records: retention, compaction, then the space of dead batches (`sweep.rs`).

mod sweep;

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Arc, atomic::AtomicBool, mpsc},
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use parking_lot::Mutex;

use crate::{
    Compaction, DiskSpace, Done, Partition, Purpose, ReadError, StorageError, clock,
    log::{BatchFamily, INDEX_INTERVAL_AGE_MS},
    space::{
        compaction::{self, CleaningStep, LogCleaning},
        edits::Edits,
        retention::{self, DeleteBelow, LogStartMove},
    },
    write::{Answer, LogChange, ShardCommand, Shared, WriteGroup},
};
use sweep::{Stuck, Unreadable};

/// Time between two searches for dead space, which do not follow the interval of retention: a deleted topic's space is free
/// within a minute.
const SWEEP: Duration = Duration::from_secs(10);
/// The same while clients wait for space: a sweep may find nothing but a generation to seal, which the next one frees.
const SWEEP_WHEN_FULL: Duration = Duration::from_secs(1);
/// Log starts moved in one write group.
const MOVES: usize = 1000;

/// State of the cleaner thread and of callers that do its work at once.
pub(crate) struct Lifecycle {
    shared: Shared,
    /// Families with records of topics that are not served: how much of them lives is not known, so they are left alone.
    untouchable: HashSet<BatchFamily>,
    /// Held by the thread, or by a caller that does its work at once.
    busy: Mutex<()>,
    /// The log says already that the disk is too full to settle anything.
    full_disk_logged: AtomicBool,
    /// Dead bytes that the last look at the settled family left.
    stuck: Mutex<Option<Stuck>>,
    /// Batches for which generations wait.
    unreadable: Mutex<Unreadable>,
}

impl Lifecycle {
    pub(crate) fn new(shared: Shared, untouchable: HashSet<BatchFamily>) -> Self {
        let (busy, full_disk_logged) = (Mutex::new(()), AtomicBool::new(false));
        let (stuck, unreadable) = (Mutex::default(), Mutex::default());
        Self { shared, untouchable, busy, full_disk_logged, stuck, unreadable }
    }

    /// Runs on its own thread until the writer has ended.
    pub(crate) fn run(&self, ended: &Receiver<Infallible>) {
        // An interval of 0 would keep the thread busy.
        let interval = self.shared.options.retention_check_interval.max(Duration::from_millis(10));
        let mut retain = clock::now() + interval;
        if self.shared.engine.faults.tends_when_asked() {
            ended.recv().ok();
            return;
        }
        loop {
            let sweep = if self.disk_is(DiskSpace::is_nearly_full) { SWEEP_WHEN_FULL } else { SWEEP };
            let next = retain.min(clock::now() + sweep);
            match ended.recv_deadline(next) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
            }
            let due = clock::now() >= retain;
            if due {
                retain = clock::now() + interval;
            }
            if let Err(error) = self.tend(due)
                && self.shared.failure.get().is_none()
                && !matches!(
                    error,
                    StorageError::Stopped | StorageError::NotLeader | StorageError::Unavailable
                )
            {
                tracing::error!(%error, "old records stay for now");
            }
        }
    }

    /// Deletes records that retention no longer keeps, if `retain`; cleans compacted logs; frees dead space.
    /// Waits for another that does the same. Retention comes first, so that no record is cleaned
    /// and then deleted; space is freed last, after both.
    ///
    /// # Errors
    /// A write failed, the storage is closed, or this process resigned from the shard meanwhile. A
    /// partition that cannot be read is logged and passed over.
    pub(crate) fn tend(&self, retain: bool) -> Result<(), StorageError> {
        let _alone = self.busy.lock();
        // They keep the files of dropped families.
        self.shared.resumable.expire();
        // Nothing more can be written, so nothing need be read.
        if let Some(error) = self.shared.failure.get() {
            return Err(error);
        }
        // Old records are the business of the one that leads the shard.
        if self.shared.shard.led_epoch().is_err() {
            return Ok(());
        }
        if retain {
            self.retain()?;
        }
        self.clean()?;
        self.sweep()
    }

    /// Moves the log starts of all topics whose rules say so, at most [`MOVES`] in a write group.
    fn retain(&self) -> Result<(), StorageError> {
        // One time for all partitions, taken before any is looked at.
        let now_ms = self.shared.open_clock.now_ms();
        let catalog = self.shared.catalog.load_full();
        let partitions = catalog.topics().flat_map(|topic| &topic.partitions).cloned().collect();
        // A log that gets no more batches would have an open interval for ever, whose age a restart forgets.
        self.complete_intervals(partitions, now_ms.saturating_sub(INDEX_INTERVAL_AGE_MS))?;
        let mut moves: Vec<LogStartMove> = Vec::new();
        for topic in catalog.topics() {
            // A topic without rules keeps its records for ever.
            let Some(rules) = (self.shared.options.log_policy)(topic).retention else { continue };
            for partition in &topic.partitions {
                let expired = retention::expired(&self.shared.engine, partition, rules, now_ms);
                moves.extend(self.unless_unreadable(partition, expired)?.flatten());
                if moves.len() >= MOVES {
                    self.move_log_starts(std::mem::take(&mut moves))?;
                }
            }
        }
        self.move_log_starts(moves)
    }

    fn move_log_starts(&self, moves: Vec<LogStartMove>) -> Result<(), StorageError> {
        if moves.is_empty() {
            return Ok(());
        }
        tracing::debug!(partitions = moves.len(), "old records are deleted");
        self.write_moves(moves).map(|_| ())
    }

    /// Moves log starts as DeleteRecords asks; one answer for each partition, in their order. Durable before
    /// it returns.
    ///
    /// # Errors
    /// The outer one: nothing is known of the moves, as a write failed, the storage is closed,
    /// or this process resigned meanwhile.
    pub(crate) fn delete_records(
        &self,
        below: &[(Arc<Partition>, DeleteBelow)],
    ) -> Result<Vec<Result<i64, ReadError>>, StorageError> {
        let found: Vec<_> = below.iter().map(|(partition, below)| self.locate(partition, *below)).collect();
        let moves: Vec<_> = found.iter().flatten().cloned().collect();
        let starts = if moves.is_empty() { Vec::new() } else { self.write_moves(moves)? };
        // One start for each move, in their order; a partition that was refused has none.
        let mut starts = starts.into_iter();
        let answer = |found: Result<LogStartMove, ReadError>| {
            found.and_then(|_| starts.next().ok_or(ReadError::Storage(StorageError::Stopped)))
        };
        Ok(found.into_iter().map(answer).collect())
    }

    fn locate(&self, partition: &Arc<Partition>, below: DeleteBelow) -> Result<LogStartMove, ReadError> {
        let visible = partition.high_watermark();
        let offset = match below {
            DeleteBelow::Offset(offset) => offset,
            DeleteBelow::HighWatermark => visible,
        };
        partition.ensure_led()?;
        // Kafka too deletes nothing that consumers cannot see yet
        // (`UnifiedLog.maybeIncrementLogStartOffset`).
        if offset < 0 || offset > visible {
            let (log_start_offset, log_end_offset) = (partition.log_start_offset(), visible);
            return Err(ReadError::OffsetOutOfRange { offset, log_start_offset, log_end_offset });
        }
        retention::move_to(&self.shared.engine, partition, offset)
    }

    /// A disk that does not tell its space counts as one with enough.
    fn disk_is(&self, condition: impl FnOnce(DiskSpace) -> bool) -> bool {
        (self.shared.options.disk_space)(&self.shared.options.path).is_some_and(condition)
    }

    /// Cleans the compacted logs that are dirty enough, the dirtiest first.
    fn clean(&self) -> Result<(), StorageError> {
        if self.disk_is(DiskSpace::is_full) {
            return Ok(());
        }
        let catalog = self.shared.catalog.load_full();
        let rules = catalog
            .topics()
            .filter_map(|topic| Some((topic, (self.shared.options.log_policy)(topic).compaction?)));
        let compacted: Vec<(&Arc<Partition>, Compaction)> =
            rules.flat_map(|(topic, rules)| topic.partitions.iter().map(move |each| (each, rules))).collect();
        if compacted.is_empty() {
            return Ok(());
        }
        let now_ms = self.shared.open_clock.now_ms();
        // A cleaning takes whole intervals: this ends the open ones, so that all of the dirty part can be
        // taken.
        self.complete_intervals(
            compacted.iter().map(|(partition, _)| Arc::clone(partition)).collect(),
            now_ms,
        )?;
        let mut found = Vec::new();
        for (partition, rules) in compacted {
            let cleaning = LogCleaning::find(&self.shared.engine, partition, &rules, now_ms);
            let cleaning = self.unless_unreadable(partition, cleaning)?.flatten();
            found.extend(cleaning.map(|cleaning| (cleaning, rules)));
        }
        // As Kafka's `LogCleanerManager.grabFilthiestCompactedLog`.
        found.sort_by(|(one, _), (other, _)| other.found.dirty_ratio.total_cmp(&one.found.dirty_ratio));
        for (cleaning, rules) in found {
            let partition = Arc::clone(&cleaning.partition);
            // A cleaning first writes what stays, up to the whole log, and frees nothing before its last step.
            let mut write = |step| match step {
                CleaningStep::Edit(..) if self.disk_is(DiskSpace::is_full) => Err(StorageError::DiskFull),
                CleaningStep::Edit(partition, edits) => self.edit(Purpose::Compaction, edits, move |group| {
                    compaction::note_edits(group, &partition);
                }),
                CleaningStep::Finish(partition, finish) => {
                    self.change(Purpose::Compaction, true, |group| finish.apply(group, partition))
                }
                CleaningStep::ForgetAborted(partition, cleaned) => {
                    self.change(Purpose::Compaction, false, move |group| {
                        compaction::forget_aborted(group, &partition, cleaned);
                    })
                }
            };
            let damaged = |error: &StorageError| self.shared.note_damage(&partition, error);
            let Shared { engine, options, .. } = &self.shared;
            let edits = Edits::new(options.inline_bytes);
            let cleaned = unless_deleted(cleaning.run(engine, &rules, now_ms, edits, &damaged, &mut write));
            if let Err(StorageError::DiskFull) = cleaned {
                // The batches written so far are written over by the next cleaning.
                tracing::warn!("compaction waits for space: the disk is almost full");
                return Ok(());
            }
            if self.unless_unreadable(&partition, cleaned)?.is_some() {
                tracing::debug!(partition = partition.number().0, "compacted");
            }
        }
        Ok(())
    }

    fn complete_intervals(
        &self,
        partitions: Vec<Arc<Partition>>,
        before_ms: u64,
    ) -> Result<(), StorageError> {
        self.change(Purpose::Maintenance, false, move |group| {
            retention::complete_intervals(group, &partitions, before_ms);
        })
    }

    /// A partition that cannot be read is left as it is, with a line in the log, and does not hold up others. An error only
    /// if nothing can be written any more.
    fn unless_unreadable<T>(
        &self,
        partition: &Partition,
        outcome: Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        match outcome {
            Ok(done) => Ok(Some(done)),
            Err(error @ (StorageError::Stopped | StorageError::NotLeader | StorageError::Unavailable)) => {
                Err(error)
            }
            Err(error) if self.shared.failure.get().is_some() => Err(error),
            // Its sector is bad: it is named once, and tried again with every search.
            Err(error) if error.is_damaged_batch() => {
                self.shared.note_damage(partition, &error);
                Ok(None)
            }
            Err(error) => {
                let (topic_id, index) = (partition.topic_id(), partition.index());
                tracing::error!(%error, %topic_id, partition = index, "old records of a partition stay");
                Ok(None)
            }
        }
    }

    /// Moves log starts; returns where the logs begin then. Durable before it returns.
    fn write_moves(&self, moves: Vec<LogStartMove>) -> Result<Vec<i64>, StorageError> {
        let (sender, starts) = mpsc::sync_channel(1);
        let apply = move |group: &mut WriteGroup<'_>| {
            let starts = moves.iter().map(|each| retention::move_log_start(group, each)).collect();
            // The receiver below lives until the change is answered.
            drop(sender.send(starts));
        };
        let change = LogChange {
            purpose: Purpose::Maintenance,
            answer: Answer::Synced,
            ends_group: false,
            apply: Box::new(apply),
        };
        self.ask(change)?;
        // `apply` has run by now: it sent them while the group was built.
        starts.recv().map_err(|_| StorageError::Stopped)
    }

    /// Changes the settled family, with what else belongs into that group. Large batches are on the disk before the
    /// writer has the rest.
    ///
    /// # Errors
    /// Nothing was changed: their write failed, or the change was refused.
    fn edit(
        &self,
        purpose: Purpose,
        edits: Edits,
        then: impl FnOnce(&mut WriteGroup<'_>) + Send + 'static,
    ) -> Result<(), StorageError> {
        let edits = edits.place(&self.shared.engine.settled_files)?;
        self.shared.counters.add_bytes(purpose, edits.body_bytes);
        self.change(purpose, true, |group| {
            edits.apply(group);
            then(group);
        })
    }

    /// Makes a change and waits until the operating system has it.
    fn change(
        &self,
        purpose: Purpose,
        ends_group: bool,
        apply: impl FnOnce(&mut WriteGroup<'_>) + Send + 'static,
    ) -> Result<(), StorageError> {
        let change = LogChange { purpose, answer: Answer::Written, ends_group, apply: Box::new(apply) };
        self.ask(change)
    }

    /// Sends a change and waits for its answer.
    fn ask(&self, change: LogChange) -> Result<(), StorageError> {
        let (sender, answer) = mpsc::sync_channel(1);
        // The receiver below lives until the answer is there.
        let done: Done<()> = Box::new(move |outcome| drop(sender.send(outcome)));
        self.shared.commands.send(ShardCommand::Change(change, done));
        answer.recv().map_err(|_| StorageError::Stopped)?
    }
}

/// A partition that was deleted meanwhile leaves nothing to do.
fn unless_deleted(outcome: Result<(), ReadError>) -> Result<(), StorageError> {
    match outcome {
        Err(ReadError::Storage(error)) => Err(error),
        Err(ReadError::NotLeader) => Err(StorageError::NotLeader),
        Err(ReadError::Unavailable) => Err(StorageError::Unavailable),
        Ok(()) | Err(ReadError::Deleted | ReadError::OffsetOutOfRange { .. }) => Ok(()),
    }
}
