//! `produce.rs` through a socket.

use bytes::Bytes;
use codec::message_set::{MessageFormat, downgrade};
use codec::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use codec::messages::fetch_request::{FetchPartition, FetchTopic};
use codec::messages::{
    CreateTopicsRequest, FetchRequest, InitProducerIdRequest, MetadataRequest, ProducerId, TopicName,
};
use codec::records::{BatchBuilder, Compression, RecordBatch};
use coordinator::transaction::TransactionError;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use uuid::Uuid;

use codec::messages::StrBytes;

use super::*;
use crate::testing::{Client, Running, frame};

/// Topic, partition and records.
pub(in crate::kafka::api) type Part<'a> = (&'a str, i32, Bytes);

pub(in crate::kafka::api) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// A broker with topics of two partitions, each with configs.
pub(in crate::kafka::api) async fn broker_with(topics: &[(&str, &[(&str, &str)])]) -> Running {
    let running = Running::start(&[]).await.unwrap();
    let topics = topics.iter().map(|(name, configs)| {
        let configs = configs.iter().map(|(key, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string((*key).to_owned()))
                .with_value(Some(StrBytes::from_string((*value).to_owned())))
        });
        CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(2)
            .with_replication_factor(-1)
            .with_configs(configs.collect())
    });
    let request = CreateTopicsRequest::default().with_topics(topics.collect()).with_timeout_ms(10_000);
    let created = running.client().await.call(5, &request).await;
    assert!(created.topics.iter().all(|topic| topic.error_code == 0), "{created:?}");
    running
}

pub(in crate::kafka::api) async fn topic_id(client: &mut Client<TcpStream>, name: &str) -> Uuid {
    let topic =
        codec::messages::metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    client.call(12, &MetadataRequest::default().with_topics(Some(vec![topic]))).await.topics[0].topic_id
}

/// A batch of one record.
pub(in crate::kafka::api) fn batch(value: &str) -> Bytes {
    at(1, value)
}

/// A batch of one record with a timestamp.
pub(in crate::kafka::api) fn at(timestamp_ms: i64, value: &str) -> Bytes {
    BatchBuilder::new().record(timestamp_ms, Some(b"key"), Some(value.as_bytes())).build()
}

pub(in crate::kafka::api) fn request(acks: i16, parts: &[Part<'_>]) -> ProduceRequest {
    let topics = parts.iter().map(|(topic, index, records)| {
        let data = PartitionProduceData::default().with_index(*index).with_records(Some(records.clone()));
        TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data])
    });
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(acks)
        .with_timeout_ms(10_000)
        .with_topic_data(topics.collect())
}

/// Produces with acks=all, at a version that names topics; one answer for each part.
pub(in crate::kafka::api) async fn produce(
    client: &mut Client<TcpStream>,
    version: i16,
    parts: &[Part<'_>],
) -> Vec<PartitionProduceResponse> {
    let response = client.call(version, &request(-1, parts)).await;
    response.responses.into_iter().flat_map(|topic| topic.partition_responses).collect()
}

async fn code(client: &mut Client<TcpStream>, part: Part<'_>) -> i16 {
    produce(client, 9, &[part]).await[0].error_code
}

#[tokio::test]
async fn offsets_count_up_at_every_version() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let id = topic_id(&mut client, "orders").await;
    for (offset, version) in (0..).zip(0..=13) {
        for acks in [1, -1] {
            let mut request = request(acks, &[("orders", 0, batch("v"))]);
            if version >= TOPIC_IDS_FROM {
                request.topic_data[0].name = TopicName::default();
                request.topic_data[0].topic_id = id;
            }
            let response = client.call(version, &request).await;
            let answer = &response.responses[0].partition_responses[0];
            let expected = 2 * offset + i64::from(acks == -1);
            assert_eq!((answer.error_code, answer.base_offset), (0, expected), "version {version}");
            assert_eq!(answer.log_append_time_ms, -1);
            assert_eq!(answer.log_start_offset, if version >= 5 { 0 } else { -1 });
            assert_eq!(response.responses[0].topic_id, request.topic_data[0].topic_id);
        }
    }
}

/// The message set that an old producer makes of the records of a batch.
pub(in crate::kafka::api) fn message_set(batch: &Bytes, format: MessageFormat) -> Bytes {
    let mut set = bytes::BytesMut::new();
    downgrade(batch, format, 0, &mut set).unwrap();
    set.freeze()
}

async fn fetched(client: &mut Client<TcpStream>, offset: i64) -> RecordBatch {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1);
    let topic = FetchTopic::default().with_topic(topic_name("orders")).with_partitions(vec![partition]);
    let response = client.call(4, &FetchRequest::default().with_topics(vec![topic])).await;
    RecordBatch::parse_stored(response.message.responses[0].partitions[0].records.clone().unwrap()).unwrap()
}

#[tokio::test]
async fn message_sets_of_old_producers_are_stored_as_batches() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let mut end = 0;
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        for (version, format) in [(0, MessageFormat::V0), (1, MessageFormat::V0), (2, MessageFormat::V1)] {
            let sent = BatchBuilder::new()
                .record(1_000, Some(b"key"), Some(b"value"))
                .record(3_000, None, None)
                .record(2_000, None, Some(b""))
                .compression(codec)
                .build();
            let set = message_set(&sent, format);
            let answer = produce(&mut client, version, &[("orders", 0, set)]).await.remove(0);
            assert_eq!((answer.error_code, answer.base_offset), (0, end), "{codec} {version}");
            let stored = fetched(&mut client, end).await;
            assert_eq!(stored.header().base_offset, end);
            assert_eq!(stored.header().attributes.compression(), Ok(codec));
            let max_timestamp = if version == 2 { 3_000 } else { -1 };
            assert_eq!(stored.header().max_timestamp, max_timestamp);
            let values = |batch: &RecordBatch| -> Vec<_> {
                batch
                    .records()
                    .unwrap()
                    .map(|record| record.unwrap())
                    .map(|one| (one.key, one.value))
                    .collect()
            };
            assert_eq!(values(&stored), values(&RecordBatch::parse(sent).unwrap()));
            end += 3;
        }
    }
    // A producer that knows batches may say so at any version.
    assert_eq!(produce(&mut client, 2, &[("orders", 0, batch("v"))]).await[0].base_offset, end);
}

#[tokio::test]
async fn message_sets_are_judged_as_batches_are() {
    let running = broker_with(&[
        ("orders", &[]),
        ("small", &[("max.message.bytes", "200")]),
        ("stamped", &[("message.timestamp.type", "LogAppendTime")]),
        ("compacted", &[("cleanup.policy", "compact")]),
        ("fresh", &[("message.timestamp.before.max.ms", "1000")]),
    ])
    .await;
    let mut client = running.client().await;
    let set = |batch: &Bytes| message_set(batch, MessageFormat::V1);
    let good = set(&batch("v"));
    let mut corrupt = good.to_vec();
    corrupt[20] ^= 1;
    let keyless = BatchBuilder::new().record(1, None, Some(b"v")).build();
    let large = BatchBuilder::new().record(1, Some(b"k"), Some(&[0; 200])).build();
    let gzip = BatchBuilder::new().record(1, Some(b"k"), Some(b"v")).compression(Compression::Gzip).build();
    let cases = [
        ("orders", good.clone(), 0),
        ("orders", corrupt.into(), 2),
        ("orders", good.slice(..good.len() - 1), 87),
        ("orders", Bytes::new(), 87),
        ("orders", [set(&gzip), set(&gzip)].concat().into(), 87),
        ("small", good.clone(), 0),
        ("small", set(&large), 10),
        ("stamped", good.clone(), 0),
        ("compacted", good.clone(), 0),
        ("compacted", set(&keyless), 87),
        ("fresh", good.clone(), 32),
        // Without a timestamp there is none to be too old.
        ("fresh", message_set(&batch("v"), MessageFormat::V0), 0),
    ];
    for (index, (topic, set, code)) in cases.into_iter().enumerate() {
        let answer = produce(&mut client, 2, &[(topic, 0, set)]).await.remove(0);
        assert_eq!(answer.error_code, code, "case {index}");
        assert_eq!(answer.log_append_time_ms > 0, topic == "stamped" && code == 0, "case {index}");
    }
    for version in [3, 9] {
        assert_eq!(produce(&mut client, version, &[("orders", 0, good.clone())]).await[0].error_code, 87);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_partition_leaves_the_others_alone() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let mut corrupt = bytes::BytesMut::from(&batch("v")[..]);
    corrupt[70] ^= 1;
    let parts = [
        ("orders", 0, batch("v")),
        ("orders", 7, batch("v")),
        ("orders", -1, batch("v")),
        ("unknown", 0, batch("v")),
        ("__consumer_offsets", 0, batch("v")),
        ("orders", 1, corrupt.freeze()),
        ("orders", 1, Bytes::new()),
        ("orders", 1, batch("v")),
    ];
    let answers = produce(&mut client, 9, &parts).await;
    let codes: Vec<i16> = answers.iter().map(|answer| answer.error_code).collect();
    assert_eq!(codes, [0, 3, 3, 3, 17, 2, 87, 0]);
    let offsets: Vec<i64> = answers.iter().map(|answer| answer.base_offset).collect();
    assert_eq!(offsets, [0, -1, -1, -1, -1, -1, -1, 0]);
    assert!(answers[5].error_message.as_ref().unwrap().contains("CRC"));

    let mut unknown = request(1, &[("", 0, batch("v"))]);
    unknown.topic_data[0].topic_id = Uuid::from_u128(7);
    let response = client.call(13, &unknown).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, 100);
}

/// Programs that are written for Kafka tell a topic that is not for them from one that does not exist: `__cluster_metadata`
/// is a log of the controller, so that Kafka's brokers know no such topic, while the other three are topics of theirs.
#[tokio::test]
async fn topics_that_may_not_be_created_may_not_be_written_to() {
    let running = broker_with(&[]).await;
    let mut client = running.client().await;
    for (name, refused) in [
        ("__consumer_offsets", 17),
        ("__transaction_state", 17),
        ("__share_group_state", 17),
        ("__cluster_metadata", 3),
    ] {
        let topics = vec![CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(1)];
        let created = client.call(4, &CreateTopicsRequest::default().with_topics(topics)).await;
        assert_eq!(created.topics[0].error_code, 17, "{name}");
        assert_eq!(produce(&mut client, 9, &[(name, 0, batch("v"))]).await[0].error_code, refused, "{name}");
    }
}

#[tokio::test]
async fn acks_that_are_none_of_the_three_are_refused() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    for acks in [2, -2, i16::MAX] {
        let response = client.call(9, &request(acks, &[("orders", 0, batch("v"))])).await;
        assert_eq!(response.responses[0].partition_responses[0].error_code, 21);
        let nowhere = client.call(9, &request(acks, &[("nowhere", 0, batch("v"))])).await;
        assert_eq!(nowhere.responses[0].partition_responses[0].error_code, 3, "the topic comes first");
    }
    assert_eq!(produce(&mut client, 9, &[("orders", 0, batch("v"))]).await[0].base_offset, 0);
}

#[tokio::test]
async fn without_acks_there_is_no_answer() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    for number in 0..10 {
        let unanswered = request(0, &[("orders", 0, batch("v"))]);
        client.stream.write_all(&frame(&unanswered, 9, 1000 + number)).await.unwrap();
    }
    // The next answer is that of the next request, whose batch follows the ten.
    assert_eq!(produce(&mut client, 9, &[("orders", 0, batch("v"))]).await[0].base_offset, 10);
}

#[tokio::test]
async fn without_acks_an_error_closes_the_connection() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let failing = request(0, &[("unknown", 0, batch("v"))]);
    client.stream.write_all(&frame(&failing, 9, 1)).await.unwrap();
    assert!(client.receive_frame().await.is_none());
}

#[tokio::test]
async fn without_acks_what_came_before_an_error_is_counted() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let mut both = frame(&request(0, &[("orders", 0, batch("v"))]), 9, 1);
    both.extend_from_slice(&frame(&request(0, &[("unknown", 0, batch("v"))]), 9, 2));
    client.stream.write_all(&both).await.unwrap();
    assert!(client.receive_frame().await.is_none());
    let metrics = running.broker.services.metrics.scrape().unwrap();
    let counted = r#"ottla_requests_total{api="Produce",error="NONE"} 1"#;
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
}

#[tokio::test]
async fn requests_in_flight_are_appended_and_answered_in_order() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let mut frames = bytes::BytesMut::new();
    for number in 0..100 {
        let acks = if number % 3 == 0 { 1 } else { -1 };
        frames.extend_from_slice(&frame(&request(acks, &[("orders", 0, batch("v"))]), 9, number));
    }
    client.stream.write_all(&frames).await.unwrap();
    for number in 0..100 {
        let (correlation_id, response) = client.receive::<ProduceRequest>(9).await;
        assert_eq!(correlation_id, number);
        assert_eq!(response.responses[0].partition_responses[0].base_offset, i64::from(number));
    }
}

#[tokio::test]
async fn a_topics_own_rules_are_kept() {
    let running = broker_with(&[
        ("small", &[("max.message.bytes", "200")]),
        ("stamped", &[("message.timestamp.type", "LogAppendTime")]),
        ("compacted", &[("cleanup.policy", "compact")]),
        ("fresh", &[("message.timestamp.before.max.ms", "1000")]),
    ])
    .await;
    let mut client = running.client().await;
    assert_eq!(code(&mut client, ("small", 0, batch("v"))).await, 0);
    assert_eq!(code(&mut client, ("small", 0, batch(&"v".repeat(200)))).await, 10);
    assert_eq!(code(&mut client, ("fresh", 0, batch("v"))).await, 32);
    let stamped = produce(&mut client, 9, &[("stamped", 0, batch("v"))]).await.remove(0);
    assert!(stamped.log_append_time_ms > 1_600_000_000_000);

    let keyless = || BatchBuilder::new().record(1, Some(b"k"), None).record(1, None, None).build();
    for version in [7, 8] {
        let refused = produce(&mut client, version, &[("compacted", 0, keyless())]).await.remove(0);
        assert_eq!(refused.error_code, 87);
        let indexes: Vec<i32> = refused.record_errors.iter().map(|record| record.batch_index).collect();
        assert_eq!(indexes, if version >= RECORD_ERRORS_FROM { vec![1] } else { vec![] });
    }
}

#[tokio::test]
async fn zstd_needs_version_7() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let zstd = || BatchBuilder::new().compression(Compression::Zstd).record(1, None, Some(b"v")).build();
    assert_eq!(produce(&mut client, 6, &[("orders", 0, zstd())]).await[0].error_code, 76);
    assert_eq!(produce(&mut client, 7, &[("orders", 0, zstd())]).await[0].error_code, 0);
}

#[tokio::test]
async fn a_repeated_batch_is_answered_with_its_first_offset_gaps_and_old_epochs_are_refused() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let init = InitProducerIdRequest::default().with_transactional_id(None);
    let first = client.call(4, &init).await;
    let second = client.call(0, &init).await;
    assert_eq!((first.error_code, first.producer_epoch, second.error_code), (0, 0, 0));
    assert_ne!(first.producer_id, second.producer_id);
    let ProducerId(id) = first.producer_id;
    let numbered = |epoch, sequence| {
        let batch = BatchBuilder::new().producer(id, epoch, sequence);
        batch.record(1, None, Some(b"a")).record(1, None, Some(b"b")).build()
    };
    for (epoch, sequence, expected) in [
        (0, 0, (0, 0)),
        (0, 2, (0, 2)),
        (0, 0, (0, 0)),
        (0, 2, (0, 2)),
        (0, 5, (45, -1)),
        (1, 0, (0, 4)),
        (0, 4, (47, -1)),
    ] {
        let answer = produce(&mut client, 9, &[("orders", 0, numbered(epoch, sequence))]).await.remove(0);
        assert_eq!((answer.error_code, answer.base_offset), expected, "epoch {epoch}, sequence {sequence}");
    }
}

#[tokio::test]
async fn transactional_batches_need_a_transactional_id() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let transactional =
        BatchBuilder::new().producer(1, 0, 0).transactional().record(1, None, Some(b"v")).build();
    let parts = [("orders", 0, transactional), ("orders", 1, batch("v")), ("missing", 0, batch("v"))];
    let answers = produce(&mut client, 9, &parts).await;
    let codes: Vec<i16> = answers.iter().map(|answer| answer.error_code).collect();
    assert_eq!(codes, [53, 53, 53], "for all of the request, as in Kafka");
}

/// A request that is refused for its transaction told producers of missing topics the wrong reason, so that they did not
/// refresh their metadata.
#[tokio::test]
async fn a_missing_partition_is_not_part_of_the_requests_transaction() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let of = |producer| {
        BatchBuilder::new().producer(producer, 0, 0).transactional().record(1, None, Some(b"v")).build()
    };
    let mut codes = async |id: &'static str, parts: &[Part<'_>]| -> Vec<i16> {
        let request = request(-1, parts).with_transactional_id(Some(StrBytes::from_static_str(id).into()));
        let response = client.call(12, &request).await;
        response
            .responses
            .iter()
            .flat_map(|topic| &topic.partition_responses)
            .map(|answer| answer.error_code)
            .collect()
    };
    let missing = ("missing", 0, of(2));
    let empty = codes("", &[("orders", 0, of(1)), ("orders", 1, batch("v")), missing.clone()]).await;
    assert_eq!(empty, [42, 0, 3], "an empty id is the fault of the transactional batch alone");
    let two = codes("id", &[("orders", 0, of(1)), missing.clone(), ("orders", 1, of(3))]).await;
    assert_eq!(two, [49, 49, 49], "several producers are a fault of the request");
    let one = codes("id", &[missing, ("missing", 1, of(3)), ("orders", 0, batch("v"))]).await;
    assert_eq!(one, [3, 3, 0]);
}

#[tokio::test]
async fn traffic_is_counted_by_topic() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let sent = batch("v");
    let size = sent.len() as u64;
    produce(&mut client, 9, &[("orders", 0, sent), ("orders", 9, batch("v"))]).await;
    let state = running.broker.services.topics.topic(&TopicRef::named("orders")).unwrap();
    let metrics = &state.metrics;
    assert_eq!((metrics.bytes_in.value(), metrics.messages_in.value()), (size, 1));
    assert_eq!((metrics.total_produce_requests.value(), metrics.failed_produce_requests.value()), (2, 0));
    // As Kafka: what a missing partition or a damaged batch explains is no failure, a record that breaks a rule is.
    let mut damaged = batch("v").to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let control = BatchBuilder::new().control().record(1, Some(&[0, 0, 0, 0]), Some(b"v")).build();
    // Kafka refuses these two with the request, before it looks for the log.
    let two = Bytes::from([batch("v"), batch("v")].concat());
    let zstd = BatchBuilder::new().compression(Compression::Zstd).record(1, None, Some(b"v")).build();
    for (version, records) in [(9, damaged.into()), (9, two), (6, zstd)] {
        produce(&mut client, version, &[("orders", 0, records)]).await;
    }
    assert_eq!(metrics.failed_produce_requests.value(), 0);
    produce(&mut client, 9, &[("orders", 0, control)]).await;
    assert_eq!((metrics.total_produce_requests.value(), metrics.failed_produce_requests.value()), (6, 1));
}

/// Producers before 1.0 do not know KAFKA_STORAGE_ERROR, and gave a batch up that they would have sent again.
#[test]
fn a_storage_error_is_one_that_old_producers_send_again_after() {
    let codes = |error: fn() -> ProduceError| {
        let code = |version| {
            partition_answer(&PartitionOutcome { index: 0, result: Err(error()) }, version).error_code
        };
        [0, 3, 4, 13].map(code)
    };
    assert_eq!(codes(|| ProduceError::Storage), [6, 6, 56, 56]);
    assert_eq!(codes(|| ProduceError::DiskFull), [6, 6, 56, 56]);
    assert_eq!(codes(|| ProduceError::NoTransactionalId), [53, 53, 53, 53]);
}

/// Producers before 4.0 do not know TRANSACTION_ABORTABLE.
#[test]
fn a_partition_that_was_not_announced_is_refused_by_the_code_of_the_version() {
    let error = || ProduceError::Transaction(TransactionError::NotInTransaction);
    let code =
        |version| partition_answer(&PartitionOutcome { index: 0, result: Err(error()) }, version).error_code;
    assert_eq!([3, 10, 11].map(code), [48, 48, 120]);
}

/// The same for CONCURRENT_TRANSACTIONS: they retry on this code.
#[test]
fn a_batch_that_comes_before_the_last_end_is_complete_is_refused_by_the_code_of_the_version() {
    let error = || ProduceError::Transaction(TransactionError::ConcurrentTransactions);
    let code =
        |version| partition_answer(&PartitionOutcome { index: 0, result: Err(error()) }, version).error_code;
    assert_eq!([3, 11, 12, 13].map(code), [19, 19, 51, 51]);
}
