//! Durable partitions on RocksDB. Synchronous; knows record batches, never protocol messages.
//!
//! ```text
//!  Storage ──► writer (one thread) ──► one WriteBatch ──► RocksDB, one write-ahead log
//!     │            │ publishes log ends                        ▲
//!     │            ▼                                           │
//!     │         syncer (one thread): one fdatasync for all that was written since the last
//!     │            │ publishes high watermarks, answers those who asked for durability
//!     ▼            ▼
//!  read ──► partition ──► tail (memory) or generations (disk)
//! ```
//!
//! | file | its job |
//! | --- | --- |
//! | `options.rs` `error.rs` | what callers set, what they get back when it fails |
//! | `engine.rs` `keys.rs` | RocksDB and its settings; every key and value layout |
//! | `recovery.rs` `guard.rs` `fence.rs` | opening a folder: format, lock, catalog, what a power cut took |
//! | `queue.rs` `writer.rs` `write_group.rs` `appender.rs` `sync.rs` | the only path of a write, and when it is durable |
//! | `generation.rs` `housekeeping.rs` | which column family takes appends; work kept off the writer's thread |
//! | `lifecycle.rs` `retention.rs` `compaction.rs` `settle.rs` | old records: which may go, and how their space comes back |
//! | `catalog.rs` `coordinator_log.rs` | topics; records that coordinators write and replay |
//! | `partition.rs` `producer_state.rs` `index.rs` | offsets and watermarks; idempotence; time and epoch look-ups |
//! | `read.rs` `tail.rs` | reads, from memory first |
//! | `metrics.rs` | what is counted, for the caller to show |
//! | `fault.rs` | faults on purpose, test builds only |
//!
//! The promise: an append is acknowledged when what it asked for holds ([`Acks`]), and becomes visible to readers at the
//! same moment (`docs/storage-format.md` and ADR 1 have the reasons).
#![warn(missing_docs)]

mod appender;
mod catalog;
// The part that finds partitions to clean, reads and writes them is to come.
#[cfg_attr(not(test), expect(dead_code, reason = "see above"))]
mod compaction;
mod config_log;
mod coordinator_log;
mod disk;
mod engine;
mod error;
mod fault;
mod fence;
mod generation;
mod guard;
mod housekeeping;
mod index;
mod keys;
mod lifecycle;
mod metrics;
mod options;
mod parked;
mod partition;
mod producer_state;
mod queue;
mod read;
mod recovery;
mod retention;
mod settle;
mod storage;
mod sync;
mod tail;
mod write_group;
mod writer;

pub use appender::{Acks, AppendEntry, AppendError, AppendRequest, AppendResult, Appended};
pub use catalog::{Catalog, CatalogError, ConfigsChange, NewTopic, Topic, UnreadableTopic};
pub use compaction::Compaction;
pub use config_log::{ResourceConfigs, StoredConfigs, UnreadableConfigs};
pub use coordinator_log::CoordinatorRecord;
pub use disk::DiskSpace;
pub use error::{OpenError, StorageError, TooLarge};
#[cfg(feature = "fault")]
pub use fault::{CrashPoint, Faults, Operation};
pub use index::{EpochEndOffset, TimestampedOffset};
pub use metrics::{DurationHistogram, Purpose, Stalls, StorageMetrics};
pub use options::{DiskProbe, FlushPolicy, LogPolicy, StorageOptions};
pub use partition::{Partition, PartitionNumber, Watcher};
pub use producer_state::ProducerState;
pub use read::{AbortedTransaction, Isolation, ReadBatches, ReadError, ReadLimits};
pub use recovery::random_id;
pub use retention::{DeleteBelow, Retention};
pub use storage::{Done, Recovery, Storage};
