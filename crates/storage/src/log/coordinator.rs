//! Records of coordinators, as they are written. Opaque here: their layouts are the coordinators' own.

use bytes::Bytes;

/// One record: the newest value of a key counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRecord {
    /// Key, unique among all coordinators; its layout is the caller's.
    pub key: Bytes,
    /// `None` removes the key.
    pub value: Option<Bytes>,
}

/// Coordinators' records that are written in the same group as something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorWrite {
    /// The epoch in which the coordinator was loaded: see [`Shard::write_coordinator`](crate::Shard::write_coordinator).
    pub epoch: u32,
    /// The records; there may be none.
    pub records: Vec<CoordinatorRecord>,
}
