//! OAUTHBEARER of a listener: where the issuer's keys are, and what is expected of a token.
//!
//! Guarantees that a listener of OAUTHBEARER has a source of keys, and that issuer and audience are checked unless a key says that
//! they are not: what is missing stops the start with the remedy. There is no mode for unsigned tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use security::bearer::{Expected, KeySet};
use security::sasl::Mechanism;

use super::Resolver;
use crate::config::listener::is_loopback;
use crate::config::listener_keys::{LISTENER_PREFIX, narrowest};
use crate::config::problem::Note;
use crate::config::setting::Settings;
use crate::config::tables::broker_key;

const OAUTHBEARER: Option<Mechanism> = Some(Mechanism::OauthBearer);
const URL: &str = "sasl.oauthbearer.jwks.endpoint.url";

/// Tokens of one listener.
#[derive(Debug)]
pub struct BearerSettings {
    /// The place of the issuer's keys.
    pub source: KeySource,
    /// Claims that a token has to have.
    pub expected: Expected,
    /// How often the keys are fetched.
    pub refresh: Duration,
    /// How long the first try after a failure waits.
    pub retry: Duration,
    /// The longest that a try waits.
    pub max_retry: Duration,
}

/// The place of an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file, with the keys that it held at the start.
    File(PathBuf, KeySet),
    /// At an address.
    Url(JwksUrl),
}

/// An address of keys: over TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksUrl {
    /// If TLS is spoken.
    pub is_encrypted: bool,
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Path and query.
    pub path: String,
}

/// The longest key set, in bytes.
pub(crate) const MAX_KEY_SET_BYTES: usize = 256 << 10;

impl fmt::Display for JwksUrl {
    /// Without what follows a question mark, which may be a secret.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_encrypted, host, port, path } = self;
        let scheme = if *is_encrypted { "https" } else { "http" };
        write!(out, "{scheme}://{host}:{port}{}", path.split('?').next().unwrap_or_default())
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, _) => path.display().fmt(out),
            Self::Url(url) => url.fmt(out),
        }
    }
}

impl JwksUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is none of `https`, or of `http` on this machine.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
        let host = uri.host().ok_or("it names no host")?.trim_matches(['[', ']']);
        let is_encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_loopback(Some(host)) => false,
            Some("http") => {
                return Err(
                    "http is for this machine alone, as anyone on the way could replace the keys; use https",
                );
            }
            _ => return Err("it is not one of https://, file:/ or, for this machine, http://"),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("it holds a user name, which is not sent; remove it");
        }
        let port = uri.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { is_encrypted, host: host.to_owned(), port, path: path.to_owned() })
    }
}

/// The path of `file:/path` or `file:///path`; `None` for other URLs.
fn file_path(url: &str) -> Option<PathBuf> {
    let path = url.trim().strip_prefix("file:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// Reads a file of keys.
///
/// # Errors
/// It cannot be read, or holds no key that can be used; the text does not name the file.
pub(crate) fn read_keys(path: &Path) -> Result<KeySet, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_KEY_SET_BYTES).expect("a small number");
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > MAX_KEY_SET_BYTES {
        return Err(format!("has more than {MAX_KEY_SET_BYTES} bytes"));
    }
    KeySet::parse(&bytes).map_err(|error| format!("cannot be used: {error}"))
}

/// The keys in files that settings name, read once: a change of other keys does not read them again.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct JwksFiles(Arc<BTreeMap<PathBuf, Result<KeySet, String>>>);

impl JwksFiles {
    /// Reads every file of keys that the settings name, of all listeners.
    pub(in crate::config) fn read(settings: &Settings) -> Self {
        let named = settings.iter().filter(|(key, _)| key.ends_with(URL));
        let paths = named.filter_map(|(_, setting)| file_path(&setting.value));
        Self(Arc::new(paths.map(|path| (path.clone(), read_keys(&path))).collect()))
    }

    fn of(&self, path: &Path) -> Result<KeySet, String> {
        self.0.get(path).cloned().unwrap_or_else(|| Err("was not read".to_owned()))
    }
}

impl Resolver<'_> {
    /// The settings of OAUTHBEARER; `None` if one is missing or wrong.
    pub(super) fn bearer(&mut self) -> Option<BearerSettings> {
        if !self.listener.is_loopback() && !self.listener.protocol.has_tls() {
            self.notes.push(Note::warn(format!(
                "listener {}: OAUTHBEARER without TLS sends tokens in the clear; let no one but trusted hosts reach it",
                self.listener.name
            )));
        }
        // All are read before the first `?`, so that every mistake is reported at once.
        let source = self.key_source();
        let issuer = self.issuer();
        let audience = self.audience();
        let (subject_claim, scope_claim) =
            (self.claim("sasl.oauthbearer.sub.claim.name"), self.claim("sasl.oauthbearer.scope.claim.name"));
        let skew = self.number(OAUTHBEARER, "sasl.oauthbearer.clock.skew.seconds");
        let refresh = self.number(OAUTHBEARER, "sasl.oauthbearer.jwks.endpoint.refresh.ms");
        let retry = self.number(OAUTHBEARER, "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms");
        let max_retry = self.number(OAUTHBEARER, "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms");
        let expected = Expected {
            issuer: issuer?,
            audience: audience?,
            clock_skew_seconds: u32::try_from(skew?).ok()?,
            subject_claim: subject_claim?,
            scope_claim: scope_claim?,
        };
        let [refresh, retry, max_retry] = [refresh?, retry?, max_retry?].map(Duration::from_millis);
        Some(BearerSettings { source: source?, expected, refresh, retry, max_retry })
    }

    fn key_source(&mut self) -> Option<KeySource> {
        let Some((name, text)) = self.of_bearer(URL) else {
            let advice = "OAUTHBEARER takes no token without a signature, and needs the keys of the issuer: set it to the issuer's \
                          key set, such as https://issuer/certs, or file:/etc/keys.json";
            self.missing(URL, advice);
            return None;
        };
        let Some(path) = file_path(&text) else {
            let parsed = JwksUrl::parse(&text);
            return parsed.map(KeySource::Url).map_err(|reason| self.wrong(&name, reason.to_owned())).ok();
        };
        if !path.is_absolute() {
            self.wrong(&name, "the path must begin with /, such as file:/etc/keys.json".to_owned());
            return None;
        }
        match self.jwks.of(&path) {
            Ok(keys) => Some(KeySource::File(path, keys)),
            Err(reason) => {
                self.wrong(&name, format!("{} {reason}", path.display()));
                None
            }
        }
    }

    /// The inner `None`: any issuer counts.
    fn issuer(&mut self) -> Option<Option<String>> {
        const KEY: &str = "sasl.oauthbearer.expected.issuer";
        let any = self.allows_unverified("sasl.oauthbearer.allow.unverified.issuer", "issuer");
        let set = self.of_bearer(KEY).map(|(_, text)| text);
        if set.is_none() && !any? {
            let advice = "set it to the iss of the issuer's tokens; where tokens of every issuer may log in that the keys have signed, set \
                          sasl.oauthbearer.allow.unverified.issuer=true";
            self.missing(KEY, advice);
            return None;
        }
        Some(set)
    }

    /// The inner `None`: any audience counts.
    fn audience(&mut self) -> Option<Option<Vec<String>>> {
        const KEY: &str = "sasl.oauthbearer.expected.audience";
        let any = self.allows_unverified("sasl.oauthbearer.allow.unverified.audience", "audience");
        let set = self.of_bearer(KEY).map(|(_, text)| text);
        let names = |text: String| -> Vec<String> {
            text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let names = set.map(names).filter(|names| !names.is_empty());
        if names.is_none() && !any? {
            let advice = "set it to the aud of tokens for this broker; where tokens for every service of the issuer may log in, set \
                          sasl.oauthbearer.allow.unverified.audience=true";
            self.missing(KEY, advice);
            return None;
        }
        Some(names)
    }

    fn allows_unverified(&mut self, key: &'static str, what: &str) -> Option<bool> {
        let Some((name, text)) = self.of_bearer(key) else { return Some(false) };
        let allows = match text.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => {
                self.wrong(&name, "give true or false".to_owned());
                return None;
            }
        };
        if allows {
            let listener = &self.listener.name;
            self.notes
                .push(Note::warn(format!("listener {listener}: {name}: tokens of any {what} can log in")));
        }
        Some(allows)
    }

    fn claim(&mut self, key: &'static str) -> Option<String> {
        match self.of_bearer(key) {
            Some((_, text)) => Some(text),
            None => broker_key(key)?.default.map(str::to_owned),
        }
    }

    /// The narrowest text of a key, with the name under which it was set; `None` if it is empty or not set.
    fn of_bearer(&self, key: &'static str) -> Option<(String, String)> {
        let set = narrowest(self.settings, self.listeners, self.listener, OAUTHBEARER, key);
        let set = set.map(|(name, setting)| (name.to_owned(), setting.value.trim().to_owned()));
        set.filter(|(_, text)| !text.is_empty())
    }

    fn missing(&mut self, key: &str, advice: &str) {
        let listener = self.listener.name.to_ascii_lowercase();
        let name = format!("{LISTENER_PREFIX}{listener}.oauthbearer.{key}");
        self.wrong(&name, format!("it is missing; {advice}"));
    }
}

#[cfg(test)]
mod tests;
