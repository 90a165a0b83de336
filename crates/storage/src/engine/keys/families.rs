//! Names of RocksDB's column families, and the numbers by which records tell them.

use crate::log::{BatchFamily, GenerationNumber};

/// Name of the column family that holds everything but batches.
pub(crate) const STATE_FAMILY: &str = "state";
/// Name of the column family of [`BatchFamily::Settled`].
pub(crate) const SETTLED_FAMILY: &str = "settled";

/// Its column family is named after it.
impl GenerationNumber {
    pub(crate) fn family(self) -> String {
        format!("gen-{:08x}", self.0)
    }

    pub(crate) fn of_family(name: &str) -> Option<Self> {
        // Other families are no generations: `default`, which RocksDB insists on, `state` and `settled`.
        let digits = name.strip_prefix("gen-").filter(|digits| digits.len() == 8)?;
        let number = Self(u32::from_str_radix(digits, 16).ok()?);
        // No other way of writing the same number.
        (number.family() == name).then_some(number)
    }
}

impl BatchFamily {
    pub(crate) fn family(self) -> String {
        match self {
            Self::Settled => SETTLED_FAMILY.into(),
            Self::Generation(number) => number.family(),
        }
    }

    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Settled => 0,
            Self::Generation(number) => number.0,
        }
    }

    pub(crate) fn of_number(number: u32) -> Self {
        match number {
            0 => Self::Settled,
            number => Self::Generation(GenerationNumber(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_name_leads_back_to_its_generation() {
        let number = GenerationNumber(0xabc);
        assert_eq!(number.family(), "gen-00000abc");
        assert_eq!(GenerationNumber::of_family("gen-00000abc"), Some(number));
        for other in ["state", "gen-+0000abc", "gen-00000ABC"] {
            assert_eq!(GenerationNumber::of_family(other), None);
        }
    }
}
