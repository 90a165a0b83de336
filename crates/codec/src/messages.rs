//! kafka-protocol's messages, re-exported: no other crate names kafka-protocol.
//!
//! Messages of which it lacks fields of versions that it lacks are our own, under the same names.
//!
//! Each request and response is here under its own name, the structs nested in it in a module of
//! the message's name (`messages::fetch_response::PartitionData`). They are `non_exhaustive`:
//! build them from `Default` and the `with_…` methods.
//!
//! Strings are [`StrBytes`], UTF-8 slices of the frame they came in, and so are the fields that are
//! `Bytes`: one that is kept beyond its request keeps the whole frame in memory.

// Public under the names below, where kafka-protocol's own would be.
pub(crate) mod api_versions;
mod define;
pub(crate) mod list_offsets;
pub(crate) mod streams_group;
pub(crate) mod streams_group_describe;
pub(crate) mod streams_group_heartbeat;
pub(crate) mod txn_offset_commit;
pub(crate) mod write_txn_markers;

// The names below hide those of this glob: no caller can take kafka-protocol's structs by mistake.
pub use kafka_protocol::messages::*;

pub use api_versions::ApiVersionsRequest;
pub use list_offsets_request::ListOffsetsRequest;
pub use list_offsets_response::ListOffsetsResponse;
pub use streams_group_describe_request::StreamsGroupDescribeRequest;
pub use streams_group_describe_response::StreamsGroupDescribeResponse;
pub use streams_group_heartbeat_request::StreamsGroupHeartbeatRequest;
pub use streams_group_heartbeat_response::StreamsGroupHeartbeatResponse;
pub use txn_offset_commit_request::TxnOffsetCommitRequest;
pub use txn_offset_commit_response::TxnOffsetCommitResponse;
pub use write_txn_markers_request::WriteTxnMarkersRequest;

/// See [`ApiVersionsRequest`].
pub mod api_versions_request {
    pub use super::api_versions::ApiVersionsRequest;
}

/// See [`ListOffsetsRequest`].
pub mod list_offsets_request {
    pub use super::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
}

/// See [`ListOffsetsResponse`].
pub mod list_offsets_response {
    pub use super::list_offsets::{
        ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
    };
}

/// See [`StreamsGroupHeartbeatRequest`].
pub mod streams_group_heartbeat_request {
    pub use super::streams_group::{Endpoint, KeyValue, TaskIds, TaskOffset, TopicInfo};
    pub use super::streams_group_heartbeat::{
        CopartitionGroup, StreamsGroupHeartbeatRequest, Subtopology, Topology,
    };
}

/// See [`StreamsGroupHeartbeatResponse`].
pub mod streams_group_heartbeat_response {
    pub use super::streams_group::{Endpoint, TaskIds};
    pub use super::streams_group_heartbeat::{
        EndpointToPartitions, Status, StreamsGroupHeartbeatResponse, TopicPartition,
    };
}

/// See [`StreamsGroupDescribeRequest`].
pub mod streams_group_describe_request {
    pub use super::streams_group_describe::StreamsGroupDescribeRequest;
}

/// See [`StreamsGroupDescribeResponse`].
pub mod streams_group_describe_response {
    pub use super::streams_group::{Endpoint, KeyValue, TaskIds, TaskOffset, TopicInfo};
    pub use super::streams_group_describe::{
        Assignment, DescribedGroup, Member, StreamsGroupDescribeResponse, Subtopology, Topology,
    };
}

/// See [`TxnOffsetCommitRequest`].
pub mod txn_offset_commit_request {
    pub use super::txn_offset_commit::{
        TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    };
}

/// See [`TxnOffsetCommitResponse`].
pub mod txn_offset_commit_response {
    pub use super::txn_offset_commit::{
        TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
    };
}

/// See [`WriteTxnMarkersRequest`].
pub mod write_txn_markers_request {
    pub use super::write_txn_markers::{WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest};
}

pub use kafka_protocol::protocol::StrBytes;
