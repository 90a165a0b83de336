//! Files of TLS as Kafka's container image names them: `KAFKA_SSL_KEYSTORE_FILENAME` and its siblings, in `/etc/kafka/secrets`.
//!
//! The start script of that image (`docker/resources/common-scripts/configure`) turns them into locations and passwords; here the loader does. As
//! there, they come before `KAFKA_SSL_KEYSTORE_LOCATION`, though not before flags and `--override`; a truststore is used only with client certificates, and a trailing line feed
//! is no part of a password. Guarantees that such a variable is never ignored while something speaks TLS.

use std::path::Path;

use super::problem::{Origin, Problem};
use super::secret_file;
use super::setting::{Setting, Settings};

/// The folder of the files.
pub(super) const SECRETS: &str = "/etc/kafka/secrets";

/// The keys that such variables spell.
pub(super) const OF_KAFKAS_IMAGE: [&str; 5] = [
    "ssl.key.credentials",
    "ssl.keystore.credentials",
    "ssl.keystore.filename",
    "ssl.truststore.credentials",
    "ssl.truststore.filename",
];

/// The name of a file in the folder, and the key that it stands for.
enum Meaning {
    Location(&'static str),
    /// The file holds a password.
    Password(&'static str),
}

const MEANINGS: [(&str, Meaning); 5] = [
    ("ssl.key.credentials", Meaning::Password("ssl.key.password")),
    ("ssl.keystore.credentials", Meaning::Password("ssl.keystore.password")),
    ("ssl.keystore.filename", Meaning::Location("ssl.keystore.location")),
    ("ssl.truststore.credentials", Meaning::Password("ssl.truststore.password")),
    ("ssl.truststore.filename", Meaning::Location("ssl.truststore.location")),
];

/// Sets the keys that the variables stand for. Files are in `folder`.
pub(super) fn resolve(settings: &mut Settings, folder: &Path, problems: &mut Vec<Problem>) {
    if !has_tls(settings) {
        return;
    }
    let has_certificates = settings.iter().any(|(key, setting)| {
        key.ends_with("ssl.client.auth") && matches!(setting.value.as_str(), "required" | "requested")
            || key == "http.authentication" && setting.value == "certificate"
    });
    for (key, meaning) in &MEANINGS {
        let Some(setting) = settings.get(*key) else { continue };
        let is_variable = matches!(setting.origin, Origin::Environment(_));
        if !is_variable || setting.value.is_empty() || key.contains("truststore") && !has_certificates {
            continue;
        }
        let (Meaning::Location(stands_for) | Meaning::Password(stands_for)) = meaning;
        if settings.get(*stands_for).is_some_and(|set| matches!(set.origin, Origin::Flag(_))) {
            continue;
        }
        let path = folder.join(&setting.value);
        let origin = setting.origin.clone();
        let value = match meaning {
            Meaning::Location(_) => path.display().to_string(),
            Meaning::Password(_) => match secret_file::read(&path) {
                Ok(text) => text.trim_end_matches('\n').to_owned(),
                Err(reason) => {
                    let reason = format!("{}: {reason}", path.display());
                    problems.push(Problem::Wrong { key: (*key).to_owned(), origin: Some(origin), reason });
                    continue;
                }
            },
        };
        settings.insert((*stands_for).to_owned(), Setting { value, origin });
    }
}

/// Returns true if a listener may speak TLS. Which does is found later, when their names are known.
fn has_tls(settings: &Settings) -> bool {
    let says = |key: &str, part: &str| settings.get(key).is_some_and(|setting| setting.value.contains(part));
    ["listeners", "advertised.listeners", "listener.security.protocol.map"].iter().any(|key| says(key, "SSL"))
        || says("http.listener", "https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let origin =
            |key: &str| Origin::Environment(format!("KAFKA_{}", key.replace('.', "_").to_uppercase()));
        let setting = |key: &str, value: &str| Setting { value: value.to_owned(), origin: origin(key) };
        pairs.iter().map(|(key, value)| ((*key).to_owned(), setting(key, value))).collect()
    }

    const TLS: (&str, &str) = ("advertised.listeners", "SSL://broker:9093");
    const ALL: [(&str, &str); 5] = [
        ("ssl.keystore.filename", "broker.p12"),
        ("ssl.keystore.credentials", "store-password"),
        ("ssl.key.credentials", "key-password"),
        ("ssl.truststore.filename", "ca.p12"),
        ("ssl.truststore.credentials", "trust-password"),
    ];

    /// The values after the translation, and the problems.
    fn resolved(pairs: &[(&str, &str)]) -> (Settings, String) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("store-password", "one\n"), ("key-password", "two"), ("trust-password", " three \n\n")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (mut settings, mut problems) = (settings(pairs), Vec::new());
        resolve(&mut settings, folder.path(), &mut problems);
        let inside = format!("{}/", folder.path().display());
        for setting in settings.values_mut() {
            setting.value = setting.value.replace(&inside, "");
        }
        (settings, problems.iter().map(ToString::to_string).collect())
    }

    fn value<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
        settings.get(key).map(|setting| setting.value.as_str())
    }

    #[test]
    fn names_of_files_become_locations_and_passwords() {
        let auth = ("ssl.client.auth", "required");
        let older = ("ssl.keystore.location", "/other");
        let (made, problems) = resolved(&[&ALL[..], &[TLS, auth, older]].concat());
        assert_eq!(problems, "");
        for (key, expected) in [
            ("ssl.keystore.location", "broker.p12"),
            ("ssl.keystore.password", "one"),
            ("ssl.key.password", "two"),
            ("ssl.truststore.location", "ca.p12"),
            ("ssl.truststore.password", " three "),
        ] {
            assert_eq!(value(&made, key), Some(expected), "{key}");
        }
    }

    #[test]
    fn a_truststore_needs_client_certificates_and_all_of_it_tls() {
        let (made, _) = resolved(&[&ALL[..], &[TLS]].concat());
        assert_eq!(value(&made, "ssl.truststore.location"), None);
        assert!(value(&made, "ssl.keystore.location").is_some());
        let (made, problems) = resolved(&[&ALL[..], &[("ssl.client.auth", "required")]].concat());
        assert_eq!((value(&made, "ssl.keystore.location"), problems.as_str()), (None, ""));
    }

    #[test]
    fn a_missing_file_of_a_password_is_named() {
        let (_, problems) = resolved(&[TLS, ("ssl.keystore.credentials", "nowhere")]);
        assert!(
            problems.contains("ssl.keystore.credentials") && problems.contains("nowhere: it cannot be read"),
            "{problems}"
        );
    }
}
