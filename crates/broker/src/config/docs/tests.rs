//! The tables against the facts of Kafka 4.3, and the checked-in file against the tables.

use std::collections::BTreeMap;

use super::*;
use crate::config::broker_keys::broker_keys;
use crate::config::kafka_keys::{KafkaDefault, KafkaKey, kafka_keys};
use crate::config::key::Check;

/// (table, name) → facts.
fn facts() -> BTreeMap<(&'static str, &'static str), KafkaKey> {
    kafka_keys().map(|key| ((key.table, key.name), key)).collect()
}

fn text(default: KafkaDefault) -> &'static str {
    match default {
        KafkaDefault::Required => "none",
        KafkaDefault::Null => "null",
        KafkaDefault::Value(value) => value,
    }
}

fn in_kafkas_notation(check: Check) -> String {
    match check {
        Check::Any => String::new(),
        Check::AtLeast(low) => format!("[{low},...]"),
        Check::Between(low, high) => format!("[{low},...,{high}]"),
        Check::BetweenOr(low, high, other) => format!("[{low},...,{high}] or {other}"),
        Check::OneOf(names) | Check::EachOf(names) => format!("[{}]", names.join(", ")),
        Check::ThrottledReplicas => "[partitionId]:[brokerId],[partitionId]:[brokerId],...".to_owned(),
    }
}

fn difference(name: &str) -> Option<Option<&'static str>> {
    DIFFERENCES.iter().find(|(other, ..)| *other == name).map(|(_, kafka, _)| *kafka)
}

#[test]
fn every_key_of_kafka_is_known_and_ours_are_kafkas() {
    let facts = facts();
    assert!(facts.len() > 370, "{} facts", facts.len());
    let ours: Vec<&Key> = broker_keys().chain(INERT_KEYS.iter()).collect();
    for (table, name) in facts.keys() {
        let known = match *table {
            "broker" => ours.iter().any(|key| key.name == *name),
            _ => TOPIC_KEYS.iter().any(|topic| topic.key.name == *name),
        };
        assert!(known, "Kafka's {table} key {name} is in no table");
    }
    for key in ours {
        match facts.get(&("broker", key.name)) {
            Some(fact) => {
                assert_eq!(key.kind, fact.kind, "{}", key.name);
                let default = text(fact.default);
                let expected = difference(key.name).map_or(Some(default), |kafka| kafka);
                assert_eq!(expected, Some(default), "what is said of Kafka's {}", key.name);
                if difference(key.name).is_none() {
                    assert_eq!(key.default.unwrap_or("null"), default, "{}", key.name);
                }
            }
            None => assert_eq!(
                difference(key.name),
                Some(None),
                "{} is not Kafka's, and that is not said",
                key.name
            ),
        }
    }
}

#[test]
fn keys_change_at_run_time_where_kafkas_do() {
    let facts = facts();
    // Certificates are read again at a restart.
    let fixed_of_tls = |key: &Key| key.name.starts_with("ssl.") && key.effect == Effect::Enforced;
    // Kafka opens and closes listeners while it runs; here one flush interval holds for all partitions.
    // Users and mechanisms come from the file: no client gives itself a way in. Nor does one name what may be read.
    let fixed_here = [
        "config.providers",
        "listener.security.protocol.map",
        "listeners",
        "log.flush.interval.ms",
        "sasl.enabled.mechanisms",
        "sasl.jaas.config",
    ];
    for key in broker_keys().chain(INERT_KEYS.iter()) {
        let Some(fact) = facts.get(&("broker", key.name)) else { continue };
        let expected = fact.is_dynamic
            && key.effect != Effect::NotYet
            && !fixed_here.contains(&key.name)
            && !fixed_of_tls(key);
        let may_differ = key.effect == Effect::NotYet && broker_keys().any(|ours| ours.name == key.name);
        assert!(key.dynamic == expected || may_differ, "{}", key.name);
    }
}

#[test]
fn ranges_are_kafkas_where_kafka_has_any() {
    let facts = facts();
    let broker = broker_keys().map(|key| ("broker", key));
    for (table, key) in broker.chain(TOPIC_KEYS.iter().map(|topic| ("topic", &topic.key))) {
        let Some(fact) = facts.get(&(table, key.name)) else { continue };
        assert_eq!(key.kind, fact.kind, "{}", key.name);
        // Two that mean the same, and what one node cannot do.
        let same =
            ["log.flush.interval.ms", "node.id", "controller.listener.names", "listeners", "broker.id"];
        if fact.valid.starts_with('[') && !same.contains(&key.name) {
            assert_eq!(in_kafkas_notation(key.check), fact.valid, "{}", key.name);
        }
    }
}

#[test]
fn topic_defaults_are_kafkas_but_for_the_brokers_difference() {
    let facts = facts();
    let config = BrokerConfig::from_pairs(&[]).unwrap();
    for topic in TOPIC_KEYS {
        let default = text(facts.get(&("topic", topic.key.name)).expect(topic.key.name).default);
        let ours = (topic.fallback)(&config);
        match topic.key.name {
            "flush.ms" => assert_eq!(ours.as_deref(), Some("1000")),
            name => assert_eq!(ours.as_deref().unwrap_or("null"), default, "{name}"),
        }
    }
}

#[test]
fn every_entry_is_documented() {
    for key in broker_keys().chain(INERT_KEYS.iter()).chain(TOPIC_KEYS.iter().map(|topic| &topic.key)) {
        let text = key.documentation();
        assert!(text.len() > 20 && text.ends_with('.') && !text.contains("  "), "{}: {text:?}", key.name);
    }
}

#[test]
fn the_checked_in_file_is_up_to_date() {
    // Cargo runs tests in the folder of their crate.
    let path = "../../docs/configuration.md";
    if std::env::var_os("OTTLA_GENERATE").is_some() {
        std::fs::write(path, markdown()).unwrap();
    }
    let file = std::fs::read_to_string(path).unwrap_or_default();
    assert!(file == markdown(), "docs/configuration.md is out of date; `make generate` writes it anew");
}
