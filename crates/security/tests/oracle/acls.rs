//! Decisions beside those of Kafka's own `StandardAuthorizer`: random histories of entries that are added and removed, and questions
//! between them.
//!
//! Two differences are intended, and left out of the questions; there must be no other:
//! - Hosts are compared as addresses, in Kafka as texts of Java's form. So Kafka is given each address in that form.
//! - An entry for the literal `*` is about every name. In Kafka it is not about names that begin with `*` and are longer
//!   (`StandardAuthorizerData.checkSection` takes it for a shorter literal): a DENY for all groups does not hold for a group `*a`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use security::acl::{
    Acl, Asker, Entry, Filter, Operation, Pattern, PatternFilter, PatternType, Permission, Policy,
    ResourceType, Rules,
};

use crate::kafka::Kafka;
use crate::random::{Random, number};

/// Histories of a run, unless `OTTLA_ACL_SEEDS` says otherwise.
const SEEDS: u64 = 500;
/// Decisions of a history. Every fourth is by type; after every sixteenth comes a search.
const STEPS: u64 = 48;

/// Few principals, addresses and short names, so that entries meet.
const PRINCIPALS: [&str; 8] =
    ["User:*", "User:alice", "User:bob", "User:ann", "Group:alice", "User:", "User:CN=a,O=b", "User:ünal"];
const ADDRESSES: [&str; 5] = ["10.0.0.1", "10.0.0.2", "::1", "fe80::1:2", "::ffff:10.0.0.2"];
const HOSTS: [&str; 7] = ["*", "*", "*", "10.0.0.1", "::1", "::ffff:10.0.0.2", "localhost"];
const NAMES: [&str; 14] =
    ["*", "a", "ab", "abc", "abcd", "b", "b.*", "hardcode", "hard", "ä", "äb", "😀", "😀b", "kafka-cluster"];

impl Random {
    /// One of [`NAMES`], or one that begins with it.
    fn name(&mut self) -> String {
        let mut name = self.of(&NAMES).to_owned();
        if self.one_in(4) {
            name.push_str(self.of(&NAMES));
        }
        name
    }

    fn acl(&mut self) -> Acl {
        let pattern = Pattern {
            // Half of them of one type: others are there to be confused with it.
            resource_type: if self.one_in(2) { ResourceType::Topic } else { self.of(&ResourceType::ALL) },
            name: self.name().into(),
            pattern_type: self.of(&PatternType::ALL),
        };
        let entry = Entry {
            principal: self.of(&PRINCIPALS).into(),
            host: self.of(&HOSTS).into(),
            operation: self.of(&Operation::ALL),
            permission: if self.below(10) < 3 { Permission::Deny } else { Permission::Allow },
        };
        Acl { pattern, entry }
    }

    fn filter(&mut self) -> Filter {
        let pattern = match self.below(4) {
            0 => PatternFilter::Any,
            1 => PatternFilter::Match,
            _ => PatternFilter::Only(self.of(&PatternType::ALL)),
        };
        let acl = self.acl();
        Filter {
            resource_type: self.one_in(2).then_some(acl.pattern.resource_type),
            pattern,
            name: self.one_in(2).then(|| acl.pattern.name.to_string()),
            principal: self.one_in(4).then(|| acl.entry.principal.to_string()),
            host: self.one_in(6).then(|| acl.entry.host.to_string()),
            operation: self.one_in(6).then_some(acl.entry.operation),
            permission: self.one_in(4).then_some(acl.entry.permission),
        }
    }
}

/// A host or address as Java writes it.
fn java(host: &str) -> String {
    match host.parse().map(|address: IpAddr| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => address.segments().map(|part| format!("{part:x}")).join(":"),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => host.to_owned(),
    }
}

/// A command about an entry.
fn words(command: &str, acl: &Acl) -> Vec<String> {
    let Acl { pattern, entry } = acl;
    vec![
        command.to_owned(),
        pattern.resource_type.code().to_string(),
        pattern.pattern_type.code().to_string(),
        pattern.name.to_string(),
        entry.principal.to_string(),
        java(&entry.host),
        entry.operation.code().to_string(),
        entry.permission.code().to_string(),
    ]
}

/// A search.
fn filter_words(filter: &Filter) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    // 1: any; 2: whatever would fit.
    let pattern = match filter.pattern {
        PatternFilter::Any => 1,
        PatternFilter::Match => 2,
        PatternFilter::Only(only) => only.code(),
    };
    vec![
        "find".to_owned(),
        filter.resource_type.map_or(1, ResourceType::code).to_string(),
        pattern.to_string(),
        text(&filter.name),
        text(&filter.principal),
        filter.host.as_deref().map_or_else(|| "-".to_owned(), java),
        filter.operation.map_or(1, Operation::code).to_string(),
        filter.permission.map_or(1, Permission::code).to_string(),
    ]
}

/// One history under way.
struct History<'a> {
    kafka: &'a mut Kafka,
    random: Random,
    seed: u64,
    policy: Policy,
    rules: Rules,
    known: Vec<Acl>,
}

impl<'a> History<'a> {
    fn begin(kafka: &'a mut Kafka, seed: u64) -> Self {
        let mut random = Random(seed);
        let super_users = if random.one_in(3) { "User:ann;Group:alice" } else { "" };
        let policy = Policy {
            super_users: Policy::super_users(super_users).unwrap(),
            allows_without_entry: random.one_in(2),
        };
        kafka.begin(&["new", super_users, &policy.allows_without_entry.to_string()]);
        Self { kafka, random, seed, policy, rules: Rules::default(), known: Vec::new() }
    }

    /// Adds an entry, or removes one.
    fn change(&mut self) {
        if self.random.one_in(4) && !self.known.is_empty() {
            let gone =
                self.known.swap_remove(usize::try_from(self.random.below(self.known.len() as u64)).unwrap());
            self.kafka.tell(&words("remove", &gone));
            self.rules = self.rules.changed([], [gone]);
            return;
        }
        let mut acl = self.random.acl();
        // Often one of a pattern that has others.
        if let Some(other) = self.known.first().filter(|_| self.random.one_in(3)) {
            acl.pattern = other.pattern.clone();
        }
        if !self.known.contains(&acl) {
            self.kafka.tell(&words("add", &acl));
            self.known.push(acl.clone());
            self.rules = self.rules.changed([acl], []);
        }
    }

    /// Compares a decision. True if it allows.
    fn decide(&mut self, by_type: bool) -> bool {
        let random = &mut self.random;
        // `All` is what entries name, and no client asks for it.
        let (operation, kind) = (random.of(&Operation::ALL[1..]), random.of(&ResourceType::ALL));
        let kind = if random.one_in(2) { ResourceType::Topic } else { kind };
        // No client is called `User:*`: Kafka fails at such a one.
        let principal = random.of(&PRINCIPALS[1..]);
        let address = random.of(&ADDRESSES);
        let name = match random.name() {
            name if name.len() > 1 && name.starts_with('*') => "*".to_owned(),
            name => name,
        };
        let asker = Asker { principal, address: address.parse::<IpAddr>().unwrap().to_canonical() };
        let codes = [operation.code().to_string(), kind.code().to_string()];
        let mut question =
            vec![if by_type { "some" } else { "ask" }, principal, address, &codes[0], &codes[1]];
        let allows = if by_type {
            self.policy.allows_by_type(&self.rules, asker, operation, kind)
        } else {
            question.push(&name);
            self.policy.allows(&self.rules, asker, operation, kind, &name)
        };
        let answer = self.kafka.ask(&question);
        self.kafka.expect(&allows.to_string(), &answer, self.seed);
        allows
    }

    /// Compares the entries that a filter finds.
    fn find(&mut self) {
        let filter = self.random.filter();
        let written = |acl: &Acl| words("", acl)[1..].join(" ");
        let found: BTreeSet<String> = self.rules.find(&filter).iter().map(written).collect();
        let found = found.into_iter().collect::<Vec<_>>().join(" / ");
        let answer = self.kafka.ask(&filter_words(&filter));
        self.kafka.expect(&found, &answer, self.seed);
    }
}

/// Returns how many decisions of a history allowed something.
fn history(kafka: &mut Kafka, seed: u64) -> u64 {
    let mut history = History::begin(kafka, seed);
    let mut allowed = 0;
    for step in 0..STEPS {
        for _ in 0..history.random.below(3) {
            history.change();
        }
        allowed += u64::from(history.decide(step % 4 == 3));
        if step % 16 == 15 {
            history.find();
        }
    }
    allowed
}

#[test]
#[ignore = "needs a JDK and Kafka's jars; tools/acls.sh runs it"]
fn decisions_are_those_of_kafkas_standard_authorizer() {
    let (first, seeds) = (number("OTTLA_FIRST_SEED", 1), number("OTTLA_ACL_SEEDS", SEEDS));
    let mut kafka = Kafka::start("AuthorizerOracle.java");
    let allowed: u64 = (first..first + seeds).map(|seed| history(&mut kafka, seed)).sum();
    let decisions = seeds * STEPS;
    println!("{decisions} decisions as Kafka's, {allowed} of them allowed");
    // A generator of which all or nothing is allowed would compare nothing.
    assert!(allowed > decisions / 10 && allowed < decisions * 9 / 10, "{allowed} of {decisions}");
}
