//! The files of settled batches.

use std::{collections::BTreeSet, sync::Arc};

use super::{Damage, Found, Inspector, SettledFileReport};
use crate::{
    InspectError, StorageError,
    engine::{
        Engine, EngineFaults, SettledFiles, SettledNumber,
        batch_file::{Access, BatchFile},
        file_name::{self, FileName},
    },
    space,
};

impl Inspector {
    /// The files in the folder, with the bytes that live in them: all values of the settled family are read for that.
    pub(super) fn settled_files(&self) -> Result<Vec<SettledFileReport>, InspectError> {
        let files = SettledFiles::found(&self.options.path)?;
        let (named, living) = match &self.found.engine {
            Some(engine) if !files.is_empty() => (engine.named_settled_files().ok(), self.living(engine)),
            _ => (None, None),
        };
        let mut reports = Vec::new();
        for number in files {
            let (name, faults) = (FileName::Settled(number), EngineFaults::default());
            // A broker that uses the folder may have deleted it by now.
            let file = BatchFile::open(&self.options.path, name, Access::ReadOnly, &faults)?;
            let Some(file) = file else { continue };
            let known = living.as_ref().filter(|living| !living.untouchable.contains(&number));
            reports.push(SettledFileReport {
                name: file_name::settled(number),
                number: number.0,
                bytes: file.len()?,
                named: named.as_ref().map(|named| named.contains(&number)),
                live_bytes: known.map(|living| living.bytes.get(&number).copied().unwrap_or(0)),
            });
        }
        Ok(reports)
    }

    /// `None`: it cannot be counted.
    fn living(&self, engine: &Engine) -> Option<space::Living> {
        let topics = self.found.topics.as_ref()?.catalog.topics();
        let partitions = topics.flat_map(|topic| &topic.partitions);
        let by_number = partitions.map(|partition| (partition.number(), Arc::clone(partition))).collect();
        space::living(engine, &by_number).ok()
    }

    /// Batches of the settled family that are deleted go with the change that deletes them: none may be left.
    pub(super) fn check_settled(&self, damage: &mut Vec<Damage>) {
        let living = self.found.engine.as_ref().and_then(|engine| self.living(engine));
        if let Some(dead) = living.map(|living| living.dead).filter(|dead| *dead > 0) {
            let detail = format!("{dead} batches of it are deleted, and still there");
            let effect = "their space comes back with their topic".into();
            damage.push(Damage { place: "the settled family".into(), detail, effect });
        }
    }

    /// Files that the next start deletes, as nothing points into them.
    pub(super) fn unnamed_settled_files(&self, engine: &Engine) -> Result<Vec<String>, StorageError> {
        let (found, named) = (SettledFiles::found(&self.options.path)?, engine.named_settled_files()?);
        Ok(found.difference(&named).map(|number| file_name::settled(*number)).collect())
    }
}

impl Found {
    /// Every file that the state names is there.
    pub(super) fn compare_settled_files(&mut self, engine: &Engine) {
        let Some(named) = self.part("settled files", engine.named_settled_files()) else { return };
        let found = self.part("settled files", SettledFiles::found(engine.path()));
        let missing = |found: BTreeSet<SettledNumber>| named.difference(&found).copied().collect::<Vec<_>>();
        for number in found.map(missing).into_iter().flatten() {
            let (detail, effect) = ("the file is missing".into(), "its batches cannot be read".into());
            self.damage.push(Damage { place: file_name::settled(number), detail, effect });
        }
    }
}
