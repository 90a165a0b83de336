//! Durable partitions on RocksDB. Synchronous; knows record batches, never protocol messages.
//!
//! ```text
//!  Cluster ─┬─► writer (one thread) ──► one record of the journal ──► RocksDB's memtables
//!  Shard ───┘       │ publishes log ends                        ▲
//!     │             ▼                                           │
//!     │          syncer (one thread): one fdatasync for all that was written since the last
//!     │             │ publishes high watermarks, answers those who asked for durability
//!     ▼             ▼
//!   read ──► partition ──► tail (memory) or generations (disk)
//! ```
//!
//! Four rooms; each uses those before it, and sees of them what their `log.rs`, `engine.rs` and `write.rs` export:
//!
//! | room | holds |
//! | --- | --- |
//! | `log/` | the log as readers and the broker know it: topics, partitions, offsets, producers, the tail in memory |
//! | `engine/` | RocksDB and the journal: layouts, reads, recovery |
//! | `write/` | the writer and the syncer: the only path of a change |
//! | `space/` | old records: retention, compaction, settling |
//!
//! `storage.rs` opens and closes the folder that they keep, and gives the handles to what belongs to the cluster and to the shard:
//! [`Cluster`] and [`Shard`]. `inspect.rs` shows a folder as the next start finds it, without changing it. Below them are
//! `options.rs`, `error.rs` and `failure.rs`, `metrics.rs`, `disk.rs`, and the only readers of clocks and of randomness,
//! `clock.rs` and `random.rs`; `fuzz.rs` shows every layout of the disk to fuzz targets.
//!
//! An append is acknowledged once it is as safe as its producer asked ([`Acks`]), and becomes visible to readers at the same
//! moment. `docs/storage-format.md` describes the bytes on the disk, `docs/adr/` has the reasons.
#![warn(missing_docs)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests measure, and have threads and ids of their own")
)]

mod clock;
mod disk;
mod engine;
mod error;
mod failure;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod inspect;
mod log;
mod metrics;
mod options;
mod random;
mod space;
mod storage;
mod write;

pub use disk::DiskSpace;
#[cfg(feature = "fault")]
pub use engine::{CrashPoint, Faults, Operation, Unsynced};
pub use engine::{
    CredentialId, QuotaId, Recovery, ResourceConfigs, SECRET_BYTES, StoredAcl, StoredConfigs,
    StoredCredential, StoredQuota, StoredToken, UnreadableConfigs,
};
pub use error::{DamagedBatch, InspectError, OpenError, StorageError, TooLarge};
pub use failure::Done;
pub use log::{
    AbortedTransaction, Acks, AppendEntry, AppendError, AppendRequest, AppendResult, Appended, Catalog,
    CatalogError, Compaction, ConfigsChange, CoordinatorRecord, CoordinatorWrite, EpochEndOffset, Isolation,
    Located, LogPolicy, MarkerError, NewTopic, Partition, PartitionNumber, ProducerState, ReadBatches,
    ReadError, ReadLimits, Retention, TimestampedOffset, Topic, TransactionEnd, TransactionMarker,
    UnreadableTopic, Watcher,
};
pub use metrics::{DurationHistogram, Purpose, Stalls, StorageMetrics};
pub use options::{DiskProbe, FlushPolicy, StorageOptions};
pub use random::random_id;
pub use space::DeleteBelow;
pub use storage::{Cluster, Shard, Storage};
pub use write::KeptTime;
