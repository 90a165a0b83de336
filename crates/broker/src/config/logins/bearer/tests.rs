//! OAUTHBEARER: what stops a start, and the layers of its keys.

use std::io::Write as _;

use super::*;
use crate::config::{Loaded, LoginSettings, Sources, load};
use crate::testing::bearer::{Issuer, key_set};

const SAFE: &[(&str, &str)] = &[
    ("listeners", "SAFE://127.0.0.1:9093"),
    ("listener.security.protocol.map", "SAFE:SASL_PLAINTEXT"),
    ("sasl.enabled.mechanisms", "OAUTHBEARER"),
];
const KEYS: (&str, &str) = (URL, "https://issuer.test/certs");
const ISSUER: (&str, &str) = ("sasl.oauthbearer.expected.issuer", "https://issuer.test");
const AUDIENCE: (&str, &str) = ("sasl.oauthbearer.expected.audience", "kafka, other");

fn loaded(more: &[(&str, &str)]) -> Result<Loaded, String> {
    let overrides = [SAFE, more].concat().iter().map(|(key, value)| format!("{key}={value}")).collect();
    load(&Sources { overrides, ..Sources::default() }).map_err(|error| error.to_string())
}

fn login(more: &[(&str, &str)]) -> Arc<LoginSettings> {
    let loaded = loaded(more).unwrap();
    let config = loaded.config.start();
    Arc::clone(config.logins(&config.listeners()[0]).expect("a listener with logins"))
}

fn bearer(more: &[(&str, &str)]) -> Arc<BearerSettings> {
    Arc::clone(login(more).mechanisms[0].bearer.as_ref().expect("of OAUTHBEARER"))
}

fn error(more: &[(&str, &str)]) -> String {
    loaded(more).map(|loaded| format!("{:?}", loaded.notes)).expect_err("must be refused")
}

#[test]
fn a_listener_has_keys_issuer_and_audience() {
    let settings = bearer(&[KEYS, ISSUER, AUDIENCE]);
    let url =
        JwksUrl { is_encrypted: true, host: "issuer.test".to_owned(), port: 443, path: "/certs".to_owned() };
    assert_eq!(settings.source, KeySource::Url(url));
    let expected = Expected {
        issuer: Some("https://issuer.test".to_owned()),
        audience: Some(vec!["kafka".to_owned(), "other".to_owned()]),
        clock_skew_seconds: 30,
        subject_claim: "sub".to_owned(),
        scope_claim: "scope".to_owned(),
    };
    assert_eq!(settings.expected, expected);
    assert_eq!(settings.refresh, Duration::from_secs(3600));
    assert_eq!(login(&[KEYS, ISSUER, AUDIENCE]).max_message_bytes, 65_536);
    let size = ("sasl.server.max.receive.size", "20000");
    assert_eq!(login(&[KEYS, ISSUER, AUDIENCE, size]).max_message_bytes, 20_000);
}

/// CVE-2026-33557, CVE-2026-110985: a validator that checked nothing where a setting was missing.
#[test]
fn what_is_missing_stops_the_start() {
    for (more, key) in [
        (&[ISSUER, AUDIENCE][..], "oauthbearer.sasl.oauthbearer.jwks.endpoint.url: it is missing"),
        (&[KEYS, AUDIENCE], "oauthbearer.sasl.oauthbearer.expected.issuer: it is missing"),
        (&[KEYS, ISSUER], "oauthbearer.sasl.oauthbearer.expected.audience: it is missing"),
        (&[KEYS, ISSUER, ("sasl.oauthbearer.expected.audience", " , ")], "expected.audience: it is missing"),
        (&[KEYS, ("sasl.oauthbearer.expected.issuer", " "), AUDIENCE], "expected.issuer: it is missing"),
    ] {
        let text = error(more);
        assert!(text.contains(key) && text.contains("set "), "{text}");
    }
    let all = error(&[]);
    assert_eq!(all.matches("it is missing").count(), 3, "all at once: {all}");
}

#[test]
fn issuer_and_audience_are_left_open_by_a_key_alone() {
    let (issuer, audience) =
        ("sasl.oauthbearer.allow.unverified.issuer", "sasl.oauthbearer.allow.unverified.audience");
    let both = [KEYS, (issuer, "true"), (audience, "true")];
    let settings = bearer(&both);
    assert_eq!((&settings.expected.issuer, &settings.expected.audience), (&None, &None));
    let notes = format!("{:?}", loaded(&both).unwrap().notes);
    assert!(notes.contains("tokens of any issuer") && notes.contains("tokens of any audience"), "{notes}");
    assert!(error(&[KEYS, AUDIENCE, (issuer, "false")]).contains("expected.issuer: it is missing"));
    let wrong = ("listener.name.safe.sasl.oauthbearer.allow.unverified.issuer", "yes");
    assert!(error(&[KEYS, AUDIENCE, wrong]).contains("give true or false"));
    // What is expected is checked all the same.
    assert_eq!(
        bearer(&[KEYS, ISSUER, AUDIENCE, (issuer, "true")]).expected.issuer.as_deref(),
        Some(ISSUER.1)
    );
}

#[test]
fn the_narrowest_layer_counts() {
    let issuer = |more: &[(&str, &str)]| {
        bearer(&[&[KEYS, ISSUER, AUDIENCE][..], more].concat()).expected.issuer.clone().unwrap()
    };
    let listener = ("listener.name.safe.sasl.oauthbearer.expected.issuer", "https://listener");
    let mechanism = ("listener.name.safe.oauthbearer.sasl.oauthbearer.expected.issuer", "https://mechanism");
    let other = ("listener.name.safe.plain.sasl.oauthbearer.expected.issuer", "https://plain");
    assert_eq!(issuer(&[other]), ISSUER.1);
    assert_eq!(issuer(&[other, listener]), "https://listener");
    assert_eq!(issuer(&[listener, mechanism]), "https://mechanism");
    let notes = format!("{:?}", loaded(&[KEYS, ISSUER, AUDIENCE, other]).unwrap().notes);
    assert!(notes.contains(other.0), "it does nothing, and is named: {notes}");
}

#[test]
fn other_urls_stop_the_start() {
    for (url, text) in [
        ("http://issuer.test/certs", "use https"),
        ("http://10.0.0.1/certs", "use https"),
        ("http://localhost.evil.test/certs", "use https"),
        ("ftp://issuer.test/certs", "is not one of https"),
        ("issuer.test/certs", "it is no URL"),
        ("/etc/keys.json", "names no host"),
        ("https:///certs", "is no URL"),
        ("https://user:hunter2@issuer.test/", "holds a user name"),
        ("file:keys.json", "must begin with /"),
        ("file:/no/such/file", "/no/such/file cannot be read"),
    ] {
        let error = error(&[(URL, url), ISSUER, AUDIENCE]);
        assert!(error.contains(text) && !error.contains("hunter2"), "{url}: {error}");
    }
    for url in
        ["http://127.0.0.1:8080/certs", "http://[::1]:1/", "HTTP://localhost/certs", "https://[2001:db8::1]/"]
    {
        bearer(&[(URL, url), ISSUER, AUDIENCE]);
    }
    let shown = JwksUrl::parse("https://issuer.test/certs?key=hunter2").unwrap().to_string();
    assert_eq!(shown, "https://issuer.test:443/certs");
}

#[test]
fn a_file_is_read_at_the_start() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().display().to_string();
    let pairs = |url: &'static str| [(URL, url), ISSUER, AUDIENCE];
    let url: &'static str = format!("file://{name}").leak();
    let text = error(&pairs(url));
    assert!(text.contains(&name) && text.contains("it is not JSON"), "{text}");
    file.write_all(key_set(&[&Issuer::new(1, "a")]).as_bytes()).unwrap();
    let KeySource::File(path, keys) = bearer(&pairs(url)).source.clone() else { panic!("a file") };
    assert_eq!((path.as_path(), keys.len()), (file.path(), 1));
    std::fs::write(file.path(), " ".repeat(MAX_KEY_SET_BYTES + 1)).unwrap();
    assert!(error(&pairs(url)).contains("more than 262144 bytes"));
}

/// The default handler of Kafka takes unsigned tokens; a class of others may refuse what passes here.
#[test]
fn handlers_of_kafka_for_signed_tokens_are_ours() {
    let key = "listener.name.safe.oauthbearer.sasl.server.callback.handler.class";
    let package = "org.apache.kafka.common.security.oauthbearer";
    for (class, is_ours) in [
        ("OAuthBearerValidatorCallbackHandler", true),
        ("secured.OAuthBearerValidatorCallbackHandler", true),
        ("internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler", false),
        ("Own", false),
    ] {
        let class = format!("{package}.{class}");
        assert_eq!(loaded(&[KEYS, ISSUER, AUDIENCE, (key, &class)]).is_ok(), is_ours, "{class}");
    }
    let validator = "sasl.oauthbearer.jwt.validator.class";
    for (class, is_ours) in
        [("BrokerJwtValidator", true), ("DefaultJwtValidator", true), ("ClientJwtValidator", false)]
    {
        let class = format!("{package}.{class}");
        assert_eq!(loaded(&[KEYS, ISSUER, AUDIENCE, (validator, &class)]).is_ok(), is_ours, "{class}");
    }
    let jaas = "listener.name.safe.oauthbearer.sasl.jaas.config";
    let module =
        format!("{package}.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"admin\";");
    assert!(loaded(&[KEYS, ISSUER, AUDIENCE, (jaas, &module)]).is_ok());
    assert!(
        error(&[KEYS, ISSUER, AUDIENCE, (jaas, "x.Other required;")]).contains("login module of OAUTHBEARER")
    );
}
