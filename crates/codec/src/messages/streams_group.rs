//! Parts that several messages of streams groups (KIP-1071) have in common.

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

use super::define::message;

message! {
    /// Tasks of one subtopology.
    TaskIds {
        /// The subtopology.
        subtopology_id, with_subtopology_id: StrBytes = StrBytes::default();
        /// One task for each of these partitions of its input.
        partitions, with_partitions: Vec<i32> = Vec::new();
    }
}

message! {
    /// How far the changelogs of a task were read.
    TaskOffset {
        /// The subtopology of the task.
        subtopology_id, with_subtopology_id: StrBytes = StrBytes::default();
        /// The partition of the task.
        partition, with_partition: i32 = 0;
        /// The sum over all changelogs of the task.
        offset, with_offset: i64 = 0;
    }
}

message! {
    /// The address at which a process answers interactive queries.
    Endpoint {
        /// Its host.
        host, with_host: StrBytes = StrBytes::default();
        /// Its port.
        port, with_port: u16 = 0;
    }
}

message! {
    /// A setting: of a topic, or a tag of a client.
    KeyValue {
        /// Its name.
        key, with_key: StrBytes = StrBytes::default();
        /// Its value.
        value, with_value: StrBytes = StrBytes::default();
    }
}

message! {
    /// A topic that the broker creates for the application.
    TopicInfo {
        /// The topic.
        name, with_name: TopicName = TopicName::default();
        /// The number of partitions; 0: follows from other topics. Always 0 for changelogs in requests.
        partitions, with_partitions: i32 = 0;
        /// The replication factor; 0: the broker's default.
        replication_factor, with_replication_factor: i16 = 0;
        /// Configuration of the topic.
        topic_configs, with_topic_configs: Vec<KeyValue> = Vec::new();
    }
}
