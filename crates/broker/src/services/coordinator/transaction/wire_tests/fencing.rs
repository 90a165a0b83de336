//! Owners of a transactional id: the newest counts.

use super::*;

#[tokio::test]
async fn a_second_instance_fences_the_first_and_aborts_what_it_left() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    for (v2, fenced) in [(true, 90), (false, 90)] {
        let name = if v2 { "new" } else { "old" };
        let mut first = init(&mut client, name, v2).await;
        first.write(&mut client, "t", 0, "lost").await;
        let mut second = init(&mut client, name, v2).await;
        // Kafka's client would have come twice: the abort raises the epoch, and so does the new owner.
        assert_eq!((second.id, second.epoch), (first.id, first.epoch + 2));
        assert_eq!(first.send(&mut client, ("t", 0), 1, "late").await.0, 47);
        assert_eq!(first.end(&mut client, true).await, fenced);
        assert_eq!(first.end_at(&mut client, 1, true).await.0, 47, "a client that knows no 90");
        assert_eq!(first.add(&mut client, "t", &[1]).await, [90]);
        second.write(&mut client, "t", 0, name).await;
        assert_eq!(second.end(&mut client, true).await, 0);
    }
    assert_eq!(committed(&mut client, "t").await, ["new", "old"]);
}

#[tokio::test]
async fn an_old_epoch_in_init_producer_id_touches_nothing() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let zombie = init(&mut client, "id", true).await;
    let mut owner = init(&mut client, "id", true).await;
    owner.write(&mut client, "t", 0, "v").await;
    assert_eq!(init_as(&mut client, "id", 60_000, (zombie.id, zombie.epoch)).await, (90, -1, -1));
    assert_eq!(owner.end(&mut client, true).await, 0, "the owner does not notice");
    let raised = init_as(&mut client, "id", 60_000, (owner.id, owner.epoch)).await;
    assert_eq!(raised, (0, owner.id, owner.epoch + 1));
    let again = init_as(&mut client, "id", 60_000, (owner.id, owner.epoch)).await;
    assert_eq!(again, raised, "a repeat is answered as the first");
}

#[tokio::test]
async fn requests_that_contradict_themselves_are_refused() {
    let running = broker_with(&["t"], &[("transaction.max.timeout.ms", "1000")]).await;
    let mut client = running.client().await;
    for (name, timeout_ms, producer, code) in [
        ("id", 0, (-1, -1), 50),
        ("id", 1001, (-1, -1), 50),
        ("id", 1000, (5, -1), 42),
        ("id", 1000, (-1, 0), 42),
        ("", 1000, (-1, -1), 42),
        ("id", 1000, (-1, -1), 0),
    ] {
        assert_eq!(init_as(&mut client, name, timeout_ms, producer).await.0, code, "{name} {timeout_ms}");
    }
    let unknown = Producer { name: "nobody", id: 7, epoch: 0, v2: true };
    assert_eq!(unknown.send(&mut client, ("t", 0), 0, "v").await.0, 49);
    assert_eq!(unknown.end_at(&mut client, 5, true).await, (49, -1, -1));
    assert_eq!(unknown.add(&mut client, "t", &[0]).await, [49]);
    // Partitions are looked for before the id is judged.
    let nameless = Producer { name: "", ..unknown };
    assert_eq!(nameless.add(&mut client, "t", &[0]).await, [42]);
    assert_eq!(nameless.add(&mut client, "t", &[0, 9]).await, [55, 3]);
    for v2 in [false, true] {
        let nameless = Producer { v2, ..nameless };
        assert_eq!(nameless.send(&mut client, ("t", 0), 0, "v").await, (42, -1), "{v2}");
    }
}

/// An EndTxn that waits in an abandoned connection ended the next transaction of its producer (KAFKA-17754).
#[tokio::test]
async fn what_an_abandoned_connection_still_delivers_is_refused() {
    let running = broker_with(&["t"], &[]).await;
    let mut abandoned = running.client().await;
    let mut producer = init(&mut abandoned, "old", false).await;
    producer.write(&mut abandoned, "t", 0, "a").await;
    let mut client = running.client().await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    producer.write(&mut client, "t", 1, "b").await;
    assert_eq!(producer.end(&mut abandoned, true).await, 90, "it comes too late");
    assert_eq!(committed(&mut client, "t").await, ["a"]);
    producer.write(&mut client, "t", 2, "c").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["a", "b", "c"]);
}

/// A marker by hand has fenced the producer in the partition, and not in the coordinator. As in Kafka the partition is asked first.
#[tokio::test]
async fn a_batch_of_an_epoch_older_than_the_partition_has_seen_does_not_take_part() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    for (name, v2) in [("new", true), ("old", false)] {
        let producer = init(&mut client, name, v2).await;
        assert_eq!(tools::mark(&mut client, "t", (producer.id, producer.epoch + 1), false).await, 0);
        assert_eq!(producer.send(&mut client, ("t", 0), 0, "v").await.0, 47, "{name}");
        let request =
            DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional_id(name)]);
        let described = client.call(0, &request).await;
        assert_eq!(&*described.transaction_states[0].transaction_state, "Empty", "{name}");
    }
}
