//! Idempotent producers, per partition: which sequences were written, so that a repeat is recognised and a gap refused.
//!
//! Follows Kafka's `ProducerStateManager` and `ProducerAppendInfo`: the last five batches are remembered, a new epoch starts
//! at sequence 0, and an unknown (or forgotten) producer may start anywhere, unless its protocol lets it begin at 0 only
//! (KIP-890). Other than in Kafka, a batch is a repeat only of one in the transaction that is open. A transactional batch opens the producer's transaction in the partition, a marker ends it.

use std::ops::Deref;

use codec::records::BatchHeader;

use crate::{AppendError, MarkerError, TransactionMarker};

/// Batches remembered per producer; clients keep at most as many in flight (`max.in.flight.requests.per.connection`).
pub(crate) const REMEMBERED_BATCHES: usize = 5;

/// State of one producer in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// The producer's epoch; older ones are fenced.
    pub producer_epoch: i16,
    /// When it last wrote, or a marker was written for it, by the broker's clock, Unix ms.
    pub last_timestamp_ms: i64,
    /// The same by the folder's clock (ADR 3).
    pub(crate) last_open_ms: u64,
    /// First offset of its open transaction, if any.
    pub current_txn_start_offset: Option<i64>,
    /// The epoch of the coordinator that wrote the last marker; -1: none has.
    pub coordinator_epoch: i32,
    /// The last ones, all of the current epoch.
    pub(crate) batches: RememberedBatches,
}

/// No sequence is remembered.
const NO_SEQUENCE: i32 = -1;
/// No coordinator has written a marker for the producer.
pub(crate) const NO_COORDINATOR: i32 = -1;

/// The time of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Wall clock, Unix ms.
    pub(crate) now_ms: i64,
    /// Time for which the folder was open.
    pub(crate) open_ms: u64,
}

/// The last batches of a producer, oldest first; at most [`REMEMBERED_BATCHES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RememberedBatches {
    /// Those after the first `count` are the default, so that equal lists are equal here.
    batches: [RememberedBatch; REMEMBERED_BATCHES],
    count: usize,
}

impl RememberedBatches {
    /// Adds the newest, and forgets the oldest if there are more than are remembered.
    pub(crate) fn push(&mut self, batch: RememberedBatch) {
        if self.count == REMEMBERED_BATCHES {
            self.batches.rotate_left(1);
            self.count -= 1;
        }
        self.batches[self.count] = batch;
        self.count += 1;
    }
}

impl Deref for RememberedBatches {
    type Target = [RememberedBatch];

    fn deref(&self) -> &[RememberedBatch] {
        &self.batches[..self.count]
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RememberedBatch {
    /// Sequence number of its first record.
    pub(crate) first_sequence: i32,
    /// That of its last record; less than the first where they wrapped around.
    pub(crate) last_sequence: i32,
    /// Its offset, which a repeat is answered with.
    pub(crate) base_offset: i64,
    /// The time the broker put into the batch; -1 when the producer's own stayed.
    pub(crate) log_append_time_ms: i64,
}

/// Decision over a batch of an idempotent producer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new, or from a producer of which nothing is known.
    Append,
    /// It is in the log already: answer with its offset there.
    Duplicate(RememberedBatch),
}

impl ProducerState {
    /// Sequence number of its last record; -1 if none is remembered.
    pub fn last_sequence(&self) -> i32 {
        self.batches.last().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// It last wrote before this time of the folder's clock, and no transaction is open.
    pub(crate) fn is_expired(&self, before_open_ms: u64) -> bool {
        // As in Kafka's `ProducerStateManager.isProducerExpired`: an open transaction keeps its producer.
        self.last_open_ms < before_open_ms && self.current_txn_start_offset.is_none()
    }

    fn duplicate_of(&self, header: &BatchHeader) -> Option<RememberedBatch> {
        let (first, last) = (header.base_sequence, header.last_sequence());
        // Both ends, as in Kafka's `ProducerStateEntry`: a batch that begins alike and ends elsewhere is no
        // repeat.
        let same = |batch: &&RememberedBatch| batch.first_sequence == first && batch.last_sequence == last;
        self.batches.iter().find(same).filter(|_| self.producer_epoch == header.producer_epoch).copied()
    }

    /// True for a batch of a transaction that has ended.
    fn is_ended(&self, batch: &RememberedBatch) -> bool {
        self.current_txn_start_offset.is_none_or(|start| batch.base_offset < start)
    }

    fn follows(&self, first_sequence: i32) -> bool {
        let last = self.last_sequence();
        // Sequences wrap around to 0 (Kafka's `ProducerAppendInfo.inSequence`).
        first_sequence == if last == i32::MAX { 0 } else { last + 1 }
    }
}

/// Decides if the batch may be appended, given the state of its producer. `begins_at_zero`: one of which nothing is known must.
///
/// # Errors
/// The producer is fenced, its sequences have a gap or are those of an ended transaction, or the batch is not part of the transaction that is open; the state
/// stays as it is.
pub(crate) fn check(
    known: Option<&ProducerState>,
    header: &BatchHeader,
    begins_at_zero: bool,
) -> Result<Verdict, AppendError> {
    let out_of_order = |last| AppendError::OutOfOrderSequence { last, found: header.base_sequence };
    let Some(state) = known else {
        // Its state may have expired, or its records may be deleted: Kafka accepts any sequence then, except from a producer
        // of transactions of version 2, as what comes late must not begin anew (KIP-890).
        let refused = begins_at_zero && header.base_sequence != 0;
        return if refused { Err(out_of_order(NO_SEQUENCE)) } else { Ok(Verdict::Append) };
    };
    // First: a repeat is out of order by its sequence, and the client must be told that its batch is there.
    if let Some(batch) = state.duplicate_of(header) {
        // A client repeats no batch of a transaction that it has ended: what it sends under these sequences is new (librdkafka, after an
        // abort without an answer). Kafka acknowledges it as the old batch, and it is lost.
        let is_new = header.attributes.is_transactional() && state.is_ended(&batch);
        let reused = AppendError::SequenceReused { found: header.base_sequence };
        return if is_new { Err(reused) } else { Ok(Verdict::Duplicate(batch)) };
    }
    if header.producer_epoch < state.producer_epoch {
        return Err(AppendError::InvalidProducerEpoch {
            current: state.producer_epoch,
            found: header.producer_epoch,
        });
    }
    let in_order = match header.producer_epoch == state.producer_epoch {
        // After a marker that raised the epoch nothing is remembered: the next sequence is 0.
        true => state.follows(header.base_sequence),
        // A producer that raised its epoch counts from 0 again (KIP-360).
        false => header.base_sequence == 0,
    };
    if !in_order {
        return Err(out_of_order(state.last_sequence()));
    }
    // Readers could not tell it from a batch of the transaction (`ProducerAppendInfo.appendDataBatch`).
    match state.current_txn_start_offset.is_some() && !header.attributes.is_transactional() {
        true => Err(AppendError::InvalidTxnState),
        false => Ok(Verdict::Append),
    }
}

/// Decides if a marker may be written, given the state of its producer (`ProducerAppendInfo.appendEndTxnMarker`).
///
/// # Errors
/// Its epoch, or that of its coordinator, is too old; the state stays as it is.
pub(crate) fn check_marker(
    known: Option<&ProducerState>,
    marker: &TransactionMarker,
) -> Result<(), MarkerError> {
    // One of which nothing is known may have written nothing here: Kafka writes the marker all the same.
    let Some(state) = known else { return Ok(()) };
    let (current, found) = (state.producer_epoch, marker.producer_epoch);
    let is_open = state.current_txn_start_offset.is_some();
    if found < current || (marker.raises_epoch && is_open && found == current) {
        return Err(MarkerError::InvalidProducerEpoch { current, found });
    }
    let (current, found) = (state.coordinator_epoch, marker.coordinator_epoch);
    match found < current && !marker.by_coordinator {
        true => Err(MarkerError::TransactionCoordinatorFenced { current, found }),
        false => Ok(()),
    }
}

/// The coordinator's epoch in a marker that passed [`check_marker`]: it never falls. A marker by hand may have named any.
pub(crate) fn epoch_of_coordinator(known: Option<&ProducerState>, marker: &TransactionMarker) -> i32 {
    known.map_or(NO_COORDINATOR, |state| state.coordinator_epoch).max(marker.coordinator_epoch)
}

/// The state after a marker.
pub(crate) fn ended(
    known: Option<ProducerState>,
    marker: &TransactionMarker,
    moment: Moment,
) -> ProducerState {
    let coordinator_epoch = epoch_of_coordinator(known.as_ref(), marker);
    // Sequences go on in the same epoch, and begin anew in a greater one.
    let batches =
        known.filter(|state| state.producer_epoch == marker.producer_epoch).map(|state| state.batches);
    ProducerState {
        producer_epoch: marker.producer_epoch,
        last_timestamp_ms: moment.now_ms,
        last_open_ms: moment.open_ms,
        current_txn_start_offset: None,
        coordinator_epoch,
        batches: batches.unwrap_or_default(),
    }
}

/// The state after the batch was appended at `base_offset`.
pub(crate) fn appended(
    known: Option<ProducerState>,
    header: &BatchHeader,
    base_offset: i64,
    log_append_time_ms: i64,
    moment: Moment,
) -> ProducerState {
    let opens = header.attributes.is_transactional().then_some(base_offset);
    let coordinator_epoch = known.as_ref().map_or(NO_COORDINATOR, |state| state.coordinator_epoch);
    // The first batch of a transaction opens it; later ones are part of it.
    let open = known.as_ref().and_then(|state| state.current_txn_start_offset);
    // Those of another epoch mean nothing in this one.
    let same_epoch = known.filter(|state| state.producer_epoch == header.producer_epoch);
    let mut batches = same_epoch.map(|state| state.batches).unwrap_or_default();
    batches.push(RememberedBatch {
        first_sequence: header.base_sequence,
        last_sequence: header.last_sequence(),
        base_offset,
        log_append_time_ms,
    });
    ProducerState {
        producer_epoch: header.producer_epoch,
        last_timestamp_ms: moment.now_ms,
        last_open_ms: moment.open_ms,
        current_txn_start_offset: open.or(opens),
        coordinator_epoch,
        batches,
    }
}

#[cfg(test)]
mod tests;
