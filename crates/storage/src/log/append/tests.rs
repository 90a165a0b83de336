//! Bytes of a batch: taken over, or copied.

use codec::records::BatchBuilder;

use super::*;

fn sent() -> Bytes {
    BatchBuilder::new().record(1, None, Some(&[7; 1000])).build()
}

#[test]
fn bytes_without_another_reference_are_not_copied() {
    let mut frame = vec![0; 50];
    frame.extend_from_slice(&sent());
    let batch = Bytes::from(frame).split_off(50);
    let place = batch.as_ptr();
    let own = changeable(batch);
    assert_eq!((own.as_ptr(), own.as_ref()), (place, sent().as_ref()));
}

#[test]
fn bytes_that_are_shared_or_lie_in_a_larger_buffer_are_copied() {
    let shared = sent();
    assert_ne!(changeable(shared.clone()).as_ptr(), shared.as_ptr());
    let mut large = Vec::with_capacity(2 * shared.len());
    large.extend_from_slice(&shared);
    let large = Bytes::from(large);
    let place = large.as_ptr();
    let own = changeable(large);
    assert_ne!(own.as_ptr(), place);
    assert_eq!(own, shared);
}
