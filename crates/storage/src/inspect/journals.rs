//! The files of the journal and the records in them.

use std::sync::Arc;

use super::{
    Damage, Inspector, JournalReport, JournalRole, Position, RecordReport, RecordsReport, next_start,
};
use crate::{
    InspectError, StorageError,
    engine::{
        EngineFaults,
        batch_file::{Access, BatchFile},
        file_name::{self, FileName},
        journal::{
            Journal,
            record::{self, FILE_HEADER_LEN, JournalPosition, Salt},
            replay::{self, Files, FoundRecord},
        },
    },
    log::GenerationNumber,
};

impl Inspector {
    /// The files of the journal; of those that a replay reads, what it applies.
    pub(super) fn journals(&self) -> Result<Vec<JournalReport>, InspectError> {
        let mut journals = Vec::new();
        for number in Journal::generations(&self.options.path)? {
            // A broker that uses the folder may have deleted it by now.
            let Some(file) = self.journal_file(number)? else { continue };
            let end = self.found.end.as_ref();
            // Read already, to find the end; other files are read only by a check.
            let applied = end.and_then(|end| {
                let of_file = || end.records.iter().filter(|found| found.position.generation == number);
                let mut records = RecordsReport::from(of_file().next()?.position.offset);
                of_file().for_each(|found| records.add(found));
                Some(records)
            });
            journals.push(JournalReport {
                name: file_name::journal(number),
                generation: number.0,
                bytes: file.len()?,
                header: record::salt(&file)?.is_some(),
                role: self.role(number),
                records: applied,
            });
        }
        Ok(journals)
    }

    fn role(&self, number: GenerationNumber) -> JournalRole {
        let (Some(end), Some(named)) = (&self.found.end, &self.found.generations) else {
            return JournalRole::Unknown;
        };
        let named = named.contains_key(&number);
        match number {
            _ if next_start::is_deleted(number, named, end) => JournalRole::Deleted,
            _ if number == end.end.generation => JournalRole::Current,
            _ if named => JournalRole::Living,
            _ => JournalRole::Replay,
        }
    }

    fn journal_file(&self, number: GenerationNumber) -> Result<Option<Arc<BatchFile>>, StorageError> {
        let (name, faults) = (FileName::Journal(number), EngineFaults::default());
        Ok(BatchFile::open(&self.options.path, name, Access::ReadOnly, &faults)?.map(Arc::new))
    }

    /// Calls `each` with every record of a journal file, and with the bytes between two that are no record. `name`: the file, or the number of its
    /// generation in hexadecimal. With `bodies` the large batches of each record are read and checked.
    ///
    /// # Errors
    /// There is no such file, or it cannot be read.
    pub fn records(
        &self,
        name: &str,
        bodies: bool,
        mut each: impl FnMut(&RecordReport),
    ) -> Result<(), InspectError> {
        let unknown = || InspectError::UnknownJournal { name: name.into() };
        let number = super::generation_named(name).ok_or_else(unknown)?;
        let file = self.journal_file(number)?.ok_or_else(unknown)?;
        let files = Files::from([(number, Arc::clone(&file))]);
        walk(&file, number, |found| {
            each(&match found {
                Part::Record(found) => {
                    let whole = !bodies || found.has_its_bodies(&files)?;
                    let fault = (!whole).then(|| "a batch of it is damaged".to_owned());
                    of_record(&found, fault)
                }
                Part::Gap { offset, bytes, fault } => of_gap(offset, bytes, fault),
            });
            Ok(())
        })?;
        Ok(())
    }

    /// Reads the records of all files, without their bodies, and reports what is damaged of them.
    pub(super) fn check_journals(
        &self,
        journals: &mut [JournalReport],
        damage: &mut Vec<Damage>,
    ) -> Result<(), StorageError> {
        for journal in journals {
            let number = GenerationNumber(journal.generation);
            let Some(file) = self.journal_file(number)? else { continue };
            let (mut records, mut gaps) = (RecordsReport::from(FILE_HEADER_LEN), Vec::new());
            walk(&file, number, |found| {
                match found {
                    Part::Record(found) => records.add(&found),
                    Part::Gap { offset, bytes, fault } => gaps.push((offset, bytes, fault)),
                }
                Ok(())
            })?;
            journal.records = Some(records);
            for (offset, bytes, detail) in gaps {
                if let Some(effect) = self.effect_of_gap(JournalPosition { generation: number, offset }) {
                    let place = format!("{bytes} bytes from byte {offset} of {}", journal.name);
                    damage.push(Damage { place, detail, effect: effect.into() });
                }
            }
        }
        Ok(())
    }

    /// `None`: a crash leaves such bytes, which the next start cuts off.
    fn effect_of_gap(&self, position: JournalPosition) -> Option<&'static str> {
        let Some(end) = &self.found.end else { return Some("RocksDB cannot be read, so it is not known") };
        // A file in which the journal ends, and no record lies, may lack its header: a start writes that anew.
        let is_header = position.generation == end.end.generation && end.end.offset == FILE_HEADER_LEN;
        if position >= end.end || is_header {
            // What was synced and is lost is reported as that.
            return None;
        }
        Some("none for a start: RocksDB has what was written there; a batch that is lost is named on its own")
    }
}

/// A part of a file.
enum Part {
    Record(FoundRecord),
    Gap { offset: u64, bytes: u64, fault: String },
}

/// Goes through the records of a file in their order.
fn walk(
    file: &BatchFile,
    generation: GenerationNumber,
    mut each: impl FnMut(Part) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let length = file.len()?;
    let Some(salt) = record::salt(file)? else {
        let fault = "the file's header is damaged, or was not written".to_owned();
        return each(Part::Gap { offset: 0, bytes: length, fault });
    };
    let mut position = JournalPosition { generation, offset: FILE_HEADER_LEN };
    while position.offset < length {
        let next = replay::next_record(file, salt, position, length)?;
        let start = next.map_or(length, |next| next.position.offset);
        let offset = position.offset;
        if start > offset {
            let fault = fault_at(file, salt, position, length)?;
            each(Part::Gap { offset, bytes: start - offset, fault })?;
        }
        let Some(found) = next else { break };
        position = found.end();
        each(Part::Record(found))?;
    }
    Ok(())
}

fn fault_at(
    file: &BatchFile,
    salt: Salt,
    position: JournalPosition,
    length: u64,
) -> Result<String, StorageError> {
    let found = replay::record_at(file, salt, position, length)?;
    Ok(found.err().map_or_else(|| "it changed while it was read".into(), |fault| fault.to_string()))
}

impl RecordsReport {
    /// No record, read from that offset on.
    fn from(from: u64) -> Self {
        Self { from, end: from, ..Self::default() }
    }

    /// Adds the next record.
    fn add(&mut self, found: &FoundRecord) {
        let header = &found.header;
        let first = self.groups.map_or(header.group, |(first, _)| first);
        self.groups = Some((first, header.group));
        self.records += 1;
        self.bodies += u64::from(header.bodies);
        self.body_bytes += u64::from(header.body_bytes);
        self.operations_bytes += u64::from(header.operations);
        self.end = found.end().offset;
        // It rises from record to record.
        self.durable = Position::of_mark(header.durable);
    }
}

fn of_record(found: &FoundRecord, fault: Option<String>) -> RecordReport {
    let header = &found.header;
    RecordReport {
        offset: found.position.offset,
        bytes: header.record_len(),
        group: Some(header.group),
        bodies: header.bodies,
        body_bytes: header.body_bytes,
        operations_bytes: header.operations,
        durable: Position::of_mark(header.durable),
        fault,
    }
}

fn of_gap(offset: u64, bytes: u64, fault: String) -> RecordReport {
    RecordReport {
        offset,
        bytes,
        group: None,
        bodies: 0,
        body_bytes: 0,
        operations_bytes: 0,
        durable: None,
        fault: Some(fault),
    }
}
