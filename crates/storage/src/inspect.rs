//! Looks into a data folder without changing it: for `ottla inspect`, and for tests that failed.
//!
//! Everything is read by the functions that a start reads it with, so what is shown is what the next start would find. RocksDB is
//! opened to be read only. What the journal has and RocksDB has not is given to it in a log of its own form, in a temporary folder that
//! is gone when [`Inspector::open`] returns.
//!
//! Guarantees: not a byte of the folder is written, no file is created or deleted, and a damaged thing is a line of the report, never a
//! panic. While a folder is looked at that no broker has, none can start on it. One that a broker has is shown as of one moment; what
//! the broker deletes meanwhile can then be missing.

mod batches;
mod journals;
mod next_start;
mod partitions;
mod report;
mod rocks_log;
mod settled;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use crate::{
    InspectError, StorageError, StorageOptions, clock,
    engine::{
        Engine, Fence, JournalEnd, Node, SETTLED_FAMILY, Topics, Visit, file_name,
        journal::{
            Journal,
            record::{self, JournalPosition},
        },
        recovery,
    },
    log::{BatchFamily, GenerationNumber},
};
pub use report::{
    BatchCounts, BatchPlace, BatchReport, ClusterReport, Damage, ExtentReport, FamilyReport, JournalReport,
    JournalRole, NextStart, OpenTransaction, PartitionReport, Position, RecordReport, RecordsReport,
    ReplayReport, Report, SettledFileReport,
};

/// In a folder that a broker uses, files may be gone that were just listed: it is read that many times before they count as lost.
const ATTEMPTS: usize = 20;
/// Time between two attempts: a broker that is busy with files is not disturbed.
const PAUSE: Duration = Duration::from_millis(20);

/// A folder that is looked at.
pub struct Inspector {
    options: StorageOptions,
    visit: Visit,
    found: Found,
}

/// The readable parts of a folder, in the order in which they are read. What cannot be read is among the damage.
#[derive(Default)]
struct Found {
    fence: Option<JournalPosition>,
    /// With everything that a replay applies.
    engine: Option<Arc<Engine>>,
    end: Option<JournalEnd>,
    node: Option<Node>,
    topics: Option<Topics>,
    /// The generations that the state names, and when each was created, Unix ms.
    generations: Option<BTreeMap<GenerationNumber, i64>>,
    damage: Vec<Damage>,
    /// The next start is refused, for this reason.
    refused: Option<String>,
}

impl Inspector {
    /// Reads what a start would read of the folder.
    ///
    /// # Errors
    /// It cannot be read, or holds nothing of a format that this release reads. Damage is no error: see [`Report::damage`].
    pub fn open(path: &Path) -> Result<Self, InspectError> {
        let visit = Visit::begin(path)?;
        let options = StorageOptions::new(path);
        let mut found = Found::read(&options)?;
        // Without a broker a second look would find the same.
        for _ in 1..ATTEMPTS {
            if !visit.in_use || found.damage.is_empty() {
                break;
            }
            clock::pause(PAUSE);
            found = Found::read(&options)?;
        }
        Ok(Self { options, visit, found })
    }

    /// Everything that can be told without reading all batches.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn report(&self) -> Result<Report, InspectError> {
        let Found { node, topics, damage, .. } = &self.found;
        let mut report = Report {
            path: self.options.path.clone(),
            now_ms: (self.options.clock)(),
            format: self.visit.format,
            in_use: self.visit.in_use,
            cluster: node.as_ref().map(|node| ClusterReport {
                cluster_id: node.cluster_id.clone(),
                // `Node` has that of the next start, which an unclean stop raises.
                node_epoch: node.epoch - u32::from(node.unclean),
                next_partition: node.next_partition,
                next_producer_id: node.next_producer_id,
                open_ms: node.open_ms,
            }),
            next_start: self.next_start()?,
            families: Vec::new(),
            journals: self.journals()?,
            settled_files: self.settled_files()?,
            partitions: Vec::new(),
            damage: damage.clone(),
        };
        for topic in topics.iter().flat_map(|topics| topics.catalog.topics()) {
            for partition in &topic.partitions {
                report.partitions.push(self.partition_report(topic, partition)?);
            }
        }
        if let Some(engine) = &self.found.engine {
            report.families = self.families(engine, &report.partitions)?;
        }
        Ok(report)
    }

    /// The generations and the settled family.
    fn families(
        &self,
        engine: &Engine,
        partitions: &[PartitionReport],
    ) -> Result<Vec<FamilyReport>, StorageError> {
        let files = engine.files()?;
        let named = self.found.generations.as_ref();
        // A start goes on with the greatest that the state names.
        let current = named.and_then(|named| named.keys().next_back());
        let mut living = BTreeMap::<&str, (u64, u64)>::new();
        for extent in partitions.iter().flat_map(|partition| &partition.extents) {
            let (extents, bytes) = living.entry(&extent.family).or_default();
            (*extents, *bytes) = (*extents + 1, *bytes + extent.live_bytes);
        }
        // In the order of their numbers; the settled family, which has none, last.
        let mut families = Vec::new();
        let generations = engine.generations().into_iter().map(BatchFamily::Generation);
        for family in generations.chain([BatchFamily::Settled]) {
            let name = family.family();
            let number = match family {
                BatchFamily::Generation(number) => Some(number),
                BatchFamily::Settled => None,
            };
            let created_ms = number.and_then(|number| named?.get(&number).copied());
            let successor = number.and_then(|number| named?.range(number..).nth(1));
            let journal_bytes = number.map_or(Ok(0), |number| engine.journal.bytes(number))?;
            let (files, file_bytes) = files.get(&name).copied().unwrap_or_default();
            let (extents, live_bytes) = living.get(name.as_str()).copied().unwrap_or_default();
            families.push(FamilyReport {
                generation: number.map(|number| number.0),
                current: number.is_some() && number.as_ref() == current,
                named: number.is_none() || created_ms.is_some(),
                created_ms,
                sealed_ms: successor.map(|(_, created_ms)| *created_ms),
                files,
                file_bytes,
                journal_bytes,
                extents,
                live_bytes,
                name,
            });
        }
        Ok(families)
    }
}

impl Found {
    fn read(options: &StorageOptions) -> Result<Self, InspectError> {
        let mut found = Self::default();
        // In the order in which a broker that is running goes on: each part is at least as new as the one before it.
        found.fence = found.part("FENCE", Fence::open(&options.path)).map(|fence| fence.position());
        let fence = found.fence.unwrap_or(JournalPosition::START);
        if !options.path.join("CURRENT").exists() {
            if !Journal::generations(&options.path)?.is_empty() {
                found.refuse("RocksDB", "its file CURRENT is missing".into());
            }
            return Ok(found);
        }
        let flushed = found.part("RocksDB", Engine::open_read_only(options, None));
        let Some(flushed) = flushed else { return Ok(found) };
        let end = found
            .part(
                "journal",
                flushed.flushed_entry().and_then(|entry| JournalEnd::find(&flushed.journal, entry, fence)),
            )
            .flatten();
        // Without a journal that can be read, what RocksDB has flushed is shown.
        let engine = match &end {
            Some(end) if !end.records.is_empty() => rocks_log::replayed(options, &flushed, end)?,
            _ => Ok(flushed),
        };
        if let Some(lost) = end.as_ref().and_then(JournalEnd::lost) {
            let detail = format!("it ends at {} and was synced up to {}", lost.recovered, lost.synced);
            found.refuse("journal", detail);
        }
        found.end = end;
        let engine = found.part("operations in the journal", engine).map(Arc::new);
        if let Some(engine) = &engine {
            found.read_state(engine);
        }
        found.engine = engine;
        Ok(found)
    }

    fn read_state(&mut self, engine: &Arc<Engine>) {
        let generations = self.part("generations", recovery::named_generations(engine));
        self.generations = generations
            .map(|named| named.into_iter().map(|(number, record)| (number, record.created_ms)).collect());
        let Some(node) = self.part("node", Node::load(engine)) else { return };
        let mut damaged = Vec::new();
        let topics = recovery::load_catalog(engine, &node, |topic, index, error| {
            damaged.push((format!("{topic}-{index}"), error.to_string()));
            Ok(())
        });
        for (place, detail) in damaged {
            self.refuse(&place, detail);
        }
        self.topics = self.part("topics and partitions", topics);
        for topic in self.topics.iter().flat_map(|topics| topics.catalog.unreadable()) {
            let name = topic.name.as_deref().unwrap_or("of unknown name");
            let effect = match topic.name {
                Some(_) => "it is not served; its name and its data are kept",
                None => "the next start is refused, unless with --accept-data-loss",
            };
            let place = format!("topic {name}, id {}", topic.id);
            self.damage.push(Damage { place, detail: topic.error.to_string(), effect: effect.into() });
            if topic.name.is_none() {
                self.refused.get_or_insert_with(|| topic.error.to_string());
            }
        }
        self.compare_generations(engine);
        self.compare_settled_files(engine);
        if !node.new && self.generations.as_ref().is_some_and(BTreeMap::is_empty) {
            self.refuse("generations", "the state names none".into());
        }
        self.node = Some(node);
    }

    /// A generation that the state names has a family, and a journal with a header.
    fn compare_generations(&mut self, engine: &Engine) {
        let families = engine.generations();
        let numbers: Vec<_> = self.generations.iter().flat_map(BTreeMap::keys).copied().collect();
        for number in numbers {
            let effect = || "its batches cannot be read".to_owned();
            if !families.contains(&number) {
                let (place, detail) = (number.family(), "the column family is missing".into());
                self.damage.push(Damage { place, detail, effect: effect() });
            }
            // The end of the journal has a reason of its own.
            if self.end.as_ref().is_none_or(|end| number >= end.end.generation) {
                continue;
            }
            let place = file_name::journal(number);
            match engine
                .journal
                .file(number)
                .and_then(|file| file.map(|file| record::salt(&file)).transpose())
            {
                Ok(Some(Some(_))) => {}
                Ok(Some(None)) => {
                    let detail = "its header is damaged".into();
                    let effect = "none while its records need not be replayed".into();
                    self.damage.push(Damage { place, detail, effect });
                }
                Ok(None) => {
                    let detail = "the file is missing".into();
                    self.damage.push(Damage { place, detail, effect: effect() });
                }
                Err(error) => {
                    self.damage.push(Damage { place, detail: error.to_string(), effect: effect() });
                }
            }
        }
    }

    /// The part, unless it is damaged: then the next start fails.
    fn part<T>(&mut self, place: &str, read: Result<T, StorageError>) -> Option<T> {
        read.map_err(|error| self.refuse(place, error.to_string())).ok()
    }

    fn refuse(&mut self, place: &str, detail: String) {
        // The first reason: a start ends there.
        self.refused.get_or_insert_with(|| format!("{place}: {detail}"));
        self.damage.push(Damage { place: place.into(), detail, effect: "the next start is refused".into() });
    }
}

/// The generation of a journal file, as a user names it: the file, or its number in hexadecimal.
fn generation_named(name: &str) -> Option<GenerationNumber> {
    // Hexadecimal, as in the names of files and families.
    file_name::generation_of(name).or_else(|| u32::from_str_radix(name, 16).ok().map(GenerationNumber))
}

/// Name of the family of batches that are in no generation any more.
pub const SETTLED: &str = SETTLED_FAMILY;
