//! The bytes that transactional ids leave in storage: keys and values.
//!
//! The forms of numbers, strings and lists are those of `record_bytes`.
//!
//! | record | key | value |
//! | --- | --- | --- |
//! | transaction | `8 ‖ string(transactional id)` | see below |
//! | transaction partition | `9 ‖ string(transactional id) ‖ topic_id: 16 bytes ‖ partition: i32` | `version: u8 = 0 ‖ shard: u32 ‖ string topic` |
//! | transaction group | `10 ‖ string(transactional id) ‖ string(group)` | `version: u8 = 0 ‖ shard: u32` |
//!
//! *Transaction*: `version: u8 = 0 ‖ state: u8 ‖ producer_id: i64 ‖ producer_epoch: i16 ‖ option(producer_id:
//! i64 ‖ producer_epoch: i16) last ‖ timeout_ms: u32 ‖ since_open_ms: u64 ‖ started_at_ms: i64 (Unix; −1:
//! none)`. The *state* has Kafka's numbers: 0 Empty, 1 Ongoing, 4 CompleteCommit, 5 CompleteAbort. *last* is
//! the same owner before it was given the current id and epoch, which may ask for them again. *since* is, on
//! the open clock, the begin of the transaction that is open, or else the last change. Written when a
//! producer takes the id, when a transaction begins and when it ends.
//!
//! *Transaction whose end is decided*: the same with `version: u8 = 1` and state 2 PrepareCommit or 3 PrepareAbort, then
//! `producer_id: i64 ‖ producer_epoch: i16` of its batches ` ‖ marker_epoch: i16 ‖ cause: u8 (0 producer, 1 timeout,
//! 2 fenced, 3 administrator) ‖ duration_ms: u64`. *since* is the number of the end. Written only while something that
//! takes part lies in another shard than the id.
//!
//! Partitions and groups have a record while the transaction is open: written when they join, removed by
//! the write that knows that the end is in their shard. The *shard* is 0 in a folder of one shard.
//!
//! A value of a newer version, or one that does not parse to its last byte, is an error. What a record may
//! hold at most is in [`limits`](crate::limits).

use bytes::Bytes;
use uuid::Uuid;

use super::{
    EndCause,
    decision::Decision,
    identity::ProducerIdentity,
    ids::{GroupRef, ProducerId, ProducerIdAndEpoch, ShardId, TopicPartitionRef, TransactionalId},
    machine::Transaction,
    participants::Participants,
    state::TransactionState,
};
use crate::group::GroupId;
use crate::record_bytes::{Reader, Writer};
use crate::record_kinds::RecordKind;
use crate::state_machine::{Record, RecordError, TooLong};

/// The records of transactional ids, in the order in which they are replayed: an id before what takes part.
pub(super) const KINDS: &[RecordKind] =
    &[RecordKind::Transaction, RecordKind::TransactionPartition, RecordKind::TransactionGroup];

/// The version of the value of an id whose end is decided; any other has version 0.
const PREPARED: u8 = 1;

/// The key of a record, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Transaction { id: TransactionalId },
    Partition { id: TransactionalId, topic_id: Uuid, partition: i32 },
    Group { id: TransactionalId, group: GroupId },
}

impl Key {
    pub(super) fn partition(id: &TransactionalId, partition: &TopicPartitionRef) -> Key {
        Key::Partition { id: id.clone(), topic_id: partition.topic_id, partition: partition.partition }
    }

    fn encode(&self) -> Writer {
        let mut out = Writer::empty();
        match self {
            Key::Transaction { id } => {
                out.u8(RecordKind::Transaction.number());
                out.string(id.as_str());
            }
            Key::Partition { id, topic_id, partition } => {
                out.u8(RecordKind::TransactionPartition.number());
                out.string(id.as_str());
                out.uuid(*topic_id);
                out.i32(*partition);
            }
            Key::Group { id, group } => {
                out.u8(RecordKind::TransactionGroup.number());
                out.string(id.as_str());
                out.string(group.as_str());
            }
        }
        out
    }

    /// Reads a whole key.
    ///
    /// # Errors
    /// If it is not the key of a record of a transactional id.
    pub fn decode(key: &[u8]) -> Result<Key, RecordError> {
        let mut from = Reader::new(key);
        let (kind, id) = kind_and_id(&mut from)?;
        let decoded = match kind {
            RecordKind::Transaction => Key::Transaction { id },
            RecordKind::TransactionPartition => {
                Key::Partition { id, topic_id: from.uuid()?, partition: from.i32()? }
            }
            RecordKind::TransactionGroup => Key::Group { id, group: from.str()?.into() },
            _ => return Err(RecordError::Damaged("is not of a transactional id")),
        };
        from.end()?;
        Ok(decoded)
    }

    /// The transactional id of a key, which may be damaged after it.
    ///
    /// # Errors
    /// If the key is damaged before the end of the id.
    pub fn owner(key: &[u8]) -> Result<TransactionalId, RecordError> {
        Ok(kind_and_id(&mut Reader::new(key))?.1)
    }
}

/// The beginnings of the keys of an id's records, the whole key of the id's own first. None for an id that is too long for a key.
pub(super) fn keys(id: &TransactionalId) -> Vec<Bytes> {
    let key = |kind: &RecordKind| {
        let mut out = Writer::empty();
        out.u8(kind.number());
        out.string(id.as_str());
        out.finish()
    };
    KINDS.iter().map(key).collect::<Result<_, TooLong>>().unwrap_or_default()
}

fn kind_and_id(from: &mut Reader<'_>) -> Result<(RecordKind, TransactionalId), RecordError> {
    let kind = RecordKind::of(&[from.u8()?]).ok_or(RecordError::Damaged("is of an unknown kind"))?;
    Ok((kind, TransactionalId::from(from.str()?)))
}

/// A value under `key`.
///
/// # Errors
/// If a part of the key or the value is longer than can be stored.
pub(super) fn value(key: &Key, value: Writer) -> Result<Record, TooLong> {
    Ok(Record { key: key.encode().finish()?, value: Some(value.finish()?) })
}

/// The removal of whatever is under `key`.
///
/// # Errors
/// If the key is too long to be stored.
pub(super) fn tombstone(key: &Key) -> Result<Record, TooLong> {
    Ok(Record { key: key.encode().finish()?, value: None })
}

pub(super) fn encode_transaction(transaction: &Transaction) -> Writer {
    let mut out = Writer::value_of(if transaction.decision.is_some() { PREPARED } else { 0 });
    out.u8(transaction.state.number());
    put_producer(&mut out, transaction.identity.current);
    out.flag(transaction.identity.last.is_some());
    if let Some(last) = transaction.identity.last {
        put_producer(&mut out, last);
    }
    out.u32(transaction.timeout_ms);
    out.u64(transaction.since_open_ms);
    out.i64(transaction.started_at_ms);
    if let Some(Decision { producer, marker_epoch, cause, duration_ms }) = transaction.decision {
        put_producer(&mut out, producer);
        out.i16(marker_epoch);
        out.u8(cause.number());
        out.u64(duration_ms);
    }
    out
}

/// Reads the value of the record of an id; nothing takes part yet.
///
/// # Errors
/// If the bytes are of a newer version or are not such a value, to the last byte.
pub(super) fn decode_transaction(value: &[u8]) -> Result<Transaction, RecordError> {
    let mut from = Reader::new(value);
    let is_prepared = from.version_up_to(PREPARED)? == PREPARED;
    let state = TransactionState::numbered(from.u8()?).filter(|state| state.is_prepared() == is_prepared);
    let mut transaction = Transaction {
        state: state.ok_or(RecordError::Damaged("has an unknown state"))?,
        decision: None,
        identity: ProducerIdentity { current: read_producer(&mut from)?, last: from.option(read_producer)? },
        timeout_ms: from.u32()?,
        since_open_ms: from.u64()?,
        started_at_ms: from.i64()?,
        participants: Participants::default(),
    };
    if is_prepared {
        transaction.decision = Some(read_decision(&mut from)?);
    }
    from.end()?;
    Ok(transaction)
}

fn read_decision(from: &mut Reader<'_>) -> Result<Decision, RecordError> {
    Ok(Decision {
        producer: read_producer(from)?,
        marker_epoch: from.i16()?,
        cause: EndCause::numbered(from.u8()?).ok_or(RecordError::Damaged("has an unknown cause"))?,
        duration_ms: from.u64()?,
    })
}

/// The producer whose transaction the record of an id, a value as stored, says to be open or not completely ended. `None`: none is.
///
/// # Errors
/// As for the value of an id: a newer version, or damaged.
pub fn open_producer(value: &[u8]) -> Result<Option<ProducerId>, RecordError> {
    Ok(decode_transaction(value)?.open_producer().map(|producer| producer.id))
}

pub(super) fn encode_partition(partition: &TopicPartitionRef) -> Writer {
    let mut out = Writer::value();
    out.u32(partition.shard.0);
    out.string(&partition.topic);
    out
}

/// Reads the value of the record of a partition.
///
/// # Errors
/// As [`decode_transaction`].
pub(super) fn decode_partition(
    topic_id: Uuid,
    partition: i32,
    value: &[u8],
) -> Result<TopicPartitionRef, RecordError> {
    let mut from = Reader::new(value);
    from.version()?;
    let shard = ShardId(from.u32()?);
    let topic = from.str()?.into();
    from.end()?;
    Ok(TopicPartitionRef { shard, topic_id, topic, partition })
}

pub(super) fn encode_group(group: &GroupRef) -> Writer {
    let mut out = Writer::value();
    out.u32(group.shard.0);
    out
}

/// Reads the value of the record of a group.
///
/// # Errors
/// As [`decode_transaction`].
pub(super) fn decode_group(group: GroupId, value: &[u8]) -> Result<GroupRef, RecordError> {
    let mut from = Reader::new(value);
    from.version()?;
    let shard = ShardId(from.u32()?);
    from.end()?;
    Ok(GroupRef { shard, group })
}

fn put_producer(out: &mut Writer, producer: ProducerIdAndEpoch) {
    out.i64(producer.id.0);
    out.i16(producer.epoch);
}

fn read_producer(from: &mut Reader<'_>) -> Result<ProducerIdAndEpoch, RecordError> {
    Ok(ProducerIdAndEpoch { id: ProducerId(from.i64()?), epoch: from.i16()? })
}

#[cfg(test)]
mod tests;
