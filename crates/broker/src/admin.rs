//! Rules that several admin APIs share. Domain types in, domain types out; messages are left to `api/`.

pub(crate) mod authorized_operations;
pub(crate) mod client_metrics_configs;
pub(crate) mod config_changes;
pub(crate) mod configs;
pub(crate) mod group_configs;
pub(crate) mod logger_configs;
pub(crate) mod partitions;
pub(crate) mod per_partition;
pub(crate) mod runtime_configs;
pub(crate) mod topics;
