//! The rules against a model that walks a list, and faults of other authorizers by their names.
//!
//! The model is written from Kafka's documentation and classes, and shares nothing with the rules except the types of an entry.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

/// The whole list of entries, walked for each question.
#[derive(Default)]
struct Model {
    acls: Vec<Acl>,
    super_users: Vec<String>,
    allows_without_entry: bool,
}

impl Model {
    fn add(&mut self, acl: Acl) {
        if !self.acls.contains(&acl) {
            self.acls.push(acl);
        }
    }

    fn remove(&mut self, acl: &Acl) {
        self.acls.retain(|known| known != acl);
    }

    fn is_about(acl: &Acl, who: &str, at: IpAddr) -> bool {
        let entry = &acl.entry;
        let principal = &*entry.principal == who || &*entry.principal == "User:*";
        let host =
            &*entry.host == "*" || entry.host.parse::<IpAddr>().is_ok_and(|host| host.to_canonical() == at);
        principal && host
    }

    fn allows(&self, who: &str, at: IpAddr, operation: Operation, kind: ResourceType, name: &str) -> bool {
        if self.super_users.iter().any(|user| user == who) {
            return true;
        }
        let fits = |acl: &&Acl| {
            let pattern = &acl.pattern;
            pattern.resource_type == kind
                && match pattern.pattern_type {
                    PatternType::Prefixed => name.starts_with(&*pattern.name),
                    PatternType::Literal => &*pattern.name == name || &*pattern.name == "*",
                }
        };
        let fitting: Vec<&Acl> = self.acls.iter().filter(fits).collect();
        if fitting.is_empty() {
            return self.allows_without_entry;
        }
        let about: Vec<&&Acl> = fitting.iter().filter(|acl| Self::is_about(acl, who, at)).collect();
        let names = |entry: &Entry| entry.operation == operation || entry.operation == Operation::All;
        if about.iter().any(|acl| acl.entry.permission == Permission::Deny && names(&acl.entry)) {
            return false;
        }
        use Operation::{Alter, AlterConfigs, Delete, Describe, DescribeConfigs, Read, Write};
        let implies = |entry: &Entry| match (operation, entry.operation) {
            (Describe, Read | Write | Delete | Alter) | (DescribeConfigs, AlterConfigs) => true,
            _ => names(entry),
        };
        about.iter().any(|acl| acl.entry.permission == Permission::Allow && implies(&acl.entry))
    }

    /// `Authorizer.authorizeByResourceType`, set by set.
    fn allows_by_type(&self, who: &str, at: IpAddr, operation: Operation, kind: ResourceType) -> bool {
        if self.allows(who, at, operation, kind, "hardcode") {
            return true;
        }
        let counts = |acl: &&Acl| {
            acl.pattern.resource_type == kind
                && Self::is_about(acl, who, at)
                && (acl.entry.operation == operation || acl.entry.operation == Operation::All)
        };
        let of = |permission, pattern_type| {
            let acls = self.acls.iter().filter(counts);
            acls.filter(move |acl| {
                acl.entry.permission == permission && acl.pattern.pattern_type == pattern_type
            })
            .map(|acl| &*acl.pattern.name)
            .collect::<Vec<&str>>()
        };
        let denied = of(Permission::Deny, PatternType::Literal);
        let denied_prefixes = of(Permission::Deny, PatternType::Prefixed);
        let allowed = of(Permission::Allow, PatternType::Literal);
        if denied.contains(&"*") {
            return false;
        }
        if allowed.contains(&"*") {
            return true;
        }
        let free = |name: &&str| !denied_prefixes.iter().any(|prefix| name.starts_with(prefix));
        allowed.iter().any(|name| !denied.contains(name) && free(name))
            || of(Permission::Allow, PatternType::Prefixed).iter().any(free)
    }
}

const NAMES: [&str; 9] = ["*", "a", "ab", "abc", "b", "hardcode", "hard", "ä", "äb"];
const PRINCIPALS: [&str; 4] = ["User:*", "User:alice", "User:bob", "Group:alice"];
const HOSTS: [&str; 5] = ["*", "10.0.0.1", "::ffff:10.0.0.1", "::1", "localhost"];
const ADDRESSES: [&str; 3] = ["10.0.0.1", "10.0.0.2", "::1"];

fn one_of<T: Copy + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(values)
}

/// Few values, so that entries meet; two types, so that a search of the wrong one is noticed.
fn history() -> impl Strategy<Value = Vec<(Acl, u8)>> {
    let types = one_of(&[ResourceType::Topic, ResourceType::Group]);
    let patterns = (types, one_of(&PatternType::ALL), one_of(&NAMES));
    // Or one pattern, whose many principals and hosts are found by another way.
    let one = (Just(ResourceType::Topic), Just(PatternType::Literal), Just("a"));
    prop_oneof![
        prop::collection::vec((acl(patterns), 0..4_u8), 0..24),
        prop::collection::vec((acl(one), 0..4_u8), 0..64),
    ]
}

fn acl(
    pattern: impl Strategy<Value = (ResourceType, PatternType, &'static str)>,
) -> impl Strategy<Value = Acl> {
    let permissions = one_of(&[Permission::Deny, Permission::Allow, Permission::Allow]);
    let entry = (one_of(&PRINCIPALS), one_of(&HOSTS), one_of(&Operation::ALL), permissions);
    (pattern, entry).prop_map(
        |((resource_type, pattern_type, name), (principal, host, operation, permission))| {
            let pattern = Pattern { resource_type, name: name.into(), pattern_type };
            Acl {
                pattern,
                entry: Entry { principal: principal.into(), host: host.into(), operation, permission },
            }
        },
    )
}

/// Compares every question that there is.
fn compare(model: &Model, rules: &Rules) -> Result<(), TestCaseError> {
    let policy = Policy {
        super_users: model.super_users.iter().cloned().collect(),
        allows_without_entry: model.allows_without_entry,
    };
    for who in &PRINCIPALS[1..] {
        for address in ADDRESSES {
            let address: IpAddr = address.parse().unwrap();
            let asker = Asker { principal: who, address };
            for kind in [ResourceType::Topic, ResourceType::Group, ResourceType::Cluster] {
                // Not All: no client asks for it.
                for operation in Operation::ALL.into_iter().skip(1) {
                    for name in NAMES.into_iter().chain(["abcd", "zz", "äbc"]) {
                        let expected = model.allows(who, address, operation, kind, name);
                        let found = policy.allows(rules, asker, operation, kind, name);
                        prop_assert_eq!(found, expected, "{} {:?} {:?} {}", who, operation, kind, name);
                    }
                    let expected = model.allows_by_type(who, address, operation, kind);
                    let found = policy.allows_by_type(rules, asker, operation, kind);
                    prop_assert_eq!(found, expected, "{} {:?} {:?} by type", who, operation, kind);
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// Decisions are those of the model after any history of additions and removals (CVE-2024-27309: there a DENY was lost when
    /// another entry of its resource was removed).
    #[test]
    fn decisions_are_the_models_after_any_history(
        steps in history(),
        allows_without_entry: bool,
        super_user: bool,
    ) {
        let super_users = if super_user { vec!["User:bob".to_owned(), "User:*".to_owned()] } else { vec![] };
        let mut model = Model { super_users, allows_without_entry, ..Model::default() };
        let mut rules = Rules::default();
        for (acl, step) in steps {
            // One of four steps removes: the entry that came, or one that is known.
            match (step, model.acls.first().cloned()) {
                (0, Some(known)) => {
                    let last = model.acls.last().cloned().unwrap_or(known.clone());
                    rules = rules.changed([], [known.clone(), last.clone(), acl.clone()]);
                    for gone in [&known, &last, &acl] {
                        model.remove(gone);
                    }
                }
                _ => {
                    rules = rules.changed([acl.clone()], []);
                    model.add(acl);
                }
            }
            prop_assert_eq!(rules.len(), model.acls.len());
        }
        compare(&model, &rules)?;
        // The same in one step, and nothing else is found.
        compare(&model, &Rules::new(model.acls.iter().cloned()))?;
        let mut all = model.acls.clone();
        all.sort();
        let everything = Filter {
            resource_type: None, pattern: PatternFilter::Any, name: None,
            principal: None, host: None, operation: None, permission: None,
        };
        prop_assert_eq!(rules.find(&everything), all);
    }
}

fn topic(name: &str, pattern_type: PatternType, operation: Operation, permission: Permission) -> Acl {
    let pattern = Pattern { resource_type: ResourceType::Topic, name: name.into(), pattern_type };
    let entry = Entry { principal: "User:alice".into(), host: "*".into(), operation, permission };
    Acl { pattern, entry }
}

fn decide(rules: &Rules, kind: ResourceType, name: &str) -> Decision {
    let asker = Asker { principal: "User:alice", address: IpAddr::from([10, 0, 0, 1]) };
    rules.decide(asker, Operation::Read, kind, name)
}

/// CVE-2024-27309: a resource had a DENY and other entries; when one of the others was removed, the DENY had no effect.
#[test]
fn cve_2024_27309_a_denial_stays_when_its_neighbour_is_removed() {
    let denial = topic("t", PatternType::Literal, Operation::Read, Permission::Deny);
    let all = topic("*", PatternType::Literal, Operation::All, Permission::Allow);
    let others = [Operation::Write, Operation::Describe]
        .map(|operation| topic("t", PatternType::Literal, operation, Permission::Allow));
    let mut rules = Rules::new([denial, all].into_iter().chain(others.clone()));
    for other in others {
        rules = rules.changed([], [other]);
        assert_eq!(decide(&rules, ResourceType::Topic, "t"), Decision::Denied);
    }
}

/// Redpanda 1582: the search for prefixes found entries of another type of resource.
#[test]
fn redpanda_1582_a_prefix_fits_no_other_type() {
    let rules = Rules::new([topic("pay", PatternType::Prefixed, Operation::Read, Permission::Allow)]);
    assert_eq!(decide(&rules, ResourceType::Topic, "payments"), Decision::Allowed);
    assert_eq!(decide(&rules, ResourceType::Group, "payments"), Decision::NoEntry);
}

/// CVE-2026-128424 (Kroxylicious): a name was read as a pattern.
#[test]
fn cve_2026_128424_a_name_is_no_pattern() {
    let rules = Rules::new([
        topic("a.*", PatternType::Literal, Operation::Read, Permission::Allow),
        topic("*", PatternType::Prefixed, Operation::Read, Permission::Allow),
    ]);
    for name in ["a.b", "a", "abc", "a.", "b"] {
        assert_eq!(decide(&rules, ResourceType::Topic, name), Decision::NoEntry, "{name}");
    }
    for name in ["a.*", "*", "*x"] {
        assert_eq!(decide(&rules, ResourceType::Topic, name), Decision::Allowed, "{name}");
    }
}

/// Redpanda 30829: its tree of entries took memory without bound. Here each change leaves nothing of the entries that went.
#[test]
fn redpanda_30829_entries_that_went_leave_nothing() {
    let mut rules = Rules::default();
    for round in 0..200 {
        let acl = topic(&format!("t{round}"), PatternType::Prefixed, Operation::Read, Permission::Allow);
        rules = rules.changed([acl.clone()], []).changed([], [acl]);
    }
    assert!(rules.is_empty());
    assert_eq!(format!("{rules:?}"), format!("{:?}", Rules::default()));
}
