//! `fetch.rs` through a socket.

use codec::message_set::MessageSet;
use codec::messages::InitProducerIdRequest;
use codec::records::{BatchBuilder, Compression, RecordBatch, batches};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::*;
use crate::kafka::api::produce::tests::{batch, broker_with, produce, topic_id, topic_name};
use crate::services::admin::wanted::WantedTopic;
use crate::testing::{Client, Running};
use crate::topics::error::PartitionError;

/// A fetch of these partitions of one topic, from these offsets.
pub(in crate::kafka::api) fn request(
    topic: &str,
    id: Uuid,
    version: i16,
    partitions: &[(i32, i64)],
) -> FetchRequest {
    let partitions = partitions.iter().map(|(index, offset)| {
        let partition = FetchPartition::default()
            .with_partition(*index)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20)
            .with_current_leader_epoch(-1);
        if version >= 12 { partition.with_last_fetched_epoch(-1) } else { partition }
    });
    let topic = if version >= TOPIC_IDS_FROM {
        FetchTopic::default().with_topic_id(id)
    } else {
        FetchTopic::default().with_topic(topic_name(topic))
    };
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic.with_partitions(partitions.collect())])
}

pub(in crate::kafka::api) fn in_session(request: FetchRequest, id: i32, epoch: i32) -> FetchRequest {
    request.with_session_id(id).with_session_epoch(epoch)
}

pub(super) fn partitions(response: &FetchResponse) -> Vec<&PartitionData> {
    response.message.responses.iter().flat_map(|topic| &topic.partitions).collect()
}

pub(super) fn values(data: &PartitionData) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    for batch in batches(data.records.as_ref().unwrap()) {
        let batch = RecordBatch::parse_stored(batch.unwrap().1).unwrap();
        for record in batch.records().unwrap() {
            let record = record.unwrap();
            values.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
    values
}

/// The messages of sets, opened: value, timestamp.
fn messages(data: &PartitionData) -> Vec<(String, i64)> {
    let set = MessageSet::parse(data.records.as_ref().unwrap()).unwrap();
    let batch = RecordBatch::parse(set.to_batch().unwrap()).unwrap();
    let records = batch.records().unwrap().map(Result::unwrap);
    let text = |value: Option<Bytes>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    records.map(|record| (text(record.value), record.timestamp)).collect()
}

/// A consumer with small limits and a backlog in many partitions got nothing of some until others were read to their end.
#[tokio::test]
async fn partitions_of_a_session_take_turns_within_small_limits() {
    const PARTITIONS: usize = 12;
    const BATCHES: i64 = 6;
    let running = Running::start(&[]).await.unwrap();
    let wanted = WantedTopic { partitions: 12, ..WantedTopic::with_defaults("orders".to_owned()) };
    running.create_topic(wanted).await;
    let mut client = running.client().await;
    let long = "x".repeat(9_000);
    for index in 0..PARTITIONS as i32 {
        for _ in 0..BATCHES {
            produce(&mut client, 9, &[("orders", index, batch(&long))]).await;
        }
    }
    let mut positions = [0_i64; PARTITIONS];
    let mut turns: Vec<usize> = Vec::new();
    let (mut session, mut epoch, mut changed) = (0, 0, (0..PARTITIONS).collect::<Vec<_>>());
    while positions.iter().any(|position| *position < BATCHES) {
        let wanted: Vec<_> = changed.iter().map(|index| (*index as i32, positions[*index])).collect();
        let mut next =
            in_session(request("orders", Uuid::nil(), 11, &wanted), session, epoch).with_max_bytes(20_000);
        for topic in &mut next.topics {
            topic.partitions.iter_mut().for_each(|partition| partition.partition_max_bytes = 10_000);
        }
        if changed.is_empty() {
            next.topics.clear();
        }
        let response = client.call(11, &next).await;
        assert_eq!(response.message.error_code, 0);
        changed.clear();
        for data in partitions(&response) {
            let index = usize::try_from(data.partition_index).unwrap();
            if let Some((last, _)) = values(data).last() {
                positions[index] = last + 1;
                // As in Kafka, the answer that begins a session does not count as the turn of any partition.
                turns.extend((epoch > 0).then_some(index));
                changed.push(index);
            }
        }
        (session, epoch) = (response.message.session_id, epoch + 1);
        assert!(epoch < 200, "{positions:?} {turns:?}");
    }
    // The last round lacks those that had their first record before.
    for (number, round) in turns.chunks_exact(PARTITIONS).enumerate() {
        let mut seen = round.to_vec();
        seen.sort_unstable();
        assert_eq!(seen, (0..PARTITIONS).collect::<Vec<_>>(), "round {number}: {turns:?}");
    }
}

#[tokio::test]
async fn consumers_before_version_4_get_message_sets() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let mut next = 0;
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        let sent = BatchBuilder::new()
            .record_with_headers(1_000, Some(b"key"), Some(b"zero"), &[("trace", None)])
            .record(2_000, None, Some(b"one"))
            .record(3_000, None, Some(b"two"))
            .compression(codec)
            .build();
        produce(&mut client, 9, &[("orders", 0, sent)]).await;
        for version in 0..=3 {
            let request = request("orders", Uuid::nil(), version, &[(0, next + 1), (1, 0)]);
            let response = client.call(version, &request).await;
            let [first, second] = partitions(&response)[..] else { panic!("{response:?}") };
            assert_eq!((first.error_code, first.high_watermark), (0, next + 3));
            assert_eq!((second.error_code, second.records.as_ref().map(Bytes::len)), (0, Some(0)));
            let records = first.records.as_ref().unwrap();
            assert_eq!(records[16], u8::from(version >= 2), "{codec} version {version}");
            // What was asked for comes first, but what is compressed comes whole and has its last offset.
            let first_offset = if codec == Compression::None { next + 1 } else { next + 2 };
            assert_eq!(records[..8], first_offset.to_be_bytes(), "{codec} version {version}");
            let time = |ms: i64| if version >= 2 { ms } else { -1 };
            let mut expected = vec![("one".to_owned(), time(2_000)), ("two".to_owned(), time(3_000))];
            if codec != Compression::None {
                expected.insert(0, ("zero".to_owned(), time(1_000)));
            }
            assert_eq!(messages(first), expected, "{codec} version {version}");
        }
        next += 3;
    }
}

#[tokio::test]
async fn consumers_before_version_4_are_not_given_zstd() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let zstd = BatchBuilder::new().record(1, None, Some(b"v")).compression(Compression::Zstd).build();
    produce(&mut client, 9, &[("orders", 0, batch("v"))]).await;
    produce(&mut client, 9, &[("orders", 0, zstd)]).await;
    for version in 0..=4 {
        let code =
            first_code(&mut client, version, &request("orders", Uuid::nil(), version, &[(0, 1)])).await;
        assert_eq!(code, if version < 4 { 76 } else { 0 }, "version {version}");
        let response = client.call(version, &request("orders", Uuid::nil(), version, &[(0, 0)])).await;
        assert_eq!(partitions(&response)[0].error_code, 0, "what comes before it can be read");
    }
}

#[tokio::test]
async fn old_consumers_get_their_first_batch_however_little_they_ask_for() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    for value in ["zero", "one"] {
        produce(&mut client, 9, &[("orders", 0, batch(value))]).await;
    }
    for version in 0..=3 {
        let mut small = request("orders", Uuid::nil(), version, &[(0, 0)]);
        small.topics[0].partitions[0].partition_max_bytes = 1;
        let response = client.call(version, &small).await;
        assert_eq!(messages(partitions(&response)[0]).len(), 1, "version {version}");
        assert_eq!(
            first_code(&mut client, version, &request("orders", Uuid::nil(), version, &[(0, 7)])).await,
            1
        );
        assert_eq!(
            first_code(&mut client, version, &request("other", Uuid::nil(), version, &[(0, 0)])).await,
            3
        );
    }
}

async fn first_code(client: &mut Client<TcpStream>, version: i16, request: &FetchRequest) -> i16 {
    let response = client.call(version, request).await;
    partitions(&response)[0].error_code
}

#[tokio::test]
async fn records_come_back_at_every_version() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let id = topic_id(&mut client, "orders").await;
    let long = "x".repeat(5000);
    for value in ["zero", &long, "two"] {
        produce(&mut client, 9, &[("orders", 1, batch(value))]).await;
    }
    for version in 4..=18 {
        for isolation in [0, 1] {
            let request = request("orders", id, version, &[(0, 0), (1, 1)]).with_isolation_level(isolation);
            let response = client.call(version, &request).await;
            let [first, second] = partitions(&response)[..] else { panic!("{response:?}") };
            assert_eq!((first.partition_index, first.error_code, first.high_watermark), (0, 0, 0));
            assert_eq!(first.records.as_ref().unwrap().len(), 0);
            assert_eq!((second.partition_index, second.error_code, second.high_watermark), (1, 0, 3));
            assert_eq!(second.last_stable_offset, 3);
            assert_eq!(values(second), [(1, long.clone()), (2, "two".to_owned())], "version {version}");
            assert_eq!(second.aborted_transactions.is_some(), isolation == 1);
            assert_eq!(second.preferred_read_replica.0, -1);
            let topic = &response.message.responses[0];
            assert_eq!(topic.topic.as_str() == "orders", version < TOPIC_IDS_FROM);
            assert_eq!(topic.topic_id == id, version >= TOPIC_IDS_FROM);
        }
    }
}

#[tokio::test]
async fn each_way_of_not_being_there_has_its_code() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let nil = Uuid::nil();
    for (topic, partition, code) in [
        ("unknown", (0, 0), 3),
        ("orders", (2, 0), 3),
        ("orders", (-1, 0), 3),
        ("orders", (0, 1), 1),
        ("orders", (0, -1), 1),
    ] {
        assert_eq!(first_code(&mut client, 12, &request(topic, nil, 12, &[partition])).await, code);
    }
    let unknown = request("", Uuid::from_u128(5), 13, &[(0, 0)]);
    assert_eq!(first_code(&mut client, 13, &unknown).await, 100);
    let response = client.call(12, &request("orders", nil, 12, &[(0, 9)])).await;
    let refused = partitions(&response)[0];
    assert_eq!((refused.high_watermark, refused.last_stable_offset, refused.log_start_offset), (-1, -1, -1));
}

#[tokio::test]
async fn leader_epochs_are_compared() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let believing = |epoch| {
        let mut request = request("orders", Uuid::nil(), 12, &[(0, 0)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        request
    };
    let key = crate::topics::names::TopicRef::named("orders");
    let epoch = running.broker.services.topics.find(&key, 0).unwrap().partition.leader_epoch();
    assert_eq!(first_code(&mut client, 12, &believing(epoch)).await, 0);
    assert_eq!(first_code(&mut client, 12, &believing(epoch + 1)).await, 75);
    if epoch > 0 {
        assert_eq!(first_code(&mut client, 12, &believing(epoch - 1)).await, 74);
    }
    produce(&mut client, 9, &[("orders", 0, batch("v"))]).await;
    let having = |last_fetched_epoch, offset| {
        let mut request = request("orders", Uuid::nil(), 12, &[(0, offset)]);
        request.topics[0].partitions[0].last_fetched_epoch = last_fetched_epoch;
        request
    };
    assert_eq!(first_code(&mut client, 12, &having(epoch + 3, 1)).await, 1, "an epoch yet to come");
    let response = client.call(12, &having(epoch, 5)).await;
    let diverging = &partitions(&response)[0].diverging_epoch;
    assert_eq!((diverging.epoch, diverging.end_offset), (epoch, 1));
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_another_connections_append() {
    let running = broker_with(&[("orders", &[])]).await;
    let (mut reader, mut writer) = (running.client().await, running.client().await);
    let waiting = request("orders", Uuid::nil(), 12, &[(0, 0), (1, 0)]).with_max_wait_ms(60_000);
    let started = crate::clock::now();
    let write = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        produce(&mut writer, 9, &[("orders", 1, batch("late"))]).await;
    };
    let (response, ()) = tokio::join!(reader.call(12, &waiting), write);
    assert_eq!(values(partitions(&response)[1]), [(0, "late".to_owned())]);
    assert!(crate::clock::now() - started < std::time::Duration::from_secs(20));
}

#[tokio::test]
async fn a_long_poll_holds_back_what_follows_on_its_connection_but_ends_by_its_deadline() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let started = crate::clock::now();
    let waiting = request("orders", Uuid::nil(), 12, &[(0, 0)]).with_max_wait_ms(200);
    let response = client.call(12, &waiting).await;
    assert_eq!(partitions(&response)[0].records.as_ref().unwrap().len(), 0);
    assert!(crate::clock::now() - started >= std::time::Duration::from_millis(190));
}

#[tokio::test]
async fn sessions_send_only_what_is_new() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let id = topic_id(&mut client, "orders").await;
    let empty = || request("", id, 13, &[]).with_topics(Vec::new());
    let all = request("orders", id, 13, &[(0, 0), (1, 0)]);
    let response = client.call(13, &in_session(all.clone(), 0, 0)).await;
    let session = response.message.session_id;
    assert!(session > 0);
    assert_eq!(partitions(&response).len(), 2);

    let response = client.call(13, &in_session(empty(), session, 1)).await;
    assert_eq!((partitions(&response).len(), response.message.session_id), (0, session));
    produce(&mut client, 9, &[("orders", 1, batch("new"))]).await;
    let response = client.call(13, &in_session(empty(), session, 2)).await;
    let [new] = partitions(&response)[..] else { panic!("{response:?}") };
    assert_eq!((new.partition_index, values(new)), (1, vec![(0, "new".to_owned())]));
    assert_eq!(response.message.responses[0].topic_id, id);

    let forgotten = ForgottenTopic::default().with_topic_id(id).with_partitions(vec![1]);
    let forget = empty().with_forgotten_topics_data(vec![forgotten]);
    let response = client.call(13, &in_session(forget, session, 3)).await;
    assert_eq!(partitions(&response).len(), 0);

    for (request, code) in
        [(in_session(empty(), session, 9), 71), (in_session(empty(), session.wrapping_add(1).max(1), 1), 70)]
    {
        let response = client.call(13, &request).await;
        assert_eq!((response.message.error_code, response.message.session_id), (code, 0));
        assert!(response.message.responses.is_empty());
    }
    let by_name = request("", id, 12, &[]).with_topics(Vec::new());
    let response = client.call(12, &in_session(by_name, session, 4)).await;
    assert_eq!(response.message.error_code, 106);
    let response = client.call(13, &in_session(all, session, -1)).await;
    assert_eq!((response.message.error_code, response.message.session_id), (0, 0));
    let response = client.call(13, &in_session(empty(), session, 4)).await;
    assert_eq!(response.message.error_code, 70, "closed by the final epoch");
}

#[tokio::test]
async fn who_claims_to_be_a_replica_gets_what_consumers_get() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let claim = request("orders", Uuid::nil(), 11, &[(0, 1)])
        .with_replica_id(codec::messages::BrokerId(1))
        .with_max_wait_ms(0);
    assert_eq!(first_code(&mut client, 11, &claim).await, 1);
    client.call(0, &InitProducerIdRequest::default().with_transactional_id(None)).await;
}

#[tokio::test]
async fn bytes_of_an_answer_are_held_until_it_is_written_and_no_longer() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    produce(&mut client, 9, &[("orders", 0, batch(&"x".repeat(100_000)))]).await;
    let response = client.call(12, &request("orders", Uuid::nil(), 12, &[(0, 0)])).await;
    assert!(partitions(&response)[0].records.as_ref().unwrap().len() > 100_000);
    // The next answer comes after the connection has let go of this one.
    client.call(12, &request("orders", Uuid::nil(), 12, &[(1, 0)])).await;
    let families = running.broker.services.fetcher.families();
    let held = families.iter().find(|family| family.name == "ottla_fetch_buffered_bytes").unwrap();
    assert_eq!(held.series[0].1, 0.0);
}

/// Consumers before 1.0 do not know KAFKA_STORAGE_ERROR, and took it as final.
#[test]
fn a_storage_error_is_one_that_old_consumers_ask_again_after() {
    let codes = |error: PartitionError| {
        let code = |version| {
            let answer = PartitionAnswer {
                topic: TopicRef::named("orders"),
                index: 0,
                outcome: Err(error),
                metrics: None,
            };
            partition_data(answer, version).0.error_code
        };
        [0, 5, 6, 18].map(code)
    };
    assert_eq!(codes(PartitionError::Storage), [6, 6, 56, 56]);
    assert_eq!(codes(PartitionError::OffsetOutOfRange), [1, 1, 1, 1]);
}
