//! Sources and synonyms as Kafka 4.3 answers them for the same settings, except for keys that were set in other units:
//! Kafka calls such a value a default, Ottla names the source that set it.

use super::super::{ConfigOp, DynamicConfigs};
use super::*;

fn entry(entries: Vec<ConfigEntry>, name: &str) -> ConfigEntry {
    entries.into_iter().find(|entry| entry.name == name).expect(name)
}

fn broker(pairs: &[(&str, &str)], name: &str) -> ConfigEntry {
    entry(describe_broker(&BrokerConfig::from_pairs(pairs).unwrap()), name)
}

fn synonyms(entry: &ConfigEntry) -> Vec<(&str, Option<&str>, i8)> {
    entry.synonyms.iter().map(|one| (one.name.as_str(), one.value.as_deref(), one.source.code())).collect()
}

#[test]
fn a_default_and_a_set_broker_key() {
    let default = broker(&[], "num.partitions");
    assert_eq!((default.value.as_deref(), default.source.code()), (Some("1"), 5));
    assert_eq!(synonyms(&default), [("num.partitions", Some("1"), 5)]);
    let set = broker(&[("num.partitions", "3")], "num.partitions");
    assert_eq!((set.value.as_deref(), set.source.code(), set.kind.code()), (Some("3"), 4, 3));
    assert_eq!(synonyms(&set), [("num.partitions", Some("3"), 4), ("num.partitions", Some("1"), 5)]);
    assert!(set.documentation.is_some_and(|text| text.starts_with("The partitions of a topic")));
}

#[test]
fn units_are_described_as_plain_numbers() {
    assert_eq!(broker(&[("log.retention.ms", "7d")], "log.retention.ms").value.as_deref(), Some("604800000"));
}

#[test]
fn secrets_have_no_value_anywhere() {
    let secret = broker(&[("ssl.keystore.password", "hunter2")], "ssl.keystore.password");
    assert_eq!(
        (secret.value.as_deref(), secret.is_sensitive, secret.kind),
        (None, true, ConfigType::Password)
    );
    assert_eq!(synonyms(&secret), [("ssl.keystore.password", None, 4)]);
    let prefixed =
        broker(&[("listener.name.x.ssl.key.password", "hunter2")], "listener.name.x.ssl.key.password");
    assert_eq!((prefixed.value.as_deref(), prefixed.is_sensitive, prefixed.kind.code()), (None, true, 9));
}

#[test]
fn a_key_of_a_listener_has_the_type_of_the_broker_s() {
    let name = "listener.name.x.sasl.enabled.mechanisms";
    let set = broker(&[(name, "PLAIN")], name);
    assert_eq!((set.value.as_deref(), set.is_sensitive, set.kind), (Some("PLAIN"), false, ConfigType::List));
    assert_eq!(synonyms(&set), [(name, Some("PLAIN"), 4)]);
}

#[test]
fn keys_that_stand_in_for_one_another() {
    let config =
        BrokerConfig::from_pairs(&[("log.retention.hours", "2"), ("log.retention.minutes", "7")]).unwrap();
    let topic = entry(describe_topic(&Overrides::new(), &config), "retention.ms");
    assert_eq!((topic.value.as_deref(), topic.source.code()), (Some("420000"), 4));
    let expected = [
        ("log.retention.minutes", Some("7"), 4),
        ("log.retention.hours", Some("2"), 4),
        ("log.retention.hours", Some("168"), 5),
    ];
    assert_eq!(synonyms(&topic), expected);
    assert_eq!(synonyms(&entry(describe_broker(&config), "log.retention.ms")), expected);
    // Those before a key's own name are left out.
    assert_eq!(synonyms(&entry(describe_broker(&config), "log.retention.minutes")), expected);
    assert_eq!(synonyms(&entry(describe_broker(&config), "log.retention.hours")), expected[1..]);
}

#[test]
fn a_default_in_other_units_is_no_synonym() {
    let config = BrokerConfig::from_pairs(&[]).unwrap();
    for key in ["retention.ms", "segment.ms"] {
        let default = entry(describe_topic(&Overrides::new(), &config), key);
        assert_eq!((default.value.as_deref(), default.source.code()), (Some("604800000"), 5), "{key}");
        assert_eq!(synonyms(&default), [], "{key}");
    }
    let set = Overrides::from([("retention.ms".to_owned(), "5".to_owned())]);
    let own = entry(describe_topic(&set, &config), "retention.ms");
    assert_eq!(synonyms(&own), [("retention.ms", Some("5"), 1)]);
    let in_its_own_units = BrokerConfig::from_pairs(&[("log.retention.ms", "5")]).unwrap();
    let topic = entry(describe_topic(&Overrides::new(), &in_its_own_units), "retention.ms");
    assert_eq!(
        synonyms(&topic),
        [("log.retention.ms", Some("5"), 4), ("log.retention.hours", Some("168"), 5)]
    );
}

#[test]
fn a_topics_own_setting_comes_first() {
    let config = BrokerConfig::from_pairs(&[]).unwrap();
    let set = Overrides::from([("max.message.bytes".to_owned(), "9".to_owned())]);
    let own = entry(describe_topic(&set, &config), "max.message.bytes");
    assert_eq!((own.value.as_deref(), own.source.code(), own.is_read_only), (Some("9"), 1, false));
    assert_eq!(
        synonyms(&own),
        [("max.message.bytes", Some("9"), 1), ("message.max.bytes", Some("1048588"), 5)]
    );
    let without_broker_key = entry(describe_topic(&set, &config), "remote.storage.enable");
    assert_eq!((without_broker_key.value.as_deref(), without_broker_key.source.code()), (Some("false"), 5));
    assert_eq!(synonyms(&without_broker_key), []);
}

#[test]
fn keys_that_can_change_at_run_time_are_not_read_only() {
    for (name, is_read_only) in [
        ("message.max.bytes", false),
        ("log.dirs", true),
        ("log.retention.ms", false),
        ("num.io.threads", false),
        ("ssl.keystore.location", true),
    ] {
        assert_eq!(broker(&[], name).is_read_only, is_read_only, "{name}");
    }
}

#[test]
fn throttles_of_replication_are_described_where_they_are_given() {
    let name = "leader.replication.throttled.rate";
    let config = BrokerConfig::from_pairs(&[]).unwrap();
    assert!(describe_broker(&config).iter().all(|entry| entry.name != name));
    let own = config.changed(&Overrides::new(), &[(name, ConfigOp::Set("1000"))]).unwrap();
    let config = config.with_dynamic(DynamicConfigs { own, ..DynamicConfigs::default() }).unwrap();
    let throttle = entry(describe_broker(&config), name);
    assert_eq!((throttle.value.as_deref(), throttle.source.code()), (Some("1000"), 2));
}

#[test]
fn broker_id_is_node_id_under_its_older_name() {
    let config = BrokerConfig::from_pairs(&[("node.id", "7")]).unwrap();
    let older = entry(describe_broker(&config), "broker.id");
    assert_eq!((older.value.as_deref(), older.source.code()), (Some("7"), 4));
}
