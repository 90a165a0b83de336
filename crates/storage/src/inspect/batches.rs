//! Batches: one by its offset, or all of them checked.

use std::sync::Arc;

use super::{BatchCounts, BatchPlace, BatchReport, Damage, Inspector, PartitionReport, Position, Report};
use crate::{
    InspectError, Partition, ReadError, StorageError,
    engine::{BatchCursor, BodyPlace, Engine, StoredEntry, Tag, file_name, keys},
    log::{BatchFamily, Extent},
};

impl Inspector {
    /// The batch that holds `offset`; `None` if no batch does.
    ///
    /// # Errors
    /// There is no such partition, or it cannot be read.
    pub fn batch(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Option<BatchReport>, InspectError> {
        let (engine, partition) = self.partition(topic, partition)?;
        let Some((extent, end)) = extent_of(&partition, offset) else { return Ok(None) };
        let mut cursor = BatchCursor::in_extent(engine, &partition, offset, extent, end);
        // The one that holds the offset, or the first after it: the log may have a gap there.
        let Some(entry) = cursor.next_stored().map_err(storage_error)? else { return Ok(None) };
        let holds = match &entry.header {
            Ok(header) => header.base_offset <= offset,
            // How many offsets it had is lost.
            Err(_) => entry.base_offset <= offset,
        };
        Ok(holds.then(|| of_entry(engine, extent.family, &entry)))
    }

    /// Reads every batch and every record of the journal, and adds what is damaged to the report. `each` is called with each partition
    /// and its batches.
    ///
    /// # Errors
    /// A file of the journal cannot be read.
    pub fn check(
        &self,
        report: &mut Report,
        each: impl FnMut(&PartitionReport, BatchCounts),
    ) -> Result<(), InspectError> {
        let mut damage = self.check_once(report, each)?;
        if self.visit.in_use && !damage.is_empty() {
            // What the broker has moved or deleted meanwhile is not damaged: it is in another place now, or in none.
            let again = Self::open(&self.options.path)?;
            let found = again.check_once(&mut again.report()?, |_, _| {})?;
            damage.retain(|one| found.iter().any(|other| other.place == one.place));
        }
        report.damage.extend(damage);
        Ok(())
    }

    fn check_once(
        &self,
        report: &mut Report,
        mut each: impl FnMut(&PartitionReport, BatchCounts),
    ) -> Result<Vec<Damage>, InspectError> {
        let mut damage = Vec::new();
        let Report { journals, partitions, .. } = report;
        self.check_journals(journals, &mut damage)?;
        for partition in partitions {
            let counts = self.count(partition, Some(&mut damage))?;
            each(partition, counts);
        }
        self.check_settled(&mut damage);
        // By every first byte of a key: RocksDB checks the blocks that it reads.
        if let Some(engine) = &self.found.engine
            && let Err(error) = (0..u8::MAX).try_for_each(|tag| engine.scan_state(&[tag], |_, _| Ok(())))
        {
            let effect = "the next start may be refused".into();
            damage.push(Damage { place: "state in RocksDB".into(), detail: error.to_string(), effect });
        }
        Ok(damage)
    }

    /// Counts the batches of a partition; with `damage` each is read and checked.
    ///
    /// # Errors
    /// There is no such partition.
    pub fn count(
        &self,
        report: &PartitionReport,
        mut damage: Option<&mut Vec<Damage>>,
    ) -> Result<BatchCounts, InspectError> {
        let (engine, partition) = self.partition(&report.topic, report.partition)?;
        let mut counts = BatchCounts::default();
        let mut next_offset = partition.log_start_offset();
        let is_compacted = engine.state_value(&keys::prefix(Tag::Cleaned, partition.number()))?.is_some();
        for (extent, end) in partition.extents_with_ends(partition.log_end_offset()) {
            let topic = report.topic.as_str();
            // A cleaning deletes batches of the settled family before it tells how far it came.
            let has_gaps = is_compacted && extent.family == BatchFamily::Settled;
            let mut walk = Walk { engine, topic, partition: &partition, extent, end, has_gaps, next_offset };
            walk.run(&mut counts, damage.as_deref_mut());
            next_offset = if has_gaps { walk.next_offset.max(end) } else { walk.next_offset };
        }
        Ok(counts)
    }

    fn partition(&self, topic: &str, index: i32) -> Result<(&Arc<Engine>, Arc<Partition>), InspectError> {
        let unknown = || InspectError::UnknownPartition { topic: topic.into(), partition: index };
        let topics = self.found.topics.as_ref().ok_or_else(unknown)?;
        let found = topics.catalog.topic(topic).ok_or_else(unknown)?;
        // One that cannot be read is not among them.
        let partition = found.partitions.iter().find(|partition| partition.index() == index);
        let engine = self.found.engine.as_ref().ok_or_else(unknown)?;
        Ok((engine, Arc::clone(partition.ok_or_else(unknown)?)))
    }
}

/// A walk over the batches of one extent.
struct Walk<'a> {
    engine: &'a Arc<Engine>,
    topic: &'a str,
    partition: &'a Partition,
    extent: Extent,
    end: i64,
    /// Batches of it may be gone for good reason.
    has_gaps: bool,
    /// The offset after the last batch.
    next_offset: i64,
}

impl Walk<'_> {
    fn run(&mut self, counts: &mut BatchCounts, mut damage: Option<&mut Vec<Damage>>) {
        let from = self.next_offset.max(self.extent.base_offset);
        let mut cursor = BatchCursor::in_extent(self.engine, self.partition, from, self.extent, self.end);
        loop {
            let entry = match cursor.next_stored() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                // RocksDB cannot go on.
                Err(error) => {
                    counts.damaged += 1;
                    if let Some(damage) = damage.as_deref_mut() {
                        let (offset, place) = (self.next_offset, self.extent.family.family());
                        let place = format!("{} from offset {offset} in {place}", self.name());
                        damage.push(unreadable(place, error.to_string()));
                    }
                    break;
                }
            };
            let size = entry.size_bytes as u64;
            let (batches, bytes) = match entry.body {
                None => (&mut counts.inline, &mut counts.inline_bytes),
                Some(BodyPlace::Journal { .. }) => (&mut counts.in_journal, &mut counts.in_journal_bytes),
                Some(BodyPlace::Settled { .. }) => {
                    (&mut counts.in_settled_files, &mut counts.in_settled_files_bytes)
                }
            };
            (*batches, *bytes) = (*batches + 1, *bytes + size);
            if let Some(damage) = damage.as_deref_mut() {
                self.check(&entry, counts, damage);
            }
        }
    }

    fn check(&mut self, entry: &StoredEntry, counts: &mut BatchCounts, damage: &mut Vec<Damage>) {
        let offset = entry.base_offset;
        if offset > self.next_offset && !self.has_gaps {
            let place = format!("{}, offsets {}..{offset}", self.name(), self.next_offset);
            damage.push(unreadable(place, "there is no batch".into()));
        }
        let found = entry.check(self.engine, self.extent.family);
        if let Err(error) = &found {
            counts.damaged += 1;
            let place = place_of(self.extent.family, entry);
            let place = format!("{}, batch at offset {offset}, in {}", self.name(), described(&place));
            damage.push(unreadable(place, error.to_string()));
        }
        let header = found.or_else(|_| entry.header.clone());
        // A body that is damaged still has its header, in its pointer.
        self.next_offset = header.map_or(offset.saturating_add(1), |header| header.next_offset());
    }

    fn name(&self) -> String {
        format!("{}-{}", self.topic, self.partition.index())
    }
}

fn unreadable(place: String, detail: String) -> Damage {
    Damage { place, detail, effect: "consumers get CORRUPT_MESSAGE there".into() }
}

fn described(place: &BatchPlace) -> String {
    match place {
        BatchPlace::Inline { family } => family.clone(),
        BatchPlace::Journal(position) | BatchPlace::Settled(position) => {
            format!("byte {} of {}", position.offset, position.file)
        }
    }
}

fn place_of(family: BatchFamily, entry: &StoredEntry) -> BatchPlace {
    match (entry.body, family) {
        (Some(BodyPlace::Journal { offset }), BatchFamily::Generation(number)) => {
            BatchPlace::Journal(Position { file: file_name::journal(number), offset })
        }
        (Some(BodyPlace::Settled { file, offset }), _) => {
            BatchPlace::Settled(Position { file: file_name::settled(file), offset })
        }
        _ => BatchPlace::Inline { family: family.family() },
    }
}

fn of_entry(engine: &Engine, family: BatchFamily, entry: &StoredEntry) -> BatchReport {
    let fault = entry.check(engine, family).err().map(|error: StorageError| error.to_string());
    BatchReport {
        base_offset: entry.base_offset,
        place: place_of(family, entry),
        header: entry.header.clone().ok(),
        fault,
    }
}

/// The extent that holds an offset of the log, and its end.
fn extent_of(partition: &Partition, offset: i64) -> Option<(Extent, i64)> {
    let (start, end) = (partition.log_start_offset(), partition.log_end_offset());
    let extents = partition.extents_with_ends(end);
    // The first extent may begin below the log start.
    let holds = |(extent, end): &&(Extent, i64)| extent.base_offset <= offset && offset < *end;
    extents.iter().find(holds).copied().filter(|_| offset >= start)
}

/// No broker changes what is looked at here: only the disk can fail.
fn storage_error(error: ReadError) -> StorageError {
    match error {
        ReadError::Storage(error) => error,
        other => StorageError::corrupt("partition", other),
    }
}
