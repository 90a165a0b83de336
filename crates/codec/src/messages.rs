//! kafka-protocol's messages, re-exported: no other crate names kafka-protocol.
//!
//! Each request and response is here under its own name, the structs nested in it in a module of
//! the message's name (`messages::fetch_response::PartitionData`). They are `non_exhaustive`:
//! build them from `Default` and the `with_…` methods. Strings are [`StrBytes`], UTF-8 slices of
//! the frame they came in.

pub use kafka_protocol::messages::*;
pub use kafka_protocol::protocol::StrBytes;
