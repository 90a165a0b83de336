//! The registry of stored records: every kind that a coordinator writes, its number and its name.
//!
//! The number is the first byte of a record's key, so the records of a kind lie side by side in storage and are read by
//! that prefix. Numbers are never used again for something else.

/// A kind of stored record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RecordKind {
    /// A classic group with its members.
    /// A group that only stores offsets has none.
    GroupMetadata = 1,
    /// An offset that a group has committed for a partition.
    /// One for each topic name and partition.
    CommittedOffset = 2,
    /// The epochs of a consumer group.
    /// It decides that a group is one of the consumer protocol (`GroupMachine::replay`).
    ConsumerGroup = 3,
    /// The subscription of a member of a consumer group.
    /// Records of the next two kinds are damaged without it.
    ConsumerGroupMember = 4,
    /// The target assignment of a member of a consumer group.
    TargetAssignment = 5,
    /// The current assignment of a member of a consumer group.
    CurrentAssignment = 6,
    /// An offset that a group commits in a transaction that has not ended yet.
    /// One for each producer id, topic name and partition.
    PendingOffset = 7,
    /// A transactional id: its producer, and the state of its transaction.
    /// Records of the next two kinds are damaged without it.
    Transaction = 8,
    /// A partition of an open transaction.
    /// One for each, so that joining never writes a growing list anew.
    TransactionPartition = 9,
    /// A group whose offsets an open transaction commits.
    TransactionGroup = 10,
    /// The epochs of a streams group.
    /// It decides that a group is a streams group.
    StreamsGroup = 11,
    /// The metadata that a member of a streams group said of itself.
    /// Records of the last two kinds are damaged without it.
    StreamsGroupMember = 12,
    /// The topology of a streams group.
    StreamsTopology = 13,
    /// The target assignment of a member of a streams group.
    StreamsTargetAssignment = 14,
    /// The current assignment of a member of a streams group.
    StreamsCurrentAssignment = 15,
    /// The last end of a transaction that a shard applied for a coordinator in another shard.
    /// One for each transactional id. It tells the repeat of an end from the next one.
    AppliedEnd = 16,
}

impl RecordKind {
    /// Every kind, in the order of the numbers.
    pub const ALL: [RecordKind; 16] = [
        RecordKind::GroupMetadata,
        RecordKind::CommittedOffset,
        RecordKind::ConsumerGroup,
        RecordKind::ConsumerGroupMember,
        RecordKind::TargetAssignment,
        RecordKind::CurrentAssignment,
        RecordKind::PendingOffset,
        RecordKind::Transaction,
        RecordKind::TransactionPartition,
        RecordKind::TransactionGroup,
        RecordKind::StreamsGroup,
        RecordKind::StreamsGroupMember,
        RecordKind::StreamsTopology,
        RecordKind::StreamsTargetAssignment,
        RecordKind::StreamsCurrentAssignment,
        RecordKind::AppliedEnd,
    ];

    /// The first byte of the keys of this kind.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// As the log names the kind.
    pub fn name(self) -> &'static str {
        match self {
            RecordKind::GroupMetadata => "group metadata",
            RecordKind::CommittedOffset => "committed offset",
            RecordKind::ConsumerGroup => "consumer group",
            RecordKind::ConsumerGroupMember => "consumer group member",
            RecordKind::TargetAssignment => "target assignment",
            RecordKind::CurrentAssignment => "current assignment",
            RecordKind::PendingOffset => "pending offset",
            RecordKind::Transaction => "transaction",
            RecordKind::TransactionPartition => "transaction partition",
            RecordKind::TransactionGroup => "transaction group",
            RecordKind::StreamsGroup => "streams group",
            RecordKind::StreamsGroupMember => "streams group member",
            RecordKind::StreamsTopology => "streams topology",
            RecordKind::StreamsTargetAssignment => "streams target assignment",
            RecordKind::StreamsCurrentAssignment => "streams current assignment",
            RecordKind::AppliedEnd => "applied end",
        }
    }

    /// The kind of a stored key. `None` for a number that is not in the registry, and for an empty key.
    pub fn of(key: &[u8]) -> Option<RecordKind> {
        let number = *key.first()?;
        RecordKind::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_number_and_a_name_of_its_own() {
        for (index, kind) in RecordKind::ALL.into_iter().enumerate() {
            assert_eq!(RecordKind::of(&[kind.number(), 0]), Some(kind));
            assert!(RecordKind::ALL[..index].iter().all(|other| other.name() != kind.name()));
        }
        assert_eq!((RecordKind::of(&[0]), RecordKind::of(&[])), (None, None));
    }
}
