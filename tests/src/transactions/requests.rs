//! The requests of a transaction, in the versions of either protocol.

use bytes::Bytes;
use codec::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use codec::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use codec::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest,
    InitProducerIdRequest, ProduceRequest, ProduceResponse, TransactionalId, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};

use crate::admin::{group_id, text, topic_name};
use crate::producer;
use crate::records::{Content, Sequenced, batch, seal};

/// Versions of the requests that announce what joins a transaction. KIP-890's protocol has no use for them.
pub const ANNOUNCE_VERSION: i16 = 3;
/// Bits of a batch's attributes, and their offset in it.
const TRANSACTIONAL: u8 = 0x10;
const ATTRIBUTES: usize = 22;

/// The two protocols of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Partitions and groups are announced, and the epoch stays.
    V1,
    /// KIP-890: Produce and TxnOffsetCommit announce by themselves, and each end raises the epoch.
    V2,
}

impl Protocol {
    /// Version of Produce.
    pub fn produce(self) -> i16 {
        match self {
            Protocol::V1 => 9,
            Protocol::V2 => 12,
        }
    }

    /// Version of TxnOffsetCommit.
    pub fn txn_offset_commit(self) -> i16 {
        match self {
            Protocol::V1 => 3,
            Protocol::V2 => 5,
        }
    }

    /// Version of EndTxn.
    pub fn end_txn(self) -> i16 {
        match self {
            Protocol::V1 => 3,
            Protocol::V2 => 5,
        }
    }

    /// Version of InitProducerId.
    pub fn init_producer_id(self) -> i16 {
        match self {
            Protocol::V1 => 4,
            Protocol::V2 => 5,
        }
    }
}

/// A transactional id with the producer id and epoch that its owner was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The transactional id.
    pub id: String,
    /// -1: none yet.
    pub producer_id: i64,
    /// -1: none yet.
    pub epoch: i16,
}

impl Owner {
    /// An owner that has no producer id yet.
    pub fn new(id: &str) -> Owner {
        Owner { id: id.to_owned(), producer_id: -1, epoch: -1 }
    }

    fn transactional_id(&self) -> TransactionalId {
        TransactionalId(text(&self.id))
    }

    /// InitProducerId: of a new owner if `anew`, else of this one.
    pub fn init(&self, timeout_ms: i32, anew: bool) -> InitProducerIdRequest {
        let (producer_id, epoch) = if anew { (-1, -1) } else { (self.producer_id, self.epoch) };
        InitProducerIdRequest::default()
            .with_transactional_id(Some(self.transactional_id()))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(producer_id.into())
            .with_producer_epoch(epoch)
    }

    /// AddPartitionsToTxn of one topic.
    pub fn announce(&self, topic: &str, partitions: Vec<i32>) -> AddPartitionsToTxnRequest {
        let topic =
            AddPartitionsToTxnTopic::default().with_name(topic_name(topic)).with_partitions(partitions);
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.transactional_id())
            .with_v3_and_below_producer_id(self.producer_id.into())
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic])
    }

    /// AddOffsetsToTxn.
    pub fn announce_group(&self, group: &str) -> AddOffsetsToTxnRequest {
        AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(self.producer_id.into())
            .with_producer_epoch(self.epoch)
            .with_group_id(group_id(group))
    }

    /// Produce of one batch.
    pub fn produce(
        &self,
        topic: &str,
        partition: i32,
        base_sequence: i32,
        contents: &[Content],
    ) -> ProduceRequest {
        let sequenced =
            Sequenced { producer_id: self.producer_id, producer_epoch: self.epoch, base_sequence };
        let mut batch = batch(contents, Some(sequenced));
        batch[ATTRIBUTES] |= TRANSACTIONAL;
        seal(&mut batch);
        producer::request(topic, partition, -1, batch.freeze())
            .with_transactional_id(Some(self.transactional_id()))
    }

    /// TxnOffsetCommit of one offset.
    pub fn stage(&self, group: &str, topic: &str, partition: i32, offset: i64) -> TxnOffsetCommitRequest {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        TxnOffsetCommitRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_group_id(group_id(group))
            .with_producer_id(self.producer_id.into())
            .with_producer_epoch(self.epoch)
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic])
    }

    /// EndTxn.
    pub fn end(&self, commit: bool) -> EndTxnRequest {
        EndTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(self.producer_id.into())
            .with_producer_epoch(self.epoch)
            .with_committed(commit)
    }
}

/// A record of this value.
pub fn content(value: String) -> Content {
    Content {
        key: None,
        value: Some(Bytes::from(value)),
        timestamp_ms: 1_704_067_200_000,
        headers: Vec::new(),
    }
}

/// The code of the only partition. An answer without one is UNKNOWN_SERVER_ERROR.
pub fn produce_code(answer: &ProduceResponse) -> i16 {
    let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.next().map_or(-1, |partition| partition.error_code)
}

/// As [`produce_code`].
pub fn stage_code(answer: &TxnOffsetCommitResponse) -> i16 {
    let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.next().map_or(-1, |partition| partition.error_code)
}

/// The first code that is not 0.
pub fn announce_code(answer: &AddPartitionsToTxnResponse) -> i16 {
    let topics = answer.results_by_topic_v3_and_below.iter();
    let codes =
        topics.flat_map(|topic| &topic.results_by_partition).map(|result| result.partition_error_code);
    codes.reduce(|first, code| if first == 0 { code } else { first }).unwrap_or(-1)
}
