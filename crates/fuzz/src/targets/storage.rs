//! The keys and values that the storage reads of the disk.
//!
//! Their layouts are private to the storage, which shows them to this target by its feature `fuzz`.
//! Rule: a value reads the same once it was written again, a key is what its parts make.

use super::{MIB, kind};
use crate::Target;

/// Every layout; the first byte chooses.
pub(super) const STORAGE: Target =
    Target { name: "storage", run: stored, seeds: ::storage::fuzz::samples, memory: |len| MIB + 64 * len };

/// Reads the input as the layout that its first byte chooses.
fn stored(data: &[u8]) -> String {
    let Some((choice, bytes)) = data.split_first() else { return "no choice".to_owned() };
    let (name, read) = ::storage::fuzz::read(*choice, bytes);
    format!("{name} {}", read.map_or_else(|error| kind(&error), |()| "read".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_sound() {
        for sample in ::storage::fuzz::samples() {
            assert!(stored(&sample).ends_with("read"), "{} of {sample:?}", stored(&sample));
        }
    }
}
