//! A folder whose records name another shard, as a broker with several of them would leave it: an end that cannot reach that shard
//! stays decided, the rest of it is as it should be, and no client is told that it is complete (ADR 15).

use coordinator::record_kinds::RecordKind;
use storage::CoordinatorRecord;

use super::unreadable::{records_of, restored};
use super::*;

const CONCURRENT: i16 = 51;

/// A broker with a transaction that is open in partition 0 of `t`, and in partition 1 of it, which its records put into shard 1.
async fn with_a_part_elsewhere() -> (Running, Producer) {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let producer = init(&mut client, "far", true).await;
    producer.write(&mut client, "t", 0, "near").await;
    let CoordinatorRecord { key, value } =
        records_of(&running, RecordKind::TransactionPartition, "far").remove(0);
    let (mut key, mut value) = (key.to_vec(), value.unwrap().to_vec());
    // Its last byte is the partition's; in the value the shard follows the version.
    *key.last_mut().unwrap() = 1;
    value[1..5].copy_from_slice(&1u32.to_be_bytes());
    let far = CoordinatorRecord { key: key.into(), value: Some(value.into()) };
    (restored(running, vec![far]).await, producer)
}

async fn state(client: &mut Client) -> (String, Vec<i32>) {
    let request =
        DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional_id("far")]);
    let described = client.call(0, &request).await.transaction_states.remove(0);
    let partitions = described.topics.iter().flat_map(|topic| topic.partitions.clone()).collect();
    (described.transaction_state.to_string(), partitions)
}

#[tokio::test]
async fn an_end_that_cannot_reach_another_shard_stays_decided() {
    let (mut running, mut producer) = with_a_part_elsewhere().await;
    let mut client = running.client().await;
    let before = producer;
    assert_eq!(producer.end(&mut client, true).await, 0, "it is decided, as in Kafka");
    for restarted in [false, true] {
        if restarted {
            running = running.restart(&[]).await;
            client = running.client().await;
        }
        assert_eq!(committed(&mut client, "t").await, ["near"], "what lies here has ended");
        assert_eq!(state(&mut client).await, ("PrepareCommit".to_owned(), vec![1]));
        assert_eq!(before.end_at(&mut client, 5, true).await.0, CONCURRENT);
        assert_eq!(before.end_at(&mut client, 5, false).await.0, 48, "the other decision was taken");
        assert_eq!(producer.send(&mut client, ("t", 0), 0, "next").await.0, CONCURRENT);
        assert_eq!(producer.add(&mut client, "t", &[0]).await, [CONCURRENT]);
        assert_eq!(init_as(&mut client, "far", 60_000, (-1, -1)).await.0, CONCURRENT);
    }
    let mut other = init(&mut client, "near", true).await;
    other.write(&mut client, "t", 0, "other").await;
    assert_eq!(other.end(&mut client, true).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["near", "other"], "other ids go on");
}

#[tokio::test]
async fn an_open_transaction_with_a_part_elsewhere_is_aborted_in_two_tries() {
    let (running, _) = with_a_part_elsewhere().await;
    let mut client = running.client().await;
    assert_eq!(init_as(&mut client, "far", 60_000, (-1, -1)).await.0, CONCURRENT);
    assert_eq!(state(&mut client).await, ("PrepareAbort".to_owned(), vec![1]));
    assert_eq!(committed(&mut client, "t").await, [""; 0]);
    assert_eq!(latest(&mut client, "t", true).await, 2, "no reader waits for what lies here");
}
