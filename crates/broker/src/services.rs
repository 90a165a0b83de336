//! The services of the broker: all that it does for clients, in domain types.
//!
//! ```text
//! append          what a batch must be to be appended
//! fetch           sessions, limits, reading, waiting without polling
//! configs         configurations of topics, brokers, groups, loggers and client metrics
//! admin           topics and partitions: created, grown, deleted
//! client_metrics  metrics that clients push (KIP-714)
//! ```
//! Messages are left to `kafka/`, bytes on the disk to storage.

pub(crate) mod admin;
pub(crate) mod append;
pub(crate) mod client_metrics;
pub(crate) mod configs;
pub(crate) mod fetch;
