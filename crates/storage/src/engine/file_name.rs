//! Names of the files that the storage writes itself, not through RocksDB.

use std::fmt;

use crate::log::GenerationNumber;

/// A file of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileName {
    /// The journal of a generation.
    Journal(GenerationNumber),
    /// A file of that name.
    Small(&'static str),
    /// The next content of that file, until it takes its name.
    Next(&'static str),
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(generation) => f.write_str(&journal(*generation)),
            Self::Small(name) => f.write_str(name),
            Self::Next(name) => write!(f, "{name}.new"),
        }
    }
}

/// Name of the journal file of a generation.
pub(crate) fn journal(generation: GenerationNumber) -> String {
    format!("journal-{:08x}", generation.0)
}

/// The generation of a journal file; `None` for another file.
pub(crate) fn generation_of(name: &str) -> Option<GenerationNumber> {
    let digits = name.strip_prefix("journal-").filter(|digits| digits.len() == 8)?;
    let generation = GenerationNumber(u32::from_str_radix(digits, 16).ok()?);
    // No other way of writing the same number.
    (journal(generation) == name).then_some(generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_journal_leads_back_to_its_generation() {
        assert_eq!(generation_of(&journal(GenerationNumber(42))), Some(GenerationNumber(42)));
        for name in ["journal-2a", "journal-0000002g", "journal-+000002a", "000042.log"] {
            assert_eq!(generation_of(name), None, "{name}");
        }
    }
}
