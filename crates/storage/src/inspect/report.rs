//! Plain data that describes a folder, for a program to print.

use std::path::PathBuf;

use uuid::Uuid;

use crate::engine::{file_name, journal::record::JournalPosition};

/// A byte of the journal, or of a settled file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Name of the file.
    pub file: String,
    /// Offset in it.
    pub offset: u64,
}

impl From<JournalPosition> for Position {
    fn from(position: JournalPosition) -> Self {
        Self { file: file_name::journal(position.generation), offset: position.offset }
    }
}

impl Position {
    /// A durable mark; `None`: nothing was durable yet.
    pub(super) fn of_mark(mark: JournalPosition) -> Option<Self> {
        (mark > JournalPosition::START).then(|| mark.into())
    }
}

/// A folder as the next start finds it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The folder.
    pub path: PathBuf,
    /// When it was looked at, Unix ms.
    pub now_ms: i64,
    /// Its storage format; `None`: its file is missing, and the next start writes it.
    pub format: Option<u32>,
    /// A broker has the folder: everything is as of one moment.
    pub in_use: bool,
    /// Facts about the node; `None` if they cannot be read, or the folder is new.
    pub cluster: Option<ClusterReport>,
    /// The next start on it.
    pub next_start: NextStart,
    /// The generations by number, then the settled family; empty if RocksDB cannot be read.
    pub families: Vec<FamilyReport>,
    /// The files of the journal, by number.
    pub journals: Vec<JournalReport>,
    /// The files of large batches that outlived their generation, by number.
    pub settled_files: Vec<SettledFileReport>,
    /// Partitions by topic and index; empty if the topics cannot be read.
    pub partitions: Vec<PartitionReport>,
    /// Everything that is not as it was written.
    pub damage: Vec<Damage>,
}

/// Facts about the node.
#[derive(Clone, Debug)]
pub struct ClusterReport {
    /// 22 characters.
    pub cluster_id: String,
    /// Number of unclean starts so far.
    pub node_epoch: u32,
    /// The number that the next partition gets.
    pub next_partition: u64,
    /// The first producer id that was not reserved.
    pub next_producer_id: i64,
    /// Time for which the folder was open, ms: the clock of retention.
    pub open_ms: u64,
}

/// The next start on a folder.
#[derive(Clone, Debug)]
pub struct NextStart {
    /// It is refused, for this reason; `None`: it succeeds.
    pub refused: Option<String>,
    /// Nothing lives in the folder yet: the start makes it a new one.
    pub new: bool,
    /// The last process did not stop cleanly, so leader epochs rise. `None`: unknown.
    pub unclean: Option<bool>,
    /// The end of the journal, and what is applied from it; `None`: there is none, or RocksDB cannot be read.
    pub replay: Option<ReplayReport>,
    /// Files that are deleted, and families that are dropped, because nothing refers to them.
    pub deleted: Vec<String>,
}

/// Records that a start applies from the journal, and bytes that it cuts off.
#[derive(Clone, Debug)]
pub struct ReplayReport {
    /// The record of the last write group that RocksDB has on the disk: the first that is applied.
    pub from: Position,
    /// Records that are applied.
    pub records: u64,
    /// The write groups of the first and the last of them.
    pub groups: Option<(u64, u64)>,
    /// Bytes of their operations, and of the bodies that are passed over.
    pub operations_bytes: u64,
    /// Bytes of their bodies, which are passed over.
    pub body_bytes: u64,
    /// Appends go on here.
    pub end: Position,
    /// Why the journal ends there.
    pub why: String,
    /// Everything before this was on the disk; `None`: nothing is known to have been.
    pub mark: Option<Position>,
    /// Bytes of the file that are cut off after the end.
    pub cut_bytes: u64,
    /// Files after the end, which are deleted, with their bytes.
    pub deleted: Vec<(String, u64)>,
}

/// A generation, or the settled family.
#[derive(Clone, Debug)]
pub struct FamilyReport {
    /// Name of the column family.
    pub name: String,
    /// Its number; `None`: the settled family.
    pub generation: Option<u32>,
    /// It takes appends.
    pub current: bool,
    /// The state names it. If not, the next start drops it.
    pub named: bool,
    /// When it was created, Unix ms.
    pub created_ms: Option<i64>,
    /// When its successor was created: nothing was appended later.
    pub sealed_ms: Option<i64>,
    /// Its files in RocksDB.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Bytes of its journal file.
    pub journal_bytes: u64,
    /// Extents of partitions in it.
    pub extents: u64,
    /// Bytes of the batches that live in it.
    pub live_bytes: u64,
}

/// Why a file of the journal is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalRole {
    /// Appends go on in it.
    Current,
    /// Batches may live in it.
    Living,
    /// Nothing lives in it, but a replay reads it.
    Replay,
    /// Nothing refers to it: the next start deletes it.
    Deleted,
    /// RocksDB cannot be read, so it is not known.
    Unknown,
}

/// A file of the journal.
#[derive(Clone, Debug)]
pub struct JournalReport {
    /// Its name.
    pub name: String,
    /// The number of its generation.
    pub generation: u32,
    /// Its length.
    pub bytes: u64,
    /// Its header is intact; without it no record of it can be read.
    pub header: bool,
    /// Why it is there.
    pub role: JournalRole,
    /// Its records, if they were read: a report reads those that a replay needs, a check all.
    pub records: Option<RecordsReport>,
}

/// A file of large batches that outlived their generation.
#[derive(Clone, Debug)]
pub struct SettledFileReport {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u32,
    /// Its length.
    pub bytes: u64,
    /// The state names it. If not, the next start deletes it. `None`: RocksDB cannot be read.
    pub named: Option<bool>,
    /// Bytes of the batches that live in it; `None` if that is not known, as with a damaged pointer.
    pub live_bytes: Option<u64>,
}

/// Records of a file, read one after the other.
#[derive(Clone, Debug, Default)]
pub struct RecordsReport {
    /// Offset of the first byte that was read.
    pub from: u64,
    /// Number of records.
    pub records: u64,
    /// The write groups of the first and the last.
    pub groups: Option<(u64, u64)>,
    /// Large batches in them.
    pub bodies: u64,
    /// Bytes of these.
    pub body_bytes: u64,
    /// Bytes of operations.
    pub operations_bytes: u64,
    /// The durable mark of the last; `None`: nothing was durable by then.
    pub durable: Option<Position>,
    /// The offset after the last.
    pub end: u64,
}

/// One record of the journal, or bytes that are none.
#[derive(Clone, Debug)]
pub struct RecordReport {
    /// Offset of its first byte.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
    /// Number of the write group; `None`: these bytes are no record.
    pub group: Option<u64>,
    /// Number of large batches.
    pub bodies: u32,
    /// Their bytes.
    pub body_bytes: u32,
    /// Bytes of its operations.
    pub operations_bytes: u32,
    /// Everything before this was on the disk when the record was written; `None`: nothing.
    pub durable: Option<Position>,
    /// The fault of its bytes or its bodies; `None`: every checksum holds.
    pub fault: Option<String>,
}

/// A partition.
#[derive(Clone, Debug)]
pub struct PartitionReport {
    /// Name of its topic.
    pub topic: String,
    /// Id of its topic.
    pub topic_id: Uuid,
    /// Its index within the topic, from 0.
    pub partition: i32,
    /// Its number on the disk.
    pub number: u64,
    /// The first readable offset.
    pub log_start_offset: i64,
    /// The offset of the next record.
    pub log_end_offset: i64,
    /// The leader epoch that the next start gives it.
    pub leader_epoch: i32,
    /// Bytes of its batches.
    pub size_bytes: u64,
    /// The first offset that readers of committed records do not see after the next start.
    pub last_stable_offset: i64,
    /// Idempotent producers that are remembered.
    pub producers: usize,
    /// Transactions that are open, by producer id.
    pub open_transactions: Vec<OpenTransaction>,
    /// Aborted transactions of which the index has an entry.
    pub aborted_transactions: u64,
    /// Its ranges of offsets, in order.
    pub extents: Vec<ExtentReport>,
}

/// A transaction that is open in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Its producer.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// Offset of its first record.
    pub first_offset: i64,
}

/// A range of a partition's offsets in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtentReport {
    /// Its first offset.
    pub base_offset: i64,
    /// The first offset after it.
    pub end_offset: i64,
    /// The family that holds it.
    pub family: String,
    /// Bytes of its living batches.
    pub live_bytes: u64,
}

/// Batches of a partition, by where they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchCounts {
    /// In RocksDB.
    pub inline: u64,
    /// Bytes of these.
    pub inline_bytes: u64,
    /// In the journal.
    pub in_journal: u64,
    /// Bytes of these.
    pub in_journal_bytes: u64,
    /// In settled files.
    pub in_settled_files: u64,
    /// Bytes of these.
    pub in_settled_files_bytes: u64,
    /// Those among them that cannot be read.
    pub damaged: u64,
}

/// Place of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchPlace {
    /// In a family of RocksDB.
    Inline {
        /// Name of the family.
        family: String,
    },
    /// In the journal.
    Journal(Position),
    /// In a settled file.
    Settled(Position),
}

/// One batch.
#[derive(Clone, Debug)]
pub struct BatchReport {
    /// Its base offset, as its key has it.
    pub base_offset: i64,
    /// Its place.
    pub place: BatchPlace,
    /// Its header, if that can be read.
    pub header: Option<codec::records::BatchHeader>,
    /// Its fault; `None`: its checksum holds, and it is the one that its key and pointer name.
    pub fault: Option<String>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The damaged file, partition or record.
    pub place: String,
    /// The fault.
    pub detail: String,
    /// Its effect on a broker and its clients.
    pub effect: String,
}
