//! Fetches with `isolation.level=read_committed`: they wait for stable bytes.

use storage::{CoordinatorWrite, TransactionEnd, TransactionMarker};

use super::*;

const PRODUCER_ID: i64 = 7;

fn committed(min_bytes: usize, max_wait: Duration) -> FetchTerms {
    FetchTerms { isolation: Isolation::ReadCommitted, ..terms(min_bytes, max_wait) }
}

impl Broker {
    /// Appends one batch of 1 000 bytes to the producer's transaction; the batch's size.
    async fn append_to_transaction(&self, topic: &Topic, sequence: i32) -> usize {
        let batch = BatchBuilder::new().producer(PRODUCER_ID, 0, sequence).transactional();
        let batch = RecordBatch::parse(batch.record(1, None, Some(&[7; 1000])).build()).unwrap();
        let size = batch.size_bytes();
        let entry = AppendEntry {
            partition: topic.led_here().next().unwrap().clone(),
            batch,
            log_append_time: false,
            unknown_producer_begins_at_zero: true,
        };
        let request = AppendRequest { entries: vec![entry], acks: Acks::All, coordinator: None };
        self.io.shard().append(request).await.unwrap().remove(0).unwrap();
        size
    }

    async fn end_transaction(&self, topic: &Topic, commit: bool) {
        let marker = TransactionMarker {
            partition: topic.led_here().next().unwrap().clone(),
            producer_id: PRODUCER_ID,
            producer_epoch: 0,
            coordinator_epoch: 0,
            by_coordinator: false,
            commit,
            raises_epoch: false,
            log_append_time: false,
        };
        let coordinator = CoordinatorWrite { epoch: self.shard.led_epoch().unwrap(), records: Vec::new() };
        let end = TransactionEnd { coordinator, markers: vec![marker] };
        let (sender, answer) = tokio::sync::oneshot::channel();
        self.shard.end_transaction(end, Box::new(|outcome| sender.send(outcome.unwrap()).unwrap()));
        answer.await.unwrap().remove(0).unwrap();
    }
}

/// Users of other brokers saw: a consumer of committed records fetched again and again while a transaction was open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_transaction_ends_no_wait_and_its_marker_counts_all_that_it_frees() {
    let broker = Broker::new();
    let topic = broker.create("t", 1).await;
    broker.append_to_transaction(&topic, 0).await;
    // Three batches and a marker are more than that; the marker alone is not.
    let fetch = broker.fetch(NO_SESSION, vec![wanted("t", 0, 0)], committed(2000, LONG));
    let mut fetch = std::pin::pin!(fetch);
    assert!(tokio::time::timeout(SHORT, fetch.as_mut()).await.is_err());
    for sequence in 1..3 {
        broker.append_to_transaction(&topic, sequence).await;
    }
    assert!(tokio::time::timeout(SHORT, fetch.as_mut()).await.is_err(), "nothing is stable");
    broker.end_transaction(&topic, true).await;
    let fetched = tokio::time::timeout(LONG / 4, fetch).await.expect("was not woken");
    let served = fetched.partitions[0].outcome.as_ref().unwrap();
    assert_eq!((served.batches.iter().flat_map(batches).count(), served.last_stable_offset), (4, 4));
    assert_eq!(served.aborted.as_ref().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_waits_for_what_its_reader_sees() {
    let broker = Broker::new();
    let topic = broker.create("t", 1).await;
    let first = broker.fetch(NEW_SESSION, vec![wanted("t", 0, 0)], committed(1, Duration::ZERO)).await;
    let id = first.session_id;
    let open = broker.append_to_transaction(&topic, 0);
    let (told, size) = woken_by(broker.fetch((id, 1), Vec::new(), committed(1, LONG)), async {
        let size = open.await;
        tokio::time::sleep(SHORT).await;
        broker.end_transaction(&topic, false).await;
        size
    })
    .await;
    let served = told.partitions[0].outcome.as_ref().unwrap();
    assert_eq!((served.bytes, served.last_stable_offset), (size + 78, 2));
    assert_eq!(served.aborted.as_ref().unwrap().len(), 1);
    // The next fetch of the session sees everything.
    let again = vec![wanted("t", 0, 2)];
    let (told, ()) = woken_by(broker.fetch((id, 2), again, terms(1, LONG)), async {
        broker.append_to_transaction(&topic, 1).await;
    })
    .await;
    let served = told.partitions[0].outcome.as_ref().unwrap();
    assert_eq!((served.high_watermark, served.last_stable_offset), (3, 2));
    assert!(served.aborted.is_none());
}
