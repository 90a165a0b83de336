//! A producer of either protocol, request by request.

use anyhow::{Result, ensure};
use codec::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use codec::messages::*;
use codec::records::BatchBuilder;

use crate::admin::{group_id, text, topic_name};
use crate::client::Client;

/// A producer that writes the number of each transaction to all its topics, and to the offset of its group.
#[derive(Debug)]
pub struct Producer {
    /// Transactional id.
    pub name: &'static str,
    /// KIP-890's protocol.
    pub v2: bool,
    /// Topics, of which partition 0 is written. The group's offset is one of the first.
    pub topics: &'static [&'static str],
    /// The group of its offsets.
    pub group: &'static str,
    /// Producer id; [`Producer::begin_anew`] sets it, and the epoch.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// Sequence of its next batch in each topic.
    pub sequence: i32,
}

impl Producer {
    /// InitProducerId.
    ///
    /// # Errors
    /// It is refused, or the connection fails.
    pub fn begin_anew(&mut self, client: &mut Client) -> Result<()> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text(self.name))))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = client.call(4, &request)?;
        ensure!(answer.error_code == 0, "InitProducerId: {}", answer.error_code);
        (self.id, self.epoch, self.sequence) = (answer.producer_id.0, answer.producer_epoch, 0);
        Ok(())
    }

    /// One whole transaction.
    ///
    /// # Errors
    /// A request of it is refused, or the connection fails.
    pub fn transact(&mut self, client: &mut Client, number: u64, commit: bool) -> Result<()> {
        self.write(client, number)?;
        self.end(client, commit)
    }

    /// A transaction without its end.
    ///
    /// # Errors
    /// As [`Producer::transact`].
    pub fn write(&mut self, client: &mut Client, number: u64) -> Result<()> {
        if !self.v2 {
            self.announce(client)?;
        }
        for topic in self.topics {
            self.produce(client, topic, number)?;
        }
        self.stage(client, number)
    }

    fn announce(&self, client: &mut Client) -> Result<()> {
        let topics = self.topics.iter().map(|topic| {
            AddPartitionsToTxnTopic::default().with_name(topic_name(topic)).with_partitions(vec![0])
        });
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(TransactionalId(text(self.name)))
            .with_v3_and_below_producer_id(ProducerId(self.id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(topics.collect());
        let answer = client.call(3, &request)?;
        let results =
            answer.results_by_topic_v3_and_below.iter().flat_map(|topic| &topic.results_by_partition);
        ensure!(
            results.clone().all(|result| result.partition_error_code == 0),
            "AddPartitionsToTxn: {answer:?}"
        );
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(TransactionalId(text(self.name)))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_group_id(group_id(self.group));
        let code = client.call(3, &request)?.error_code;
        ensure!(code == 0, "AddOffsetsToTxn: {code}");
        Ok(())
    }

    fn produce(&self, client: &mut Client, topic: &str, number: u64) -> Result<()> {
        let records = BatchBuilder::new()
            .producer(self.id, self.epoch, self.sequence)
            .transactional()
            .record(1, None, Some(number.to_string().as_bytes()))
            .build();
        let data = PartitionProduceData::default().with_records(Some(records));
        let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(TransactionalId(text(self.name))))
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic]);
        let answer = client.call(if self.v2 { 12 } else { 9 }, &request)?;
        let code = answer.responses[0].partition_responses[0].error_code;
        ensure!(code == 0, "Produce: {code}");
        Ok(())
    }

    fn stage(&self, client: &mut Client, number: u64) -> Result<()> {
        let partition =
            TxnOffsetCommitRequestPartition::default().with_committed_offset(i64::try_from(number)?);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name(self.topics[0]))
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(text(self.name)))
            .with_group_id(group_id(self.group))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_topics(vec![topic]);
        let answer = client.call(if self.v2 { 5 } else { 3 }, &request)?;
        let code = answer.topics[0].partitions[0].error_code;
        ensure!(code == 0, "TxnOffsetCommit: {code}");
        Ok(())
    }

    /// EndTxn.
    ///
    /// # Errors
    /// It is refused, or the connection fails.
    pub fn end(&mut self, client: &mut Client, commit: bool) -> Result<()> {
        let request = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text(self.name)))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        let answer = client.call(if self.v2 { 5 } else { 3 }, &request)?;
        ensure!(answer.error_code == 0, "EndTxn: {}", answer.error_code);
        if self.v2 {
            (self.id, self.epoch, self.sequence) = (answer.producer_id.0, answer.producer_epoch, 0);
        } else {
            self.sequence += 1;
        }
        Ok(())
    }
}
