//! Idempotent producers, per partition: which sequences were written, so that a repeat is recognised and a gap refused.
//!
//! Follows Kafka's `ProducerStateManager` and `ProducerAppendInfo`: the last five batches are remembered, a new epoch starts
//! at sequence 0, and an unknown (or forgotten) producer may start anywhere.

use std::collections::VecDeque;

use codec::records::BatchHeader;

use crate::AppendError;

/// Batches remembered per producer; clients keep at most as many in flight (`max.in.flight.requests.per.connection`).
pub(crate) const REMEMBERED_BATCHES: usize = 5;

/// State of one producer in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// The producer's epoch; older ones are fenced.
    pub producer_epoch: i16,
    /// When it last wrote, by the broker's clock, Unix ms; expiry counts from here.
    pub last_timestamp_ms: i64,
    /// First offset of its open transaction, if any.
    pub current_txn_start_offset: Option<i64>,
    /// The last ones, oldest first, all of the current epoch; at most [`REMEMBERED_BATCHES`].
    pub(crate) batches: VecDeque<RememberedBatch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        self.batches.back().map_or(-1, |batch| batch.last_sequence)
    }

    fn duplicate_of(&self, header: &BatchHeader) -> Option<RememberedBatch> {
        let (first, last) = (header.base_sequence, header.last_sequence());
        // Both ends, as in Kafka's `ProducerStateEntry`: a batch that begins alike and ends elsewhere is no
        // repeat.
        let same = |batch: &&RememberedBatch| batch.first_sequence == first && batch.last_sequence == last;
        self.batches.iter().find(same).filter(|_| self.producer_epoch == header.producer_epoch).copied()
    }

    fn follows(&self, first_sequence: i32) -> bool {
        let last = self.last_sequence();
        // Sequences wrap around to 0 (Kafka's `ProducerAppendInfo.inSequence`).
        first_sequence == if last == i32::MAX { 0 } else { last + 1 }
    }
}

/// Decides if the batch may be appended, given the state of its producer.
///
/// # Errors
/// The producer is fenced, or its sequences have a gap; the state stays as it is.
pub(crate) fn check(known: Option<&ProducerState>, header: &BatchHeader) -> Result<Verdict, AppendError> {
    // Its state may have expired, or its records may be deleted: Kafka accepts any sequence then.
    let Some(state) = known else { return Ok(Verdict::Append) };
    // First: a repeat is out of order by its sequence, and the client must be told that its batch is there.
    if let Some(batch) = state.duplicate_of(header) {
        return Ok(Verdict::Duplicate(batch));
    }
    if header.producer_epoch < state.producer_epoch {
        return Err(AppendError::InvalidProducerEpoch {
            current: state.producer_epoch,
            found: header.producer_epoch,
        });
    }
    let in_order = match header.producer_epoch == state.producer_epoch {
        true => state.batches.is_empty() || state.follows(header.base_sequence),
        // A producer that raised its epoch counts from 0 again (KIP-360).
        false => header.base_sequence == 0,
    };
    match in_order {
        true => Ok(Verdict::Append),
        false => {
            Err(AppendError::OutOfOrderSequence { last: state.last_sequence(), found: header.base_sequence })
        }
    }
}

/// The batch was appended at `base_offset`, at `now_ms`. Changes the state of a known producer in place;
/// returns that of a new one.
pub(crate) fn appended(
    known: Option<&mut ProducerState>,
    header: &BatchHeader,
    base_offset: i64,
    log_append_time_ms: i64,
    now_ms: i64,
) -> Option<ProducerState> {
    let batch = RememberedBatch {
        first_sequence: header.base_sequence,
        last_sequence: header.last_sequence(),
        base_offset,
        log_append_time_ms,
    };
    match known {
        None => Some(ProducerState {
            producer_epoch: header.producer_epoch,
            last_timestamp_ms: now_ms,
            current_txn_start_offset: None,
            batches: VecDeque::from([batch]),
        }),
        Some(state) => {
            if state.producer_epoch != header.producer_epoch {
                state.producer_epoch = header.producer_epoch;
                // Their sequences mean nothing in the new epoch.
                state.batches.clear();
            } else if state.batches.len() == REMEMBERED_BATCHES {
                state.batches.pop_front();
            }
            state.batches.push_back(batch);
            state.last_timestamp_ms = now_ms;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use codec::records::BatchBuilder;

    use super::*;

    fn header(epoch: i16, sequence: i32, records: usize) -> BatchHeader {
        let mut builder = BatchBuilder::new().producer(1, epoch, sequence);
        (0..records).for_each(|_| builder.push(0, None, None, &[]));
        BatchHeader::parse(&builder.build()).unwrap()
    }

    /// The state after batches of two records each with these sequences.
    fn after(epoch: i16, sequences: &[i32]) -> ProducerState {
        let mut state = None;
        for (offset, sequence) in (0..).zip(sequences) {
            let new = appended(state.as_mut(), &header(epoch, *sequence, 2), offset * 2, -1, 5);
            state = state.or(new);
        }
        state.unwrap()
    }

    #[test]
    fn an_unknown_producer_may_start_anywhere() {
        assert_eq!(check(None, &header(3, 17, 1)), Ok(Verdict::Append));
    }

    #[test]
    fn the_last_five_batches_are_recognised() {
        let state = after(0, &[0, 2, 4, 6, 8, 10]);
        for (sequence, base_offset) in [(2, 2), (10, 10)] {
            let Ok(Verdict::Duplicate(found)) = check(Some(&state), &header(0, sequence, 2)) else {
                panic!()
            };
            assert_eq!(found.base_offset, base_offset);
        }
        let forgotten = check(Some(&state), &header(0, 0, 2)).unwrap_err();
        assert_eq!(forgotten, AppendError::OutOfOrderSequence { last: 11, found: 0 });
    }

    #[test]
    fn gaps_are_refused_and_successors_taken() {
        let state = after(0, &[0]);
        assert_eq!(check(Some(&state), &header(0, 2, 1)), Ok(Verdict::Append));
        assert_eq!(
            check(Some(&state), &header(0, 3, 1)),
            Err(AppendError::OutOfOrderSequence { last: 1, found: 3 })
        );
    }

    #[test]
    fn sequences_wrap_around() {
        let state = after(0, &[i32::MAX - 1]);
        assert_eq!(state.last_sequence(), i32::MAX);
        assert_eq!(check(Some(&state), &header(0, 0, 1)), Ok(Verdict::Append));
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
        let mut state = after(4, &[0]);
        assert!(check(Some(&state), &header(5, 1, 1)).is_err());
        assert_eq!(check(Some(&state), &header(5, 0, 1)), Ok(Verdict::Append));
        assert!(appended(Some(&mut state), &header(5, 0, 1), 2, -1, 6).is_none());
        let fenced = check(Some(&state), &header(4, 2, 1)).unwrap_err();
        assert_eq!(fenced, AppendError::InvalidProducerEpoch { current: 5, found: 4 });
    }
}
