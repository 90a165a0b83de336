//! Keys that Kafka's users have in their files although no table of Kafka 4.3 has them: keys of earlier versions, of
//! plug-ins and of Kafka's own authorizer, single listeners and config providers.
//!
//! An entry says what setting its keys means here, which is also their documentation. Keys that could make a broker safer
//! than this one are judged in `security.rs`, references to config providers in `config_providers.rs`. Any further key is
//! unknown and stops the start, because it may be a slip of the pen.

/// The meaning of setting such a key here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Earlier versions of Kafka had it. Ignored with a warning; the text says what to do about it.
    Removed(&'static str),
    /// Nothing here corresponds to it. Noted.
    Inert,
    /// Its value decides; the module of that name judges it and writes its own note.
    Judged,
}

/// Keys with one meaning.
pub(super) struct OtherKeys {
    pub(super) meaning: Meaning,
    pub(super) doc: &'static str,
    /// Names; with a `*` at the end every key that begins so.
    pub(super) names: &'static [&'static str],
}

/// The meaning of the key called `name`; `None` if it is unknown here.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    let covers = |known: &&str| match known.strip_suffix('*') {
        // A beginning alone is no key: the start refuses it as unknown.
        Some(beginning) => name.len() > beginning.len() && name.starts_with(beginning),
        None => *known == name,
    };
    OTHER_KEYS.iter().find(|keys| keys.names.iter().any(covers)).map(|keys| keys.meaning)
}

const REMOVED: &str = "Earlier versions of Kafka had these keys. Ignored.";

/// In the order of the documentation. None of these names is in a table of keys; a test holds that.
pub(super) static OTHER_KEYS: &[OtherKeys] = &[
    OtherKeys {
        meaning: Meaning::Judged,
        doc: "With an authorizer: `true` lets every client do everything to a resource that no ACL fits. Any other value is \
              `false`, the default. Without an authorizer `false` stops the start, as every client could do everything.",
        names: &["allow.everyone.if.no.acl.found"],
    },
    OtherKeys {
        meaning: Meaning::Judged,
        doc: "With an authorizer: the principals that may do everything, as `Type:name`, separated by `;`. They are compared as they \
              are, so `User:*` is no client. Without an authorizer it does nothing.",
        names: &["super.users"],
    },
    OtherKeys {
        meaning: Meaning::Judged,
        doc: "A JAAS file, in Kafka a system property of the JVM: `-Djava.security.auth.login.config=FILE` in the variable `KAFKA_OPTS` counts \
              as well. A listener without a `sasl.jaas.config` of its own takes the users of PLAIN from the section \
              `<listener>.KafkaServer`, in lower case, or else `KafkaServer`.",
        names: &["java.security.auth.login.config"],
    },
    OtherKeys {
        meaning: Meaning::Judged,
        doc: "Settings of a single listener. On a listener of SSL or SASL_SSL the keys `ssl.*` with an effect count; on one of SASL_PLAINTEXT or SASL_SSL these, the \
              narrowest first: \
              `sasl.enabled.mechanisms`, `<mechanism>.sasl.jaas.config`, `connections.max.reauth.ms`, \
              `sasl.server.max.receive.size`, `connection.failed.authentication.delay.ms`. On each listener `max.connections` and \
              `max.connection.creation.rate` count. Other keys of the tables above are \
              named in a warning; what is no key there stops the start.",
        names: &["listener.name.*"],
    },
    OtherKeys {
        meaning: Meaning::Judged,
        doc: "TLS of HTTP, where `http.listener` begins with `https://`: each key `ssl.*` with an effect, as `http.ssl.keystore.location`. Those that are \
              not set are taken from the key without `http.`. With `http.ssl.client.auth=required` all but probes need a certificate, besides the login of \
              `http.authentication`. Without `https://` they stop the start.",
        names: &["http.ssl.*"],
    },
    OtherKeys {
        meaning: Meaning::Judged,
        doc: "The class of a config provider, `config.providers.<name>.class`, and its settings: `param.allowed.paths` of \
              Kafka's FileConfigProvider and DirectoryConfigProvider, `param.allowlist.pattern` of its EnvVarConfigProvider. Any \
              other class stops the start.",
        names: &["config.providers.*"],
    },
    OtherKeys {
        meaning: Meaning::Judged,
        doc: "As variables (`KAFKA_SSL_KEYSTORE_FILENAME`) they name files in `/etc/kafka/secrets`, as in Kafka's container image: stores, and files that \
              hold their passwords. Those of a truststore count with client certificates alone. In a file they stop the start if something speaks TLS.",
        names: &[
            "ssl.key.credentials",
            "ssl.keystore.credentials",
            "ssl.keystore.filename",
            "ssl.truststore.credentials",
            "ssl.truststore.filename",
        ],
    },
    OtherKeys {
        meaning: Meaning::Inert,
        doc: "Kafka hands keys with these beginnings to plug-ins, which Ottla cannot load.",
        names: &[
            "client.quota.callback.static.*",
            "confluent.*",
            "cruise.control.*",
            "external.kafka.statsd.*",
            "kafka.*",
            "metrics.jmx.*",
            "opa.authorizer.*",
            "prometheus.metrics.reporter.*",
            "rlmm.config.*",
            "rsm.config.*",
            "strimzi.*",
        ],
    },
    OtherKeys {
        meaning: Meaning::Inert,
        doc: "For ZooKeeper, which Kafka itself left, for passwords kept there, and for the logging of Java programs.",
        names: &["log4j.*", "password.encoder.*", "zookeeper.*"],
    },
    OtherKeys {
        meaning: Meaning::Inert,
        doc: "Kafka calls these keys internal and does not document them.",
        names: &[
            "controller.performance.always.log.threshold.ms",
            "controller.performance.sample.period.ms",
            "group.consumer.regex.refresh.interval.ms",
            "group.share.initialize.retry.interval.ms",
            "group.share.persister.class.name",
            "log.initial.task.delay.ms",
            "metadata.log.segment.min.bytes",
            "remote.log.index.file.cache.ttl.ms",
            "remote.log.manager.task.retry.backoff.max.ms",
            "remote.log.manager.task.retry.backoff.ms",
            "remote.log.manager.task.retry.jitter",
            "server.max.startup.time.ms",
            "share.coordinator.cold.partition.snapshot.interval.ms",
            "share.coordinator.state.topic.prune.interval.ms",
            "unclean.leader.election.interval.ms",
            "unstable.api.versions.enable",
            "unstable.feature.versions.enable",
            "unstable.metadata.versions.enable",
        ],
    },
    OtherKeys {
        meaning: Meaning::Removed("set listeners instead"),
        doc: REMOVED,
        names: &["host.bind.name", "host.name", "port"],
    },
    OtherKeys {
        meaning: Meaning::Removed("set advertised.listeners instead"),
        doc: REMOVED,
        names: &["advertised.host.name", "advertised.port"],
    },
    OtherKeys {
        meaning: Meaning::Removed("set node.id"),
        doc: REMOVED,
        names: &["broker.id.generation.enable"],
    },
    OtherKeys {
        meaning: Meaning::Removed(
            "set log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms instead",
        ),
        doc: REMOVED,
        names: &["log.message.timestamp.difference.max.ms"],
    },
    OtherKeys {
        meaning: Meaning::Removed("set log.retention.check.interval.ms instead"),
        doc: REMOVED,
        names: &["log.cleanup.interval.mins"],
    },
    OtherKeys {
        meaning: Meaning::Removed("give the topics a configuration of their own, with kafka-configs.sh"),
        doc: REMOVED,
        names: &[
            "log.flush.interval.ms.per.topic",
            "log.retention.bytes.per.topic",
            "log.retention.hours.per.topic",
            "log.roll.hours.per.topic",
            "log.segment.bytes.per.topic",
        ],
    },
    OtherKeys {
        meaning: Meaning::Removed("remove it"),
        doc: REMOVED,
        names: &[
            "auto.include.jmx.reporter",
            "control.plane.listener.name",
            "controlled.shutdown.max.retries",
            "controlled.shutdown.retry.backoff.ms",
            "controller.message.queue.size",
            "delegation.token.master.key",
            "eligible.leader.replicas.enable",
            "group.coordinator.new.enable",
            "group.share.enable",
            "group.share.max.groups",
            "inter.broker.protocol.version",
            "leader.imbalance.per.broker.percentage",
            "log.delete.delay.ms",
            "log.max.id.map.snapshots",
            "log.message.downconversion.enable",
            "log.message.format.version",
            "offsets.commit.required.acks",
            "quota.consumer.default",
            "quota.producer.default",
            "replica.lag.max.messages",
            "reserved.broker.max.id",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tables::broker_key;

    #[test]
    fn no_key_has_two_meanings() {
        let mut names: Vec<&str> = OTHER_KEYS.iter().flat_map(|keys| keys.names).copied().collect();
        for name in &names {
            assert!(broker_key(name).is_none(), "{name} is in a table");
        }
        names.sort_unstable();
        assert_eq!(names.windows(2).find(|pair| pair.first() == pair.last()), None);
    }

    #[test]
    fn a_beginning_alone_is_no_key() {
        assert_eq!(meaning("confluent.license"), Some(Meaning::Inert));
        assert_eq!(meaning("confluent."), None);
        assert_eq!(meaning("listener.name"), None);
        assert_eq!(meaning("port"), Some(Meaning::Removed("set listeners instead")));
        assert_eq!(meaning("ports"), None);
    }
}
