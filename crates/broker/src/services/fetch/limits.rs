//! How many bytes a fetch may still take: the limits of KIP-74, as arithmetic.
//!
//! A response is bounded by what the client asks and by what the broker allows (`fetch.max.bytes`), a partition by
//! its own limit. The first non-empty partition yields its first batch even if that is larger than all of these, so
//! that a consumer always gets on. Kafka: `ReplicaManager.readFromLog`.

/// The share of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionLimit {
    /// The most bytes to read.
    pub(crate) max_bytes: usize,
    /// Read the first batch even if it is larger.
    pub(crate) at_least_one: bool,
}

/// The rest of a response's limit.
#[derive(Debug, Clone)]
pub(crate) struct FetchLimits {
    max_bytes: usize,
    /// Left of `max_bytes`; 0 also after a first batch that was larger than that.
    remaining_bytes: usize,
    /// The promise of one batch, however large, is still open (KIP-74).
    nothing_read: bool,
}

impl FetchLimits {
    /// The limits of a fresh response.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, remaining_bytes: max_bytes, nothing_read: true }
    }

    /// The bytes that the next partition may yield, of which at most `partition_max_bytes` are wanted; `None` if the response
    /// is full. A sixteenth more or less is no reason to ask the disk whether the next batch is small enough.
    pub(crate) fn of_partition(&self, partition_max_bytes: usize) -> Option<PartitionLimit> {
        let max_bytes = self.remaining_bytes.min(partition_max_bytes);
        (self.nothing_read || self.remaining_bytes > self.max_bytes / 16)
            .then_some(PartitionLimit { max_bytes, at_least_one: self.nothing_read })
    }

    /// Takes what a partition did yield off the limits.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.nothing_read &= bytes == 0;
        self.remaining_bytes = self.remaining_bytes.saturating_sub(bytes);
    }
}

/// A count of bytes as a client states it; negative counts mean none.
pub(crate) fn bytes_from_wire(count: i32) -> usize {
    usize::try_from(count).unwrap_or(0)
}

/// About what an answer takes without its partitions: the fields before and after them.
const ANSWER_BYTES: usize = 20;
/// About what a partition takes without its records: offsets, code and lengths, and its part of the topic's name or id.
const PARTITION_ANSWER_BYTES: usize = 60;

/// Bytes of an answer, before it is made: those of its records, and about what its other fields take.
pub(super) fn answer_bytes(partitions: usize, record_bytes: usize) -> usize {
    record_bytes + ANSWER_BYTES + partitions * PARTITION_ANSWER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_gets_its_own_limit_or_what_is_left() {
        let mut limits = FetchLimits::new(100);
        assert_eq!(limits.of_partition(60).unwrap().max_bytes, 60);
        limits.took(60);
        assert_eq!(limits.of_partition(60), Some(PartitionLimit { max_bytes: 40, at_least_one: false }));
    }

    #[test]
    fn first_batch_comes_even_if_it_is_too_large() {
        let mut limits = FetchLimits::new(0);
        assert_eq!(limits.of_partition(0), Some(PartitionLimit { max_bytes: 0, at_least_one: true }));
        limits.took(0);
        assert!(limits.of_partition(10).unwrap().at_least_one, "an empty partition does not use it up");
        limits.took(1);
        assert_eq!(limits.of_partition(10), None);
    }

    #[test]
    fn a_full_response_takes_no_more() {
        let mut limits = FetchLimits::new(100);
        limits.took(150);
        assert_eq!(limits.of_partition(1), None);
    }

    #[test]
    fn an_almost_full_response_is_full() {
        let mut limits = FetchLimits::new(1600);
        limits.took(1499);
        assert_eq!(limits.of_partition(1600).unwrap().max_bytes, 101);
        limits.took(1);
        assert_eq!(limits.of_partition(1600), None);
    }

    #[test]
    fn negative_counts_are_none() {
        assert_eq!(bytes_from_wire(-1), 0);
        assert_eq!(bytes_from_wire(i32::MAX), 0x7fff_ffff);
    }
}
