//! Each type and check, held against what Kafka 4.3's `LogConfig.validate` says of the same text.

use super::*;

fn key(name: &'static str, kind: ConfigType, check: Check) -> Key {
    Key { name, kind, default: None, check, effect: Effect::Enforced, dynamic: false, doc: "" }
}

fn wire(key: &Key, text: &str) -> Result<String, String> {
    key.normalise(text, Units::Refused)
}

#[test]
fn whole_numbers() {
    let retention = key("retention.ms", ConfigType::Long, Check::AtLeast(-1));
    assert_eq!(wire(&retention, " 5 ").as_deref(), Ok("5"));
    assert_eq!(wire(&retention, "+5").as_deref(), Ok("5"));
    assert_eq!(wire(&retention, "-1").as_deref(), Ok("-1"));
    assert_eq!(wire(&retention, "-2").unwrap_err(), "Value must be at least -1");
    for text in ["abc", "", "1e3", "9223372036854775808", "7d"] {
        assert_eq!(wire(&retention, text).unwrap_err(), "Not a number of type LONG", "{text}");
    }
    let max_bytes = key("max.message.bytes", ConfigType::Int, Check::AtLeast(0));
    assert_eq!(wire(&max_bytes, "3000000000").unwrap_err(), "Not a number of type INT");
    let level = key("compression.zstd.level", ConfigType::Int, Check::Between(-131_072, 22));
    assert_eq!(wire(&level, "30").unwrap_err(), "Value must be no more than 22");
    let gzip = key("compression.gzip.level", ConfigType::Int, Check::BetweenOr(1, 9, -1));
    assert_eq!(wire(&gzip, "-1").as_deref(), Ok("-1"));
    assert_eq!(wire(&gzip, "0").unwrap_err(), "Value must be between 1 and 9 or equal to -1");
}

#[test]
fn units_only_where_the_caller_accepts_them() {
    let retention = key("retention.ms", ConfigType::Long, Check::AtLeast(-1));
    assert_eq!(retention.normalise("7d", Units::Accepted).as_deref(), Ok("604800000"));
    assert!(retention.normalise("7d", Units::Refused).is_err());
    let segment = key("segment.bytes", ConfigType::Int, Check::Any);
    assert!(segment.normalise("2GiB", Units::Accepted).is_err(), "one more than an INT holds");
    assert!(key("num.partitions", ConfigType::Int, Check::Any).normalise("7d", Units::Accepted).is_err());
}

#[test]
fn doubles_and_booleans() {
    let ratio = key("min.cleanable.dirty.ratio", ConfigType::Double, Check::Between(0, 1));
    assert_eq!(wire(&ratio, "0.5").as_deref(), Ok("0.5"));
    assert_eq!(wire(&ratio, "2").unwrap_err(), "Value must be no more than 1");
    assert_eq!(wire(&ratio, "-0.1").unwrap_err(), "Value must be at least 0");
    assert_eq!(wire(&ratio, "x").unwrap_err(), "Not a number of type DOUBLE");
    assert!(wire(&ratio, "NaN").is_err());
    let preallocate = key("preallocate", ConfigType::Boolean, Check::Any);
    assert_eq!(wire(&preallocate, "TRUE").as_deref(), Ok("true"));
    assert_eq!(wire(&preallocate, "maybe").unwrap_err(), "Expected value to be either true or false");
}

#[test]
fn choices_are_case_sensitive_as_in_kafka() {
    let choice =
        key("message.timestamp.type", ConfigType::String, Check::OneOf(&["CreateTime", "LogAppendTime"]));
    assert_eq!(wire(&choice, "LogAppendTime").as_deref(), Ok("LogAppendTime"));
    assert_eq!(wire(&choice, "createtime").unwrap_err(), "String must be one of: CreateTime, LogAppendTime");
}

#[test]
fn lists() {
    let policy = key("cleanup.policy", ConfigType::List, Check::EachOf(&["compact", "delete"]));
    assert_eq!(wire(&policy, "").as_deref(), Ok(""));
    assert_eq!(wire(&policy, "compact , delete").as_deref(), Ok("compact,delete"));
    assert_eq!(wire(&policy, "delete,delete").as_deref(), Ok("delete"));
    assert_eq!(wire(&policy, "delete,").unwrap_err(), "values must not be empty.");
    assert_eq!(wire(&policy, "foo").unwrap_err(), "String must be one of: compact, delete");
    let throttled = key("leader.replication.throttled.replicas", ConfigType::List, Check::ThrottledReplicas);
    for good in ["", "*", "0:1", "0:1,1:2"] {
        assert!(wire(&throttled, good).is_ok(), "{good}");
    }
    for bad in ["x", "0", "0:", ":1", "0:1:2", "*,0:1", "a:b"] {
        assert!(wire(&throttled, bad).is_err(), "{bad}");
    }
}

#[test]
fn expectations_read_as_words() {
    assert_eq!(key("num.partitions", ConfigType::Int, Check::AtLeast(1)).expectation(), "INT of at least 1");
    assert_eq!(
        key("retention.ms", ConfigType::Long, Check::Any).expectation(),
        "LONG; milliseconds, or with a unit such as 30s, 12h, 7d"
    );
}
