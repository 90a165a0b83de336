//! The messages of TxnOffsetCommit, in the manner of kafka-protocol's, whose own have no room for topic ids.

use kafka_protocol::messages::{GroupId, ProducerId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::define::message;

message! {
    /// Commits offsets in a transaction.
    TxnOffsetCommitRequest {
        /// The id of the transaction's producer.
        transactional_id, with_transactional_id: TransactionalId = TransactionalId::default();
        /// The group.
        group_id, with_group_id: GroupId = GroupId::default();
        /// The producer's id.
        producer_id, with_producer_id: ProducerId = ProducerId::default();
        /// Its epoch.
        producer_epoch, with_producer_epoch: i16 = 0;
        /// The generation of the consumer, or its member epoch; -1 for none. Since version 3.
        generation_id_or_member_epoch, with_generation_id_or_member_epoch: i32 = -1;
        /// The consumer's id in the group. Since version 3.
        member_id, with_member_id: StrBytes = StrBytes::default();
        /// The consumer's instance id. Since version 3.
        group_instance_id, with_group_instance_id: Option<StrBytes> = None;
        /// The offsets.
        topics, with_topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
    }
}

message! {
    /// The offsets of a topic.
    TxnOffsetCommitRequestTopic {
        /// The topic. Until version 5.
        name, with_name: TopicName = TopicName::default();
        /// The topic. Since version 6.
        topic_id, with_topic_id: Uuid = Uuid::nil();
        /// Its partitions.
        partitions, with_partitions: Vec<TxnOffsetCommitRequestPartition> = Vec::new();
    }
}

message! {
    /// The offset of a partition.
    TxnOffsetCommitRequestPartition {
        /// The partition.
        partition_index, with_partition_index: i32 = 0;
        /// The offset of the next record to read.
        committed_offset, with_committed_offset: i64 = 0;
        /// The leader epoch of the last record read; -1 for none. Since version 2.
        committed_leader_epoch, with_committed_leader_epoch: i32 = -1;
        /// The client's note.
        committed_metadata, with_committed_metadata: Option<StrBytes> = Some(StrBytes::default());
    }
}

message! {
    /// The answer.
    TxnOffsetCommitResponse {
        /// How long the client was held back, in ms.
        throttle_time_ms, with_throttle_time_ms: i32 = 0;
        /// The results, in the order of the request.
        topics, with_topics: Vec<TxnOffsetCommitResponseTopic> = Vec::new();
    }
}

message! {
    /// The results of a topic.
    TxnOffsetCommitResponseTopic {
        /// The topic. Until version 5.
        name, with_name: TopicName = TopicName::default();
        /// The topic. Since version 6.
        topic_id, with_topic_id: Uuid = Uuid::nil();
        /// Its partitions.
        partitions, with_partitions: Vec<TxnOffsetCommitResponsePartition> = Vec::new();
    }
}

message! {
    /// The result of a partition.
    TxnOffsetCommitResponsePartition {
        /// The partition.
        partition_index, with_partition_index: i32 = 0;
        /// 0, or why the offset was not taken.
        error_code, with_error_code: i16 = 0;
    }
}
