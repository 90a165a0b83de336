//! The rule that a broker is never more open than its configuration says.
//!
//! Ottla has no authorizer, no SASL and no TLS yet. A configuration that asks for one of them stops the start, with the
//! reason and the way out, unless what it asks for is as open as this broker is. Listeners of SASL and SSL are refused in
//! `listener.rs`; here are the authorizer and what is set for single listeners. Each decision is listed in
//! `docs/configuration.md`.

use super::listener::Listener;
use super::problem::{Note, Problem};
use super::setting::Settings;

const AUTHORIZER: &str = "authorizer.class.name";
const ALLOW_EVERYONE: &str = "allow.everyone.if.no.acl.found";
const LISTENER_PREFIX: &str = "listener.name.";

/// Kafka's own authorizers, of this and of earlier versions. They alone read [`ALLOW_EVERYONE`].
const KAFKAS_AUTHORIZERS: [&str; 3] = [
    "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "kafka.security.authorizer.AclAuthorizer",
    "kafka.security.auth.SimpleAclAuthorizer",
];

const WAY_OUT: &str = "Wait for a version with ACLs, and until then let only trusted hosts connect";

/// Judges the authorizer that is asked for.
pub(super) fn check_authorizer(settings: &Settings, problems: &mut Vec<Problem>, notes: &mut Vec<Note>) {
    let text = |key| settings.get(key).map(|setting| setting.value.trim());
    let class = text(AUTHORIZER).filter(|class| !class.is_empty());
    // Kafka takes every text but "true" for false (`StandardAuthorizer.getConfiguredDefaultResult`).
    let everyone = text(ALLOW_EVERYONE).map(|text| text.eq_ignore_ascii_case("true"));
    let refused = match (class, everyone) {
        (None, None | Some(true)) => None,
        (None, Some(false)) => Some((
            ALLOW_EVERYONE,
            format!(
                "it is not true, so that clients may do only what an ACL allows; Ottla has no ACLs yet, and every client \
                 could do everything. {WAY_OUT}; where every client may do everything, set it to true or remove it"
            ),
        )),
        (Some(class), Some(true)) if KAFKAS_AUTHORIZERS.contains(&class) => {
            notes.push(Note::warn(format!(
                "{AUTHORIZER}: no ACL can be created yet, so every client may do everything, as {ALLOW_EVERYONE}=true says"
            )));
            None
        }
        (Some(class), _) => {
            let kafkas = KAFKAS_AUTHORIZERS.contains(&class);
            let alone = if kafkas { format!("set {ALLOW_EVERYONE}=true, or ") } else { String::new() };
            Some((
                AUTHORIZER,
                format!(
                    "{class} is asked to decide what clients may do; Ottla has no authorizer yet, and every client could do \
                     everything. {WAY_OUT}; where every client may do everything, {alone}remove the key"
                ),
            ))
        }
    };
    if let Some((key, reason)) = refused {
        let origin = settings.get(key).map(|setting| setting.origin.clone());
        problems.push(Problem::Wrong { key: key.to_owned(), origin, reason });
    }
}

/// Says which settings of single listeners do nothing. Every listener that is opened is PLAINTEXT, which has no login and
/// no TLS in Kafka either.
pub(super) fn note_listener_settings(settings: &Settings, listeners: &[Listener], notes: &mut Vec<Note>) {
    let (mut opened, mut others) = (Vec::new(), Vec::new());
    for key in settings.keys() {
        let Some(rest) = key.strip_prefix(LISTENER_PREFIX) else { continue }; // a key of no single listener
        let is_of = |listener: &Listener| {
            // Checked: an operator may write any text here, and a length may end within a character of it.
            let name = rest.split_at_checked(listener.name.len());
            name.is_some_and(|(name, after)| {
                // Kafka spells the name in lower case here (`ListenerName.configPrefix`).
                name.eq_ignore_ascii_case(&listener.name) && after.starts_with('.')
            })
        };
        if listeners.iter().any(is_of) { opened.push(key.as_str()) } else { others.push(key.as_str()) }
    }
    if !opened.is_empty() {
        let keys = opened.join(", ");
        let text = format!(
            "ignored, as the listener is PLAINTEXT and goes by the settings of all listeners: {keys}"
        );
        notes.push(Note::warn(text));
    }
    if !others.is_empty() {
        notes.push(Note::warn(format!(
            "ignored, as no listener of that name is opened: {}",
            others.join(", ")
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Loaded, Sources, load};

    fn loaded(pairs: &[(&str, &str)]) -> Result<String, String> {
        let overrides = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        match load(&Sources { overrides, ..Sources::default() }) {
            Ok(Loaded { notes, .. }) => Ok(notes.iter().map(|note| format!("{}\n", note.text)).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn an_authorizer_stops_the_start_until_there_is_one() {
        let [standard, older, oldest] = KAFKAS_AUTHORIZERS;
        for pairs in [
            vec![(AUTHORIZER, standard)],
            vec![(AUTHORIZER, older), (ALLOW_EVERYONE, "false")],
            vec![(AUTHORIZER, oldest), (ALLOW_EVERYONE, "yes")],
            vec![(AUTHORIZER, standard), ("super.users", "User:admin")],
        ] {
            let text = loaded(&pairs).unwrap_err();
            assert!(
                text.contains("authorizer.class.name: ") && text.contains("set allow.everyone"),
                "{text}"
            );
        }
        // A class of others does not read allow.everyone.if.no.acl.found.
        let text = loaded(&[(AUTHORIZER, "com.example.Own"), (ALLOW_EVERYONE, "true")]).unwrap_err();
        assert!(text.contains("com.example.Own is asked") && !text.contains("set allow.everyone"), "{text}");
    }

    #[test]
    fn what_is_as_open_as_the_broker_is_accepted() {
        for class in KAFKAS_AUTHORIZERS {
            let notes =
                loaded(&[(AUTHORIZER, class), (ALLOW_EVERYONE, "TRUE"), ("super.users", "User:a")]).unwrap();
            assert!(notes.contains("every client may do everything, as allow.everyone"), "{notes}");
            assert!(notes.contains("without meaning in Ottla: super.users"), "{notes}");
        }
        assert!(loaded(&[(AUTHORIZER, ""), (ALLOW_EVERYONE, "true")]).is_ok());
        assert!(loaded(&[("super.users", "User:a")]).is_ok());
    }

    #[test]
    fn clients_without_an_acl_must_be_welcome() {
        let text = loaded(&[(ALLOW_EVERYONE, "false")]).unwrap_err();
        assert!(text.contains("--override: allow.everyone.if.no.acl.found: it is not true"), "{text}");
    }

    #[test]
    fn settings_of_single_listeners_are_named() {
        let notes = loaded(&[
            ("listeners", "INNER.A://:9092"),
            ("listener.security.protocol.map", "INNER.A:PLAINTEXT"),
            ("listener.name.inner.a.ssl.keystore.location", "/x"),
            ("listener.name.outer.plain.sasl.jaas.config", "x"),
        ]);
        let notes = notes.unwrap();
        assert!(notes.contains("all listeners: listener.name.inner.a.ssl.keystore.location\n"), "{notes}");
        assert!(notes.contains("is opened: listener.name.outer.plain.sasl.jaas.config\n"), "{notes}");
        let secured = [
            ("listeners", "SAFE://:9093"),
            ("listener.security.protocol.map", "SAFE:SASL_SSL"),
            ("listener.name.safe.plain.sasl.jaas.config", "x"),
        ];
        assert!(loaded(&secured).unwrap_err().contains("listener SAFE asks for SASL_SSL"));
    }
}
