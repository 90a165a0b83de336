//! The cost of decisions, printed.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "its purpose is to measure and print")]

use std::net::IpAddr;

use super::*;

/// Prints the cost of a decision with 10 000 entries; `cargo test -p ottla-security --release -- --ignored --nocapture cost`.
#[test]
#[ignore = "prints figures, which mean something in a release build on a quiet machine"]
fn cost_of_a_decision_with_ten_thousand_entries() {
    let operations = [Operation::Read, Operation::Write];
    let mut acls = Vec::new();
    for number in 0..5_000 {
        let pattern_type = PatternType::ALL[number % 2];
        // Prefixes of eight lengths.
        let name = format!("team-{}topic-{number}", "x".repeat(number / 2 % 8));
        for operation in operations {
            let mut acl = entry(&name, pattern_type, operation, Permission::Allow);
            acl.entry.principal = format!("User:user-{}", number % 500).into();
            acls.push(acl);
        }
    }
    let started = std::time::Instant::now();
    let rules = Rules::new(acls);
    println!("index of {} entries: {:?}", rules.len(), started.elapsed());
    let many = |number: usize| {
        let mut acl = entry(
            &format!("topic-{}", number / 2),
            PatternType::Literal,
            operations[number % 2],
            Permission::Allow,
        );
        acl.entry.principal = format!("User:{}", number % 500).into();
        acl.entry.host = "127.0.0.1".into();
        acl
    };
    let many: Vec<Acl> = (0..100_000).map(many).collect();
    let started = std::time::Instant::now();
    println!("index of {} entries: {:?}", Rules::new(many).len(), started.elapsed());
    let started = std::time::Instant::now();
    let one = entry("another", PatternType::Literal, Operation::Read, Permission::Allow);
    assert_eq!(rules.changed([one], []).len(), 10_001);
    println!("one entry more: {:?}", started.elapsed());
    let policy = Policy::default();
    let address = IpAddr::from([10, 0, 0, 1]);
    let names: Vec<String> = (0..1_000).map(|number| format!("team-topic-{number}-events")).collect();
    let users: Vec<String> = (0..1_000).map(|number| format!("User:user-{}", number % 500)).collect();
    let rounds = 1_000;
    let started = std::time::Instant::now();
    let mut allowed = 0;
    for _ in 0..rounds {
        for (name, user) in names.iter().zip(&users) {
            let asker = Asker { principal: user, address };
            allowed += usize::from(policy.allows(&rules, asker, Operation::Read, ResourceType::Topic, name));
        }
    }
    let each = started.elapsed().as_nanos() / (rounds * names.len() as u128);
    println!("a decision: {each} ns ({allowed} allowed)");
    let started = std::time::Instant::now();
    for user in &users {
        let asker = Asker { principal: user, address };
        assert!(policy.allows_by_type(&rules, asker, Operation::Write, ResourceType::Topic));
    }
    println!("a decision by type: {} ns", started.elapsed().as_nanos() / users.len() as u128);
    let stranger = Asker { principal: "User:stranger", address };
    let started = std::time::Instant::now();
    assert!(!policy.allows_by_type(&rules, stranger, Operation::Write, ResourceType::Topic));
    println!("a decision by type that says no: {} ns", started.elapsed().as_nanos());
}

fn entry(name: &str, pattern_type: PatternType, operation: Operation, permission: Permission) -> Acl {
    let pattern = Pattern { resource_type: ResourceType::Topic, name: name.into(), pattern_type };
    let entry = Entry { principal: "User:alice".into(), host: "*".into(), operation, permission };
    Acl { pattern, entry }
}
