//! The end of a log, as its last batch tells it.

use std::sync::Arc;

use super::{BatchCursor, checked, header_of};
use crate::{
    Partition, ReadError, StorageError,
    engine::{keys, rocks::Engine},
};

/// The offset that follows the last batch on the disk, if there is one. After a damaged batch it may be too high,
/// never too low: no offset is given twice.
pub(crate) fn end_offset(engine: &Arc<Engine>, partition: &Partition) -> Result<Option<i64>, ReadError> {
    let Some(extent) = partition.extents_from(i64::MAX).pop() else { return Ok(None) };
    // Only opens the extent; it is placed by its last key.
    let mut cursor = BatchCursor::new(engine, partition, i64::MAX - 1, i64::MAX);
    cursor.open(extent, i64::MAX)?;
    let Some(raw) = cursor.current.as_mut().map(|open| &mut open.read.iterator) else { return Ok(None) };
    raw.seek_to_last();
    raw.status()?;
    let Some((key, value)) = raw.item() else { return Ok(None) };
    if let Ok(header) = checked(partition, key, value) {
        return Ok(Some(header.next_offset()));
    }
    let base_offset = keys::batch_offset(partition.number(), key)
        .ok_or_else(|| StorageError::corrupt("batch", "its key is not one of its partition"))?;
    Ok(Some(base_offset.saturating_add(most_records(base_offset, value))))
}

/// The most records that a damaged batch can have had. Its header has their number twice; if both are the same, that
/// is it.
fn most_records(base_offset: i64, value: &[u8]) -> i64 {
    let header = header_of(value).ok().filter(|header| header.base_offset == base_offset);
    let agreed =
        header.map(|header| (i64::from(header.last_offset_delta) + 1, i64::from(header.records_count)));
    match agreed {
        Some((by_offset, count)) if by_offset == count && count > 0 => count,
        // The last offset delta is an `i32`: no batch has more offsets.
        _ => i64::from(i32::MAX) + 1,
    }
}

#[cfg(test)]
mod tests {
    use codec::records::BatchBuilder;

    use super::*;

    #[test]
    fn a_damaged_batch_takes_no_fewer_offsets_than_it_had() {
        let mut builder = BatchBuilder::new();
        (0..3).for_each(|_| builder.push(1, None, Some(b"value"), &[]));
        let sound = builder.build().to_vec();
        let damaged = |at: usize| {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            most_records(0, &bytes)
        };
        assert_eq!(damaged(sound.len() - 1), 3, "the header is sound");
        // Base offset, magic, last offset delta, number of records.
        for at in [7, 16, 26, 60] {
            assert_eq!(damaged(at), 1 << 31, "byte {at}");
        }
        assert_eq!(most_records(0, &[]), 1 << 31);
    }
}
