//! The partition of a record, as Java's producers choose it: by the key (murmur2), else the same for some records, then another.

/// Bytes of records without a key after which another partition is chosen: `batch.size` of Java's producers (KIP-794).
const STICKY_BYTES: usize = 16 << 10;

/// The choice for records without a key.
#[derive(Debug, Default)]
pub(super) struct Sticky {
    partition: Option<i32>,
    /// Of records since it was chosen.
    bytes: usize,
}

impl Sticky {
    /// The partition for a record of this many bytes, one of those that have a leader. `draw` returns a random number.
    /// `None` without any partition.
    pub(super) fn choose(
        &mut self,
        available: &[i32],
        bytes: usize,
        draw: impl FnOnce() -> u32,
    ) -> Option<i32> {
        let stays = self.bytes < STICKY_BYTES && self.partition.is_some_and(|old| available.contains(&old));
        if !stays {
            // Another one, if there is another.
            let others: Vec<i32> =
                available.iter().copied().filter(|one| Some(*one) != self.partition).collect();
            let from = if others.is_empty() { available } else { others.as_slice() };
            let at = usize::try_from(draw()).unwrap_or_default().checked_rem(from.len())?;
            self.partition = from.get(at).copied();
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.partition
    }
}

/// The partition of a key in a topic with this many (`BuiltInPartitioner.partitionForKey`); `None` for a topic without partitions.
pub(super) fn of_key(key: &[u8], partitions: usize) -> Option<i32> {
    // Without the sign, as `Utils.toPositive`.
    let hash = murmur2(key) & 0x7fff_ffff;
    hash.checked_rem(u32::try_from(partitions).ok()?)?.try_into().ok()
}

/// MurmurHash 2 with the seed of Kafka's `Utils.murmur2`.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    // The hash is of 32 bits of the length, also of one that is longer.
    let length = bytes.len() as u32;
    let mut hash = SEED ^ length;
    let mut words = bytes.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = word.iter().rev().fold(0, |word: u32, byte| word << 8 | u32::from(*byte));
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |word: u32, byte| word << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of Kafka's `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_are_those_of_kafka() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
        assert_eq!(of_key(b"abc", 10), Some(7));
        assert_eq!(of_key(b"21", 3), Some((-973_932_308_i32 & 0x7fff_ffff) % 3));
        assert_eq!(of_key(b"21", 0), None);
    }

    #[test]
    fn a_partition_stays_for_a_while_and_then_another_is_chosen() {
        let mut sticky = Sticky::default();
        assert_eq!(sticky.choose(&[], 1, || 0), None);
        assert_eq!(sticky.choose(&[0, 1, 2], STICKY_BYTES - 1, || 1), Some(1));
        assert_eq!(sticky.choose(&[0, 1, 2], 1, || 0), Some(1));
        assert_eq!(sticky.choose(&[0, 1, 2], 1, || 0), Some(0));
        assert_eq!(sticky.choose(&[0, 1, 2], 1, || 1), Some(0), "it is counted from its choice on");
        // Its leader is gone.
        assert_eq!(sticky.choose(&[1, 2], 1, || 1), Some(2));
        assert_eq!(Sticky::default().choose(&[4], STICKY_BYTES, || 9), Some(4));
    }
}
