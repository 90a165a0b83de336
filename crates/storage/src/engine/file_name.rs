//! Names of the files that the storage writes itself, not through RocksDB.

use std::{collections::BTreeSet, fmt, fs, path::Path};

use crate::{StorageError, log::GenerationNumber};

/// The number of a settled file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SettledNumber(pub(crate) u32);

/// A file of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileName {
    /// The journal of a generation.
    Journal(GenerationNumber),
    /// Batches that outlived their generation.
    Settled(SettledNumber),
    /// A file of that name.
    Small(&'static str),
    /// The next content of that file, until it takes its name.
    Next(&'static str),
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(generation) => f.write_str(&journal(*generation)),
            Self::Settled(number) => f.write_str(&settled(*number)),
            Self::Small(name) => f.write_str(name),
            Self::Next(name) => write!(f, "{name}.new"),
        }
    }
}

/// Name of the journal file of a generation.
pub(crate) fn journal(generation: GenerationNumber) -> String {
    numbered(JOURNAL, generation.0)
}

/// Name of a settled file.
pub(crate) fn settled(number: SettledNumber) -> String {
    numbered(SETTLED, number.0)
}

const JOURNAL: &str = "journal-";
const SETTLED: &str = "settled-";

fn numbered(prefix: &str, number: u32) -> String {
    format!("{prefix}{number:08x}")
}

/// The generation of a journal file; `None` for another file.
pub(crate) fn generation_of(name: &str) -> Option<GenerationNumber> {
    number_of(JOURNAL, name).map(GenerationNumber)
}

/// The number of a settled file; `None` for another file.
pub(crate) fn settled_of(name: &str) -> Option<SettledNumber> {
    number_of(SETTLED, name).map(SettledNumber)
}

fn number_of(prefix: &str, name: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix).filter(|digits| digits.len() == 8)?;
    let number = u32::from_str_radix(digits, 16).ok()?;
    // No other way of writing the same number.
    (numbered(prefix, number) == name).then_some(number)
}

/// The files of `folder` whose names `parse` knows.
pub(crate) fn listed<T: Ord>(
    folder: &Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<BTreeSet<T>, StorageError> {
    let failed = StorageError::io("list the data folder");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(&failed)? {
        let name = entry.map_err(&failed)?.file_name();
        found.extend(name.to_str().and_then(&parse));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_leads_back_to_its_number() {
        assert_eq!(generation_of(&journal(GenerationNumber(42))), Some(GenerationNumber(42)));
        assert_eq!(settled(SettledNumber(42)), "settled-0000002a");
        assert_eq!(settled_of("settled-0000002a"), Some(SettledNumber(42)));
        for name in ["journal-2a", "journal-0000002g", "journal-+000002a", "000042.log", "settled-0000002a"] {
            assert_eq!(generation_of(name), None, "{name}");
        }
        assert_eq!(settled_of("journal-0000002a"), None);
    }
}
