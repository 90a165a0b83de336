use codec::records::BatchBuilder;

use super::*;

const NOW: Moment = Moment { now_ms: 5, open_ms: 7 };

fn header(epoch: i16, sequence: i32, records: usize) -> BatchHeader {
    let mut builder = BatchBuilder::new().producer(1, epoch, sequence);
    (0..records).for_each(|_| builder.push(0, None, None, &[]));
    BatchHeader::parse(&builder.build()).unwrap()
}

/// The state after batches of two records each with these sequences.
fn after(epoch: i16, sequences: &[i32]) -> ProducerState {
    let mut state = None;
    for (offset, sequence) in (0..).zip(sequences) {
        state = Some(appended(state, &header(epoch, *sequence, 2), offset * 2, -1, NOW));
    }
    state.unwrap()
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    assert_eq!(check(None, &header(3, 17, 1), false), Ok(Verdict::Append));
}

#[test]
fn the_last_five_batches_are_recognised() {
    let state = after(0, &[0, 2, 4, 6, 8, 10]);
    for (sequence, base_offset) in [(2, 2), (10, 10)] {
        let Ok(Verdict::Duplicate(found)) = check(Some(&state), &header(0, sequence, 2), false) else {
            panic!()
        };
        assert_eq!(found.base_offset, base_offset);
    }
    let forgotten = check(Some(&state), &header(0, 0, 2), false).unwrap_err();
    assert_eq!(forgotten, AppendError::OutOfOrderSequence { last: 11, found: 0 });
}

#[test]
fn gaps_are_refused_and_successors_taken() {
    let state = after(0, &[0]);
    assert_eq!(check(Some(&state), &header(0, 2, 1), false), Ok(Verdict::Append));
    assert_eq!(
        check(Some(&state), &header(0, 3, 1), false),
        Err(AppendError::OutOfOrderSequence { last: 1, found: 3 })
    );
}

#[test]
fn sequences_wrap_around() {
    let state = after(0, &[i32::MAX - 1]);
    assert_eq!(state.last_sequence(), i32::MAX);
    assert_eq!(check(Some(&state), &header(0, 0, 1), false), Ok(Verdict::Append));
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
    let state = after(4, &[0]);
    assert!(check(Some(&state), &header(5, 1, 1), false).is_err());
    assert_eq!(check(Some(&state), &header(5, 0, 1), false), Ok(Verdict::Append));
    let state = appended(Some(state), &header(5, 0, 1), 2, -1, NOW);
    let fenced = check(Some(&state), &header(4, 2, 1), false).unwrap_err();
    assert_eq!(fenced, AppendError::InvalidProducerEpoch { current: 5, found: 4 });
}

fn marker(producer_epoch: i16, coordinator_epoch: i32, raises_epoch: bool) -> TransactionMarker {
    let found = crate::log::Recovered::default();
    let partition = crate::Partition::new(crate::PartitionNumber(1), uuid::Uuid::nil(), 0, 0, found);
    TransactionMarker {
        partition: std::sync::Arc::new(partition),
        producer_id: 1,
        producer_epoch,
        coordinator_epoch,
        by_coordinator: false,
        commit: true,
        raises_epoch,
        log_append_time: false,
    }
}

fn in_transaction(epoch: i16, sequence: i32) -> BatchHeader {
    let builder = BatchBuilder::new().producer(1, epoch, sequence).transactional();
    BatchHeader::parse(&builder.record(0, None, None).build()).unwrap()
}

#[test]
fn an_unknown_producer_of_the_newer_protocol_begins_at_zero() {
    let refused = AppendError::OutOfOrderSequence { last: -1, found: 17 };
    assert_eq!(check(None, &header(3, 17, 1), true), Err(refused));
    assert_eq!(check(None, &header(3, 0, 1), true), Ok(Verdict::Append));
}

#[test]
fn an_open_transaction_takes_transactional_batches_only() {
    let state = appended(None, &in_transaction(0, 0), 4, -1, NOW);
    assert_eq!(state.current_txn_start_offset, Some(4));
    assert_eq!(check(Some(&state), &header(0, 1, 1), false), Err(AppendError::InvalidTxnState));
    let gap = AppendError::OutOfOrderSequence { last: 0, found: 2 };
    assert_eq!(check(Some(&state), &header(0, 2, 1), false), Err(gap), "a gap is told of first");
    assert_eq!(check(Some(&state), &in_transaction(0, 1), false), Ok(Verdict::Append));
    let state = appended(Some(state), &in_transaction(0, 1), 5, -1, NOW);
    assert_eq!(state.current_txn_start_offset, Some(4), "the first batch");
    let repeat = check(Some(&state), &header(0, 0, 1), false);
    assert!(matches!(repeat, Ok(Verdict::Duplicate(_))), "a repeat is answered as it was");
}

#[test]
fn a_marker_ends_the_transaction_and_sequences_begin_anew_in_a_greater_epoch() {
    let open = appended(None, &in_transaction(3, 0), 4, -1, NOW);
    let same = ended(Some(open.clone()), &marker(3, 8, false), NOW);
    assert_eq!((same.current_txn_start_offset, same.coordinator_epoch), (None, 8));
    assert_eq!(check(Some(&same), &header(3, 1, 1), false), Ok(Verdict::Append));
    let raised = ended(Some(open), &marker(4, 8, true), NOW);
    assert_eq!((raised.producer_epoch, raised.last_sequence()), (4, -1));
    assert!(check(Some(&raised), &header(4, 1, 1), false).is_err());
    assert_eq!(check(Some(&raised), &header(4, 0, 1), false), Ok(Verdict::Append));
    assert!(matches!(
        check(Some(&raised), &header(3, 1, 1), false),
        Err(AppendError::InvalidProducerEpoch { current: 4, found: 3 })
    ));
}

/// A copier lost ten records: its client had reused the sequences of an aborted batch, which was taken for the new one.
#[test]
fn sequences_of_an_ended_transaction_are_no_repeat_in_the_next() {
    let first = in_transaction(3, 0);
    let open = appended(None, &first, 4, -1, NOW);
    assert!(matches!(check(Some(&open), &first, false), Ok(Verdict::Duplicate(_))));
    let reused = Err(AppendError::SequenceReused { found: 0 });
    let ended = ended(Some(open), &marker(3, 8, false), NOW);
    assert_eq!(check(Some(&ended), &first, false), reused);
    assert_eq!(check(Some(&ended), &in_transaction(3, 1), false), Ok(Verdict::Append));
    // The next transaction is open.
    let next = in_transaction(3, 1);
    let open = appended(Some(ended), &next, 6, -1, NOW);
    assert_eq!(check(Some(&open), &first, false), reused);
    assert!(matches!(check(Some(&open), &next, false), Ok(Verdict::Duplicate(_))));
}

#[test]
fn markers_of_old_epochs_are_refused() {
    let open = appended(None, &in_transaction(3, 0), 4, -1, NOW);
    let old = MarkerError::InvalidProducerEpoch { current: 3, found: 2 };
    assert_eq!(check_marker(Some(&open), &marker(2, 0, false)), Err(old));
    assert_eq!(check_marker(Some(&open), &marker(3, 0, false)), Ok(()));
    let same = MarkerError::InvalidProducerEpoch { current: 3, found: 3 };
    assert_eq!(check_marker(Some(&open), &marker(3, 0, true)), Err(same));
    assert_eq!(check_marker(Some(&open), &marker(4, 0, true)), Ok(()));
    let closed = ended(Some(open), &marker(4, 8, true), NOW);
    assert_eq!(check_marker(Some(&closed), &marker(4, 8, true)), Ok(()), "a repeat (KAFKA-19999)");
    let fenced = MarkerError::TransactionCoordinatorFenced { current: 8, found: 7 };
    assert_eq!(check_marker(Some(&closed), &marker(5, 7, true)), Err(fenced));
    let own = TransactionMarker { by_coordinator: true, ..marker(5, 7, true) };
    assert_eq!(check_marker(Some(&closed), &own), Ok(()), "the coordinator's own");
    assert_eq!(ended(Some(closed), &own, NOW).coordinator_epoch, 8, "the greater one stays");
    assert_eq!(check_marker(None, &marker(0, 0, true)), Ok(()), "nothing is known of it");
}
