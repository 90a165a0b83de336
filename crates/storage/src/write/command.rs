//! Commands to the writer.

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::{catalog::CatalogChange, group::WriteGroup};
use crate::{
    AppendResult, CoordinatorRecord, Done, MarkerError, Partition, Purpose, StorageError, TransactionEnd,
    engine::KeyValue,
    log::{GenerationNumber, OwnedRequest},
};

/// Bytes of batches that a caller may write itself (ADR 4).
const SMALL_BYTES: usize = 16 << 10;
/// Coordinators' records that a caller may write itself (ADR 4).
const SMALL_RECORDS: usize = 16;
/// Markers that a caller may write itself: they and the states of their producers are about 4 KiB.
const SMALL_MARKERS: usize = 16;

/// One thing to write: for the cluster, for the shard, or for the upkeep of the folder in which both lie.
pub(crate) enum WriteCommand {
    Cluster(ClusterCommand),
    Shard(ShardCommand),
    /// Most of this generation is dead: replace it by a successor.
    SealSoon(GenerationNumber),
    /// Hold still while a compaction of the settled family begins: the sender lets it.
    CompactSettled(Sender<()>, Done<()>),
    /// Begin a flush if one is due; also when nothing else is written.
    Flush,
    /// Store the folder's clock.
    KeepTime,
    /// The family of this generation exists: appends may go there.
    GenerationReady(GenerationNumber),
    /// Write the clean mark after everything else, then end.
    Close(Done<()>),
}

/// A change of what belongs to the cluster. It is made whether the shard is led here or not.
pub(crate) enum ClusterCommand {
    Catalog(CatalogChange),
    /// Write or remove the encoded configuration of a resource that is no topic.
    Configs(KeyValue, Done<()>),
    /// Write or remove records of permissions and logins, all in one group, on the disk before the answer.
    Security(Vec<KeyValue>, Done<()>),
    /// Give a producer id that was never given before.
    ProducerId(Done<i64>),
}

/// A change of what belongs to the shard, or of its leadership. Only the latter is made while it is not led here.
pub(crate) enum ShardCommand {
    /// Append batches: one result each, in their order, once they are as safe as the request asks.
    Append(OwnedRequest, Done<Vec<AppendResult>>),
    /// Write records of coordinators that were loaded in `epoch`, all in one group.
    Coordinator {
        epoch: u32,
        records: Vec<CoordinatorRecord>,
        /// When it is answered.
        answer: Answer,
        done: Done<()>,
    },
    /// End a transaction in all its partitions, all in one group.
    EndTransaction(TransactionEnd, Done<Vec<Result<i64, MarkerError>>>),
    /// Lead the shard, in a new epoch, or stop to. Answered once that is so.
    Lead {
        lead: bool,
        /// Number of the call: see `ShardLeadership`.
        call: u64,
        done: Done<()>,
    },
    /// Forget these producers of a partition, except those that have written since this time of the folder's clock.
    ExpireProducers { partition: Arc<Partition>, producer_ids: Vec<i64>, before_open_ms: u64, done: Done<()> },
    /// A change of old records.
    Change(LogChange, Done<()>),
}

impl From<ClusterCommand> for WriteCommand {
    fn from(command: ClusterCommand) -> Self {
        Self::Cluster(command)
    }
}

impl From<ShardCommand> for WriteCommand {
    fn from(command: ShardCommand) -> Self {
        Self::Shard(command)
    }
}

impl WriteCommand {
    /// It is written so quickly that the caller's thread may do it.
    pub(crate) fn is_small(&self) -> bool {
        match self {
            Self::Shard(ShardCommand::Append(request, _)) => {
                request.bytes() <= SMALL_BYTES && request.records() <= SMALL_RECORDS
            }
            Self::Shard(ShardCommand::EndTransaction(TransactionEnd { coordinator, markers }, _)) => {
                coordinator.records.len() <= SMALL_RECORDS && markers.len() <= SMALL_MARKERS
            }
            Self::Shard(ShardCommand::Coordinator { records, .. }) => records.len() <= SMALL_RECORDS,
            _ => false,
        }
    }

    /// Purpose of the bytes that it adds to its group.
    pub(super) fn purpose(&self) -> Purpose {
        match self {
            Self::Cluster(
                ClusterCommand::Catalog(_) | ClusterCommand::Configs(..) | ClusterCommand::Security(..),
            ) => Purpose::Configs,
            Self::Shard(ShardCommand::Append(..)) => Purpose::Produce,
            Self::Shard(ShardCommand::Coordinator { .. } | ShardCommand::EndTransaction(..)) => {
                Purpose::Coordinator
            }
            Self::Shard(ShardCommand::Change(change, _)) => change.purpose,
            Self::Cluster(ClusterCommand::ProducerId(_))
            | Self::Shard(ShardCommand::Lead { .. } | ShardCommand::ExpireProducers { .. })
            | Self::SealSoon(_)
            | Self::CompactSettled(..)
            | Self::Flush
            | Self::KeepTime
            | Self::GenerationReady(_)
            | Self::Close(_) => Purpose::Maintenance,
        }
    }

    /// Later commands must see its effects, which take place once the group is written.
    pub(super) fn ends_its_group(&self) -> bool {
        match self {
            Self::Close(_) | Self::CompactSettled(..) => true,
            Self::Shard(ShardCommand::Change(change, _)) => change.ends_group,
            _ => false,
        }
    }
}

/// A change of old records that `space/` has worked out. It takes its turn among the appends, so that it can look at the state of
/// a log and change it in one step.
pub(crate) struct LogChange {
    /// The purpose under which its bytes are counted.
    pub(crate) purpose: Purpose,
    /// When it is answered.
    pub(crate) answer: Answer,
    /// Later commands must see its effects, which take place once the group is written.
    pub(crate) ends_group: bool,
    /// Adds the change to the group.
    pub(crate) apply: Box<dyn FnOnce(&mut WriteGroup<'_>) + Send>,
}

/// When a change, or a write of coordinators' records, is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The operating system has it.
    Written,
    /// It is on the disk, under every flush policy: what is deleted must not come back, as it may be gone.
    Synced,
}

/// Answers that the storage is stopped.
pub(crate) fn refuse(command: WriteCommand) {
    let error = StorageError::Stopped;
    match command {
        WriteCommand::Cluster(ClusterCommand::Catalog(change)) => match change {
            CatalogChange::Create(_, done)
            | CatalogChange::CreatePartitions(_, done)
            | CatalogChange::AlterConfigs(_, done) => done(Err(error)),
            CatalogChange::Delete(_, done) => done(Err(error)),
        },
        WriteCommand::Cluster(ClusterCommand::ProducerId(done)) => done(Err(error)),
        WriteCommand::Shard(ShardCommand::Append(_, done)) => done(Err(error)),
        WriteCommand::Shard(ShardCommand::EndTransaction(_, done)) => done(Err(error)),
        WriteCommand::Cluster(ClusterCommand::Configs(_, done) | ClusterCommand::Security(_, done))
        | WriteCommand::Shard(
            ShardCommand::Coordinator { done, .. }
            | ShardCommand::Lead { done, .. }
            | ShardCommand::ExpireProducers { done, .. }
            | ShardCommand::Change(_, done),
        )
        | WriteCommand::CompactSettled(_, done)
        | WriteCommand::Close(done) => done(Err(error)),
        // No caller waits for these.
        WriteCommand::SealSoon(_)
        | WriteCommand::Flush
        | WriteCommand::KeepTime
        | WriteCommand::GenerationReady(_) => {}
    }
}
