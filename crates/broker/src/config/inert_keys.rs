//! Kafka 4.3's broker keys without an effect here, so that a `server.properties` written for Kafka is accepted.
//!
//! A group says why its keys have no effect, which is also their documentation, and if that will change. Which keys there
//! are, with type, default and update mode, is in `kafka_keys.rs`; a key with an effect is in `broker_keys.rs` and in no
//! group. Values are kept and described, not checked. Keys that are in no table of Kafka's are in `other_keys.rs`.

use std::sync::LazyLock;

use super::broker_keys::broker_keys;
use super::kafka_keys::{KafkaDefault, KafkaKey, kafka_broker_keys};
use super::key::{Check, ConfigType, Effect, Key};

/// Keys that are without effect for one reason.
struct Group {
    effect: Effect,
    doc: &'static str,
    /// Names; with a `*` at the end every key that begins so.
    names: &'static [&'static str],
}

/// The keys of every group, group by group.
pub(super) static INERT_KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let acted_on = |key: &KafkaKey| broker_keys().any(|ours| ours.name == key.name);
    let others: Vec<KafkaKey> = kafka_broker_keys().filter(|key| !acted_on(key)).collect();
    let keys_of =
        |group| others.iter().filter(move |key| covers(group, key.name)).map(|key| inert(group, *key));
    GROUPS.iter().flat_map(keys_of).collect()
});

/// Keys that Kafka describes only where they were given: what `kafka-reassign-partitions --throttle` gives, and takes back
/// with `--verify` and `--cancel` (KIP-73). Kafka defines them outside its table of broker keys.
pub(super) static THROTTLE_KEYS: [Key; 3] = [
    throttle("follower.replication.throttled.rate"),
    throttle("leader.replication.throttled.rate"),
    throttle("replica.alter.log.dirs.io.max.bytes.per.second"),
];

const ONE_NODE: &str = "One node: there is nothing to replicate and no other broker to talk to.";

const fn throttle(name: &'static str) -> Key {
    let (check, effect) = (Check::Any, Effect::Inert);
    Key { name, kind: ConfigType::Long, default: None, check, effect, dynamic: true, doc: ONE_NODE }
}

/// True if the group names the key, or a beginning of it.
fn covers(group: &Group, name: &str) -> bool {
    group.names.iter().any(|known| match known.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => *known == name,
    })
}

/// The key as this broker describes it: Kafka's facts, the group's effect, and for a few another default.
fn inert(group: &Group, key: KafkaKey) -> Key {
    let ours = DEFAULTS_HERE.iter().find(|(name, _)| *name == key.name).map(|(_, default)| *default);
    let kafkas = match key.default {
        // Where a key has no effect here, nothing is missing if it is not set.
        KafkaDefault::Required | KafkaDefault::Null => None,
        KafkaDefault::Value(value) => Some(value),
    };
    Key {
        name: key.name,
        kind: key.kind,
        default: ours.or(kafkas),
        check: Check::Any,
        effect: group.effect,
        // Keys that will have a meaning cannot be given at run time, or their client would believe that they have it.
        // Nor do secrets come over the wire.
        dynamic: key.is_dynamic && group.effect == Effect::Inert && key.kind != ConfigType::Password,
        doc: group.doc,
    }
}

/// Defaults that are not Kafka's. Why is in `docs.rs`.
const DEFAULTS_HERE: &[(&str, &str)] = &[
    ("offsets.topic.replication.factor", "1"),
    ("process.roles", "broker"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.state.log.replication.factor", "1"),
];

/// Every key of Kafka's is in exactly one of these or in `broker_keys.rs`; a test holds that.
static GROUPS: &[Group] = &[
    Group {
        effect: Effect::Inert,
        doc: "For the TLS of Java. Here the names of a certificate may change, at a restart.",
        names: &[
            "ssl.allow.*",
            "ssl.endpoint.identification.algorithm",
            "ssl.keymanager.algorithm",
            "ssl.provider",
            "ssl.secure.random.implementation",
            "ssl.trustmanager.algorithm",
        ],
    },
    Group {
        effect: Effect::NotYet,
        doc: "Java classes, which Ottla cannot load. Where a listener asks for logins or TLS, any but Kafka's default stops the start.",
        names: &["principal.builder.class", "sasl.server.callback.handler.class", "ssl.engine.factory.class"],
    },
    Group {
        effect: Effect::Inert,
        doc: "Counts with listener and mechanism alone, as in Kafka: \
              `listener.name.<listener>.<mechanism>.sasl.jaas.config`. PLAIN takes its users from there: \
              `user_NAME=\"password\"`. SCRAM needs none, as its users are in the data folder, nor does OAUTHBEARER.",
        names: &["sasl.jaas.config"],
    },
    Group {
        effect: Effect::Inert,
        doc: "For Kafka's own Java login to Kerberos or an OAuth server; Ottla makes no such login.",
        names: &[
            "sasl.client.callback.handler.class",
            "sasl.kerberos.*",
            "sasl.login.*",
            "sasl.mechanism.*",
            "sasl.oauthbearer.assertion.*",
            "sasl.oauthbearer.client.*",
            "sasl.oauthbearer.jwt.*",
            "sasl.oauthbearer.scope",
            "sasl.oauthbearer.token.endpoint.url",
        ],
    },
    Group {
        effect: Effect::NotYet,
        doc: "A Java class, which Ottla cannot load: quotas are those that clients are given by kafka-configs.sh.",
        names: &["client.quota.callback.class"],
    },
    Group {
        effect: Effect::NotYet,
        doc: "Policies are Java classes, which Ottla cannot load: no policy refuses anything.",
        names: &["alter.config.policy.class.name", "create.topic.policy.class.name"],
    },
    Group {
        effect: Effect::Inert,
        doc: "Each transaction and each transactional id has a timer of its own; nothing is looked for at intervals.",
        names: &[
            "transaction.abort.timed.out.transaction.cleanup.interval.ms",
            "transaction.remove.expired.transaction.cleanup.interval.ms",
        ],
    },
    Group {
        effect: Effect::Inert,
        doc: "A consumer group's assignment is computed as soon as the group changes; classic and consumer groups are \
              always served.",
        names: &[
            "group.consumer.assignment.interval.ms",
            "group.consumer.max.assignment.interval.ms",
            "group.consumer.min.assignment.interval.ms",
            "group.coordinator.rebalance.protocols",
        ],
    },
    Group {
        effect: Effect::NotYet,
        doc: "Share groups (KIP-932) are not served yet.",
        names: &["group.share.*"],
    },
    Group {
        effect: Effect::Inert,
        doc: "A delegation token ends at its time; nothing is looked for at intervals.",
        names: &["delegation.token.expiry.check.interval.ms"],
    },
    Group {
        effect: Effect::Inert,
        doc: "There is no tiered storage in Ottla.",
        names: &["follower.fetch.last.tiered.offset.enable", "remote.*"],
    },
    Group {
        effect: Effect::Inert,
        doc: "Names Java classes or what belongs to them, which Ottla cannot load.",
        names: &["kafka.*", "metric.reporters", "metrics.*", "replica.selector.class", "security.providers"],
    },
    Group {
        effect: Effect::Inert,
        doc: "Groups, transactions and share states are kept in the store itself, not in internal topics.",
        names: &[
            "group.coordinator.append.linger.ms",
            "group.coordinator.cached.buffer.max.bytes",
            "offsets.*",
            "share.coordinator.*",
            "transaction.state.*",
        ],
    },
    Group {
        effect: Effect::Inert,
        doc: ONE_NODE,
        names: &[
            "add.partitions.to.txn.*",
            "alter.log.dirs.*",
            "auto.leader.rebalance.enable",
            "broker.rack",
            "controlled.shutdown.enable",
            "cordoned.log.dirs",
            "inter.broker.listener.name",
            "leader.imbalance.check.interval.seconds",
            "log.dir.failure.timeout.ms",
            "num.replica.*",
            "replica.fetch.*",
            "replica.high.watermark.checkpoint.interval.ms",
            "replica.lag.time.max.ms",
            "replica.socket.*",
            "replication.*",
            "security.inter.broker.protocol",
        ],
    },
    Group {
        effect: Effect::Inert,
        doc: "One node: there is no controller quorum to take part in.",
        names: &[
            "broker.heartbeat.interval.ms",
            "broker.session.timeout.ms",
            "controller.quorum.*",
            "controller.socket.timeout.ms",
            "early.start.listeners",
            "initial.broker.registration.timeout.ms",
            "metadata.*",
            "process.roles",
            "socket.connection.setup.*",
        ],
    },
    Group {
        effect: Effect::Inert,
        doc: "Ottla has no such threads or queues to size.",
        names: &[
            "background.threads",
            "delete.records.purgatory.purge.interval.requests",
            "fetch.purgatory.purge.interval.requests",
            "group.coordinator.background.threads",
            "group.coordinator.threads",
            "num.io.threads",
            "num.network.threads",
            "num.recovery.threads.per.data.dir",
            "producer.purgatory.purge.interval.requests",
            "queued.max.requests",
            "request.timeout.ms",
            "share.fetch.purgatory.purge.interval.requests",
        ],
    },
    Group {
        effect: Effect::Inert,
        doc: "For Kafka's segment and index files and their cleaner; Ottla keeps records in RocksDB.",
        names: &["log.cleaner.*", "log.flush.*"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_kafkas_without_an_effect_is_in_one_group() {
        for key in kafka_broker_keys() {
            let groups = GROUPS.iter().filter(|group| covers(group, key.name)).count();
            let acted_on = broker_keys().any(|ours| ours.name == key.name);
            assert!(acted_on || groups == 1, "{} is in {groups} groups", key.name);
        }
    }

    #[test]
    fn every_name_of_a_group_is_a_key_of_kafkas() {
        for name in GROUPS.iter().flat_map(|group| group.names) {
            let alone = Group { effect: Effect::Inert, doc: "", names: std::slice::from_ref(name) };
            assert!(kafka_broker_keys().any(|key| covers(&alone, key.name)), "{name} covers no key");
        }
        for (name, _) in DEFAULTS_HERE {
            assert!(INERT_KEYS.iter().any(|key| key.name == *name), "{name}");
        }
    }
}
