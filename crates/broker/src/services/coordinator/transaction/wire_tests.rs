//! Transactions through a socket, in both protocols.

mod elsewhere;
mod ends;
mod fencing;
mod offsets;
mod restarts;
mod resting;
mod timeouts;
mod tools;
mod unreadable;

use bytes::Bytes;
use codec::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use codec::messages::fetch_request::{FetchPartition, FetchTopic};
use codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::*;
use codec::records::{BatchBuilder, RecordBatch, batches};
use tokio::net::TcpStream;

use crate::services::admin::wanted::WantedTopic;
use crate::testing::Running;

type Client = crate::testing::Client<TcpStream>;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A broker with these topics of two partitions.
async fn broker_with(topics: &[&str], pairs: &[(&str, &str)]) -> Running {
    let running = Running::start(pairs).await.unwrap();
    for topic in topics {
        let wanted = WantedTopic { partitions: 2, ..WantedTopic::with_defaults((*topic).to_owned()) };
        running.create_topic(wanted).await;
    }
    running
}

/// A producer, as far as its requests show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Producer {
    name: &'static str,
    id: i64,
    epoch: i16,
    /// The protocol of its requests.
    v2: bool,
}

/// The code, id and epoch of an InitProducerId.
async fn init_as(client: &mut Client, name: &str, timeout_ms: i32, producer: (i64, i16)) -> (i16, i64, i16) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(transactional_id(name)))
        .with_transaction_timeout_ms(timeout_ms)
        .with_producer_id(ProducerId(producer.0))
        .with_producer_epoch(producer.1);
    let answer = client.call(4, &request).await;
    (answer.error_code, answer.producer_id.0, answer.producer_epoch)
}

/// The next owner of a transactional id.
async fn init(client: &mut Client, name: &'static str, v2: bool) -> Producer {
    let (code, id, epoch) = init_as(client, name, 60_000, (-1, -1)).await;
    assert_eq!(code, 0);
    Producer { name, id, epoch, v2 }
}

impl Producer {
    fn batch(&self, sequence: i32, value: &str) -> Bytes {
        BatchBuilder::new()
            .producer(self.id, self.epoch, sequence)
            .transactional()
            .record(1, Some(b"k"), Some(value.as_bytes()))
            .build()
    }

    /// The code of AddPartitionsToTxn 3, for each partition.
    async fn add(&self, client: &mut Client, topic: &str, partitions: &[i32]) -> Vec<i16> {
        let answer = client.call(3, &self.announcement(topic, partitions)).await;
        let topics = answer.results_by_topic_v3_and_below.iter();
        topics.flat_map(|topic| &topic.results_by_partition).map(|one| one.partition_error_code).collect()
    }

    /// AddPartitionsToTxn up to version 3.
    fn announcement(&self, topic: &str, partitions: &[i32]) -> AddPartitionsToTxnRequest {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions.to_vec());
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transactional_id(self.name))
            .with_v3_and_below_producer_id(ProducerId(self.id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic])
    }

    /// The code and the offset of a Produce of one record, 12 or 9 by the protocol.
    async fn send(&self, client: &mut Client, part: (&str, i32), sequence: i32, value: &str) -> (i16, i64) {
        let version = if self.v2 { 12 } else { 9 };
        self.send_batch(client, version, part, self.batch(sequence, value)).await
    }

    async fn send_batch(
        &self,
        client: &mut Client,
        version: i16,
        part: (&str, i32),
        records: Bytes,
    ) -> (i16, i64) {
        let answer = client.call(version, &self.produce(part, records)).await;
        let one = &answer.responses[0].partition_responses[0];
        (one.error_code, one.base_offset)
    }

    fn produce(&self, (topic, index): (&str, i32), records: Bytes) -> ProduceRequest {
        let data = PartitionProduceData::default().with_index(index).with_records(Some(records));
        let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
        ProduceRequest::default()
            .with_transactional_id(Some(transactional_id(self.name)))
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic])
    }

    /// Announces partition 0 of a topic if the protocol asks for it, and writes one record.
    async fn write(&self, client: &mut Client, topic: &str, sequence: i32, value: &str) {
        if !self.v2 {
            assert_eq!(self.add(client, topic, &[0]).await, [0]);
        }
        assert_eq!(self.send(client, (topic, 0), sequence, value).await.0, 0, "{value}");
    }

    /// The code of EndTxn, 5 or 3 by the protocol; a producer of the newer one goes on as it is told.
    async fn end(&mut self, client: &mut Client, commit: bool) -> i16 {
        let (code, id, epoch) = self.end_at(client, if self.v2 { 5 } else { 3 }, commit).await;
        if self.v2 && code == 0 {
            (self.id, self.epoch) = (id, epoch);
        }
        code
    }

    async fn end_at(&self, client: &mut Client, version: i16, commit: bool) -> (i16, i64, i16) {
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional_id(self.name))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        let answer = client.call(version, &request).await;
        (answer.error_code, answer.producer_id.0, answer.producer_epoch)
    }
}

/// The outcome of a fetch from offset 0 of partition 0.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Records that are neither markers nor of an aborted transaction, as a consumer filters them.
    values: Vec<String>,
    last_stable_offset: i64,
    high_watermark: i64,
}

/// Reads as a consumer does, with the aborted list.
async fn read(client: &mut Client, topic: &str, committed: bool) -> Seen {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(0)
        .with_partition_max_bytes(1 << 20)
        .with_current_leader_epoch(-1);
    let asked = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_bytes(1 << 20)
        .with_isolation_level(i8::from(committed))
        .with_topics(vec![asked]);
    let answer = client.call(11, &request).await;
    let partition = &answer.message.responses[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    let mut aborted: Vec<(i64, i64)> = partition
        .aborted_transactions
        .iter()
        .flatten()
        .map(|aborted| (aborted.first_offset, aborted.producer_id.0))
        .collect();
    assert!(aborted.is_sorted(), "{aborted:?}");
    let (mut dropped, mut values) = (Vec::new(), Vec::new());
    for batch in batches(partition.records.as_ref().unwrap_or(&Bytes::new())) {
        let batch = RecordBatch::parse_stored(batch.unwrap().1).unwrap();
        let header = *batch.header();
        let begun = |(first, _): &(i64, i64)| *first <= header.last_offset();
        dropped.extend(aborted.extract_if(.., |one| begun(one)).map(|(_, id)| id));
        if header.attributes.is_control() {
            dropped.retain(|id| *id != header.producer_id);
            continue;
        }
        if header.attributes.is_transactional() && dropped.contains(&header.producer_id) {
            continue;
        }
        for record in batch.records().unwrap() {
            values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
        }
    }
    let (last_stable_offset, high_watermark) = (partition.last_stable_offset, partition.high_watermark);
    Seen { values, last_stable_offset, high_watermark }
}

/// The values that a read_committed consumer sees.
async fn committed(client: &mut Client, topic: &str) -> Vec<String> {
    read(client, topic, true).await.values
}

/// LATEST by ListOffsets.
async fn latest(client: &mut Client, topic: &str, committed: bool) -> i64 {
    let partition = ListOffsetsPartition::default().with_partition_index(0).with_timestamp(-1);
    let topic = ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request =
        ListOffsetsRequest::default().with_isolation_level(i8::from(committed)).with_topics(vec![topic]);
    client.call(5, &request).await.topics[0].partitions[0].offset
}
