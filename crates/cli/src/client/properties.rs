//! Java's client keys: what a file of them sets, and where, and what options set beside it. Values may be secrets, so that none is shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use security::Secret;
use security::properties::parse;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The keys that mean something here.
const SERVED: [&str; 19] = [
    "bootstrap.servers",
    "client.id",
    "request.timeout.ms",
    "sasl.jaas.config",
    "sasl.mechanism",
    "sasl.oauthbearer.token.endpoint.url",
    "security.protocol",
    "ssl.enabled.protocols",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// True for a key that means something here.
pub(crate) fn serves_key(key: &str) -> bool {
    SERVED.contains(&key)
}

/// A longer file is no configuration.
const MAX_BYTES: u64 = 1 << 20;

/// The keys of a file, and of options.
#[derive(Debug, Default)]
pub(super) struct Properties {
    path: PathBuf,
    /// The value of each key, and its source. Of a repeated key the last counts, as in Java.
    values: BTreeMap<String, (Secret, Source)>,
}

/// The place that sets a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A line of the file.
    Line(usize),
    /// The option `-X`.
    Option,
}

impl Properties {
    /// Reads the file that `option` names; returns it with the warnings about keys that mean nothing here.
    ///
    /// # Errors
    /// It cannot be read, or a line is malformed.
    pub(super) fn read(path: &Path, option: &str) -> Result<(Self, Vec<String>), Failure> {
        let shown = path.display();
        let bytes = read_file(path).map_err(|reason| Failure::Config(format!("{option}: {reason}")))?;
        let (properties, bad) = parse(bytes.expose());
        if let Some(bad) = bad.first() {
            return Err(Failure::Config(format!("{shown} line {}: {}", bad.line, bad.reason)));
        }
        let (mut values, mut warnings) = (BTreeMap::new(), Vec::new());
        for property in properties {
            if !serves_key(&property.key) {
                warnings.push(format!(
                    "{shown} line {}: {} has no effect on this command",
                    property.line,
                    property.key.escape_debug()
                ));
            }
            values.insert(property.key, (Secret::new(property.value), Source::Line(property.line)));
        }
        Ok((Self { path: path.to_owned(), values }, warnings))
    }

    /// Sets the key of `-X KEY=VALUE`, in place of the file's; returns a warning if it means nothing here. `number` is that of the option.
    ///
    /// # Errors
    /// It has no key. The text does not show the option, which may be a secret by itself.
    pub(super) fn set(&mut self, number: usize, option: &Secret) -> Result<Option<String>, Failure> {
        let pair = option.expose_text().and_then(|text| text.split_once('='));
        let Some((key, value)) =
            pair.map(|(key, value)| (key.trim(), value)).filter(|(key, _)| !key.is_empty())
        else {
            let text = format!(
                "-X takes KEY=VALUE, such as security.protocol=SSL; the one with number {number} is none"
            );
            return Err(Failure::usage(text));
        };
        self.values.insert(key.to_owned(), (Secret::new(value), Source::Option));
        Ok((!serves_key(key)).then(|| format!("-X {} has no effect on this command", key.escape_debug())))
    }

    /// True if an option sets the key.
    pub(super) fn is_option(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|(_, source)| *source == Source::Option)
    }

    /// The value of a key, if it is set, and not to nothing.
    pub(super) fn secret(&self, key: &str) -> Option<&Secret> {
        self.values.get(key).map(|(value, _)| value).filter(|value| !value.expose().trim_ascii().is_empty())
    }

    /// The same, as text without blanks around it.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.secret(key).and_then(Secret::expose_text).map(str::trim)
    }

    /// Returns true if the key is set, also to nothing.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The contents of the file that a key names.
    pub(super) fn file(&self, key: &str) -> Result<Option<Secret>, Failure> {
        let Some(path) = self.text(key) else { return Ok(None) };
        read_file(Path::new(path)).map(Some).map_err(|reason| self.wrong(key, &reason))
    }

    /// The failure for a key with a wrong value. `reason` says what belongs there, and holds no secret.
    pub(super) fn wrong(&self, key: &str, reason: &str) -> Failure {
        let path = self.path.display();
        Failure::Config(match self.values.get(key) {
            Some((_, Source::Line(line))) => format!("{path} line {line}: {key}: {reason}"),
            Some((_, Source::Option)) => format!("-X {key}: {reason}"),
            None if self.path.as_os_str().is_empty() => {
                format!("{key}: {reason}; write it into a file for --command-config, or set it by -X")
            }
            None => format!("{path}: {key}: {reason}"),
        })
    }

    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        let values = parse(text.as_bytes()).0.into_iter();
        let values = values.map(|one| (one.key, (Secret::new(one.value), Source::Line(one.line)))).collect();
        Self { path: PathBuf::from("F"), values }
    }
}

/// A whole file, of at most a mebibyte. A relative path begins at the folder of the process, as in Java.
///
/// # Errors
/// It cannot be read; the text names it.
pub(super) fn read_file(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let failed = |error: std::io::Error| format!("{shown} cannot be read: {error}");
    let facts = std::fs::metadata(path).map_err(failed)?;
    if facts.is_file() && facts.len() > MAX_BYTES {
        return Err(format!("{shown} has {} bytes, which is too long", facts.len()));
    }
    let bytes = Zeroizing::new(std::fs::read(path).map_err(failed)?);
    Ok(Secret::new(bytes.as_slice()))
}
