//! Commands to the writer.

use crossbeam_channel::Sender;

use super::{catalog::CatalogChange, group::WriteGroup};
use crate::{
    AppendResult, CoordinatorRecord, Done, Purpose, StorageError,
    engine::KeyValue,
    log::{GenerationNumber, OwnedRequest},
};

/// Bytes of batches that a caller may write itself (ADR 4).
const SMALL_BYTES: usize = 16 << 10;
/// Coordinators' records that a caller may write itself (ADR 4).
const SMALL_RECORDS: usize = 16;

/// One thing to write.
pub(crate) enum WriteCommand {
    /// Append batches: one result each, in their order, once they are as safe as the request asks.
    Append(OwnedRequest, Done<Vec<AppendResult>>),
    /// Write records of coordinators that were loaded in `epoch`, all in one group.
    Coordinator {
        epoch: u32,
        records: Vec<CoordinatorRecord>,
        done: Done<()>,
    },
    /// Write or remove the encoded configuration of a resource that is no topic.
    Configs(KeyValue, Done<()>),
    Catalog(CatalogChange),
    /// Give a producer id that was never given before.
    ProducerId(Done<i64>),
    /// Forget producers that last wrote before this time, Unix ms.
    ExpireProducers {
        before_ms: i64,
    },
    /// Lead the shard, in a new epoch, or stop to. Answered once that is so.
    Lead {
        lead: bool,
        /// Number of the call: see `ShardLeadership`.
        call: u64,
        done: Done<()>,
    },
    /// A change of old records.
    Change(LogChange, Done<()>),
    /// Most of this generation is dead: replace it by a successor.
    SealSoon(GenerationNumber),
    /// Hold still while a compaction of the settled family begins: the sender lets it.
    CompactSettled(Sender<()>, Done<()>),
    /// Begin a flush if one is due; also when nothing else is written.
    Flush,
    /// The family of this generation exists: appends may go there.
    GenerationReady(GenerationNumber),
    /// Write the clean mark after everything else, then end.
    Close(Done<()>),
}

impl WriteCommand {
    /// It is written so quickly that the caller's thread may do it.
    pub(crate) fn is_small(&self) -> bool {
        match self {
            Self::Append(request, _) => request.bytes() <= SMALL_BYTES,
            Self::Coordinator { records, .. } => records.len() <= SMALL_RECORDS,
            _ => false,
        }
    }

    /// Purpose of the bytes that it adds to its group.
    pub(super) fn purpose(&self) -> Purpose {
        match self {
            Self::Append(..) => Purpose::Produce,
            Self::Coordinator { .. } => Purpose::Coordinator,
            Self::Configs(..) | Self::Catalog(_) => Purpose::Configs,
            Self::Change(change, _) => change.purpose,
            Self::CompactSettled(..)
            | Self::ProducerId(_)
            | Self::Lead { .. }
            | Self::ExpireProducers { .. }
            | Self::SealSoon(_)
            | Self::Flush
            | Self::GenerationReady(_)
            | Self::Close(_) => Purpose::Maintenance,
        }
    }

    /// Later commands must see its effects, which take place once the group is written.
    pub(super) fn ends_its_group(&self) -> bool {
        match self {
            Self::Close(_) | Self::CompactSettled(..) => true,
            Self::Change(change, _) => change.ends_group,
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

/// When a change is answered.
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
        WriteCommand::Append(_, done) => done(Err(error)),
        WriteCommand::Coordinator { done, .. }
        | WriteCommand::Configs(_, done)
        | WriteCommand::Lead { done, .. }
        | WriteCommand::Close(done) => done(Err(error)),
        WriteCommand::ProducerId(done) => done(Err(error)),
        WriteCommand::Catalog(
            CatalogChange::Create(_, done)
            | CatalogChange::CreatePartitions(_, done)
            | CatalogChange::AlterConfigs(_, done),
        ) => done(Err(error)),
        WriteCommand::Catalog(CatalogChange::Delete(_, done)) => done(Err(error)),
        WriteCommand::CompactSettled(_, done) | WriteCommand::Change(_, done) => done(Err(error)),
        // No caller waits for these.
        WriteCommand::ExpireProducers { .. }
        | WriteCommand::Flush
        | WriteCommand::GenerationReady(_)
        | WriteCommand::SealSoon(_) => {}
    }
}
