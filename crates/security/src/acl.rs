//! Access control lists: the decisions of Kafka's `StandardAuthorizer`, without I/O, clock or lock.
//!
//! | module | what |
//! | --- | --- |
//! | `kinds` | resources, patterns, operations, permissions and their codes |
//! | `entry` | entries, checked; filters of entries |
//! | `pattern_rules` | the entries of one pattern, as operations by principal and host |
//! | `rules` | the entries of all patterns, indexed, as an unchanging snapshot |
//! | `policy` | super users and the default: the whole decision |
//! | `deciding` | the entries that a decision comes from |
//!
//! `DENY` wins over `ALLOW`; `Describe` follows from the permission to read, write, delete or alter, `DescribeConfigs` from that
//! to alter configurations; nothing follows from a denial. Differences from Kafka, on purpose: hosts are compared as addresses.

#[cfg(test)]
mod cost_tests;
mod deciding;
mod entry;
mod kinds;
#[cfg(test)]
mod model_tests;
mod pattern_rules;
mod policy;
mod rules;

pub use self::entry::{Acl, Entry, Filter, Hosts, InvalidAcl, MAX_TEXT_BYTES, Pattern, PatternFilter};
pub use self::kinds::{ANY, CLUSTER_NAME, Operation, PatternType, Permission, ResourceType};
pub use self::policy::Policy;
pub use self::rules::{Asker, Decision, Rules, RulesBuilder};
