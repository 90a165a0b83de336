//! Rules for the old records of a topic.

/// Rules for a topic's old records (`cleanup.policy`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogPolicy {
    /// They may be deleted; `None`: never.
    pub retention: Option<Retention>,
    /// All but the newest record of each key may go; `None`: they stay.
    pub compaction: Option<Compaction>,
}

/// When records of a topic may be deleted (`cleanup.policy=delete`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// `retention.ms`: time that they spent in an open folder. `None`: never for that reason.
    pub ms: Option<u64>,
    /// `retention.bytes`: bytes that their partition holds without them. `None`: never for that reason.
    pub bytes: Option<u64>,
}

/// When and how the records of a topic are compacted (`cleanup.policy=compact`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compaction {
    /// `min.cleanable.dirty.ratio`, 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: younger records stay as they are; 0 has no such records.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: an older dirty record makes the log due at once.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`: for how long a tombstone stays after its first cleaning.
    pub delete_retention_ms: i64,
}
