//! Inputs made of others: small changes where parsers are sensitive, above all to lengths and counts.
//!
//! Without coverage most changes must leave an input nearly sound, or all end at the first check: one
//! to five small changes each, most of them of a few bytes.

/// Random numbers that a seed determines (splitmix64), so that a failure can be had again.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next of 2⁶⁴ numbers.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0 if there is none below it. Small numbers are a little likelier,
    /// which does not matter here.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // The remainder is below a usize, so nothing is cut.
        self.next().checked_rem(end as u64).unwrap_or(0) as usize
    }
}

/// Bytes and numbers at which parsers are wrong: ends of ranges, signs, continuation bits.
const BYTES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff];
// -1 is null, -2 no length at all; the large ones end 16, 32 or 64 bits, or overflow 32 once doubled.
const NUMBERS: [i64; 10] = [-2, -1, 0, 1, 0x7fff, 0x7fff_ffff, 0x4000_0000, -0x8000_0000, i64::MAX, i64::MIN];
/// The longest input; longer ones only make the run slower.
const MAX_LEN: usize = 1 << 16;

/// A new input of `seed`, with a piece of `other` now and then.
/// `seed` and `other` stay as they are; the same `random` makes the same input.
pub(crate) fn mutate(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..=random.below(5) {
        change(&mut data, other, random);
    }
    data.truncate(MAX_LEN);
    data
}

/// One change: a bit, a byte, a number, a cut, a repetition, a piece of the other input, an end, or noise.
fn change(data: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    // With empty data it is 0 and every range below is empty, so nothing is out of bounds.
    let at = random.below(data.len());
    match random.below(9) {
        0 => put(data, at, |byte| byte ^ (1 << (at % 8))),
        1 => {
            let byte = random.next().to_be_bytes()[0];
            put(data, at, |_| byte);
        }
        2 => {
            let byte = BYTES[random.below(BYTES.len())];
            put(data, at, |_| byte);
        }
        3 => {
            // As two, four or eight bytes; varints by the bytes above.
            let number = NUMBERS[random.below(NUMBERS.len())].to_be_bytes();
            let width = 2 << random.below(3);
            for (offset, byte) in number[8 - width..].iter().enumerate() {
                put(data, at + offset, |_| *byte);
            }
        }
        // A field that is missing shifts all after it.
        4 => {
            let end = (at + 1 + random.below(16)).min(data.len());
            data.drain(at..end);
        }
        // Repeated elements, against a count before them that stays.
        5 => {
            let end = (at + 1 + random.below(64)).min(data.len());
            let again = data[at..end].to_vec();
            data.splice(at..at, again);
        }
        // Pieces of another seed carry sound fields to a place where they are not expected.
        6 => {
            let from = random.below(other.len());
            let end = (from + 1 + random.below(64)).min(other.len());
            data.splice(at..at, other[from..end].iter().copied());
        }
        // Every length must notice an early end.
        7 => data.truncate(at),
        _ => {
            for offset in 0..random.below(16) {
                let byte = random.next().to_be_bytes()[0];
                put(data, at + offset, |_| byte);
            }
        }
    }
}

/// Changes the byte at `at`, if there is one.
fn put(data: &mut [u8], at: usize, change: impl Fn(u8) -> u8) {
    if let Some(byte) = data.get_mut(at) {
        *byte = change(*byte);
    }
}
