//! The only bridge between async tasks and the storage's threads.
//!
//! A write takes its place in the order when the method is *called*; the future it returns only waits. Small writes may be
//! done by the call itself (ADR 4). A read is answered
//! from memory on the spot if it can be, else on a bounded pool of blocking threads.
//!
//! `cluster.rs` has the calls to the cluster, `shard.rs` those to the shard.
//!
//! After the first failed write or sync every write is refused (`StorageError`), and a read that panicked
//! counts as one of a storage that has stopped. A future of a write may be dropped: the write is done all the
//! same. That of a read gives its permit back when the disk has answered.

mod cluster;
mod shard;

use std::future::Future;

use storage::{Done, Storage, StorageError};
use tokio::sync::oneshot;

pub(crate) use self::cluster::ClusterIo;
pub(crate) use self::shard::{Appending, ShardIo};

/// The bridge to the storage. Services take the part of it that they need.
#[derive(Clone, Debug)]
pub(crate) struct Io {
    storage: Storage,
    cluster: ClusterIo,
    shard: ShardIo,
}

impl Io {
    /// The bridge to an open folder.
    pub(crate) fn new(storage: Storage) -> Self {
        let cluster = ClusterIo::new(storage.cluster().clone());
        let shard = ShardIo::new(storage.shard().clone());
        Self { storage, cluster, shard }
    }

    /// The storage itself, for what neither waits nor blocks.
    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The bridge to what belongs to the cluster.
    pub(crate) fn cluster(&self) -> &ClusterIo {
        &self.cluster
    }

    /// The bridge to what belongs to the shard.
    pub(crate) fn shard(&self) -> &ShardIo {
        &self.shard
    }
}

/// Returns the receiver of a write's outcome, and the future that waits for it. If no caller waits any more, the write is done all
/// the same.
fn answer<T: Send + 'static>() -> (Done<T>, impl Future<Output = Result<T, StorageError>> + Send + use<T>) {
    let (sender, receiver) = oneshot::channel();
    let done: Done<T> = Box::new(move |outcome| drop(sender.send(outcome)));
    // A command is dropped without an answer only by a storage that has stopped.
    (done, async move { receiver.await.unwrap_or(Err(StorageError::Stopped)) })
}
