//! The rule that a broker is never more open than its configuration says.
//!
//! A configuration that asks for an authorizer of others stops the start, with the reason and the way out. TLS that is not served is
//! refused in `tls.rs`, logins that are not served in `logins.rs`; here is the authorizer. Each decision is listed in `docs/configuration.md`.

use security::acl::Policy;

use super::problem::{Note, Problem};
use super::setting::Settings;

const AUTHORIZER: &str = "authorizer.class.name";
const ALLOW_EVERYONE: &str = "allow.everyone.if.no.acl.found";

const SUPER_USERS: &str = "super.users";

/// Kafka's own authorizers, of this and of earlier versions. All of them stand for ours.
const KAFKAS_AUTHORIZERS: [&str; 3] = [
    "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "kafka.security.authorizer.AclAuthorizer",
    "kafka.security.auth.SimpleAclAuthorizer",
];

/// Reads the authorizer's settings; `None` if there is to be none, or if a setting is wrong.
pub(super) fn authorizer(
    settings: &Settings,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Note>,
) -> Option<Policy> {
    let text = |key| settings.get(key).map(|setting| setting.value.trim());
    let mut wrong = |key: &str, reason: String| {
        let origin = settings.get(key).map(|setting| setting.origin.clone());
        problems.push(Problem::Wrong { key: key.to_owned(), origin, reason });
    };
    // Kafka takes every text except "true" for false (`StandardAuthorizer.getConfiguredDefaultResult`).
    let everyone = text(ALLOW_EVERYONE).map(|text| text.eq_ignore_ascii_case("true"));
    let standard = KAFKAS_AUTHORIZERS[0];
    match text(AUTHORIZER).filter(|class| !class.is_empty()) {
        None => {
            if everyone == Some(false) {
                let reason = format!(
                    "it is not true, so that clients may do only what an ACL allows; without an authorizer every client could \
                     do everything. Set {AUTHORIZER}={standard}; where every client may do everything, set it to true or \
                     remove it"
                );
                wrong(ALLOW_EVERYONE, reason);
            } else if settings.contains_key(SUPER_USERS) {
                notes.push(Note::warn(format!("{SUPER_USERS} does nothing without {AUTHORIZER}")));
            }
            None
        }
        Some(class) if !KAFKAS_AUTHORIZERS.contains(&class) => {
            let reason = format!(
                "{class} is asked to decide what clients may do; Ottla cannot load it. Set {AUTHORIZER}={standard} for Kafka's \
                 ACLs; where every client may do everything, remove the key"
            );
            wrong(AUTHORIZER, reason);
            None
        }
        Some(_) => match Policy::super_users(text(SUPER_USERS).unwrap_or_default()) {
            Ok(super_users) => {
                notes.extend(super_users.iter().filter_map(|user| warning(user)));
                Some(Policy { super_users, allows_without_entry: everyone == Some(true) })
            }
            Err(reason) => {
                wrong(SUPER_USERS, reason);
                None
            }
        },
    }
}

/// A super user that is hardly meant: some container images ship these.
fn warning(user: &str) -> Option<Note> {
    match user {
        "User:*" => Some(Note::warn(format!(
            "{SUPER_USERS}: {user} is compared as it is, so it makes no client a super user"
        ))),
        "User:ANONYMOUS" => {
            Some(Note::warn(format!("{SUPER_USERS}: {user} lets every client without a login do everything")))
        }
        _ => None,
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

    fn policy(pairs: &[(&str, &str)]) -> Option<Policy> {
        let overrides = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let loaded = load(&Sources { overrides, ..Sources::default() });
        loaded.map(|loaded| loaded.config.authorizer().cloned()).map_err(|error| error.to_string()).unwrap()
    }

    #[test]
    fn every_authorizer_of_kafka_is_ours() {
        for class in KAFKAS_AUTHORIZERS {
            assert_eq!(policy(&[(AUTHORIZER, class)]), Some(Policy::default()));
            for (text, allows_without_entry) in [("TRUE", true), ("false", false), ("yes", false)] {
                let pairs =
                    [(AUTHORIZER, class), (ALLOW_EVERYONE, text), (SUPER_USERS, "User:a; User:CN=b,O=c")];
                let super_users = ["User:a", "User:CN=b,O=c"].map(str::to_owned).into();
                assert_eq!(policy(&pairs), Some(Policy { super_users, allows_without_entry }), "{text}");
            }
        }
        assert_eq!(policy(&[(AUTHORIZER, ""), (ALLOW_EVERYONE, "true")]), None);
    }

    #[test]
    fn an_authorizer_of_others_stops_the_start() {
        let text = loaded(&[(AUTHORIZER, "com.example.Own"), (ALLOW_EVERYONE, "true")]).unwrap_err();
        assert!(text.contains("authorizer.class.name: com.example.Own is asked"), "{text}");
    }

    #[test]
    fn super_users_are_checked() {
        let with = |users| loaded(&[(AUTHORIZER, KAFKAS_AUTHORIZERS[0]), (SUPER_USERS, users)]);
        assert!(with("User:a;b").unwrap_err().contains("super.users: b is no principal"));
        assert!(with("User:*").unwrap().contains("makes no client a super user"));
        assert!(with("User:ANONYMOUS").unwrap().contains("lets every client without a login"));
        assert!(loaded(&[(SUPER_USERS, "User:a")]).unwrap().contains("does nothing without authorizer"));
    }

    #[test]
    fn clients_without_an_acl_must_be_welcome() {
        let text = loaded(&[(ALLOW_EVERYONE, "false")]).unwrap_err();
        assert!(text.contains("--override: allow.everyone.if.no.acl.found: it is not true"), "{text}");
        assert!(loaded(&[(ALLOW_EVERYONE, "true")]).is_ok());
    }
}
