//! The log as readers and the broker know it: topics, partitions, offsets, what may be appended, what is visible. No thread and no
//! disk: `write/` changes it, `engine/` keeps it.
//!
//! | file | its job |
//! | --- | --- |
//! | `partition.rs` | a partition: its offsets, its extents, readers that wait |
//! | `tail.rs` | the newest batches of a partition, in memory |
//! | `append.rs` | what an append asks for and is answered; the state between two appends |
//! | `transaction.rs` | the end of a transaction, and aborted ones as readers are told of them |
//! | `coordinator.rs` | records of coordinators |
//! | `producer_state.rs` | which batches of an idempotent producer are taken |
//! | `catalog.rs` | topics by name and id |
//! | `index.rs` | how offsets, times and bytes of a log belong together |
//! | `extent.rs` | the family in which an offset lies |
//! | `read.rs` | limits and results of reads; reads from memory |
//! | `leadership.rs` `shard.rs` | if a partition, and with it its shard, is led here, and in which epoch |
//! | `policy.rs` | rules for old records |

mod aborted;
mod append;
mod catalog;
mod coordinator;
mod extent;
mod index;
mod leadership;
mod partition;
mod policy;
mod producer_state;
mod producers;
mod read;
mod shard;
mod tail;
mod transaction;

pub(crate) use {
    aborted::{AbortedEntry, AbortedScan, SpanClass, SpanClasses},
    append::{AppendState, OwnedEntry, OwnedRequest},
    catalog::{MAX_PARTITIONS, leader_epoch},
    extent::{BatchFamily, Extent, GenerationNumber, LivingExtents},
    index::{
        CleanedRecord, CompleteInterval, EpochStart, INDEX_INTERVAL_AGE_MS, IndexInterval, IntervalRecord,
        LogStart,
    },
    partition::{Recovered, Written},
    producer_state::{
        Moment, NO_COORDINATOR, REMEMBERED_BATCHES, RememberedBatch, RememberedBatches, Verdict,
    },
    producers::Producers,
    read::{checked_range, found, read_tail, readable_range},
    shard::{ShardLeadership, ShardTerm},
    tail::{Room, TailBudget},
    transaction::TransactionStep,
};
pub use {
    append::{Acks, AppendEntry, AppendError, AppendRequest, AppendResult, Appended},
    catalog::{Catalog, CatalogError, ConfigsChange, Located, NewTopic, Topic, UnreadableTopic},
    coordinator::{CoordinatorRecord, CoordinatorWrite},
    index::{EpochEndOffset, TimestampedOffset},
    partition::{Partition, PartitionNumber, Watcher},
    policy::{Compaction, LogPolicy, Retention},
    producer_state::ProducerState,
    read::{AbortedTransaction, Isolation, ReadBatches, ReadError, ReadLimits},
    transaction::{MarkerError, TransactionEnd, TransactionMarker},
};
