//! Rules that several admin APIs share. Domain types in, domain types out; messages are left to `kafka/api/`.

pub(crate) mod deletion;
pub(crate) mod error;
pub(crate) mod partitions;
pub(crate) mod per_partition;
pub(crate) mod topics;
pub(crate) mod wanted;

use self::error::TopicError;

/// Pays for that many partitions that are about to be created or deleted, out of the client's quota, or refuses them.
pub(crate) type Pay<'a> = &'a mut (dyn FnMut(u32) -> Result<(), TopicError> + Send);
