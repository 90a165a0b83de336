//! Transactional ids on the disk only: what clients see of them, and how they expire.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use coordinator::transaction::view::Filter;
use coordinator::transaction::{
    ProducerId as OwnerId, ProducerIdAndEpoch, Sender, TransactionalId as OwnedId,
};

use super::*;

/// Ids that come back to memory, within a few seconds, leave it again.
async fn until_in_memory(running: &Running, wanted: usize) {
    let rest = async {
        while running.broker.services.transactions.in_memory() != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), rest).await.expect("ids come to rest");
}

async fn names(running: &Running) -> Vec<String> {
    let list = running.broker.services.transactions.list(Filter::default(), 0).await.unwrap();
    list.into_iter().map(|one| one.id.to_string()).collect()
}

#[tokio::test]
async fn an_id_that_rests_is_listed_described_and_goes_on_as_if_it_had_never_rested() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let open = init(&mut client, "open", true).await;
    open.write(&mut client, "t", 0, "o").await;
    let before = init(&mut client, "new", true).await;
    let mut producer = before;
    producer.write(&mut client, "t", 0, "a").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    until_in_memory(&running, 1).await;
    assert_eq!(names(&running).await, ["new", "open"]);
    let described = DescribeTransactionsRequest::default()
        .with_transactional_ids(vec![transactional_id("new"), transactional_id("nobody")]);
    let described = client.call(0, &described).await.transaction_states;
    let row = |at: usize| (described[at].error_code, described[at].transaction_state.to_string());
    assert_eq!((row(0), row(1).0), ((0, "CompleteCommit".to_owned()), 105));
    until_in_memory(&running, 1).await;
    // A repeat of the end is told as before, and the next transaction begins with its first batch.
    assert_eq!(before.end_at(&mut client, 5, true).await, (0, producer.id, producer.epoch));
    until_in_memory(&running, 1).await;
    producer.write(&mut client, "t", 0, "b").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    until_in_memory(&running, 1).await;
    let next = init(&mut client, "new", true).await;
    assert_eq!((next.id, next.epoch), (producer.id, producer.epoch + 1));
    assert_eq!(producer.send(&mut client, ("t", 0), 1, "late").await.0, 47);
    assert_eq!(running.broker.services.transactions.snapshot().known, 2);
}

#[tokio::test]
async fn a_start_loads_the_open_ones_only_and_knows_all() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    for name in ["a", "b", "c"] {
        init(&mut client, name, true).await;
    }
    let open = init(&mut client, "open", true).await;
    open.write(&mut client, "t", 0, "v").await;
    let running = running.restart(&[]).await;
    let transactions = &running.broker.services.transactions;
    assert_eq!(transactions.in_memory(), 1);
    let snapshot = transactions.snapshot();
    assert_eq!((snapshot.known, snapshot.open), (4, 1));
    assert_eq!(names(&running).await, ["a", "b", "c", "open"]);
}

/// A request for very many ids kept the thread that served it from all other clients.
#[tokio::test]
async fn others_have_their_turn_while_many_ids_are_looked_up() {
    let running = broker_with(&[], &[]).await;
    let transactions = &running.broker.services.transactions;
    let producer = ProducerIdAndEpoch { id: OwnerId(7), epoch: 0 };
    let sender = Sender { producer, connection: 1 };
    let ids: Vec<OwnedId> = (0..1_000).map(|number| format!("nobody-{number}").into()).collect();
    let describing = async {
        for id in &ids {
            assert!(transactions.describe(id).await.is_err());
        }
    };
    let verifying = async {
        for id in &ids {
            assert!(transactions.verify_partitions(id, sender, &[]).await.is_err());
        }
    };
    let adding = async {
        for id in &ids {
            assert!(transactions.add_partitions(id, sender, &[]).await.is_err());
        }
    };
    let (mut describing, mut verifying, mut adding) = (pin!(describing), pin!(verifying), pin!(adding));
    for mut looking in
        [describing.as_mut() as Pin<&mut dyn Future<Output = ()>>, verifying.as_mut(), adding.as_mut()]
    {
        // With a whole budget.
        tokio::task::yield_now().await;
        let waits = poll_fn(|cx| Poll::Ready(looking.as_mut().poll(cx).is_pending())).await;
        assert!(waits, "all ids in one turn");
        looking.await;
    }
}

#[tokio::test]
async fn an_id_that_rests_expires() {
    let running = broker_with(&["t"], &[("transactional.id.expiration.ms", "3000")]).await;
    let mut client = running.client().await;
    let producer = init(&mut client, "old", true).await;
    until_in_memory(&running, 0).await;
    assert_eq!(names(&running).await, ["old"], "it rests before it expires");
    let gone = async {
        while running.broker.services.transactions.snapshot().known > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("it expires");
    assert_eq!(names(&running).await, Vec::<String>::new());
    assert_eq!(producer.send(&mut client, ("t", 0), 0, "late").await.0, 49);
    until_in_memory(&running, 0).await;
    assert_ne!(init(&mut client, "old", true).await.id, producer.id);
}

/// The older protocol tells a late request by its connection, which no record has.
#[tokio::test]
async fn an_id_of_the_older_protocol_stays_while_late_requests_may_come() {
    let running = broker_with(&["t"], &[]).await;
    let (mut old, mut client) = (running.client().await, running.client().await);
    let mut producer = init(&mut old, "v1", false).await;
    let other = init(&mut old, "v2", true).await;
    other.write(&mut client, "t", 0, "o").await;
    producer.write(&mut client, "t", 0, "a").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(running.broker.services.transactions.in_memory(), 2);
    assert_ne!(producer.end_at(&mut old, 3, true).await.0, 0, "it comes by an older connection");
}
