//! Errors: variants for a caller to act on, texts for an operator to read.

use std::{path::PathBuf, sync::Arc};

use thiserror::Error;

/// A write, sync or read that failed. After a failed write or sync the storage answers nothing else.
#[derive(Clone, Debug, Error)]
pub enum StorageError {
    /// RocksDB reported an error.
    #[error("storage: {0}")]
    Engine(Arc<str>),
    /// A file beside RocksDB could not be read or written.
    #[error("storage: {context}: {source}")]
    Io {
        /// The step that failed.
        context: &'static str,
        /// The operating system's error.
        source: Arc<std::io::Error>,
    },
    /// Bytes on the disk differ from those written.
    #[error("storage: corrupt {what}: {detail}")]
    Corrupt {
        /// Which record.
        what: &'static str,
        /// The fault of the record.
        detail: Arc<str>,
    },
    /// A record batch differs from the one written. Only that batch is lost.
    #[error("storage: {0}")]
    DamagedBatch(Arc<DamagedBatch>),
    /// One of the storage's threads panicked.
    #[error("storage: thread {thread} panicked")]
    Panicked {
        /// Its name.
        thread: &'static str,
    },
    /// Only the reserve of the disk is free. Writes that can wait are refused.
    #[error("storage: the disk is almost full")]
    DiskFull,
    /// This process does not lead the shard to be written. Nothing was written.
    #[error("storage: the shard is not led here")]
    NotLeader,
    /// This process is taking the shard over, and leads it once its new epoch is durable. Nothing was written.
    #[error("storage: the shard is being taken over")]
    Unavailable,
    /// An earlier write or sync failed, or the storage is closed. Nothing was written.
    #[error("storage is stopped")]
    Stopped,
}

/// A record batch that differs from the one written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the batch at offset {base_offset} is damaged: {detail} (in {file}{})", at(*.position))]
pub struct DamagedBatch {
    /// Its first offset, from its key.
    pub base_offset: i64,
    /// Name of the journal file, or of RocksDB's column family, that holds it.
    pub file: String,
    /// Position of its first byte in the journal file; `None` for one in RocksDB.
    pub position: Option<u64>,
    /// The fault of the batch.
    pub detail: String,
}

fn at(position: Option<u64>) -> String {
    position.map(|position| format!(" at byte {position}")).unwrap_or_default()
}

/// Part of a record is larger than its layout can hold. Nothing was written, and the storage goes on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{size} {what} cannot be stored: the most is {limit}")]
pub struct TooLarge {
    /// The part, with its unit: "bytes of a topic's name".
    pub what: &'static str,
    /// Its size.
    pub size: usize,
    /// The greatest size that its layout can hold.
    pub limit: usize,
}

impl StorageError {
    pub(crate) fn io(context: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io { context, source: Arc::new(source) }
    }

    /// RocksDB found one of its files damaged.
    pub(crate) fn is_damaged_index(&self) -> bool {
        // RocksDB's bindings keep only the text of an error. The text of this kind begins so.
        matches!(self, Self::Engine(text) if text.starts_with("Corruption"))
    }

    /// The disk cannot read these bytes of a file.
    pub(crate) fn is_bad_sector(&self) -> bool {
        let code = rustix::io::Errno::IO.raw_os_error();
        matches!(self, Self::Io { source, .. } if source.raw_os_error() == Some(code))
    }

    pub(crate) fn is_damaged_batch(&self) -> bool {
        matches!(self, Self::DamagedBatch(_))
    }

    pub(crate) fn corrupt(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Corrupt { what, detail: detail.to_string().into() }
    }
}

impl From<rocksdb::Error> for StorageError {
    fn from(error: rocksdb::Error) -> Self {
        Self::Engine(error.into_string().into())
    }
}

/// Failure to open a folder. Each text names the cause and the remedy.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process holds the folder.
    #[error(
        "data folder {path} is in use by another broker, or `ottla inspect` looks at it: stop that one, or give this one another folder with --data"
    )]
    Locked {
        /// The data folder.
        path: PathBuf,
    },
    /// The folder cannot be created or written.
    #[error(
        "cannot write to data folder {path}: {source}: make it writable for this user, or choose another with --data"
    )]
    NotWritable {
        /// The data folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Written by a newer release.
    #[error(
        "data folder {path} has storage format {found}, this release reads up to {supported}: start the newer release that wrote it"
    )]
    NewerFormat {
        /// The data folder.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this release reads.
        supported: u32,
    },
    /// Written by an older release, in a format that this one does not read.
    #[error(
        "data folder {path} has storage format {found}, this release reads none before {supported}: \
         start the release that wrote it, or give this one another folder with --data"
    )]
    OlderFormat {
        /// The data folder.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The oldest format this release reads.
        supported: u32,
    },
    /// The folder holds files of another program.
    #[error(
        "data folder {path} is not empty and holds no Ottla data: choose another with --data, or empty it"
    )]
    Foreign {
        /// The data folder.
        path: PathBuf,
    },
    /// Synced records are missing.
    #[error(
        "data folder {path} lost records that were on the disk (its journal ends at {recovered} and was synced up to {synced}): \
         restore it from a backup, or start with --accept-data-loss to go on without them"
    )]
    DataLoss {
        /// The data folder.
        path: PathBuf,
        /// The end of the readable part, as the text shows it.
        recovered: String,
        /// The end of the synced part.
        synced: String,
    },
    /// A topic's record cannot be read, not even its name: a client could create another topic of that name.
    #[error(
        "data folder {path} has a topic (id {id}) whose record cannot be read: {source}: start the release that wrote it, \
         restore the folder from a backup, or start with --accept-data-loss to go on without that topic; its data is kept"
    )]
    UnreadableTopic {
        /// The data folder.
        path: PathBuf,
        /// The topic's id.
        id: uuid::Uuid,
        /// The fault of the record.
        source: StorageError,
    },
    /// One of RocksDB's files is damaged: the index of all batches, or the state.
    #[error(
        "data folder {path} has a damaged index file: {source}: restore the folder from a backup, as no start can do without \
         that file, and --accept-data-loss does not help"
    )]
    DamagedIndex {
        /// The data folder.
        path: PathBuf,
        /// RocksDB's error, which names the file.
        source: StorageError,
    },
    /// RocksDB or the state in it cannot be read.
    #[error("cannot open data folder {path}: {source}: restore it from a backup if this stays")]
    Storage {
        /// The data folder.
        path: PathBuf,
        /// The error.
        source: StorageError,
    },
}

/// Failure to look into a folder. Each text names the cause and the remedy.
#[derive(Debug, Error)]
pub enum InspectError {
    /// It cannot be read.
    #[error("cannot read data folder {path}: {source}")]
    NotReadable {
        /// The data folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// It is empty, or holds files of another program.
    #[error("{path} holds no Ottla data: it has neither a file FORMAT nor ottla.lock")]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// A broker would refuse it for the same reason.
    #[error(transparent)]
    Refused(#[from] OpenError),
    /// The operations that RocksDB has not flushed are read through a file outside the data folder, which cannot be written.
    #[error("cannot write to the temporary folder {path}: {source}: name another in TMPDIR")]
    NoTemporaryFolder {
        /// The temporary folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The topic or partition is missing.
    #[error("the data folder has no partition {partition} of a topic {topic}")]
    UnknownPartition {
        /// The topic asked for.
        topic: String,
        /// The partition asked for.
        partition: i32,
    },
    /// The journal file is missing.
    #[error("the data folder has no file {name}")]
    UnknownJournal {
        /// Its name.
        name: String,
    },
    /// The disk failed, or holds damaged data.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
