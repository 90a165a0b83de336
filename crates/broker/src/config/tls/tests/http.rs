//! TLS of HTTP: its own keys come before those of all listeners, and none of them is ignored.

use super::{made, write};
use crate::config::{BrokerConfig, ClientAuth, HttpAccess};

const HTTPS: (&str, &str) = ("http.listener", "https://:8443");

#[test]
fn keys_of_http_come_before_those_of_all_listeners() {
    let made = made();
    let folder = tempfile::tempdir().unwrap();
    let keystore = write(folder.path(), "http.pem", &(made.own.key.clone() + &made.own.certificate));
    let truststore = write(folder.path(), "ca.pem", &made.authority.pem);
    let own = [
        HTTPS,
        ("ssl.keystore.location", "/nowhere"),
        ("http.ssl.keystore.location", keystore.as_str()),
        ("ssl.truststore.location", truststore.as_str()),
    ];
    let config = |more: &[(&str, &str)]| BrokerConfig::from_pairs(&[&own[..], more].concat()).unwrap();
    let auth = |more: &[(&str, &str)]| config(more).start().http_tls().unwrap().client_auth;
    assert_eq!(auth(&[]), ClientAuth::None);
    assert_eq!(auth(&[("ssl.client.auth", "required")]), ClientAuth::Required, "as all listeners");
    assert_eq!(
        auth(&[("ssl.client.auth", "required"), ("http.ssl.client.auth", "requested")]),
        ClientAuth::Requested
    );
    let certificate = ("http.authentication", "certificate");
    assert_eq!(auth(&[certificate]), ClientAuth::Required);
    assert_eq!(auth(&[certificate, ("ssl.client.auth", "none")]), ClientAuth::Required);
    assert_eq!(*config(&[certificate]).start().http_access(), HttpAccess::Certificate);
    let shared = [HTTPS, ("ssl.keystore.location", keystore.as_str())];
    assert!(BrokerConfig::from_pairs(&shared).unwrap().start().http_tls().is_some());
    let plain = [("http.listener", "http://:8080"), shared[1]];
    assert!(BrokerConfig::from_pairs(&plain).unwrap().start().http_tls().is_none());
}

#[test]
fn every_mistake_stops_the_start() {
    let made = made();
    let folder = tempfile::tempdir().unwrap();
    let keystore = write(folder.path(), "http.pem", &(made.own.key.clone() + &made.own.certificate));
    let key = ("http.ssl.keystore.location", keystore.as_str());
    let certificate = ("http.authentication", "certificate");
    for (pairs, expected) in [
        (
            vec![key],
            "http.ssl.keystore.location: HTTP is not encrypted; set http.listener=https://localhost:8080",
        ),
        (vec![key, ("http.listener", ":80")], "set http.listener=https://*:80"),
        (vec![("http.ssl.client.auth", "none"), ("http.listener", "http://:80")], "HTTP is not encrypted"),
        (vec![HTTPS], "ssl.keystore.location: it is missing"),
        (vec![HTTPS, ("http.ssl.keystore.location", "/nowhere")], "/nowhere cannot be read"),
        (vec![HTTPS, key, certificate], "set ssl.truststore.location"),
        (
            vec![HTTPS, key, certificate, ("http.ssl.client.auth", "none")],
            "demands a certificate; set it to required",
        ),
        (
            vec![HTTPS, key, ("http.ssl.client.auth", "Required")],
            "http.ssl.client.auth: String must be one of",
        ),
        (vec![certificate], "http.authentication: certificate needs TLS; set http.listener=https://"),
        (
            vec![HTTPS, key, certificate, ("http.bearer.token.location", "/x")],
            "used only with http.authentication=bearer",
        ),
        (vec![HTTPS, ("http.ssl.keystor.location", "/x")], "did you mean \"ssl.keystore.location\"?"),
        (vec![HTTPS, ("http.ssl.", "/x")], "unknown key"),
        (vec![("http.listener", "https://")], "is not HOST:PORT"),
    ] {
        let error = BrokerConfig::from_pairs(&pairs).map(drop).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    // Turned off, HTTP is open to no client.
    BrokerConfig::from_pairs(&[key, ("http.listener", "")]).unwrap();
}
