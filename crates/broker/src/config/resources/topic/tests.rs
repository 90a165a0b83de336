//! Each topic key set, read back and described; refusals in Kafka's words.

use super::*;
use crate::config::{ConfigSource, describe_topic};

fn broker(pairs: &[(&str, &str)]) -> BrokerConfig {
    BrokerConfig::from_pairs(pairs).unwrap()
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    let wanted = pairs.iter().map(|(name, value)| (*name, Some(*value)));
    TopicConfig::validate(wanted, &broker(&[])).expect_err("must be refused").to_string()
}

fn effective(set: &[(&str, &str)], config: &BrokerConfig) -> TopicConfig {
    let wanted = set.iter().map(|(name, value)| (*name, Some(*value)));
    TopicConfig::effective(&TopicConfig::validate(wanted, config).unwrap(), config)
}

/// A value that is valid and not the default, for every key.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("cleanup.policy", "compact,delete"),
    ("compression.gzip.level", "9"),
    ("compression.lz4.level", "1"),
    ("compression.type", "zstd"),
    ("compression.zstd.level", "-5"),
    ("delete.retention.ms", "1"),
    ("file.delete.delay.ms", "1"),
    ("flush.messages", "1"),
    ("flush.ms", "5"),
    ("follower.replication.throttled.replicas", "0:1,1:1"),
    ("index.interval.bytes", "1"),
    ("leader.replication.throttled.replicas", "*"),
    ("local.retention.bytes", "-1"),
    ("local.retention.ms", "-1"),
    ("max.compaction.lag.ms", "99"),
    ("max.message.bytes", "100"),
    ("message.timestamp.after.max.ms", "7"),
    ("message.timestamp.before.max.ms", "8"),
    ("message.timestamp.type", "LogAppendTime"),
    ("min.cleanable.dirty.ratio", "0.25"),
    ("min.compaction.lag.ms", "3"),
    ("min.insync.replicas", "2"),
    ("preallocate", "true"),
    ("remote.log.copy.disable", "true"),
    ("remote.log.delete.on.disable", "true"),
    ("retention.bytes", "1"),
    ("retention.ms", "2"),
    ("segment.bytes", "1048576"),
    ("segment.index.bytes", "4"),
    ("segment.jitter.ms", "4"),
    ("segment.ms", "5"),
    ("unclean.leader.election.enable", "true"),
];

#[test]
fn every_key_is_set_read_back_and_described() {
    let config = broker(&[]);
    let defaults = TopicConfig::effective(&Overrides::new(), &config);
    for topic in TOPIC_KEYS.iter().filter(|topic| topic.key.name != "remote.storage.enable") {
        let name = topic.key.name;
        let (_, value) = OTHER_VALUES.iter().find(|(other, _)| *other == name).expect(name);
        let set = TopicConfig::validate([(name, Some(*value))], &config).expect(name);
        assert_ne!(TopicConfig::effective(&set, &config), defaults, "{name} changes nothing");
        let entries = describe_topic(&set, &config);
        let entry = entries.iter().find(|entry| entry.name == name).expect(name);
        assert_eq!(
            (entry.value.as_deref(), entry.source),
            (Some(*value), ConfigSource::DynamicTopicConfig),
            "{name}"
        );
    }
}

#[test]
fn the_broker_decides_what_the_topic_leaves_open() {
    let config = broker(&[
        ("message.max.bytes", "2MiB"),
        ("log.retention.hours", "1"),
        ("log.roll.jitter.hours", "2"),
    ]);
    let topic = effective(&[("max.message.bytes", "500")], &config);
    assert_eq!(
        (topic.max_message_bytes.as_i32(), topic.retention_ms.map(Millis::as_u64), topic.segment_jitter_ms),
        (500, Some(3_600_000), 7_200_000)
    );
    assert_eq!(effective(&[], &config).max_message_bytes.as_i32(), 2 << 20);
}

#[test]
fn retention_takes_ms_before_minutes_before_hours() {
    let retention = |pairs: &[(&str, &str)]| broker(pairs).retention_ms().map(Millis::as_u64);
    assert_eq!(retention(&[]), Some(604_800_000));
    assert_eq!(retention(&[("log.retention.minutes", "2"), ("log.retention.hours", "1")]), Some(120_000));
    assert_eq!(retention(&[("log.retention.ms", "5"), ("log.retention.minutes", "2")]), Some(5));
    assert_eq!(retention(&[("log.retention.hours", "-1")]), None);
}

#[test]
fn cleanup_policies() {
    let policy = |text| effective(&[("cleanup.policy", text)], &broker(&[])).cleanup_policy;
    assert_eq!(policy("compact"), CleanupPolicy { delete: false, compact: true });
    assert_eq!(policy("delete, compact"), CleanupPolicy { delete: true, compact: true });
    assert_eq!(policy(""), CleanupPolicy { delete: false, compact: false });
}

#[test]
fn refuses_in_kafkas_words() {
    for (pairs, words) in [
        (vec![("foo", "1")], "Unknown topic config name: foo"),
        (
            vec![("retention.ms", "7d")],
            "Invalid value 7d for configuration retention.ms: Not a number of type LONG",
        ),
        (
            vec![("retention.ms", "-2")],
            "Invalid value -2 for configuration retention.ms: Value must be at least -1",
        ),
        (
            vec![("cleanup.policy", "foo")],
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            vec![("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")],
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
        (
            vec![("remote.storage.enable", "true")],
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        ),
    ] {
        assert_eq!(refusal(&pairs), words);
    }
    let null = TopicConfig::validate([("retention.ms", None)], &broker(&[])).unwrap_err();
    assert_eq!(null.to_string(), "Null value not supported for topic configs: retention.ms");
}

#[test]
fn a_stored_setting_that_no_longer_reads_counts_as_not_set() {
    let stored = Overrides::from([("retention.ms".to_owned(), "x".to_owned())]);
    let config = broker(&[]);
    assert_eq!(TopicConfig::effective(&stored, &config), TopicConfig::effective(&Overrides::new(), &config));
}

fn changed(current: &[(&str, &str)], changes: &[(&str, ConfigOp<'_>)]) -> Result<Overrides, String> {
    let current =
        TopicConfig::validate(current.iter().map(|(key, value)| (*key, Some(*value))), &broker(&[]));
    let changes = changes.iter().copied();
    TopicConfig::changed(&current.unwrap(), changes, &broker(&[])).map_err(|error| error.to_string())
}

fn overrides(pairs: &[(&str, &str)]) -> Overrides {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn changes_touch_only_the_keys_they_name() {
    let now = [("retention.ms", "5"), ("max.message.bytes", "9")];
    let set = changed(&now, &[("retention.ms", ConfigOp::Set(" 7 ")), ("segment.ms", ConfigOp::Delete)]);
    assert_eq!(set, Ok(overrides(&[("retention.ms", "7"), ("max.message.bytes", "9")])));
    let deleted = changed(&now, &[("retention.ms", ConfigOp::Delete), ("unknown", ConfigOp::Delete)]);
    assert_eq!(deleted, Ok(overrides(&[("max.message.bytes", "9")])));
    assert_eq!(changed(&now, &[]), Ok(overrides(&now)));
}

#[test]
fn lists_grow_and_shrink_from_what_they_are_worth() {
    let policy = |now: &[(&str, &str)], op| {
        changed(now, &[("cleanup.policy", op)]).map(|set| set["cleanup.policy"].clone())
    };
    // The broker's default counts where the topic has none of its own.
    assert_eq!(policy(&[], ConfigOp::Append("compact")).as_deref(), Ok("delete,compact"));
    assert_eq!(policy(&[], ConfigOp::Append("delete")).as_deref(), Ok("delete"));
    let both = [("cleanup.policy", "compact,delete")];
    assert_eq!(policy(&both, ConfigOp::Subtract("delete")).as_deref(), Ok("compact"));
    assert_eq!(policy(&both, ConfigOp::Subtract(" delete , compact")).as_deref(), Ok(""));
    assert_eq!(policy(&both, ConfigOp::Subtract("other")).as_deref(), Ok("compact,delete"));
    assert!(policy(&both, ConfigOp::Append("other")).is_err());
}

#[test]
fn changes_are_refused_in_kafkas_words() {
    let one = |name, op| changed(&[("max.compaction.lag.ms", "50")], &[(name, op)]).unwrap_err();
    assert_eq!(
        one("retention.ms", ConfigOp::Append("1")),
        "Can't APPEND to key retention.ms because its type is not LIST."
    );
    assert_eq!(
        one("retention.ms", ConfigOp::Subtract("1")),
        "Can't SUBTRACT to key retention.ms because its type is not LIST."
    );
    assert_eq!(one("foo", ConfigOp::Set("1")), "Unknown topic config name: foo");
    // A rule between a key that is changed and one that is not.
    assert_eq!(
        one("min.compaction.lag.ms", ConfigOp::Set("51")),
        "conflict topic config setting min.compaction.lag.ms (51) > max.compaction.lag.ms (50)"
    );
}

#[test]
fn values_too_long_to_be_kept_are_refused() {
    let replicas =
        |count: usize| (10_000..).take(count).map(|at| format!("{at}:0")).collect::<Vec<_>>().join(",");
    let name = "leader.replication.throttled.replicas";
    let kept = replicas(crate::config::limits::MAX_VALUE_BYTES / 8);
    assert!(TopicConfig::validate([(name, Some(kept.as_str()))], &broker(&[])).is_ok());
    assert!(refusal(&[(name, &replicas(20_000))]).contains("exceeds the maximum value size of 32767 bytes"));
    let longer = changed(&[(name, &kept)], &[(name, ConfigOp::Append("5:5,6:6,7:7"))]).unwrap_err();
    assert!(longer.contains("exceeds the maximum value size"), "{longer}");
}

#[test]
fn a_stored_key_that_is_not_known_any_more_does_not_forbid_changes() {
    let stored = overrides(&[("gone", "1")]);
    let set = TopicConfig::changed(&stored, [("retention.ms", ConfigOp::Set("1"))], &broker(&[])).unwrap();
    assert_eq!(set, overrides(&[("gone", "1"), ("retention.ms", "1")]));
}
