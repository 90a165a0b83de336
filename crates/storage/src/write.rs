//! The only path of a write, and when it is durable.
//!
//! | file | its job |
//! | --- | --- |
//! | `command.rs` `queue.rs` | what can be asked for, of the cluster, of the shard and of the folder; the queue of it |
//! | `writer.rs` `append.rs` `catalog.rs` | the writer: offsets, sequences, topics |
//! | `group.rs` | one record of the journal while it is built |
//! | `shared.rs` | what callers and all threads share |
//! | `generations.rs` `maintenance.rs` | which generation takes appends; work that would hold up the writer |
//! | `time.rs` | why the folder's clock is stored again and again |
//! | `sync.rs` | the thread that syncs, and what happens after a sync |

mod append;
mod catalog;
mod command;
mod generations;
mod group;
mod maintenance;
mod queue;
mod shared;
pub(crate) mod sync;
mod time;
pub(crate) mod writer;

pub use time::KeptTime;

pub(crate) use {
    catalog::CatalogChange,
    command::{Answer, ClusterCommand, LogChange, ShardCommand, WriteCommand},
    group::WriteGroup,
    maintenance::Maintenance,
    shared::Shared,
    sync::SyncQueue,
    writer::{FoundLog, SharedWriter, Writer},
};
