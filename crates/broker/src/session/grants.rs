//! Decisions that said yes, remembered by the connection of their client until the rules change.
//!
//! Guarantees that no decision outlives the rules that it was made by, and that a connection's memory for them is bounded. Refusals
//! are not remembered: they are rare, or a client's mistake.

use std::collections::HashMap;

use parking_lot::Mutex;
use security::acl::{Operation, ResourceType};

/// The most names that a connection remembers.
const MAX_NAMES: usize = 256;
/// Longer names, in bytes, are not remembered: no topic has one.
const MAX_NAME_BYTES: usize = 255;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Grants(Mutex<Granted>);

#[derive(Debug, Default)]
struct Granted {
    /// The number of the rules that decided; see `Authorizer::generation`.
    generation: u64,
    /// By name: one bit for each pair of resource and operation.
    names: HashMap<Box<str>, u128>,
}

impl Grants {
    /// Returns true if the rules of this number are known to allow it.
    pub(crate) fn hold(
        &self,
        generation: u64,
        resource: ResourceType,
        operation: Operation,
        name: &str,
    ) -> bool {
        let granted = self.0.lock();
        let bits = if granted.generation == generation { granted.names.get(name) } else { None };
        bits.is_some_and(|bits| bits & bit(resource, operation) != 0)
    }

    /// Remembers that the rules of this number allow it.
    pub(crate) fn remember(&self, generation: u64, resource: ResourceType, operation: Operation, name: &str) {
        let mut granted = self.0.lock();
        if granted.generation < generation {
            *granted = Granted { generation, names: HashMap::new() };
        }
        // Requests of a connection run side by side: one that began before a change must not undo what it did.
        if granted.generation > generation || name.len() > MAX_NAME_BYTES {
            return;
        }
        if let Some(bits) = granted.names.get_mut(name) {
            *bits |= bit(resource, operation);
        } else if granted.names.len() < MAX_NAMES {
            granted.names.insert(name.into(), bit(resource, operation));
        }
    }
}

/// Both codes are below 16.
fn bit(resource: ResourceType, operation: Operation) -> u128 {
    1 << (u32::from(resource.code().cast_unsigned()) << 4 | u32::from(operation.code().cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: ResourceType = ResourceType::Topic;
    const READ: Operation = Operation::Read;

    #[test]
    fn each_pair_has_a_bit_of_its_own() {
        let pairs = ResourceType::ALL.into_iter().flat_map(|kind| Operation::ALL.map(|one| bit(kind, one)));
        let all: std::collections::BTreeSet<u128> = pairs.collect();
        assert_eq!(all.len(), ResourceType::ALL.len() * Operation::ALL.len());
    }

    #[test]
    fn a_grant_holds_for_its_name_its_pair_and_its_rules() {
        let grants = Grants::default();
        grants.remember(7, TOPIC, READ, "t");
        grants.remember(7, ResourceType::Group, Operation::Describe, "t");
        assert!(
            grants.hold(7, TOPIC, READ, "t") && grants.hold(7, ResourceType::Group, Operation::Describe, "t")
        );
        assert!(!grants.hold(7, TOPIC, Operation::Describe, "t") && !grants.hold(7, TOPIC, READ, "u"));
        assert!(!grants.hold(8, TOPIC, READ, "t"), "other rules");
        grants.remember(8, TOPIC, READ, "u");
        assert!(!grants.hold(8, TOPIC, READ, "t") && !grants.hold(7, TOPIC, READ, "t"));
        grants.remember(7, TOPIC, READ, "t");
        assert!(!grants.hold(7, TOPIC, READ, "t") && grants.hold(8, TOPIC, READ, "u"), "a late request");
        assert!(!grants.hold(8, TOPIC, READ, "t"), "what old rules allowed is no decision of the new ones");
    }

    #[test]
    fn a_connection_remembers_so_many_names_and_no_long_ones() {
        let grants = Grants::default();
        for number in 0..1_000 {
            grants.remember(1, TOPIC, READ, &format!("t{number}"));
        }
        grants.remember(1, TOPIC, READ, &"x".repeat(256));
        let granted = grants.0.lock();
        assert_eq!((granted.names.len(), granted.names.contains_key("t255")), (MAX_NAMES, true));
    }
}
