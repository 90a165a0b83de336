//! Versions that Kafka 4.0 dropped and clients still send (KIP-896), one file per API.

mod acls;
mod create_topics;
mod delete_topics;
mod describe_configs;
mod fetch;
mod list_offsets;
mod offset_for_leader_epoch;
mod produce;
mod same_as_version_1;
