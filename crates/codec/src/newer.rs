//! Versions that came after kafka-protocol's, one file per API. Where an API also has older ones that kafka-protocol lacks,
//! they are in the same file.
//!
//! A version goes here when a Kafka release has it and the pinned kafka-protocol has not:
//! [`extended`](crate::extended) reads and writes it. Its shape comes with `make generate` from a
//! newer kafka-clients jar.

mod api_versions;
mod describe_log_dirs;
mod offset_commit;
mod offset_fetch;
mod streams_group;
mod streams_group_describe;
mod streams_group_heartbeat;
mod txn_offset_commit;
mod write_txn_markers;
