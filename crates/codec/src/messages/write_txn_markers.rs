//! The request of WriteTxnMarkers, in the manner of kafka-protocol's, whose own has no room for version 2.

use kafka_protocol::messages::{ProducerId, TopicName};

use super::define::message;

message! {
    /// Ends transactions in partitions.
    WriteTxnMarkersRequest {
        /// The ends.
        markers, with_markers: Vec<WritableTxnMarker> = Vec::new();
    }
}

message! {
    /// The end of one producer's transaction.
    WritableTxnMarker {
        /// The producer.
        producer_id, with_producer_id: ProducerId = ProducerId::default();
        /// The epoch of the marker.
        producer_epoch, with_producer_epoch: i16 = 0;
        /// True for a commit.
        transaction_result, with_transaction_result: bool = false;
        /// The partitions to write markers to.
        topics, with_topics: Vec<WritableTxnMarkerTopic> = Vec::new();
        /// The epoch of the coordinator.
        coordinator_epoch, with_coordinator_epoch: i32 = 0;
        /// The level of `transaction.version` by which the transaction runs. Since version 2.
        transaction_version, with_transaction_version: i8 = 0;
    }
}

message! {
    /// The partitions of a topic.
    WritableTxnMarkerTopic {
        /// The topic.
        name, with_name: TopicName = TopicName::default();
        /// Its partitions.
        partition_indexes, with_partition_indexes: Vec<i32> = Vec::new();
    }
}
