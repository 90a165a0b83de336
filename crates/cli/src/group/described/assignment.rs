//! An assignment in the form of consumers (ConsumerProtocolAssignment, versions 0 to 3), which a member of a classic group wrote.

use std::collections::BTreeSet;

use super::Assignment;

/// The partitions; `None` where the bytes are no such assignment. Nothing is reserved by the counts in it.
pub(super) fn read(bytes: &[u8]) -> Option<Assignment> {
    if bytes.is_empty() {
        return Some(Assignment::new());
    }
    let mut rest = bytes;
    // All versions begin alike; a later one adds fields at the end.
    let version = i16::from_be_bytes(take(&mut rest)?);
    if version < 0 {
        return None;
    }
    let mut assignment = Assignment::new();
    for _ in 0..count(&mut rest)? {
        let length = usize::try_from(i16::from_be_bytes(take(&mut rest)?)).ok()?;
        let (name, after) = rest.split_at_checked(length)?;
        rest = after;
        let mut partitions = BTreeSet::new();
        for _ in 0..count(&mut rest)? {
            partitions.insert(i32::from_be_bytes(take(&mut rest)?));
        }
        let name = std::str::from_utf8(name).ok()?.to_owned();
        // Some assignors list every topic of the subscription.
        if !partitions.is_empty() {
            assignment.insert(name, partitions);
        }
    }
    Some(assignment)
}

fn count(from: &mut &[u8]) -> Option<usize> {
    usize::try_from(i32::from_be_bytes(take(from)?)).ok()
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1, topic `ab` with partitions 0 and 3, no user data.
    const BYTES: &[u8] = b"\0\x01\0\0\0\x01\0\x02ab\0\0\0\x02\0\0\0\0\0\0\0\x03\xff\xff\xff\xff";

    #[test]
    fn an_assignment_is_read() {
        let expected: Assignment = [("ab".to_owned(), [0, 3].into())].into();
        assert_eq!(read(BYTES), Some(expected));
        assert_eq!(read(b""), Some(Assignment::new()));
        assert_eq!(read(b"\0\x01\0\0\0\x01\0\x02ab\0\0\0\0"), Some(Assignment::new()), "no partition");
    }

    #[test]
    fn other_bytes_are_none() {
        let without_user_data = BYTES.len() - 4;
        for length in 1..without_user_data {
            assert_eq!(read(&BYTES[..length]), None, "{length}");
        }
        assert_eq!(read(b"\0\0\x7f\xff\xff\xff"), None, "a count that the bytes do not hold");
        assert_eq!(read(b"\0\0\xff\xff\xff\xff"), None);
        assert_eq!(read(b"\xff\xff\0\0\0\0"), None, "a negative version");
    }
}
