//! Rules that several admin APIs share. Domain types in, domain types out; messages are left to `kafka/api/`.

pub(crate) mod deletion;
pub(crate) mod error;
pub(crate) mod partitions;
pub(crate) mod per_partition;
pub(crate) mod topics;
pub(crate) mod wanted;
