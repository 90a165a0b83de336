//! Keys of the aborted index: partition, class of the span, offset of the marker.

use super::{Tag, prefix, read};
use crate::{PartitionNumber, StorageError, log::SpanClass};

/// The entries of one class of the aborted index start with these bytes.
pub(crate) fn aborted_class(partition: PartitionNumber, class: SpanClass) -> [u8; 10] {
    let mut key = [class.0; 10];
    key[..9].copy_from_slice(&prefix(Tag::AbortedBySpan, partition));
    key
}

pub(crate) fn aborted_by_span(partition: PartitionNumber, class: SpanClass, marker_offset: i64) -> [u8; 18] {
    let mut key = [0; 18];
    key[..10].copy_from_slice(&aborted_class(partition, class));
    key[10..].copy_from_slice(&marker_offset.to_be_bytes());
    key
}

/// `(partition, class, offset of the marker)` of a [`Tag::AbortedBySpan`] key.
pub(crate) fn parse_aborted_by_span(key: &[u8]) -> Result<(PartitionNumber, SpanClass, i64), StorageError> {
    read("aborted transaction key", key, |from| {
        from.u8("tag")?;
        let partition = PartitionNumber(from.u64("partition")?);
        Ok((partition, SpanClass(from.u8("class")?), from.i64("offset of the marker")?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_golden_bytes() {
        let (partition, class) = (PartitionNumber(0x0102), SpanClass(3));
        let key = [15, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 5];
        assert_eq!(aborted_by_span(partition, class, 5), key);
        assert_eq!(aborted_class(partition, class), key[..10]);
        assert_eq!(parse_aborted_by_span(&key).unwrap(), (partition, class, 5));
        assert!(parse_aborted_by_span(&key[..17]).is_err());
    }
}
