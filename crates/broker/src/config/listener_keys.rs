//! Keys of single listeners: `listener.name.<listener>.KEY` and `listener.name.<listener>.<mechanism>.KEY`.
//!
//! The narrowest one counts: that of a mechanism before that of its listener, and that before the key alone
//! (`AbstractConfig.valuesWithPrefixOverride`). Guarantees that none of them vanishes without a word: what has no key of a
//! table in it is unknown, and what has an effect nowhere is named in a warning. Their meaning is in `logins.rs`.

use security::sasl::Mechanism;

use super::key::Key;
use super::listener::{Listener, Protocol};
use super::problem::Note;
use super::setting::{Setting, Settings};
use super::tables::broker_key;

/// The beginning of all these keys.
pub(super) const LISTENER_PREFIX: &str = "listener.name.";

/// The beginning of the keys of TLS for HTTP: `http.ssl.keystore.location`.
pub(super) const HTTP_PREFIX: &str = "http.";

/// Names of mechanisms in such keys, served or not.
const MECHANISMS: [&str; 5] = ["plain", "scram-sha-256", "scram-sha-512", "oauthbearer", "gssapi"];

/// Keys of logins that count for one listener. Those of TLS are [`TLS_KEYS`].
const OF_LISTENERS: [&str; 4] = [
    "sasl.enabled.mechanisms",
    "connections.max.reauth.ms",
    "sasl.server.max.receive.size",
    "connection.failed.authentication.delay.ms",
];
/// Keys of OAUTHBEARER, which count for one listener and for the mechanism of one.
const OF_BEARER: [&str; 11] = [
    "sasl.oauthbearer.allow.unverified.audience",
    "sasl.oauthbearer.allow.unverified.issuer",
    "sasl.oauthbearer.clock.skew.seconds",
    "sasl.oauthbearer.expected.audience",
    "sasl.oauthbearer.expected.issuer",
    "sasl.oauthbearer.jwks.endpoint.refresh.ms",
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
    "sasl.oauthbearer.jwks.endpoint.url",
    "sasl.oauthbearer.scope.claim.name",
    "sasl.oauthbearer.sub.claim.name",
];
/// Keys of TLS that count for one listener.
pub(super) const TLS_KEYS: [&str; 16] = [
    "ottla.ssl.crl.location",
    "ssl.cipher.suites",
    "ssl.client.auth",
    "ssl.enabled.protocols",
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.principal.mapping.rules",
    "ssl.protocol",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];
/// Keys of limits that count for one listener beside those of all.
pub(super) const CONNECTION_KEYS: [&str; 2] = ["max.connections", "max.connection.creation.rate"];
/// Keys that count for one mechanism of a listener.
const OF_MECHANISMS: [&str; 3] =
    ["sasl.jaas.config", "connections.max.reauth.ms", "sasl.server.callback.handler.class"];

/// The table's key at the end of what follows the prefix. The names of listeners are not known yet and may hold dots.
pub(super) fn listener_key(rest: &str) -> Option<&'static Key> {
    endings(rest).find_map(broker_key)
}

/// Returns true for a key of TLS for HTTP.
pub(super) fn is_http_key(name: &str) -> bool {
    name.strip_prefix(HTTP_PREFIX).is_some_and(|key| TLS_KEYS.contains(&key))
}

/// The parts after each dot, the longest first.
pub(super) fn endings(rest: &str) -> impl Iterator<Item = &str> {
    rest.match_indices('.').filter_map(|(at, _)| rest.get(at + 1..))
}

/// One such key of a listener that is opened.
struct ListenerKey<'a> {
    listener: &'a Listener,
    /// In lower case.
    mechanism: Option<&'static str>,
    key: &'a str,
}

/// Takes the key apart; `None` if it is of no listener that is opened.
fn parts<'a>(rest: &'a str, listeners: &'a [Listener]) -> Option<ListenerKey<'a>> {
    // Kafka spells the name in lower case here (`ListenerName.configPrefix`). Other spellings count as well: Kafka ignores
    // them without a word.
    let is_of = |listener: &&Listener| after_name(rest, &listener.name).is_some();
    // Of INNER and INNER.A the longer one is meant.
    let listener = listeners.iter().filter(is_of).max_by_key(|listener| listener.name.len())?;
    let rest = after_name(rest, &listener.name)?;
    let of = |mechanism: &&'static str| after_name(rest, mechanism).map(|key| (*mechanism, key));
    Some(match MECHANISMS.iter().find_map(of) {
        Some((mechanism, key)) => ListenerKey { listener, mechanism: Some(mechanism), key },
        None => ListenerKey { listener, mechanism: None, key: rest },
    })
}

/// The listener of such a key, which follows the prefix.
pub(super) fn of_listener<'a>(rest: &'a str, listeners: &'a [Listener]) -> Option<&'a Listener> {
    parts(rest, listeners).map(|parts| parts.listener)
}

/// The part after the name and a dot.
fn after_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    // Checked: an operator may write any text here, and a length may end within a character of it.
    let (start, rest) = text.split_at_checked(name.len())?;
    if start.eq_ignore_ascii_case(name) { rest.strip_prefix('.') } else { None }
}

/// The setting of a key for one listener alone, with the name under which it was set.
pub(super) fn own_settings<'a>(
    settings: &'a Settings,
    listeners: &'a [Listener],
    listener: &Listener,
    key: &str,
) -> Option<(&'a str, &'a Setting)> {
    let mut own = settings.iter().filter(|(name, _)| {
        let of = name.strip_prefix(LISTENER_PREFIX).and_then(|rest| parts(rest, listeners));
        of.is_some_and(|of| of.mechanism.is_none() && of.listener.name == listener.name && of.key == key)
    });
    own.next().map(|(name, setting)| (name.as_str(), setting))
}

/// The narrowest setting of a key, with the name under which it was set; `None` if it was set nowhere.
pub(super) fn narrowest<'a>(
    settings: &'a Settings,
    listeners: &'a [Listener],
    listener: &Listener,
    mechanism: Option<Mechanism>,
    key: &'static str,
) -> Option<(&'a str, &'a Setting)> {
    let layer = |mechanism: Option<&str>| {
        settings.iter().find(|(name, _)| {
            let of = name.strip_prefix(LISTENER_PREFIX).and_then(|rest| parts(rest, listeners));
            of.is_some_and(|of| {
                let same = match (of.mechanism, mechanism) {
                    (None, None) => true,
                    (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
                    _ => false,
                };
                same && of.listener.name == listener.name && of.key == key
            })
        })
    };
    let narrow = mechanism.and_then(|mechanism| layer(Some(mechanism.name())));
    // Kafka reads JAAS texts with a mechanism alone (`JaasContext.loadServerContext`).
    let is_wide = OF_LISTENERS.contains(&key) || TLS_KEYS.contains(&key) || OF_BEARER.contains(&key);
    let wide = || if is_wide { layer(None) } else { None };
    let alone = || if is_wide { settings.get_key_value(key) } else { None };
    narrow.or_else(wide).or_else(alone).map(|(name, setting)| (name.as_str(), setting))
}

/// Names the keys of single listeners that do nothing, in one line for each reason.
pub(super) fn note_ignored(settings: &Settings, listeners: &[Listener], notes: &mut Vec<Note>) {
    let (mut open, mut common, mut bare, mut closed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut useless = Vec::new();
    for name in settings.keys() {
        let Some(rest) = name.strip_prefix(LISTENER_PREFIX) else { continue }; // a key of no single listener
        let Some(ListenerKey { listener, mechanism, key }) = parts(rest, listeners) else {
            closed.push(name.as_str());
            continue;
        };
        let (of_tls, of_login) = match mechanism {
            Some("oauthbearer") if OF_BEARER.contains(&key) => (false, true),
            Some(_) => (false, OF_MECHANISMS.contains(&key)),
            None => (TLS_KEYS.contains(&key), OF_LISTENERS.contains(&key) || OF_BEARER.contains(&key)),
        };
        let protocol = listener.protocol;
        match protocol {
            _ if mechanism.is_none() && CONNECTION_KEYS.contains(&key) => {}
            Protocol::Plaintext => open.push(name.as_str()),
            _ if of_tls && protocol.has_tls() || of_login && protocol.has_login() => {}
            _ if of_tls || of_login => useless.push(name.as_str()),
            _ if key == "sasl.jaas.config" => bare.push(name.as_str()),
            _ => common.push(name.as_str()),
        }
    }
    for (keys, reason) in [
        (open, "as the listener is PLAINTEXT and goes by the settings of all listeners"),
        (useless, "as the protocol of the listener has no use for them"),
        (common, "as the listener goes by the settings of all listeners in these"),
        (
            bare,
            "as in Kafka, which reads it with a mechanism alone (listener.name.<listener>.plain.sasl.jaas.config)",
        ),
        (closed, "as no listener of that name is opened"),
    ] {
        if !keys.is_empty() {
            notes.push(Note::warn(format!("ignored, {reason}: {}", keys.join(", "))));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Loaded, Sources, load};

    fn loaded(pairs: &[(&str, &str)], lenient: bool) -> Result<String, String> {
        let overrides = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        match load(&Sources { overrides, lenient, ..Sources::default() }) {
            Ok(Loaded { notes, .. }) => Ok(notes.iter().map(|note| format!("{}\n", note.text)).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn settings_without_an_effect_are_named() {
        let notes = loaded(
            &[
                ("listeners", "INNER.A://:9092"),
                ("listener.security.protocol.map", "INNER.A:PLAINTEXT"),
                ("listener.name.inner.a.ssl.keystore.location", "/x"),
                ("listener.name.outer.plain.sasl.jaas.config", "x"),
            ],
            false,
        );
        let notes = notes.unwrap();
        assert!(notes.contains("all listeners: listener.name.inner.a.ssl.keystore.location\n"), "{notes}");
        assert!(notes.contains("is opened: listener.name.outer.plain.sasl.jaas.config\n"), "{notes}");
    }

    #[test]
    fn what_holds_no_key_of_a_table_is_unknown() {
        for (key, hint) in [
            ("listener.name.inner.sasl.enabled.mechanism", "did you mean \"sasl.enabled.mechanisms\"?"),
            ("listener.name.inner.plain.sasl.jaas.cfg", "unknown key"),
            ("listener.name.inner", "unknown key"),
            ("listener.name.inner.foo", "unknown key"),
        ] {
            let text = loaded(&[(key, "hunter2")], false).unwrap_err();
            assert!(text.contains(hint) && text.contains(key) && !text.contains("hunter2"), "{text}");
            assert!(loaded(&[(key, "hunter2")], true).unwrap().contains("is ignored"), "lenient");
        }
    }
}
