//! Durable partitions on RocksDB. Synchronous; knows record batches, never protocol messages.
//!
//! ```text
//!  Storage ──► writer (one thread) ──► one record of the journal ──► RocksDB's memtables
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
//! | `options.rs` `error.rs` | options of a caller; errors that it may see |
//! | `engine.rs` `keys.rs` | RocksDB and its settings; every key and value layout |
//! | `journal.rs` `journal/` | the log of everything, and the only place of large batches; its layout, its end after a crash |
//! | `recovery.rs` `guard.rs` `fence.rs` | opening a folder: format, lock, catalog, what a power cut took |
//! | `queue.rs` `writer.rs` `write_group.rs` `appender.rs` `sync.rs` | the only path of a write, and when it is durable |
//! | `generation.rs` `maintenance.rs` | which column family takes appends; work that would hold up the writer's thread |
//! | `lifecycle.rs` `retention.rs` `compaction.rs` `settle.rs` | old records: which may be deleted, and how their space is freed |
//! | `catalog.rs` `config_log.rs` `coordinator_log.rs` | topics; configurations of other resources; records of coordinators |
//! | `partition.rs` `producer_state.rs` `index.rs` | offsets and watermarks; idempotence; time and epoch look-ups |
//! | `read.rs` `tail.rs` `resumable.rs` | reads, from memory first; iterators kept for the next read |
//! | `disk.rs` | free space of the file system |
//! | `clock.rs` `random.rs` | the readers of clocks; random ids and secrets |
//! | `metrics.rs` | counters and histograms, for the caller to show |
//! | `fault.rs` | faults on purpose, test builds only |
//! | `fuzz.rs` | every layout of the disk for fuzz targets, test builds only |
//!
//! An append is acknowledged once it is as safe as its producer asked ([`Acks`]), and becomes visible to readers at the same
//! moment. `docs/storage-format.md` describes the bytes on the disk, `docs/adr/` has the reasons.
#![warn(missing_docs)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests measure, and have threads and ids of their own")
)]

mod appender;
mod catalog;
mod clock;
mod compaction;
mod config_log;
mod coordinator_log;
mod disk;
mod engine;
mod error;
mod fault;
mod fence;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod generation;
mod guard;
mod index;
mod journal;
mod keys;
mod lifecycle;
mod maintenance;
mod metrics;
mod options;
mod partition;
mod producer_state;
mod queue;
mod random;
mod read;
mod recovery;
mod resumable;
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
pub use random::random_id;
pub use read::{AbortedTransaction, Isolation, ReadBatches, ReadError, ReadLimits};
pub use retention::{DeleteBelow, Retention};
pub use storage::{Done, Recovery, Storage};
