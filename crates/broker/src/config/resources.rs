//! The keys of each kind of configuration resource: their names, values and rules, and what a resource's own
//! values and the broker's make together.
//!
//! A kind implements [`KeyRules`](super::changes::KeyRules), by which [`apply`](super::changes::apply) changes what a
//! resource was given. Where it is kept, who may ask and what happens on a change is in the table of kinds above
//! (`services/configs.rs`).

pub(super) mod broker;
pub(crate) mod client_metrics;
pub(super) mod group;
pub(super) mod topic;

/// Kafka's `ConfigResource.Type`s, as the wire and the disk have them.
pub(crate) mod resource_type {
    pub(crate) const TOPIC: i8 = 2;
    pub(crate) const BROKER: i8 = 4;
    pub(crate) const BROKER_LOGGER: i8 = 8;
    pub(crate) const CLIENT_METRICS: i8 = 16;
    pub(crate) const GROUP: i8 = 32;
    /// Not one of Kafka's: on the disk alone, for the levels of features.
    pub(crate) const FEATURES: i8 = 100;
}
