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
pub(crate) mod list_offsets;

// The names below hide those of this glob: no caller can take kafka-protocol's structs by mistake.
pub use kafka_protocol::messages::*;

pub use api_versions::ApiVersionsRequest;
pub use list_offsets_request::ListOffsetsRequest;
pub use list_offsets_response::ListOffsetsResponse;

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

pub use kafka_protocol::protocol::StrBytes;
