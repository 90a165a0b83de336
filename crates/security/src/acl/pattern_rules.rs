//! The entries of one pattern: as a list, and as the operations that each principal is denied and allowed at each host.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHasher;

use super::entry::{Entry, Hosts};
use super::kinds::{Operation, Permission};
use super::rules::{Asker, Decision, EVERY_PRINCIPAL};

/// See the module. There is at least one entry.
#[derive(Debug, Default)]
pub(super) struct PatternRules {
    /// Ordered.
    entries: Box<[Entry]>,
    by_principal: HashMap<Arc<str>, ByHost, BuildHasherDefault<FxHasher>>,
}

/// The entries of one principal.
#[derive(Debug, Default)]
struct ByHost {
    any: Operations,
    /// `None` while each entry is about all hosts, as most are.
    #[expect(clippy::box_collection, reason = "an empty map would cost each principal 24 bytes more")]
    one: Option<Box<HashMap<IpAddr, Operations>>>,
}

/// Operations as bits, each at the place of its code, as entries name them: [`Operation::All`] is a bit of its own.
#[derive(Debug, Clone, Copy, Default)]
struct Operations {
    denied: u16,
    allowed: u16,
}

impl PatternRules {
    pub(super) fn new(entries: &BTreeSet<Entry>) -> Self {
        let mut rules = Self { entries: entries.iter().cloned().collect(), by_principal: HashMap::default() };
        for entry in &rules.entries {
            let by_host = rules.by_principal.entry(Arc::clone(&entry.principal)).or_default();
            let operations = match entry.hosts() {
                Hosts::Any => &mut by_host.any,
                Hosts::One(address) => by_host.one.get_or_insert_default().entry(address).or_default(),
                Hosts::None => continue,
            };
            match entry.permission {
                Permission::Deny => operations.denied |= bit(entry.operation),
                Permission::Allow => operations.allowed |= bit(entry.operation),
            }
        }
        rules
    }

    /// The entries, ordered.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The decision of these entries alone, never [`Decision::NoEntry`].
    pub(super) fn decide(&self, asker: Asker<'_>, operation: Operation) -> Decision {
        let about = self.about(asker);
        if about.denied & naming(operation) != 0 {
            Decision::Denied
        } else if about.allowed & (naming(operation) | implying(operation)) != 0 {
            Decision::Allowed
        } else {
            Decision::NotMentioned
        }
    }

    /// Returns true if an entry denies the operation.
    pub(super) fn denies(&self, asker: Asker<'_>, operation: Operation) -> bool {
        self.about(asker).denied & naming(operation) != 0
    }

    /// Returns true if an entry allows the operation by its name, or all; one that follows from another does not count.
    pub(super) fn names_allowed(&self, asker: Asker<'_>, operation: Operation) -> bool {
        self.about(asker).allowed & naming(operation) != 0
    }

    /// The operations that entries about this client name.
    fn about(&self, asker: Asker<'_>) -> Operations {
        let mut all = Operations::default();
        for principal in [asker.principal, EVERY_PRINCIPAL] {
            let Some(by_host) = self.by_principal.get(principal) else { continue };
            let here = by_host.one.as_ref().and_then(|hosts| hosts.get(&asker.address));
            for operations in [Some(&by_host.any), here].into_iter().flatten() {
                all.denied |= operations.denied;
                all.allowed |= operations.allowed;
            }
        }
        all
    }
}

/// The bit of an operation.
const fn bit(operation: Operation) -> u16 {
    1 << operation.code()
}

/// The operations by which an entry names this one: itself, and all.
const fn naming(operation: Operation) -> u16 {
    bit(operation) | bit(Operation::All)
}

/// The operations from whose permission this one follows; nothing follows from a denial
/// (`StandardAuthorizerData.IMPLIES_DESCRIBE`, `IMPLIES_DESCRIBE_CONFIGS`).
const fn implying(operation: Operation) -> u16 {
    match operation {
        Operation::Describe => {
            bit(Operation::Read) | bit(Operation::Write) | bit(Operation::Delete) | bit(Operation::Alter)
        }
        Operation::DescribeConfigs => bit(Operation::AlterConfigs),
        _ => 0,
    }
}
