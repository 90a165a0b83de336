//! Versions that Kafka 4.0 dropped and clients still send (KIP-896), one file per API.
//!
//! None of the dropped versions is flexible: strings have lengths of two bytes, arrays and bytes of four, and
//! no struct ends in tagged fields. A field that such a version lacks is at its default once it is read, so
//! handlers compare versions only where the meaning differs. ListOffsets is here with all of its versions.

mod acls;
mod create_topics;
mod delete_topics;
mod describe_configs;
mod fetch;
mod list_offsets;
mod offset_for_leader_epoch;
mod produce;
mod same_as_version_1;
