//! The next start: the records it applies, the end of the journal and its reason, and everything it cuts off or deletes.

use std::collections::BTreeSet;

use super::{Inspector, NextStart, Position, ReplayReport};
use crate::{
    InspectError, StorageError,
    engine::{
        JournalEnd, file_name,
        journal::{
            Journal,
            record::{self, JournalPosition},
            replay::{self, RecordFault},
        },
    },
    log::GenerationNumber,
};

impl Inspector {
    pub(super) fn next_start(&self) -> Result<NextStart, InspectError> {
        let found = &self.found;
        let node = found.node.as_ref();
        let mut start = NextStart {
            refused: found.refused.clone(),
            new: node.is_none_or(|node| node.new) && found.refused.is_none(),
            unclean: node.map(|node| node.unclean),
            replay: None,
            deleted: Vec::new(),
        };
        // Without a journal that can be read nothing more is known.
        let Some(end) = &found.end else { return Ok(start) };
        start.replay = Some(self.replay(end)?);
        let (Some(engine), Some(named)) = (&found.engine, &found.generations) else { return Ok(start) };
        let families = engine.generations().into_iter().filter(|number| !named.contains_key(number));
        start.deleted.extend(families.map(|number| format!("column family {}", number.family())));
        for number in Journal::generations(&self.options.path)? {
            if is_deleted(number, named.contains_key(&number), end) && number <= end.end.generation {
                start.deleted.push(file_name::journal(number));
            }
        }
        start.deleted.extend(self.unnamed_settled_files(engine)?);
        Ok(start)
    }

    fn replay(&self, end: &JournalEnd) -> Result<ReplayReport, InspectError> {
        let length = match end.files.get(&end.end.generation) {
            Some(file) => file.len()?,
            None => 0,
        };
        let mut deleted = Vec::new();
        let files: BTreeSet<_> = Journal::generations(&self.options.path)?;
        for number in files.into_iter().filter(|number| *number > end.end.generation) {
            let bytes = end.files.get(&number).map_or(Ok(0), |file| file.len())?;
            deleted.push((file_name::journal(number), bytes));
        }
        let groups = end.records.first().zip(end.records.last());
        let sum = |bytes: fn(&record::RecordHeader) -> u32| {
            end.records.iter().map(|found| u64::from(bytes(&found.header))).sum()
        };
        Ok(ReplayReport {
            from: end.from.into(),
            records: end.records.len() as u64,
            groups: groups.map(|(first, last)| (first.header.group, last.header.group)),
            operations_bytes: sum(|header| header.operations),
            body_bytes: sum(|header| header.body_bytes),
            end: end.end.into(),
            why: why_it_ends(end, length)?,
            mark: Position::of_mark(end.mark),
            cut_bytes: length.saturating_sub(end.end.offset),
            deleted,
        })
    }
}

/// A start deletes the file of this generation.
pub(super) fn is_deleted(number: GenerationNumber, named: bool, end: &JournalEnd) -> bool {
    // A replay from the position that RocksDB flushed may still read those after it.
    number > end.end.generation || (!named && number < end.from.generation)
}

fn why_it_ends(end: &JournalEnd, length: u64) -> Result<String, StorageError> {
    let JournalPosition { generation, offset } = end.end;
    let Some(file) = end.files.get(&generation) else { return Ok("the file is missing".into()) };
    let Some(salt) = record::salt(file)? else {
        return Ok("the file's header is damaged, or was not written".into());
    };
    if offset >= length {
        return Ok(match end.files.range(generation..).nth(1) {
            None => "the last record ends the file".into(),
            Some((next, _)) => {
                let next = file_name::journal(*next);
                format!("the last record ends the file, and {next} begins with none that follows it")
            }
        });
    }
    Ok(match replay::record_at(file, salt, end.end, length)? {
        Ok(found) if end.records.is_empty() => {
            format!("write group {} is not whole: a batch of it is damaged", found.header.group)
        }
        Ok(found) if found.header.group != end.group => {
            format!("the next record is write group {}, not {}", found.header.group, end.group)
        }
        Ok(found) => {
            let group = found.header.group;
            format!("write group {group} was not synced, and a batch of it is missing or damaged")
        }
        // A power failure can leave the length of a write without its bytes.
        Err(RecordFault::NoHeader) if is_zero(&file.read(offset, record::RECORD_HEADER_LEN)?) => {
            "zeros follow, which were never written".into()
        }
        Err(fault) => fault.to_string(),
    })
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
