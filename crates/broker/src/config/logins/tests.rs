//! Listeners with logins: the layers of their keys, and the starts that are refused.

use std::time::Duration;

use crate::config::{ConfigError, ConfigOp, Loaded, LoginSettings, Sources, describe_broker, load};

const SAFE: &[(&str, &str)] =
    &[("listeners", "SAFE://127.0.0.1:9093"), ("listener.security.protocol.map", "SAFE:SASL_PLAINTEXT")];
const PLAIN: (&str, &str) = ("listener.name.safe.sasl.enabled.mechanisms", "PLAIN");
const USERS: &str = "listener.name.safe.plain.sasl.jaas.config";
const ALICE: (&str, &str) =
    (USERS, "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"hunter2\";");

fn loaded(pairs: &[&[(&str, &str)]]) -> Result<Loaded, ConfigError> {
    let overrides = pairs.concat().iter().map(|(key, value)| format!("{key}={value}")).collect();
    load(&Sources { overrides, ..Sources::default() })
}

fn error(more: &[(&str, &str)]) -> String {
    loaded(&[SAFE, more]).expect_err("must be refused").to_string()
}

fn settings(loaded: &Loaded) -> &LoginSettings {
    let config = loaded.config.start();
    config.logins(&config.listeners()[0]).expect("a listener with logins")
}

#[test]
fn a_listener_has_mechanisms_and_users() {
    let loaded = loaded(&[SAFE, &[PLAIN, ALICE]]).unwrap();
    let settings = settings(&loaded);
    let [plain] = &settings.mechanisms[..] else { panic!("{settings:?}") };
    assert_eq!((plain.mechanism.name(), plain.max_session), ("PLAIN", None));
    assert_eq!(plain.users.len(), 1);
    assert_eq!(plain.users[0].0, "alice");
    assert!(plain.users[0].1.equals(b"hunter2"));
    assert_eq!((settings.max_message_bytes, settings.failure_delay), (16384, Duration::from_millis(100)));
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
}

#[test]
fn the_narrowest_layer_counts() {
    let session = |more: &[(&str, &str)]| {
        settings(&loaded(&[SAFE, &[PLAIN, ALICE], more]).unwrap()).mechanisms[0].max_session
    };
    let all = ("connections.max.reauth.ms", "1000");
    let listener = ("listener.name.safe.connections.max.reauth.ms", "2s");
    let mechanism = ("listener.name.SAFE.plain.connections.max.reauth.ms", "3000");
    let other = ("listener.name.other.connections.max.reauth.ms", "4000");
    assert_eq!(session(&[other]), None);
    assert_eq!(session(&[all, other]), Some(Duration::from_secs(1)));
    assert_eq!(session(&[all, listener]), Some(Duration::from_secs(2)));
    assert_eq!(session(&[all, listener, mechanism]), Some(Duration::from_secs(3)));
    let zero = ("listener.name.safe.plain.connections.max.reauth.ms", "0");
    assert_eq!(session(&[all, zero]), None, "0 is a value, not its absence");
    let of_all = loaded(&[SAFE, &[("sasl.enabled.mechanisms", "PLAIN"), ALICE]]).unwrap();
    assert_eq!(settings(&of_all).mechanisms.len(), 1);
}

#[test]
fn mechanisms_that_are_not_served_stop_the_start() {
    assert!(
        error(&[]).contains(
            "sasl.enabled.mechanisms: GSSAPI is not served; served is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"
        ),
        "the default"
    );
    for (value, part) in [
        ("PLAIN,GSSAPI", "GSSAPI is not served"),
        ("plain", "plain is not served"),
        (" ", "no mechanism is named"),
    ] {
        let text = error(&[(PLAIN.0, value), ALICE]);
        assert!(text.contains(part) && text.contains(PLAIN.0), "{text}");
    }
}

/// Users of SCRAM are in the data folder; Kafka's module may be named, as its configurations do, and no other.
#[test]
fn scram_needs_no_users_here() {
    let both = (PLAIN.0, "SCRAM-SHA-512,SCRAM-SHA-256");
    let loaded = |more: &[(&str, &str)]| loaded(&[SAFE, &[both], more]);
    let of_both = loaded(&[]).unwrap();
    let names: Vec<&str> =
        settings(&of_both).mechanisms.iter().map(|settings| settings.mechanism.name()).collect();
    assert_eq!(names, ["SCRAM-SHA-512", "SCRAM-SHA-256"]);
    let key = "listener.name.safe.scram-sha-256.sasl.jaas.config";
    let module =
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"a\" password=\"b\";";
    assert!(loaded(&[(key, module)]).unwrap().notes.is_empty());
    for wrong in [ALICE.1, "org.example.Scram required;", "x"] {
        let text = loaded(&[(key, wrong)]).expect_err("must be refused").to_string();
        assert!(text.contains(key) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn users_must_be_given_where_kafka_reads_them() {
    let text = error(&[PLAIN]);
    assert!(text.contains(&format!("{USERS}: it is missing")), "{text}");
    let bare = [("sasl.jaas.config", ALICE.1), ("listener.name.safe.sasl.jaas.config", ALICE.1)];
    assert!(error(&[PLAIN, bare[0], bare[1]]).contains("it is missing"));
    let notes = loaded(&[SAFE, &[PLAIN, ALICE, bare[1]]]).unwrap().notes;
    assert!(
        notes.iter().any(|note| note.is_warning && note.text.contains("with a mechanism alone")),
        "{notes:?}"
    );
}

/// Kafka's official image demands such a file for a listener of SASL.
#[test]
fn a_jaas_file_has_users_too() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "KafkaServer {\n PLAIN required user_bob=\"hunter2\"; org.x.Other required; };";
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
    std::fs::write(file.path(), text.replace("PLAIN", module)).unwrap();
    let path = file.path().to_str().unwrap();
    let options = format!("-Xmx1g -Djava.security.auth.login.config={path}");
    let from_image = |more: &[(&str, &str)]| {
        let overrides = [SAFE, &[PLAIN], more].concat();
        let overrides = overrides.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let env = vec![("KAFKA_OPTS".to_owned(), options.clone())];
        load(&Sources { overrides, env, ..Sources::default() })
    };
    let of_file = from_image(&[]).unwrap();
    let users = |loaded: &Loaded| settings(loaded).mechanisms[0].users[0].0.clone();
    assert_eq!(users(&of_file), "bob");
    assert!(!format!("{of_file:?}").contains("hunter2"));
    assert_eq!(users(&from_image(&[ALICE]).unwrap()), "alice", "the key comes first");
    let key = "java.security.auth.login.config";
    assert_eq!(users(&loaded(&[SAFE, &[PLAIN, (key, path)]]).unwrap()), "bob");
    std::fs::write(file.path(), "KafkaServer { hunter2").unwrap();
    let text = error(&[PLAIN, (key, path)]);
    assert!(text.contains(key) && text.contains("character") && !text.contains("hunter2"), "{text}");
    assert!(loaded(&[&[(key, "/nowhere")]]).is_ok(), "no listener needs it");
}

#[test]
fn faults_of_a_jaas_text_are_named_without_it() {
    for (text, part) in [
        (
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"hunter2",
            "the quote has no end",
        ),
        (
            "org.apache.kafka.common.security.scram.ScramLoginModule required hunter2=\"hunter2\";",
            "of PLAIN is",
        ),
        ("C required a=\"hunter2\"; D required;", "more than one login module"),
        ("org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"\";", "empty password"),
    ] {
        let text = error(&[PLAIN, (USERS, text)]);
        assert!(text.contains(part) && text.contains(USERS) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn classes_of_ones_own_stop_the_start() {
    for key in [
        "sasl.server.callback.handler.class",
        "listener.name.safe.plain.sasl.server.callback.handler.class",
        "principal.builder.class",
        "listener.name.safe.principal.builder.class",
    ] {
        let text = error(&[PLAIN, ALICE, (key, "com.example.Own")]);
        assert!(text.contains(&format!("{key}: names a Java class")), "{text}");
    }
    let default = "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder";
    assert!(loaded(&[SAFE, &[PLAIN, ALICE, ("principal.builder.class", default)]]).is_ok());
}

#[test]
fn malformed_numbers_of_a_listener_are_named() {
    let key = "listener.name.safe.connection.failed.authentication.delay.ms";
    let text = error(&[PLAIN, ALICE, (key, "-1")]);
    assert!(text.contains(&format!("{key}: Value must be at least 0")), "{text}");
}

#[test]
fn passwords_in_the_clear_are_warned_of_beyond_loopback() {
    let warned = |listener: &str| {
        let loaded = loaded(&[SAFE, &[("listeners", listener), PLAIN, ALICE]]).unwrap();
        loaded.notes.iter().any(|note| note.is_warning && note.text.contains("passwords in the clear"))
    };
    assert!(warned("SAFE://:9093") && warned("SAFE://0.0.0.0:9093") && warned("SAFE://192.0.2.1:9093"));
    assert!(
        !warned("SAFE://localhost:9093") && !warned("SAFE://[::1]:9093") && !warned("SAFE://127.0.0.7:9093")
    );
}

#[test]
fn tls_without_a_certificate_stops_the_start() {
    for protocol in ["SASL_SSL", "SSL"] {
        let map = format!("SAFE:{protocol}");
        let text = error(&[PLAIN, ALICE, ("listener.security.protocol.map", &map)]);
        assert!(text.contains("ssl.keystore.location: it is missing"), "{text}");
    }
}

/// S18: nothing that describes or prints a configuration shows a password.
#[test]
fn no_password_is_shown() {
    let global = ("sasl.jaas.config", ALICE.1);
    let loaded = loaded(&[SAFE, &[PLAIN, ALICE, global]]).unwrap();
    for entry in describe_broker(&loaded.config) {
        assert!(!format!("{entry:?}").contains("hunter2"), "{entry:?}");
        if entry.name.ends_with("sasl.jaas.config") {
            assert!(entry.is_sensitive && entry.value.is_none() && entry.is_read_only, "{entry:?}");
        }
    }
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let refused =
        loaded.config.changed(&Default::default(), &[("sasl.jaas.config", ConfigOp::Set("hunter2"))]);
    assert!(!refused.unwrap_err().to_string().contains("hunter2"));
}
