//! Key → greatest offset, in bounded memory (Kafka's `SkimpyOffsetMap`).
//!
//! Keys are not kept, only 128 bits of a hash: two keys with the same hash would cost one of them its records. So the
//! hash is SipHash-2-4 with a secret key drawn for each map: clients cannot look for collisions, and by chance a billion
//! keys collide with a probability of 10⁻²¹. A faster hash without a secret (xxh3, Kafka's MD5) would let a
//! client that writes some keys of a topic remove others.

use std::hash::Hasher;

use siphasher::sip128::{Hash128, Hasher128, SipHasher24};

use crate::random;

/// Two words of hash and an offset plus one; 0 there marks a free slot, so that fresh memory is an empty map.
type HashSlot = [u64; 3];

/// An open-addressing table of fixed size.
pub(crate) struct OffsetMap {
    key: [u8; 16],
    slots: Vec<HashSlot>,
    len: usize,
    latest_offset: Option<i64>,
}

/// The map has reached its load; the key was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl OffsetMap {
    /// Bytes that one key takes, whatever its length.
    pub(crate) const SLOT_BYTES: usize = size_of::<HashSlot>();

    /// A map of at most `capacity_bytes`, but of two slots at least. The operating system gives it memory as it fills.
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        let slots = vec![[0; 3]; (capacity_bytes / Self::SLOT_BYTES).max(2)];
        Self { key: random::secret(), slots, len: 0, latest_offset: None }
    }

    /// Keys that it takes: nine tenths of the slots, at least one (`log.cleaner.io.buffer.load.factor`).
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len() - (self.slots.len() / 10).max(1)
    }

    /// Keys in it.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The last offset that was looked at: later records are not cleaned.
    pub(crate) fn latest_offset(&self) -> Option<i64> {
        self.latest_offset
    }

    /// Notes that everything up to `offset` was looked at.
    pub(crate) fn advance(&mut self, offset: i64) {
        self.latest_offset = self.latest_offset.max(Some(offset));
    }

    /// Notes `offset`, 0 or more, as one of `key`; the greatest stays.
    ///
    /// # Errors
    /// If the key is new and there is no room for it.
    pub(crate) fn put(&mut self, key: &[u8], offset: i64) -> Result<(), Full> {
        let stored = offset.cast_unsigned().wrapping_add(1);
        // A key that is known may still get a later offset.
        let full = self.len >= self.capacity();
        let hash = self.hash(key);
        let slot = self.slot(hash).and_then(|slot| self.slots.get_mut(slot)).ok_or(Full)?;
        if slot[2] == 0 {
            if full {
                return Err(Full);
            }
            *slot = [hash.h1, hash.h2, stored];
            self.len += 1;
        } else {
            slot[2] = slot[2].max(stored);
        }
        Ok(())
    }

    /// The greatest offset of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<i64> {
        let slot = self.slots.get(self.slot(self.hash(key))?)?;
        (slot[2] != 0).then(|| slot[2].wrapping_sub(1).cast_signed())
    }

    fn hash(&self, key: &[u8]) -> Hash128 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(key);
        hasher.finish128()
    }

    /// The slot of that hash, or the free one where it belongs. A table that is never full always has one.
    fn slot(&self, hash: Hash128) -> Option<usize> {
        // The hash as a fraction of the table: even, for any size of it.
        let first = ((u128::from(hash.h1) * self.slots.len() as u128) >> 64) as usize;
        let (before, from) = self.slots.split_at_checked(first)?;
        let belongs = |slot: &HashSlot| slot[2] == 0 || (slot[0] == hash.h1 && slot[1] == hash.h2);
        let in_order = from.iter().chain(before);
        in_order
            .enumerate()
            .find(|(_, slot)| belongs(slot))
            .map(|(step, _)| (first + step) % self.slots.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn filled(capacity_bytes: usize) -> OffsetMap {
        let mut map = OffsetMap::new(capacity_bytes);
        for offset in 0.. {
            if map.put(format!("key-{offset}").as_bytes(), offset).is_err() {
                break;
            }
        }
        map
    }

    #[test]
    fn the_greatest_offset_of_a_key_stays() {
        let mut map = OffsetMap::new(1000);
        assert_eq!(map.get(b"a"), None);
        for offset in [5, 9, 7] {
            map.put(b"a", offset).unwrap();
        }
        map.put(b"", 0).unwrap();
        assert_eq!((map.get(b"a"), map.get(b""), map.get(b"b")), (Some(9), Some(0), None));
        assert_eq!(map.len(), 2);
        assert_eq!(map.latest_offset(), None);
    }

    #[test]
    fn a_full_map_takes_no_new_key_and_still_knows_the_others() {
        for (bytes, keys) in [(0, 1), (24 * 3, 2), (24 * 100, 90), (240_023, 9_000)] {
            let mut map = filled(bytes);
            assert_eq!((map.len(), map.capacity()), (keys, keys), "{bytes} bytes");
            for offset in 0..keys as i64 {
                let key = format!("key-{offset}");
                assert_eq!(map.get(key.as_bytes()), Some(offset));
                map.put(key.as_bytes(), offset + 1).unwrap();
            }
            assert_eq!(map.put(b"another", 1), Err(Full));
            assert_eq!(map.get(b"another"), None);
        }
    }

    #[test]
    fn it_knows_what_a_hash_map_knows() {
        let (mut map, mut model) = (OffsetMap::new(24 * 5000), HashMap::new());
        for offset in 0..40_000i64 {
            let key = (offset.wrapping_mul(7919) % 4000).to_le_bytes();
            map.put(&key, offset).unwrap();
            model.insert(key, offset);
        }
        assert_eq!(map.len(), model.len());
        assert!(model.iter().all(|(key, offset)| map.get(key) == Some(*offset)));
    }

    #[test]
    fn every_map_has_a_secret_of_its_own() {
        assert_ne!(OffsetMap::new(0).hash(b"key"), OffsetMap::new(0).hash(b"key"));
    }

    #[test]
    fn the_latest_offset_never_falls() {
        let mut map = OffsetMap::new(0);
        map.advance(7);
        map.advance(3);
        assert_eq!(map.latest_offset(), Some(7));
    }
}
