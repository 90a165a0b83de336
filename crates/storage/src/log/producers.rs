//! All producers of a partition, packed: there may be hundreds of thousands of them, and most rest.
//!
//! Guarantees that a state is returned as it was stored. It is kept as numbers of variable length, each relative to one that is close
//! to it: some 50 bytes where the fields take 170.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::producer_state::{REMEMBERED_BATCHES, RememberedBatch, RememberedBatches};
use crate::ProducerState;

/// States by producer id.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    packed: BTreeMap<i64, Box<[u8]>>,
}

impl Producers {
    pub(crate) fn len(&self) -> usize {
        self.packed.len()
    }

    pub(crate) fn get(&self, producer_id: i64) -> Option<ProducerState> {
        self.packed.get(&producer_id).map(|bytes| unpacked(bytes))
    }

    pub(crate) fn set(&mut self, producer_id: i64, state: &ProducerState) {
        let packed = packed(state);
        let bytes = packed.bytes();
        match self.packed.get_mut(&producer_id) {
            // Most changes change no length: numbers near each other.
            Some(place) if place.len() == bytes.len() => place.copy_from_slice(bytes),
            Some(place) => *place = bytes.into(),
            None => drop(self.packed.insert(producer_id, bytes.into())),
        }
    }

    /// True if there was one.
    pub(crate) fn remove(&mut self, producer_id: i64) -> bool {
        self.packed.remove(&producer_id).is_some()
    }

    /// Those with greater ids than `after`, by id.
    pub(crate) fn after(&self, after: Option<i64>) -> impl Iterator<Item = (i64, ProducerState)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.packed.range((from, Bound::Unbounded)).map(|(id, bytes)| (*id, unpacked(bytes)))
    }
}

/// The batches have the broker's time.
const TIMED: i64 = 1;
/// A transaction is open.
const OPEN: i64 = 2;
/// The rest is the number of batches.
const COUNT_SHIFT: u32 = 2;

/// Numbers of a state without its batches, and of a batch.
const NUMBERS: usize = 6 + REMEMBERED_BATCHES * 4;
/// Most bytes of a number: seven bits each.
const NUMBER_BYTES: usize = 10;

/// A state as bytes. Any state fits.
struct Packed {
    bytes: [u8; NUMBERS * NUMBER_BYTES],
    length: usize,
}

impl Packed {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Numbers near zero are short, whatever their sign.
    fn put(&mut self, number: i64) {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest >= 0x80 {
            // The cast drops the bits that the next bytes carry.
            self.put_byte((rest as u8) | 0x80);
            rest >>= 7;
        }
        self.put_byte(rest as u8);
    }

    fn put_byte(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }
}

fn packed(state: &ProducerState) -> Packed {
    let mut out = Packed { bytes: [0; NUMBERS * NUMBER_BYTES], length: 0 };
    let timed = state.batches.iter().any(|batch| batch.log_append_time_ms != -1);
    let count = i64::try_from(state.batches.len()).expect("at most REMEMBERED_BATCHES");
    let transaction = state.current_txn_start_offset;
    out.put((count << COUNT_SHIFT) | if timed { TIMED } else { 0 } | transaction.map_or(0, |_| OPEN));
    out.put(state.producer_epoch.into());
    out.put(state.coordinator_epoch.into());
    out.put(state.last_timestamp_ms);
    out.put(state.last_open_ms.cast_signed());
    transaction.into_iter().for_each(|offset| out.put(offset));
    // Wrapping: whatever a client or the disk has said, the way back gives the same numbers.
    let mut before = RememberedBatch { last_sequence: -1, ..RememberedBatch::default() };
    for batch in state.batches.iter() {
        out.put(batch.base_offset.wrapping_sub(before.base_offset));
        out.put(batch.first_sequence.wrapping_sub(before.last_sequence).wrapping_sub(1).into());
        out.put(batch.last_sequence.wrapping_sub(batch.first_sequence).into());
        if timed {
            out.put(batch.log_append_time_ms.wrapping_sub(state.last_timestamp_ms));
        }
        before = *batch;
    }
    out
}

/// Takes numbers off what [`packed`] wrote.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn take(&mut self) -> i64 {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let (byte, rest) =
                self.0.split_first().expect("`packed` writes as many numbers as `unpacked` takes");
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return (number >> 1).cast_signed() ^ -((number & 1).cast_signed());
            }
            shift += 7;
        }
    }

    /// A number that came from one of 32 bits.
    fn take_i32(&mut self) -> i32 {
        i32::try_from(self.take()).expect("`packed` widened it")
    }
}

fn unpacked(bytes: &[u8]) -> ProducerState {
    let mut from = Numbers(bytes);
    let kind = from.take();
    let producer_epoch = i16::try_from(from.take()).expect("`packed` widened it");
    let coordinator_epoch = from.take_i32();
    let last_timestamp_ms = from.take();
    let last_open_ms = from.take().cast_unsigned();
    let current_txn_start_offset = (kind & OPEN != 0).then(|| from.take());
    let mut batches = RememberedBatches::default();
    let mut before = RememberedBatch { last_sequence: -1, ..RememberedBatch::default() };
    for _ in 0..kind >> COUNT_SHIFT {
        let base_offset = before.base_offset.wrapping_add(from.take());
        let first_sequence = before.last_sequence.wrapping_add(1).wrapping_add(from.take_i32());
        let last_sequence = first_sequence.wrapping_add(from.take_i32());
        let log_append_time_ms =
            if kind & TIMED == 0 { -1 } else { last_timestamp_ms.wrapping_add(from.take()) };
        before = RememberedBatch { first_sequence, last_sequence, base_offset, log_append_time_ms };
        batches.push(before);
    }
    ProducerState {
        producer_epoch,
        last_timestamp_ms,
        last_open_ms,
        current_txn_start_offset,
        coordinator_epoch,
        batches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(batches: &[(i32, i32, i64, i64)]) -> ProducerState {
        let mut remembered = RememberedBatches::default();
        for (first_sequence, last_sequence, base_offset, log_append_time_ms) in batches.iter().copied() {
            remembered.push(RememberedBatch {
                first_sequence,
                last_sequence,
                base_offset,
                log_append_time_ms,
            });
        }
        ProducerState {
            producer_epoch: 3,
            last_timestamp_ms: 1_700_000_000_000,
            last_open_ms: 86_400_000,
            current_txn_start_offset: None,
            coordinator_epoch: -1,
            batches: remembered,
        }
    }

    #[test]
    fn every_state_is_returned_as_it_was_stored() {
        let extreme = ProducerState {
            producer_epoch: i16::MIN,
            last_timestamp_ms: i64::MIN,
            last_open_ms: u64::MAX,
            current_txn_start_offset: Some(i64::MAX),
            coordinator_epoch: i32::MIN,
            ..state(
                &[(i32::MIN, i32::MAX, i64::MIN, i64::MAX), (i32::MAX, i32::MIN, i64::MAX, i64::MIN)]
                    .repeat(3),
            )
        };
        let states = [
            state(&[]),
            state(&[(0, 0, 0, -1)]),
            state(&[(i32::MAX - 1, 1, 70, -1), (2, 2, 71, -1)]),
            state(&[(5, 9, 1 << 40, -1), (10, 10, (1 << 40) + 9, 1_700_000_000_001)]),
            ProducerState { current_txn_start_offset: Some(0), ..state(&[(0, 4, 10, -1)]) },
            extreme,
        ];
        let mut producers = Producers::default();
        for (id, state) in (0..).zip(&states) {
            producers.set(id, &states[0]);
            producers.set(id, state);
            assert_eq!(producers.get(id).as_ref(), Some(state));
        }
        let after: Vec<_> = producers.after(Some(2)).map(|(id, _)| id).collect();
        assert_eq!(after, [3, 4, 5]);
        assert!(producers.after(None).map(|(_, state)| state).eq(states.iter().cloned()));
        assert!(producers.remove(0) && !producers.remove(0));
        assert_eq!((producers.len(), producers.get(0)), (5, None));
    }

    /// A million producers took 260 bytes each.
    #[test]
    fn a_state_with_all_its_batches_takes_some_fifty_bytes() {
        let batch = |n: i32| (100 * n, 100 * n + 99, 5_000_000_000 + i64::from(n) * 10_000, -1);
        let length = packed(&state(&[batch(6), batch(7), batch(8), batch(9), batch(10)])).length;
        assert!(length <= 56, "{length} bytes");
    }
}
