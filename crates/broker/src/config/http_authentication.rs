//! The clients that may use the HTTP listener: `http.authentication` and the files that it needs.

use std::path::{Path, PathBuf};

use super::broker_keys::StartKeys;
use super::http_listener::HttpListener;
use super::secret_file;
use super::setting::Settings;
use super::value::HttpAuthentication as Asked;

/// How clients of HTTP show who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HttpAccess {
    /// They need not.
    #[default]
    Open,
    /// By user and password of a user of SCRAM.
    ScramUsers,
    /// By user and password of this file, see [`security::http::users`].
    UsersOf(PathBuf),
    /// By a token of this file, see [`security::http::tokens`].
    TokensOf(PathBuf),
    /// By a certificate of an authority in the truststore.
    Certificate,
}

const AUTHENTICATION: &str = "http.authentication";
const USERS: &str = "http.basic.users.location";
const TOKENS: &str = "http.bearer.token.location";

/// A key that is wrong, and why.
type Wrong = (&'static str, String);

/// Judges the keys together; files are not read.
///
/// # Errors
/// The key that is wrong, and why.
pub(super) fn resolve(keys: &StartKeys, settings: &Settings) -> Result<HttpAccess, Wrong> {
    let path = |key| settings.get(key).filter(|set| !set.value.trim().is_empty()).map(|set| set.path());
    let (users, tokens) = (path(USERS), path(TOKENS));
    // A file that is set and not used: HTTP would be more open than it was written.
    let unused = |key, kind: &str| {
        Err((key, format!("it is used only with {AUTHENTICATION}={kind}; set that, or remove it")))
    };
    // One that cannot be read is reported by itself.
    let speaks_tls =
        HttpListener::parse(&keys.http_listener).is_ok_and(|http| http.is_none_or(|http| http.tls));
    match (keys.http_authentication, users, tokens) {
        (Asked::Basic | Asked::Certificate | Asked::None, _, Some(_)) => unused(TOKENS, "bearer"),
        (Asked::Bearer | Asked::Certificate | Asked::None, Some(_), _) => unused(USERS, "basic"),
        (Asked::Certificate, None, None) if !speaks_tls => {
            let reason = "certificate needs TLS; set http.listener=https://HOST:PORT".to_owned();
            Err((AUTHENTICATION, reason))
        }
        (Asked::Certificate, None, None) => Ok(HttpAccess::Certificate),
        (Asked::None, None, None) => Ok(HttpAccess::Open),
        (Asked::Basic, None, None) => Ok(HttpAccess::ScramUsers),
        (Asked::Basic, Some(file), None) => Ok(HttpAccess::UsersOf(file)),
        (Asked::Bearer, None, Some(file)) => Ok(HttpAccess::TokensOf(file)),
        (Asked::Bearer, None, None) => {
            Err((AUTHENTICATION, format!("bearer needs {TOKENS}, a file with a token a line")))
        }
    }
}

impl HttpAccess {
    /// Reads the file, so that a mistake in it stops the start.
    ///
    /// # Errors
    /// The key whose file is wrong, and why.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        let check = |key, file: &Path, parse: fn(&str) -> Result<(), String>| {
            let read = secret_file::read(file).and_then(|text| parse(&text));
            read.map_err(|reason| (key, format!("{}: {reason}", file.display())))
        };
        match self {
            Self::Open | Self::ScramUsers | Self::Certificate => Ok(()),
            Self::UsersOf(file) => check(USERS, file, |text| security::http::users(text).map(drop)),
            Self::TokensOf(file) => check(TOKENS, file, |text| security::http::tokens(text).map(drop)),
        }
    }
}
