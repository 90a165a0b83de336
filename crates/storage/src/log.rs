//! The log as readers and the broker know it: topics, partitions, offsets, what may be appended, what is visible. No thread and no
//! disk: `write/` changes it, `engine/` keeps it.

mod append;
mod catalog;
mod extent;
mod index;
mod partition;
mod policy;
mod producer_state;
mod read;
mod tail;

pub use {
    append::{Acks, AppendEntry, AppendError, AppendRequest, AppendResult, Appended},
    catalog::{Catalog, CatalogError, ConfigsChange, NewTopic, Topic, UnreadableTopic},
    index::{EpochEndOffset, TimestampedOffset},
    partition::{Partition, PartitionNumber, Watcher},
    policy::{Compaction, LogPolicy, Retention},
    producer_state::ProducerState,
    read::{AbortedTransaction, Isolation, ReadBatches, ReadError, ReadLimits},
};
pub(crate) use {
    append::{AppendState, OwnedEntry, OwnedRequest},
    catalog::{MAX_PARTITIONS, leader_epoch},
    extent::{BatchFamily, Extent, GenerationNumber, LivingExtents},
    index::{
        CleanedRecord, CompleteInterval, EpochStart, INDEX_INTERVAL_AGE_MS, IndexInterval, IntervalRecord,
        LogStart,
    },
    partition::{Recovered, Written},
    producer_state::{REMEMBERED_BATCHES, RememberedBatch, Verdict},
    read::{checked_range, found, read_tail, readable_range},
    tail::{Room, TailBudget},
};
