//! Users that the command line or the environment names, to be made at the start. No part of their texts reaches an error.

use broker::config::BrokerConfig;
use broker::{NewUser, NewUserError};
use security::Secret;

/// A user that is to be made at the start cannot be read. The text tells nothing of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrongUser {
    #[error("{source_name}: {error}")]
    Text { source_name: &'static str, error: NewUserError },
    #[error("{BOOTSTRAP_USER_FILE}: {0}")]
    File(std::io::Error),
    #[error("{BOOTSTRAP_USER} and {BOOTSTRAP_USER_FILE} are both set; leave one")]
    Twice,
}

const BOOTSTRAP_USER: &str = "OTTLA_BOOTSTRAP_USER";
const BOOTSTRAP_USER_FILE: &str = "OTTLA_BOOTSTRAP_USER_FILE";

/// Keeps an argument out of the errors of the command line, which repeat what they refuse.
#[allow(clippy::unnecessary_wraps, reason = "a parser of clap")]
pub(crate) fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// The user of one `--add-scram`.
///
/// # Errors
/// It is not written as it must be.
pub(crate) fn added(text: &Secret) -> Result<NewUser, WrongUser> {
    let parsed = NewUser::parse(text.expose_text().unwrap_or_default());
    parsed.map_err(|error| WrongUser::Text { source_name: "--add-scram", error })
}

/// The user that the environment names; `env` looks up a variable.
///
/// # Errors
/// It is not written as it must be, or its file cannot be read.
pub(crate) fn bootstrap(
    config: &BrokerConfig,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<NewUser>, WrongUser> {
    let (text, source_name) = match (env(BOOTSTRAP_USER), env(BOOTSTRAP_USER_FILE)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(WrongUser::Twice),
        (Some(text), None) => (Secret::new(text), BOOTSTRAP_USER),
        (None, Some(file)) => {
            (Secret::new(std::fs::read(file).map_err(WrongUser::File)?), BOOTSTRAP_USER_FILE)
        }
    };
    // Editors end a file with a line feed.
    let text = text.expose_text().unwrap_or_default().trim_end_matches(['\r', '\n']);
    let user = NewUser::parse_short(text, config.start().usual_scram());
    user.map(Some).map_err(|error| WrongUser::Text { source_name, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_a_user_or_its_file() {
        let config = BrokerConfig::from_pairs(&[]).expect("valid");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "alice:pw:SCRAM-SHA-256\n").expect("written");
        let path = file.path().to_str().expect("a path of ASCII");
        let user = |pairs: &[(&str, &str)]| {
            let find =
                |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            bootstrap(&config, find).map(|user| user.map(|user| format!("{} {:?}", user.name, user.hash)))
        };
        let (by_value, by_file) = ((BOOTSTRAP_USER, "bob:pw"), (BOOTSTRAP_USER_FILE, path));
        assert_eq!(user(&[]).expect("none"), None);
        assert_eq!(user(&[by_value]).expect("valid").as_deref(), Some("bob Sha512"));
        assert_eq!(user(&[by_file]).expect("valid").as_deref(), Some("alice Sha256"));
        assert!(user(&[by_value, by_file]).is_err() && user(&[(BOOTSTRAP_USER_FILE, "/none")]).is_err());
        let error = user(&[(BOOTSTRAP_USER, "hunter2")]).expect_err("refused").to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
