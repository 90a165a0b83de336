//! Remembers the names about which a line was written, in memory that does not grow with them.
//!
//! Guarantees that a name is never mistaken for another one, up to the chance that two hashes of 64 bits are equal. A name is
//! forgotten when another one takes its entry: then its line is written again.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Entries, 8 bytes each. A broker with more wrong clients than this has their lines limited by the caller.
const ENTRIES: u64 = 4_096;

/// See the module.
#[derive(Debug)]
pub(crate) struct NamedOnce {
    /// Another one in each process: a client cannot choose names that take each other's entry.
    hasher: RandomState,
    /// By the hash of a name: that of the newest name with this entry; 0: none yet.
    entries: Box<[AtomicU64]>,
}

impl Default for NamedOnce {
    fn default() -> NamedOnce {
        NamedOnce { hasher: RandomState::new(), entries: (0..ENTRIES).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl NamedOnce {
    /// Notes a name. Returns false if it is noted already.
    pub(crate) fn note(&self, name: &str) -> bool {
        let (hash, entry) = self.find(name);
        // Of two threads with one name, one is the first. Relaxed: nothing else is read by it.
        entry.is_none_or(|entry| entry.swap(hash, Ordering::Relaxed) != hash)
    }

    /// Forgets a name: no line was written about it after all.
    pub(crate) fn forget(&self, name: &str) {
        let (hash, entry) = self.find(name);
        if let Some(entry) = entry {
            // Another name that has the entry meanwhile stays.
            let _ = entry.compare_exchange(hash, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// The hash of a name, never 0, and its entry.
    fn find(&self, name: &str) -> (u64, Option<&AtomicU64>) {
        let hash = self.hasher.hash_one(name).max(1);
        let entry = usize::try_from(hash % ENTRIES).ok().and_then(|index| self.entries.get(index));
        (hash, entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_noted_once_until_it_is_forgotten() {
        let noted = NamedOnce::default();
        assert_eq!([noted.note("a"), noted.note("a"), noted.note("a")], [true, false, false]);
        noted.forget("a");
        assert_eq!([noted.note("a"), noted.note("a")], [true, false]);
    }

    #[test]
    fn any_number_of_names_takes_the_same_memory_and_none_hides_another() {
        let noted = NamedOnce::default();
        assert!((0..100_000).all(|number| noted.note(&format!("id-{number}"))));
        assert_eq!(noted.entries.len(), 4_096);
        let shared = |one: &str, other: &str| {
            let index = |name| noted.find(name).0 % ENTRIES;
            index(one) == index(other)
        };
        let other = (0..).map(|number| format!("other-{number}")).find(|other| shared("a", other)).unwrap();
        assert_eq!([noted.note("a"), noted.note(&other), noted.note("a")], [true, true, true]);
        noted.forget(&other);
        assert!(!noted.note("a"), "its entry was not that of the forgotten one any more");
    }
}
