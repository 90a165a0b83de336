//! The configuration keys of Apache Kafka 4.3, as facts: name, type, default, valid values, update mode.
//!
//! `kafka_keys/kafka-4.3.tsv` is the one list of them, read off Kafka's `ConfigDef`s. Keys without an effect here are made
//! from it (`inert_keys.rs`); keys with an effect name their own facts, and a test in `docs/tests.rs` compares these with
//! the list.

use super::key::ConfigType;

const TABLE: &str = include_str!("kafka_keys/kafka-4.3.tsv");

/// One line of the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct KafkaKey {
    /// `broker` or `topic`.
    pub(super) table: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: ConfigType,
    pub(super) default: KafkaDefault,
    /// Kafka's own notation of the valid values; empty where every value of the type is valid. Only tests compare it.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests compare it"))]
    pub(super) valid: &'static str,
    /// True if Kafka can change it while it runs.
    pub(super) is_dynamic: bool,
}

/// The default of a key in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KafkaDefault {
    /// The key must be set.
    Required,
    Null,
    Value(&'static str),
}

/// Every key, in the order of the list.
pub(super) fn kafka_keys() -> impl Iterator<Item = KafkaKey> {
    TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut cells = line.split('\t');
        // Cells at the end of a line may be left out.
        let mut cell = || cells.next().unwrap_or("");
        let (table, name, kind) = (cell(), cell(), cell());
        KafkaKey {
            table,
            name,
            kind: ConfigType::named(kind).expect("the list is checked in, and a test reads every line"),
            default: match cell() {
                "required" => KafkaDefault::Required,
                "null" => KafkaDefault::Null,
                value => KafkaDefault::Value(value),
            },
            valid: cell(),
            is_dynamic: cell() == "dynamic",
        }
    })
}

/// Every broker key, in the order of the list.
pub(super) fn kafka_broker_keys() -> impl Iterator<Item = KafkaKey> {
    kafka_keys().filter(|key| key.table == "broker")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let keys: Vec<KafkaKey> = kafka_keys().collect();
        assert!(keys.len() > 370, "{} keys", keys.len());
        for key in &keys {
            assert!(["broker", "topic"].contains(&key.table) && !key.name.is_empty(), "{key:?}");
        }
        let key = |name: &str| *keys.iter().find(|key| key.name == name).expect(name);
        assert_eq!(key("node.id").default, KafkaDefault::Required);
        assert_eq!(key("log.retention.ms").default, KafkaDefault::Null);
        assert_eq!(key("kafka.metrics.reporters").default, KafkaDefault::Value(""));
        assert_eq!((key("num.io.threads").kind, key("num.io.threads").valid), (ConfigType::Int, "[1,...]"));
        assert!(key("num.io.threads").is_dynamic && !key("num.partitions").is_dynamic);
    }
}
