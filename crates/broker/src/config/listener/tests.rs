//! Listener texts as people write them, in compose files above all.

use super::*;

const DEFAULT_MAP: &str = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT";

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|text| !text.is_empty()).map(|text| text.trim().to_owned()).collect()
}

fn resolve_texts(
    listeners: &str,
    advertised: &str,
    map: &str,
    controllers: &str,
) -> Result<Resolved, Vec<Wrong>> {
    let (listeners, advertised, controllers) = (list(listeners), list(advertised), list(controllers));
    resolve(&Texts {
        listeners: &listeners,
        advertised: (!advertised.is_empty()).then_some(&advertised),
        protocol_map: map,
        controller_names: &controllers,
    })
}

fn only(listeners: &str, advertised: &str) -> Listener {
    let mut resolved = resolve_texts(listeners, advertised, DEFAULT_MAP, "").unwrap();
    assert_eq!(resolved.listeners.len(), 1);
    resolved.listeners.remove(0)
}

fn reasons(result: Result<Resolved, Vec<Wrong>>) -> String {
    let wrong = result.expect_err("must be refused");
    wrong.iter().map(|(key, reason)| format!("{key}: {reason}\n")).collect()
}

#[test]
fn every_interface_advertises_per_connection() {
    for text in ["PLAINTEXT://:9092", "plaintext://[::]:9092"] {
        let listener = only(text, "");
        assert_eq!(
            (listener.name.as_str(), listener.host.as_deref(), listener.port),
            ("PLAINTEXT", None, 9092)
        );
        assert_eq!(listener.advertised, Advertised::PerConnection, "{text}");
    }
    let v4 = only("PLAINTEXT://0.0.0.0:9092", "");
    assert_eq!(
        (v4.host.as_deref(), &v4.advertised),
        (Some("0.0.0.0"), &Advertised::PerConnection),
        "IPv4 only"
    );
}

#[test]
fn a_named_host_is_advertised_unless_the_key_says_otherwise() {
    let fixed = |host: &str, port| Advertised::Fixed { host: host.to_owned(), port };
    assert_eq!(only("PLAINTEXT://kafka.local:9092", "").advertised, fixed("kafka.local", 9092));
    assert_eq!(only("PLAINTEXT://[::1]:0", "").advertised, fixed("::1", 0));
    assert_eq!(only("PLAINTEXT://:9092", "PLAINTEXT://outside:19092").advertised, fixed("outside", 19092));
}

#[test]
fn the_two_listener_compose_file_of_kafka() {
    let resolved = resolve_texts(
        "CONTROLLER://:29093,PLAINTEXT_HOST://:9092,PLAINTEXT://:19092",
        "PLAINTEXT_HOST://localhost:9092,PLAINTEXT://broker:19092",
        "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
        "CONTROLLER",
    )
    .unwrap();
    assert_eq!(resolved.controller_listeners, ["CONTROLLER"]);
    let shown: Vec<String> = resolved.listeners.iter().map(Listener::to_string).collect();
    assert_eq!(shown, ["PLAINTEXT_HOST://*:9092", "PLAINTEXT://*:19092"]);
    assert_eq!(
        resolved.listeners.first().map(|listener| &listener.advertised),
        Some(&Advertised::Fixed { host: "localhost".into(), port: 9092 })
    );
}

#[test]
fn malformed_texts_say_what_they_should_be() {
    for text in
        ["9092", "localhost:9092", "PLAINTEXT://host", "PLAINTEXT://h:99999", "PLAINTEXT://::1:9092", "://:1"]
    {
        assert!(
            reasons(resolve_texts(text, "", DEFAULT_MAP, "")).contains("is not NAME://HOST:PORT"),
            "{text}"
        );
    }
}

#[test]
fn each_contradiction_names_its_key_and_remedy() {
    for (listeners, advertised, map, expected) in [
        (
            "A://:1",
            "",
            DEFAULT_MAP,
            "listener.security.protocol.map: listener A has no protocol; add A:PLAINTEXT",
        ),
        (
            "A://:1",
            "",
            "A:TELNET",
            "listener.security.protocol.map: A:TELNET names no protocol; these are served: PLAINTEXT, SSL, ",
        ),
        ("PLAINTEXT://:1", "", "PLAINTEXT", "listener.security.protocol.map: PLAINTEXT is not NAME:PROTOCOL"),
        ("PLAINTEXT://:1,plaintext://:2", "", DEFAULT_MAP, "listeners: the name PLAINTEXT is used twice"),
        ("A://:1,B://:1", "", "A:PLAINTEXT,B:PLAINTEXT", "listeners: port 1 is used twice"),
        ("PLAINTEXT://:1", "X://h:1", DEFAULT_MAP, "advertised.listeners: X is not among the listeners"),
        (
            "PLAINTEXT://:1",
            "PLAINTEXT://0.0.0.0:1",
            DEFAULT_MAP,
            "advertised.listeners: PLAINTEXT has no host",
        ),
        ("PLAINTEXT://:1", "PLAINTEXT://:1", DEFAULT_MAP, "advertised.listeners: PLAINTEXT has no host"),
        ("PLAINTEXT://:1", "PLAINTEXT://a:1,PLAINTEXT://b:1", DEFAULT_MAP, "advertised.listeners: the name"),
        ("", "", DEFAULT_MAP, "listeners: no listener is left"),
    ] {
        let found = reasons(resolve_texts(listeners, advertised, map, ""));
        assert!(found.contains(expected), "{listeners} {advertised}: {found}");
    }
    assert!(reasons(resolve_texts("C://:1", "", "C:PLAINTEXT", "C")).contains("no listener is left"));
}

#[test]
fn one_port_may_serve_an_ipv4_and_an_ipv6_address() {
    let map = "A:PLAINTEXT,B:PLAINTEXT";
    assert!(resolve_texts("A://127.0.0.1:9092,B://[::1]:9092", "", map, "").is_ok());
    assert!(resolve_texts("A://:0,B://:0", "", map, "").is_ok(), "the system chooses two ports");
}

#[test]
fn each_protocol_has_its_name() {
    let listeners = "PLAINTEXT://:1,SSL://:2,SASL_PLAINTEXT://:3,SASL_SSL://:4";
    let resolved = resolve_texts(listeners, "", DEFAULT_MAP, "").unwrap();
    let served: Vec<_> = resolved.listeners.iter().map(|listener| listener.protocol).collect();
    assert_eq!(served, [Protocol::Plaintext, Protocol::Ssl, Protocol::SaslPlaintext, Protocol::SaslSsl]);
    let tls: Vec<_> = served.iter().map(|protocol| (protocol.has_tls(), protocol.has_login())).collect();
    assert_eq!(tls, [(false, false), (true, false), (false, true), (true, true)]);
}
