//! The messages of ListOffsets, in the manner of kafka-protocol's, whose own have no room for version 0.
//!
//! Version 0 asks for a number of offsets and gets a list, all later ones ask for one and get one:
//! the structs have the fields of both, and the version says which of them count.

use kafka_protocol::messages::{BrokerId, TopicName};

use super::define::message;

message! {
    /// Asks for offsets in partitions.
    ListOffsetsRequest {
        /// The broker that asks; -1 for a consumer.
        replica_id, with_replica_id: BrokerId = BrokerId(-1);
        /// 0: up to the high watermark, 1: up to the last stable offset. Since version 2.
        isolation_level, with_isolation_level: i8 = 0;
        /// The topics and partitions to look up.
        topics, with_topics: Vec<ListOffsetsTopic> = Vec::new();
        /// How long tiered storage may take, in ms. Since version 10.
        /// Ottla has none, so nothing waits for it.
        timeout_ms, with_timeout_ms: i32 = 0;
    }
}

message! {
    /// The partitions of a topic that are asked for.
    ListOffsetsTopic {
        /// The topic.
        name, with_name: TopicName = TopicName::default();
        /// Its partitions.
        partitions, with_partitions: Vec<ListOffsetsPartition> = Vec::new();
    }
}

message! {
    /// The look-up in one partition.
    ListOffsetsPartition {
        /// The partition.
        partition_index, with_partition_index: i32 = 0;
        /// The leader epoch that the client knows, -1 for none. Since version 4.
        current_leader_epoch, with_current_leader_epoch: i32 = -1;
        /// A time in ms, or a negative number with a meaning of its own.
        /// -1: the end of the log, -2: its start, -3 (since version 7): the largest timestamp, -4
        /// (since 8): the first offset on the local disk, -5 (since 9): the last in tiered storage,
        /// -6 (since 11): the first that is yet to go there.
        timestamp, with_timestamp: i64 = 0;
        /// The most offsets to answer. In version 0 only.
        /// Not positive: none.
        max_num_offsets, with_max_num_offsets: i32 = 1;
    }
}

message! {
    /// The answer.
    ListOffsetsResponse {
        /// How long the client was held back, in ms. Since version 2.
        throttle_time_ms, with_throttle_time_ms: i32 = 0;
        /// The topics with the offsets found.
        topics, with_topics: Vec<ListOffsetsTopicResponse> = Vec::new();
    }
}

message! {
    /// The offsets found in the partitions of a topic.
    ListOffsetsTopicResponse {
        /// The topic.
        name, with_name: TopicName = TopicName::default();
        /// Its partitions.
        partitions, with_partitions: Vec<ListOffsetsPartitionResponse> = Vec::new();
    }
}

message! {
    /// The offset found in a partition.
    ListOffsetsPartitionResponse {
        /// The partition.
        partition_index, with_partition_index: i32 = 0;
        /// 0, or why there is no answer.
        error_code, with_error_code: i16 = 0;
        /// Offsets, falling. In version 0 only.
        /// The start offsets of log segments, and the end of the log.
        old_style_offsets, with_old_style_offsets: Vec<i64> = Vec::new();
        /// The timestamp of the record at the offset, in ms, or -1. Since version 1.
        /// -1 also where the end or the start of the log was asked for.
        timestamp, with_timestamp: i64 = -1;
        /// The offset, or -1. Since version 1.
        offset, with_offset: i64 = -1;
        /// The leader epoch of the record there, or -1. Since version 4.
        leader_epoch, with_leader_epoch: i32 = -1;
    }
}
