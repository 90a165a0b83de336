//! The part of a shard in the end of a transaction that another shard coordinates.
//!
//! Such an end may come more than once, and late: its coordinator hands it out again when an answer is lost or after a
//! restart. Neither the producer's epoch, which stays with the older protocol, nor pending offsets, which have none, tell
//! the repeat of one end from the next one. So the shard keeps the last end of each transactional id that it has applied,
//! by producer id and epoch, the coordinator's epoch, and the number of the end: one record, in the write group of the
//! markers and offsets. It has all of an end or nothing of it.
//!
//! | record | key | value |
//! | --- | --- | --- |
//! | applied end | `16 ‖ string(transactional id)` | `version: u8 = 0 ‖ producer_id: i64 ‖ marker_epoch: i16 ‖ coordinator_epoch: u32 ‖ number: u64` |

use bytes::Bytes;

use super::{
    Ending,
    ids::{ProducerId, ProducerIdAndEpoch, TransactionalId},
};
use crate::record_bytes::{Reader, Writer};
use crate::record_kinds::RecordKind;
use crate::state_machine::{Record, RecordError, TooLong};

/// The last end of a transactional id that a shard has applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedEnd {
    /// The producer, with the epoch of the markers.
    pub producer: ProducerIdAndEpoch,
    /// The leader epoch of the coordinator's shard.
    pub coordinator_epoch: u32,
    /// As [`Ending::number`].
    pub number: u64,
}

/// The decision of a shard about an end that has come to it.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be applied: markers, offsets and this record in one write group. It is answered once they are durable.
    Apply(Record),
    /// It was applied before. It is answered, and nothing is written.
    Repeat,
    /// A later coordinator of the id has written here (TRANSACTION_COORDINATOR_FENCED). Nothing is written.
    Fenced,
}

/// The reason for which a shard cannot decide. Nothing is written, and the end is not answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// The record of the last end cannot be read.
    #[error("the last end that was applied cannot be read: {0}")]
    Unreadable(#[from] RecordError),
    /// The record of this end cannot be written.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// Decides about an end whose coordinator leads its shard in `coordinator_epoch`. `stored` is the value under
/// [`key`], if there is one. The caller holds a lock of the transactional id in this shard from its look at the
/// record until the write has its place in the log.
///
/// # Errors
/// The record of an earlier end cannot be read, or that of this one not be written.
pub fn judge(stored: Option<&[u8]>, ending: &Ending, coordinator_epoch: u32) -> Result<Verdict, Undecided> {
    if let Some(last) = stored.map(decode).transpose()? {
        if coordinator_epoch < last.coordinator_epoch {
            return Ok(Verdict::Fenced);
        }
        if ending.number <= last.number {
            return Ok(Verdict::Repeat);
        }
    }
    let producer = ProducerIdAndEpoch { id: ending.producer_id, epoch: ending.marker_epoch };
    let end = AppliedEnd { producer, coordinator_epoch, number: ending.number };
    let (key, value) = (key(&ending.transactional_id)?, encode(&end).finish()?);
    Ok(Verdict::Apply(Record { key, value: Some(value) }))
}

/// The key of the record of a transactional id.
///
/// # Errors
/// The id is too long for a key.
pub fn key(id: &TransactionalId) -> Result<Bytes, TooLong> {
    let mut out = Writer::empty();
    out.u8(RecordKind::AppliedEnd.number());
    out.string(id.as_str());
    out.finish()
}

fn encode(end: &AppliedEnd) -> Writer {
    let mut out = Writer::value();
    out.i64(end.producer.id.0);
    out.i16(end.producer.epoch);
    out.u32(end.coordinator_epoch);
    out.u64(end.number);
    out
}

/// Reads the value of such a record.
///
/// # Errors
/// If the bytes are of a newer version or are not such a value, to the last byte.
pub fn decode(value: &[u8]) -> Result<AppliedEnd, RecordError> {
    let mut from = Reader::new(value);
    from.version()?;
    let end = AppliedEnd {
        producer: ProducerIdAndEpoch { id: ProducerId(from.i64()?), epoch: from.i16()? },
        coordinator_epoch: from.u32()?,
        number: from.u64()?,
    };
    from.end()?;
    Ok(end)
}

#[cfg(test)]
mod tests;
