//! Frees the space of dead batches: in generations, in the settled family, in settled files.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering, mpsc},
};

use crossbeam_channel::bounded;

use super::{Lifecycle, unless_deleted};
use crate::{
    Catalog, DiskSpace, Done, Partition, PartitionNumber, Purpose, StorageError,
    engine::SettledNumber,
    log::{BatchFamily, GenerationNumber},
    space::{
        resettle::{self, ByNumber, Living},
        settle::{self, Settlement, Settling, Unread},
    },
    write::{Answer, LogChange, WriteCommand, WriteGroup},
};

/// Living bytes that are moved out of settled files before these are deleted: the free space that it takes.
const ROUND_BYTES: u64 = 1 << 30;

/// Dead bytes of the settled family that a look at it left: the next look waits until it can do more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stuck {
    /// Dead bytes that were left.
    dead: u64,
    /// The least bytes for which there was no room; `None`: more room does not help.
    living: Option<u64>,
    /// The disk was short: then less is worth a copy.
    disk_is_short: bool,
}

/// Batches that a settling could not read: of each partition the offset from which on it is the first.
pub(super) type Unreadable = HashMap<GenerationNumber, HashMap<PartitionNumber, i64>>;

/// Dead and living bytes, and free space, where the living ones cannot be copied.
type NoRoom = (u64, u64, u64);

impl Lifecycle {
    /// Frees dead space in families of which at least half is dead, or a fifth where the disk is short.
    pub(super) fn sweep(&self) -> Result<(), StorageError> {
        let catalog = self.shared.catalog.load_full();
        let living = living_bytes(&catalog);
        let mut no_room = None;
        for number in self.shared.engine.generations() {
            let family = BatchFamily::Generation(number);
            // No extent lies in a family that is not in the map.
            let living = living.get(&family).copied().unwrap_or(0);
            let held = self.shared.engine.held_bytes(family)?;
            // Asked for each family: settling one changes the free space.
            let disk = self.disk();
            if self.untouchable.contains(&family) || !self.is_worth_it(living, held, disk) {
                continue;
            }
            if let Some(disk) = disk.filter(|disk| !disk.has_room_to_copy(living)) {
                no_room = Some((held.saturating_sub(living), living, disk.free));
                continue;
            }
            tracing::debug!(family = family.family(), living, held, "mostly dead");
            self.renew(number, &catalog)?;
        }
        if !self.untouchable.contains(&BatchFamily::Settled) {
            // Counted anew: what was settled just now lives there.
            let living = living_bytes(&catalog).get(&BatchFamily::Settled).copied().unwrap_or(0);
            no_room = self.renew_settled(living, &catalog)?.or(no_room);
        }
        self.log_full_disk(no_room);
        Ok(())
    }

    fn is_worth_it(&self, living: u64, held: u64, disk: Option<DiskSpace>) -> bool {
        let is_short = disk.is_some_and(DiskSpace::is_short);
        is_mostly_dead(living, held, self.shared.options.settle_bytes, is_short)
    }

    fn log_full_disk(&self, no_room: Option<NoRoom>) {
        let Some((dead, living, free)) = no_room else {
            return self.full_disk_logged.store(false, Ordering::Relaxed);
        };
        if !self.full_disk_logged.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                dead,
                living,
                free,
                "the disk is too full to free the bytes of deleted records: the records that live among them cannot be copied; \
                 free some space or delete more topics"
            );
        }
    }

    fn disk(&self) -> Option<DiskSpace> {
        (self.shared.options.disk_space)(&self.shared.options.path)
    }

    /// Frees the dead bytes of a generation: settles it, or asks for a successor first.
    fn renew(&self, number: GenerationNumber, catalog: &Catalog) -> Result<(), StorageError> {
        let current = GenerationNumber(self.shared.current.load(Ordering::Acquire));
        if number == current {
            // It takes appends: a successor comes first, and a later sweep settles it.
            self.shared.commands.send(WriteCommand::SealSoon(number));
        }
        // A greater one is the successor, which is not in use yet.
        if number >= current {
            return Ok(());
        }
        if !self.can_be_read(number, catalog) {
            return Ok(());
        }
        let mut write = |step: Settlement| {
            let Settlement { copies, moves } = step;
            self.edit(Purpose::Settle, copies, |group| moves.apply(group))
        };
        let mut settling = Settling::new(&self.shared.engine, number, self.shared.options.inline_bytes);
        let mut unreadable = HashMap::new();
        for partition in partitions(catalog) {
            let damaged = |error: &StorageError| self.shared.note_damage(partition, error);
            let Err(Unread { from, error }) = settling.add(partition, &damaged, &mut write)? else {
                continue;
            };
            if self.unless_unreadable(partition, unless_deleted(Err(error)))?.is_none() {
                unreadable.insert(partition.number(), from);
            }
        }
        // The writer gives the generation up in the group that moves its last extent.
        settling.finish(&mut write)?;
        if !unreadable.is_empty() {
            let (generation, partitions) = (number.0, unreadable.len());
            tracing::warn!(
                generation,
                partitions,
                "the bytes of deleted records stay until the batches among them can be read, or are deleted"
            );
            self.unreadable.lock().insert(number, unreadable);
        }
        Ok(())
    }

    /// The last settling of the generation met no batch that still cannot be read. Else each sweep would copy those
    /// before it again.
    fn can_be_read(&self, number: GenerationNumber, catalog: &Catalog) -> bool {
        let mut all = self.unreadable.lock();
        let Some(unreadable) = all.get(&number) else { return true };
        let is_readable = partitions(catalog).all(|partition| {
            let from = unreadable.get(&partition.number());
            from.is_none_or(|from| settle::can_read(&self.shared.engine, partition, number, *from))
        });
        if is_readable {
            all.remove(&number);
        }
        is_readable
    }

    /// Frees the dead bytes of the settled family: of its tables, if most of them are dead, and of its files. Returns
    /// the copies for which there is no room.
    fn renew_settled(&self, living: u64, catalog: &Catalog) -> Result<Option<NoRoom>, StorageError> {
        let held = || self.shared.engine.held_bytes(BatchFamily::Settled);
        let (disk, dead) = (self.disk(), held()?.saturating_sub(living));
        if !self.is_worth_it(living, held()?, disk) {
            return Ok(None);
        }
        let has_room = |bytes| disk.is_none_or(|disk| disk.has_room_to_copy(bytes));
        let no_room = |dead, living| disk.map(|disk| (dead, living, disk.free));
        let disk_is_short = disk.is_some_and(DiskSpace::is_short);
        if let Some(stuck) = *self.stuck.lock()
            && stuck.disk_is_short == disk_is_short
            && dead < stuck.dead.saturating_add(self.shared.options.settle_bytes)
            && stuck.living.is_none_or(|living| !has_room(living))
        {
            return Ok(stuck.living.and_then(|living| no_room(dead, living)));
        }
        tracing::debug!(living, dead, "the settled family is mostly dead");
        let partitions: ByNumber =
            partitions(catalog).map(|partition| (partition.number(), Arc::clone(partition))).collect();
        let found = resettle::living(&self.shared.engine, &partitions).inspect_err(|_| {
            // A damaged block: each sweep would read up to there again. What lies in it may live, so nothing is
            // deleted.
            *self.stuck.lock() = Some(Stuck { dead, living: None, disk_is_short });
        })?;
        let waits_for_tables = self.renew_tables(&found)?;
        let waits_for_files = self.renew_files(&found, &partitions)?;
        let waits = waits_for_tables.into_iter().chain(waits_for_files).min();
        let (dead, is_left) = (held()?.saturating_sub(living), self.is_worth_it(living, held()?, disk));
        // Else each sweep would look at all of it again, for nothing.
        *self.stuck.lock() = is_left.then_some(Stuck { dead, living: waits, disk_is_short });
        Ok(waits.and_then(|living| no_room(dead, living)))
    }

    /// Compacts the settled family if most of its tables is dead. Returns the bytes for which there is no room.
    fn renew_tables(&self, found: &Living) -> Result<Option<u64>, StorageError> {
        let (living, held) = (found.inline_bytes, self.shared.engine.settled_inline_bytes()?);
        let disk = self.disk();
        if !self.is_worth_it(living, held, disk) {
            return Ok(None);
        }
        if disk.is_some_and(|disk| !disk.has_room_to_copy(living)) {
            return Ok(Some(living));
        }
        self.compact_settled().map(|()| None)
    }

    /// Deletes the settled files in which nothing lives, then those of which at least half is dead, or a fifth where
    /// the disk is short, once what lives in them is in others. Returns the bytes for which there is no room.
    fn renew_files(&self, found: &Living, partitions: &ByNumber) -> Result<Option<u64>, StorageError> {
        let files = self.shared.engine.settled_files.bytes();
        let living = |file: &SettledNumber| found.bytes.get(file).copied().unwrap_or(0);
        let touchable = files.iter().filter(|(file, _)| !found.untouchable.contains(file));
        let (dead, others): (Vec<_>, Vec<_>) = touchable.partition(|(file, _)| living(file) == 0);
        self.retire(dead.into_iter().map(|(file, _)| *file).collect())?;
        let is_short = self.disk_is(DiskSpace::is_short);
        let mostly_dead =
            others.into_iter().filter(|(file, held)| is_mostly_dead(living(file), **held, 0, is_short));
        // Those with the least living bytes first: they free the most for the least room.
        let mut waiting: BTreeSet<(u64, SettledNumber)> =
            mostly_dead.map(|(file, _)| (living(file), *file)).collect();
        while let Some((least, _)) = waiting.first().copied() {
            let (mut round, mut bytes) = (BTreeSet::new(), 0);
            while let Some((living, file)) = waiting.first().copied() {
                let sum = bytes + living;
                let fits = self.disk().is_none_or(|disk| disk.has_room_to_copy(sum));
                if !fits || (sum > ROUND_BYTES && !round.is_empty()) {
                    break;
                }
                waiting.pop_first();
                round.insert(file);
                bytes = sum;
            }
            if round.is_empty() {
                return Ok(Some(least));
            }
            self.resettle(round, partitions)?;
        }
        Ok(None)
    }

    /// Moves what lives in these files to another, and deletes them.
    fn resettle(&self, files: BTreeSet<SettledNumber>, partitions: &ByNumber) -> Result<(), StorageError> {
        let engine = &self.shared.engine;
        // It must not be copied to where it is.
        files.iter().for_each(|file| engine.settled_files.seal(*file));
        let damaged = |partition: &Partition, error: &StorageError| self.shared.note_damage(partition, error);
        let mut write = |edits| self.edit(Purpose::Settle, edits, |_| {});
        let inline_bytes = self.shared.options.inline_bytes;
        let left = resettle::resettle(engine, partitions, &files, inline_bytes, &damaged, &mut write)?;
        self.retire(left)
    }

    /// Deletes settled files into which nothing points.
    fn retire(&self, files: BTreeSet<SettledNumber>) -> Result<(), StorageError> {
        if files.is_empty() {
            return Ok(());
        }
        let named = files.clone();
        let forget = move |group: &mut WriteGroup<'_>| {
            named.into_iter().for_each(|file| group.forget_settled_file(file));
        };
        // Synced: after a power failure a replay comes up to this record, and so past those that removed the last
        // pointers.
        let change = LogChange {
            purpose: Purpose::Settle,
            answer: Answer::Synced,
            ends_group: false,
            apply: Box::new(forget),
        };
        self.ask(change)?;
        let settled_files = &self.shared.engine.settled_files;
        for file in files {
            settled_files.seal(file);
            settled_files.remove(file)?;
            tracing::debug!(file = file.0, "a settled file is deleted");
        }
        Ok(())
    }

    /// Has RocksDB write the settled family anew. The writer holds still until the flush that comes first has
    /// taken all memtables.
    fn compact_settled(&self) -> Result<(), StorageError> {
        let (begin, begun) = bounded(1);
        let (sender, answer) = mpsc::sync_channel(1);
        let outcome = || answer.recv().map_err(|_| StorageError::Stopped)?;
        self.shared.engine.compact_settled(|| {
            let done: Done<()> = Box::new(move |outcome| drop(sender.send(outcome)));
            self.shared.commands.send(WriteCommand::CompactSettled(begin, done));
            // Where the writer does not hold still, its answer says why.
            begun.recv().or_else(|_| outcome())
        })?;
        outcome()
    }
}

fn partitions(catalog: &Catalog) -> impl Iterator<Item = &Arc<Partition>> {
    catalog.topics().flat_map(|topic| &topic.partitions)
}

/// Bytes that live in each family, of topics that are served: how much lives in the families of others is not known.
fn living_bytes(catalog: &Catalog) -> HashMap<BatchFamily, u64> {
    let mut living = HashMap::new();
    for (extent, bytes) in partitions(catalog).flat_map(|partition| partition.live_extents()) {
        *living.entry(extent.family).or_default() += bytes;
    }
    living
}

/// At least half of the bytes are dead, or a fifth, and enough of them to be worth the copies.
fn is_mostly_dead(living: u64, held: u64, at_least: u64, disk_is_short: bool) -> bool {
    let dead = held.saturating_sub(living);
    // A quarter of the living bytes is a fifth of all.
    dead >= at_least && dead >= if disk_is_short { living / 4 } else { living }
}
