//! Sources, precedence, and the texts that users see.

use std::io::Write as _;

use super::*;
use crate::config::broker_keys::broker_keys;
use crate::config::inert_keys::INERT_KEYS;
use crate::config::key::{Check, ConfigType, Key, Units};
use crate::config::{Bytes, describe_broker};

mod http;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_env(pairs: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    load(&Sources { env: env(pairs), ..Sources::default() })
}

fn from_file(text: &str) -> Result<Loaded, String> {
    let file = file(text);
    load(&Sources { file: Some(file.path().to_owned()), ..Sources::default() })
        .map_err(|error| error.to_string().replace(&file.path().display().to_string(), "F"))
}

fn error(pairs: &[(&str, &str)]) -> String {
    BrokerConfig::from_pairs(pairs).expect_err("must be refused").to_string()
}

fn notes(loaded: &Loaded) -> String {
    loaded.notes.iter().map(|note| format!("{}\n", note.text)).collect()
}

/// A valid value that is not the default.
fn other_value(key: &Key) -> String {
    let (low, high) = match key.check {
        Check::AtLeast(low) => (low, i64::MAX),
        Check::Between(low, high) | Check::BetweenOr(low, high, _) => (low, high),
        _ => (1, 2),
    };
    let value = match (key.name, key.kind, key.check) {
        ("authorizer.class.name", ..) => "kafka.security.authorizer.AclAuthorizer",
        ("listeners", ..) => "PLAINTEXT://:1234",
        ("advertised.listeners", ..) => "PLAINTEXT://elsewhere:1234",
        ("listener.security.protocol.map", ..) => "PLAINTEXT:PLAINTEXT",
        ("http.listener", ..) => "localhost:1",
        ("max.connections.per.ip.overrides", ..) => "192.0.2.7:1",
        // A file takes `http.authentication` as well.
        ("http.basic.users.location" | "http.bearer.token.location", ..) => "",
        ("broker.id", ..) => "7",
        ("socket.request.max.bytes", ..) => "1000",
        ("queued.max.request.bytes", ..) => "200000000",
        ("group.min.session.timeout.ms", ..) => "5",
        ("group.max.session.timeout.ms", ..) => "7000",
        ("group.consumer.heartbeat.interval.ms", ..) => "6000",
        ("group.consumer.min.heartbeat.interval.ms", ..) => "4000",
        ("group.consumer.max.heartbeat.interval.ms", ..) => "16000",
        ("group.consumer.session.timeout.ms", ..) => "46000",
        ("group.consumer.min.session.timeout.ms", ..) => "44000",
        ("group.consumer.max.session.timeout.ms", ..) => "61000",
        ("group.streams.heartbeat.interval.ms", ..) => "6000",
        ("group.streams.min.heartbeat.interval.ms", ..) => "4000",
        ("group.streams.max.heartbeat.interval.ms", ..) => "16000",
        ("group.streams.session.timeout.ms", ..) => "46000",
        ("group.streams.min.session.timeout.ms", ..) => "44000",
        ("group.streams.max.session.timeout.ms", ..) => "61000",
        ("group.streams.max.assignment.interval.ms", ..) => "16000",
        // It has no other: `true` stops the start.
        ("transaction.two.phase.commit.enable", ..) => "false",
        (_, ConfigType::Boolean, _) if key.default == Some("true") => "false",
        (_, ConfigType::Boolean, _) => "true",
        (_, _, Check::OneOf(names) | Check::EachOf(names)) => {
            names.iter().find(|name| Some(**name) != key.default).expect("a second choice")
        }
        (_, ConfigType::Double, _) => "0.25",
        (_, ConfigType::Int | ConfigType::Long | ConfigType::Short, _) => {
            let other = |value: &i64| key.default != Some(value.to_string().as_str()) && *value != 0;
            return (low..=high).find(other).unwrap_or(low).to_string();
        }
        _ => "x",
    };
    value.to_owned()
}

#[test]
fn transactions_in_two_phases_stop_the_start() {
    let text = error(&[("transaction.two.phase.commit.enable", "true")]);
    assert!(text.contains("transaction.two.phase.commit.enable: ") && text.contains("KIP-939"), "{text}");
    assert!(BrokerConfig::from_pairs(&[("transaction.two.phase.commit.enable", "false")]).is_ok());
}

#[test]
fn every_default_reads_and_passes_its_own_check() {
    for key in broker_keys() {
        if let Some(default) = key.default {
            let normalised = key.normalise(default, Units::Refused);
            assert_eq!(normalised.as_deref(), Ok(default), "{}", key.name);
        }
    }
    BrokerConfig::from_pairs(&[]).expect("the defaults are a configuration");
}

#[test]
fn every_key_is_set_read_back_and_described() {
    for key in broker_keys() {
        let value = other_value(key);
        let class = "org.apache.kafka.common.config.provider.EnvVarConfigProvider";
        let class = (key.name == "config.providers").then_some(("config.providers.x.class", class));
        let pairs: Vec<_> = [(key.name, value.as_str())].into_iter().chain(class).collect();
        let config = BrokerConfig::from_pairs(&pairs).unwrap_or_else(|error| panic!("{error}"));
        let entries = describe_broker(&config);
        let entry = entries.iter().find(|entry| entry.name == key.name).expect(key.name);
        let shown = (!key.sensitive()).then_some(value.as_str());
        assert_eq!((entry.value.as_deref(), entry.source.code()), (shown, 4), "{}", key.name);
        let has_one_value = ["default.replication.factor", "transaction.two.phase.commit.enable"];
        if !has_one_value.contains(&key.name) {
            let defaults = BrokerConfig::from_pairs(&[]).unwrap();
            assert_ne!(
                format!("{:?}", config.keys),
                format!("{:?}", defaults.keys),
                "{} changes no field",
                key.name
            );
        }
    }
}

#[test]
fn every_typed_key_refuses_rubbish_by_name() {
    let free = [ConfigType::String, ConfigType::List, ConfigType::Password];
    for key in broker_keys().filter(|key| !(free.contains(&key.kind) && key.check == Check::Any)) {
        let text = error(&[(key.name, "rubbish")]);
        assert!(text.contains(&format!("--override: {}=rubbish: ", key.name)), "{text}");
        assert!(text.contains(key.kind.name()), "{text}");
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> = broker_keys().chain(INERT_KEYS.iter()).map(|key| key.name).collect();
    names.sort_unstable();
    assert_eq!(names.windows(2).find(|pair| pair.first() == pair.last()), None);
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let file = file("num.partitions=2\nmessage.max.bytes=1000\nfetch.max.bytes=1MiB\nnode.id=9\n");
    let sources = Sources {
        file: Some(file.path().to_owned()),
        env: env(&[
            ("KAFKA_NUM_PARTITIONS", "3"),
            ("KAFKA_MESSAGE_MAX_BYTES", "2000"),
            ("KAFKA_LOG_DIRS", "/env"),
        ]),
        overrides: vec!["num.partitions=4".into(), "num.partitions = 5".into(), "log.dirs=/override".into()],
        flags: vec![("--data", "log.dirs", "/flag".into())],
        lenient: false,
    };
    let config = load(&sources).unwrap().config;
    assert_eq!(
        (config.num_partitions, config.message_max_bytes.as_i32(), config.fetch_max_bytes.as_i32()),
        (5, 2000, 1 << 20)
    );
    assert_eq!((config.node_id, config.data_dir()), (9, Path::new("/flag")));
    assert_eq!(config.group_max_size, i32::MAX as usize);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let file = file("num.partitons=1\n\n# fine\nnum.partitions=zero\nbad=\\u12\n");
    let path = file.path().display().to_string();
    let sources = Sources {
        file: Some(file.path().to_owned()),
        env: env(&[("KAFKA_MESSAGE_MAX_BYTES", "-1")]),
        overrides: vec![
            "oops".into(),
            "default.replication.factor=3".into(),
            "broker.id=4".into(),
            "node.id=5".into(),
        ],
        ..Sources::default()
    };
    let text = load(&sources).unwrap_err().to_string().replace(&path, "F");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "the configuration has 7 errors:",
            "  F:5: malformed \\u: four hexadecimal digits must follow it",
            "  F:1: unknown key \"num.partitons\"; did you mean \"num.partitions\"? (--lenient ignores unknown keys)",
            "  --override \"oops\" is not KEY=VALUE, such as --override num.partitions=3",
            "  F:4: num.partitions=zero: Not a number of type INT. Give INT of at least 1, or leave the key out for \
             the default, 1",
            "  --override: default.replication.factor=3: Value must be no more than 1. Give INT equal to 1, or leave \
             the key out for the default, 1",
            "  environment variable KAFKA_MESSAGE_MAX_BYTES: message.max.bytes=-1: Value must be at least 0. Give INT \
             of at least 0; bytes, or with a unit such as 512KiB, 64MiB, 1GiB, or leave the key out for the default, \
             1048588",
            "  --override: broker.id: 4 is not node.id, which is 5; leave broker.id out",
        ]
    );
}

#[test]
fn rules_between_keys() {
    for (pairs, expected) in [
        (vec![("node.id", "1"), ("broker.id", "2")], "--override: broker.id: 2 is not node.id, which is 1"),
        (vec![("log.dirs", "/a,/b")], "--override: log.dirs: /a,/b names several folders"),
        (vec![("log.dir", "")], "log.dir: no folder is named"),
        (
            vec![("queued.max.request.bytes", "5")],
            "queued.max.request.bytes: 5 must be at least socket.request.max",
        ),
        (
            vec![("group.min.session.timeout.ms", "2000000")],
            "is more than group.max.session.timeout.ms, 1800000",
        ),
        (vec![("log.retention.minutes", "0")], "--override: log.retention.minutes: 0 would keep nothing"),
        (vec![("http.listener", "8080")], "http.listener: 8080 is not HOST:PORT"),
        (vec![("listeners", "SSL://:9093")], "ssl.keystore.location: it is missing"),
    ] {
        let text = error(&pairs);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn hints() {
    for (name, expected) in [
        ("num.partition", "did you mean \"num.partitions\"?"),
        ("NUM_PARTITIONS", "did you mean \"num.partitions\"?"),
        ("advertised.listener", "did you mean \"advertised.listeners\"?"),
        ("max.message.bytes", "it is a key of topics; for the broker set \"message.max.bytes\""),
        ("remote.storage.enable", "it is a key of topics, not of the broker"),
        ("offset.topic.replication.factor", "did you mean \"offsets.topic.replication.factor\"?"),
    ] {
        let text = error(&[(name, "1")]);
        assert!(text.contains(expected), "{text}");
    }
    assert!(!error(&[("something.of.my.own", "1")]).contains("did you mean"));
}

#[test]
fn lenient_only_warns_of_unknown_keys() {
    let sources = Sources { overrides: vec!["my.key=1".into()], lenient: true, ..Sources::default() };
    let loaded = load(&sources).unwrap();
    assert_eq!(notes(&loaded), "--override: unknown key \"my.key\" is ignored\n");
    assert!(loaded.notes.iter().all(|note| note.is_warning));
    let malformed = Sources { overrides: vec!["num.partitions=x".into()], ..sources };
    assert!(load(&malformed).is_err());
}

#[test]
fn secrets_are_not_repeated_in_errors() {
    let text = error(&[("ssl.keystore.pasword", "hunter2"), ("num.partitions", "x")]);
    assert!(text.contains("ssl.keystore.password") && !text.contains("hunter2"), "{text}");
}

#[test]
fn a_key_set_twice_in_a_file_warns_and_the_later_one_counts() {
    let loaded = from_file("num.partitions=2\nnum.partitions=3\n").unwrap();
    assert_eq!(loaded.config.num_partitions, 3);
    assert!(notes(&loaded).contains(":2: num.partitions is set at "), "{}", notes(&loaded));
}

#[test]
fn a_file_that_cannot_be_read() {
    let sources = Sources { file: Some("/does/not/exist".into()), ..Sources::default() };
    let text = load(&sources).unwrap_err().to_string();
    assert!(text.contains("cannot read the configuration file /does/not/exist: No such file"), "{text}");
}

/// The keys and values of the file that Kafka 4.3 is shipped with.
#[test]
fn kafkas_own_server_properties() {
    let loaded = from_file(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT\n\
         num.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n\
         socket.receive.buffer.bytes=102400\nsocket.request.max.bytes=104857600\nlog.dirs=/tmp/kraft-combined-logs\n\
         num.partitions=1\nnum.recovery.threads.per.data.dir=1\noffsets.topic.replication.factor=1\n\
         share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\nlog.retention.hours=168\n\
         log.segment.bytes=1073741824\nlog.retention.check.interval.ms=300000\n",
    )
    .unwrap();
    assert_eq!(loaded.config.listeners().len(), 1);
    let notes = notes(&loaded);
    assert!(notes.contains("listener CONTROLLER is for a KRaft controller and is not opened"), "{notes}");
    assert!(notes.contains("without meaning in Ottla: controller.quorum.bootstrap.servers, "), "{notes}");
    // Nothing in it is left for a later version.
    assert_eq!(notes.lines().count(), 2, "{notes}");
}

/// As Kafka's single-node compose file sets them.
#[test]
fn kafkas_own_compose_environment() {
    let loaded = from_env(&[
        ("CLUSTER_ID", "4L6g3nShT-eMCtK--X86sw"),
        ("KAFKA_NODE_ID", "1"),
        (
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
        ),
        ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT_HOST://localhost:9092,PLAINTEXT://broker:19092"),
        ("KAFKA_PROCESS_ROLES", "broker,controller"),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@broker:29093"),
        ("KAFKA_LISTENERS", "CONTROLLER://:29093,PLAINTEXT_HOST://:9092,PLAINTEXT://:19092"),
        ("KAFKA_INTER_BROKER_LISTENER_NAME", "PLAINTEXT"),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
        ("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0"),
        ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1"),
        ("KAFKA_LOG_DIRS", "/tmp/kraft-combined-logs"),
        ("KAFKA_HEAP_OPTS", "-Xmx1G"),
    ])
    .unwrap();
    let shown: Vec<String> = loaded.config.listeners().iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["PLAINTEXT_HOST://*:9092", "PLAINTEXT://*:19092"]);
    assert!(loaded.notes.iter().all(|note| !note.is_warning), "{}", notes(&loaded));
    assert!(notes(&loaded).contains("left aside: KAFKA_HEAP_OPTS (it is for the JVM"));
}

/// The variables were judged before the overrides: one that mended them did not count.
#[test]
fn overrides_mend_the_variables_of_kafkas_image() {
    let env = env(&[("KAFKA_LISTENERS", "SSL://:9093"), ("KAFKA_SSL_KEYSTORE_CREDENTIALS", "no-such-file")]);
    let load = |overrides: &[&str]| {
        let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
        load(&Sources { env: env.clone(), overrides, ..Sources::default() })
    };
    let text = |overrides: &[&str]| load(overrides).map_or_else(|error| error.to_string(), |_| String::new());
    assert!(text(&[]).contains("ssl.keystore.credentials"));
    let own = text(&["ssl.keystore.password=secret"]);
    assert!(!own.is_empty() && !own.contains("ssl.keystore.credentials"), "{own}");
    assert_eq!(text(&["listeners=PLAINTEXT://:9092"]), "");
}

#[test]
fn listeners_follow_the_advertised_ones_as_in_kafkas_image() {
    let shown =
        |loaded: Loaded| loaded.config.listeners().iter().map(ToString::to_string).collect::<Vec<_>>();
    let from_image = from_env(&[("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://localhost:19092")]).unwrap();
    assert_eq!(shown(from_image), ["PLAINTEXT://*:19092"]);
    let in_a_file = from_file("advertised.listeners=PLAINTEXT://outside:19092").unwrap();
    assert_eq!(shown(in_a_file), ["PLAINTEXT://*:9092"], "as Kafka does without its image");
    let two =
        "listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT\nadvertised.listeners=IN://a:1,OUT://b:2";
    assert_eq!(shown(from_file(two).unwrap()), ["IN://*:1", "OUT://*:2"]);
}

#[test]
fn keys_of_older_kafkas_are_named_with_advice() {
    let loaded = from_file(
        "broker.id=0\nzookeeper.connect=z:2181\nzookeeper.connection.timeout.ms=18000\nhost.name=\nport=9092\n\
         advertised.host.name=h\ninter.broker.protocol.version=2.8\nlog.message.format.version=2.8\n\
         delete.topic.enable = true\nlog.message.timestamp.difference.max.ms=9223372036854775807\n\
         controlled.shutdown.enable=true\ncontrolled.shutdown.max.retries=3\n\
         controlled.shutdown.retry.backoff.ms=5000\nlog.retention.hours.per.topic=a:1\n",
    );
    let notes = notes(&loaded.unwrap());
    for expected in [
        "Kafka 4 has these no more: advertised.host.name (set advertised.listeners instead), ",
        "controlled.shutdown.max.retries (remove it), controlled.shutdown.retry.backoff.ms (remove it), ",
        "log.retention.hours.per.topic (give the topics a configuration of their own, with kafka-configs.sh)",
        "port (set listeners instead)",
        "without meaning in Ottla: controlled.shutdown.enable, zookeeper.connect, zookeeper.connection.timeout.ms\n",
    ] {
        assert!(notes.contains(expected), "{notes}");
    }
}

#[test]
fn keys_of_plug_ins_are_accepted_with_a_note() {
    let loaded = from_file(
        "confluent.license.topic.replication.factor=1\nconfluent.support.metrics.enable=true\n\
         metric.reporters=io.confluent.metrics.reporter.ConfluentMetricsReporter\nmetrics.jmx.exclude=x\n",
    );
    let expected = "accepted, without meaning in Ottla: confluent.license.topic.replication.factor, \
                    confluent.support.metrics.enable, metric.reporters, metrics.jmx.exclude\n";
    assert_eq!(notes(&loaded.unwrap()), expected);
}

#[test]
fn variables_of_bitnamis_image_are_told_apart() {
    let pairs = [("KAFKA_CFG_LOG_DIRS", "/data"), ("KAFKA_NUM_PARTITIONS", "3")];
    let text = from_env(&pairs).unwrap_err().to_string();
    assert!(text.contains("KAFKA_CFG_LOG_DIRS: KAFKA_CFG_ is the prefix of Bitnami's image"), "{text}");
    assert!(text.ends_with("name it KAFKA_LOG_DIRS"), "{text}");
    let lenient = load(&Sources { env: env(&pairs), lenient: true, ..Sources::default() }).unwrap();
    assert!(
        notes(&lenient).starts_with("ignored: environment variable KAFKA_CFG_LOG_DIRS: "),
        "{}",
        notes(&lenient)
    );
}

#[test]
fn relaxed_flushing_is_announced() {
    let sources = Sources { overrides: vec!["flush.policy=os".into()], ..Sources::default() };
    assert!(
        load(&sources)
            .unwrap()
            .notes
            .iter()
            .any(|note| note.is_warning && note.text.contains("flush.policy=os"))
    );
}

#[test]
fn ids_folders_and_http() {
    let config = |pairs: &[(&str, &str)]| BrokerConfig::from_pairs(pairs).unwrap();
    assert_eq!(config(&[("broker.id", "4")]).node_id, 4, "the older name alone");
    assert_eq!(config(&[]).node_id, 1);
    assert_eq!(config(&[]).data_dir(), Path::new("./data"));
    assert_eq!(config(&[("log.dir", "/a"), ("log.dirs", "/b")]).data_dir(), Path::new("/b"));
    let http = |text| config(&[("http.listener", text)]).http_listener().map(ToString::to_string);
    assert_eq!(http("localhost:8080").as_deref(), Some("localhost:8080"));
    assert_eq!(http("http://[::1]:80/").as_deref(), Some("[::1]:80"));
    assert_eq!(http(":9").as_deref(), Some("*:9"));
    assert_eq!(http(""), None);
    assert_eq!(config(&[("queued.max.request.bytes", "-1")]).queued_max_request_bytes, None);
    assert_eq!(config(&[]).queued_max_request_bytes.map(Bytes::as_u64), Some(268_435_456));
}

/// A range that its type does not hold would be found by the first operator who uses the end of it.
#[test]
fn every_key_holds_both_ends_of_its_range() {
    for key in broker_keys() {
        let ends = match key.check {
            Check::AtLeast(low) | Check::BetweenOr(low, _, _) if key.kind == ConfigType::Int => {
                [low, i32::MAX.into()]
            }
            Check::AtLeast(low) => [low, i64::MAX],
            Check::Between(low, high) => [low, high],
            Check::Any if key.kind == ConfigType::Long => [i64::MIN, i64::MAX],
            _ => continue,
        };
        for end in ends {
            let wrong = BrokerConfig::from_pairs(&[(key.name, &end.to_string())]).err();
            let malformed = wrong.iter().flat_map(|error| &error.problems).find(
                |problem| matches!(problem, Problem::Malformed { reason, .. } if reason == "cannot be read"),
            );
            assert!(malformed.is_none(), "{malformed:?}");
        }
    }
}

/// The broker said that its own port was in use by another process.
#[test]
fn http_on_the_port_of_a_kafka_listener_is_refused_and_names_both_keys() {
    for (http, listeners) in [
        ("localhost:9092", "PLAINTEXT://:9092"),
        (":9092", "PLAINTEXT://127.0.0.1:9092"),
        ("[::1]:9092", "PLAINTEXT://0.0.0.0:9092"),
        ("127.0.0.1:9092", "PLAINTEXT://127.0.0.1:9091,OTHER://127.0.0.1:9092"),
    ] {
        let map = ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT");
        let pairs = [("http.listener", http), ("listeners", listeners), map];
        let error = BrokerConfig::from_pairs(&pairs).unwrap_err().to_string();
        assert!(
            error.contains("http.listener: ") && error.contains(" in listeners have the same port"),
            "{error}"
        );
    }
    let kafka_on_8080 = BrokerConfig::from_pairs(&[("listeners", "PLAINTEXT://:8080")]).unwrap();
    assert_eq!(kafka_on_8080.http_listener(), None, "HTTP has that port by default only");
    for (http, listeners) in [
        ("127.0.0.1:9092", "PLAINTEXT://127.0.0.2:9092"),
        (":0", "PLAINTEXT://:0"),
        ("", "PLAINTEXT://:8080"),
    ] {
        BrokerConfig::from_pairs(&[("http.listener", http), ("listeners", listeners)]).unwrap();
    }
}
