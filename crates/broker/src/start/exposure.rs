//! Says which listeners other machines can reach without encryption or without a login.
//!
//! Such a listener is served: it is what the configuration says, and Kafka's default. An operator should know of it,
//! so a line at WARN, a warning in `/readyz?verbose` and `ottla_listener_exposed` tell it. The broker stays ready.

use std::fmt::Write as _;

use crate::config::{ClientAuth, HttpAccess, Listener, Protocol, StartConfig, is_loopback};
use crate::http::Readiness;
use crate::telemetry::metrics::Metrics;

/// Tells it, once, at the start.
pub(super) fn tell(config: &StartConfig, metrics: &Metrics, readiness: &Readiness) {
    let mut told = String::new();
    for listener in config.listeners() {
        let is_certain = config.tls(listener).is_some_and(|tls| tls.client_auth == ClientAuth::Required);
        let lacks = lacks(listener, is_certain);
        metrics.listener(&listener.name).exposed.set(i64::from(lacks.is_some()));
        if let Some(lacks) = lacks {
            let separator = if told.is_empty() { "" } else { "; " };
            // Writing to a String cannot fail.
            let _ = write!(told, "{separator}{listener} has {lacks}");
        }
    }
    let http = config.http_listener().filter(|http| !is_loopback(http.host.as_deref()));
    if let Some((http, lacks)) = http.zip(http_lacks(config)) {
        let separator = if told.is_empty() { "" } else { "; " };
        let _ = write!(told, "{separator}HTTP on {http} has {lacks}");
    }
    if !told.is_empty() {
        let remedy = "on a network that you do not trust use SASL_SSL and a login for HTTP, or bind them to 127.0.0.1 (docs/security.md)";
        tracing::warn!(listeners = %told, remedy, "other machines can reach this broker unprotected");
        readiness.warn("exposed", format!("{told}; {remedy}"));
    }
}

/// The protection that HTTP lacks.
fn http_lacks(config: &StartConfig) -> Option<&'static str> {
    let demands_certificate = config.http_tls().map(|tls| tls.client_auth == ClientAuth::Required);
    match (demands_certificate, config.http_access()) {
        (None, HttpAccess::Open) => Some("neither encryption nor logins"),
        (None, _) => Some("no encryption"),
        (Some(false), HttpAccess::Open) => Some("no logins"),
        (Some(_), _) => None,
    }
}

/// The protection that a listener lacks although other machines can reach it. A client certificate that it demands is a login.
fn lacks(listener: &Listener, demands_certificate: bool) -> Option<&'static str> {
    if is_loopback(listener.host.as_deref()) {
        return None;
    }
    match listener.protocol {
        Protocol::Plaintext => Some("neither encryption nor logins"),
        Protocol::SaslPlaintext => Some("no encryption"),
        Protocol::Ssl if !demands_certificate => Some("no logins"),
        Protocol::Ssl | Protocol::SaslSsl => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;

    fn told(listeners: &str, map: &str) -> Vec<Option<&'static str>> {
        let pairs = [("listeners", listeners), ("listener.security.protocol.map", map)];
        let config = BrokerConfig::from_pairs(&pairs).unwrap();
        config.listeners().iter().map(|listener| lacks(listener, false)).collect()
    }

    #[test]
    fn listeners_beyond_loopback_are_told() {
        let map = "A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT,D:PLAINTEXT";
        let listeners = "A://:1,B://127.0.0.1:2,C://localhost:3,D://192.0.2.7:4";
        let lack = Some("neither encryption nor logins");
        assert_eq!(told(listeners, map), [lack, None, None, lack]);
    }

    #[test]
    fn each_protocol_lacks_what_it_lacks() {
        let config = BrokerConfig::from_pairs(&[("listeners", "PLAINTEXT://:1")]).unwrap();
        let of = |protocol| Listener { protocol, ..config.listeners()[0].clone() };
        assert_eq!(lacks(&of(Protocol::SaslPlaintext), false), Some("no encryption"));
        assert_eq!(lacks(&of(Protocol::SaslSsl), false), None);
        assert_eq!(lacks(&of(Protocol::Ssl), false), Some("no logins"));
        assert_eq!(lacks(&of(Protocol::Ssl), true), None);
    }

    #[test]
    fn http_is_told_as_well() {
        let verbose = |pairs: &[(&str, &str)]| {
            let local = [("listeners", "PLAINTEXT://127.0.0.1:1")];
            let config = BrokerConfig::from_pairs(&[&local[..], pairs].concat()).unwrap();
            let readiness = Readiness::new(&[]);
            tell(config.start(), &super::super::metrics(), &readiness);
            readiness.report().1
        };
        assert_eq!(verbose(&[]), "", "it is on localhost");
        assert!(
            verbose(&[("http.listener", ":8080")])
                .contains("HTTP on *:8080 has neither encryption nor logins")
        );
        let basic = [("http.listener", ":8080"), ("http.authentication", "basic")];
        assert!(verbose(&basic).contains("HTTP on *:8080 has no encryption"));
    }

    #[test]
    fn it_is_a_warning_and_a_gauge() {
        let config = BrokerConfig::from_pairs(&[("listeners", "PLAINTEXT://:1")]).unwrap();
        let (metrics, readiness) = (super::super::metrics(), Readiness::new(&[]));
        tell(config.start(), &metrics, &readiness);
        assert!(readiness.is_ready());
        assert!(metrics.scrape().unwrap().contains("ottla_listener_exposed{listener=\"PLAINTEXT\"} 1"));
        let local = BrokerConfig::from_pairs(&[("listeners", "PLAINTEXT://127.0.0.1:1")]).unwrap();
        tell(local.start(), &metrics, &readiness);
        assert!(metrics.scrape().unwrap().contains("ottla_listener_exposed{listener=\"PLAINTEXT\"} 0"));
    }
}
