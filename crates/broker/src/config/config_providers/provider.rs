//! The three providers that Kafka has: of properties files, of folders in which each file is a value, and of the environment.

use std::path::{Path, PathBuf};

use regex::Regex;
use security::properties;
use zeroize::Zeroizing;

use crate::config::secret_file;

/// `FileConfigProvider`, `DirectoryConfigProvider`, `EnvVarConfigProvider`.
#[derive(Debug)]
pub(super) enum Provider {
    /// `${file:PATH:KEY}`: the key of a properties file.
    File(Allowed),
    /// `${directory:PATH:NAME}`: the file of that name in the folder, whole.
    Directory(Allowed),
    /// `${env:NAME}`: a variable whose whole name the pattern matches, if there is one.
    EnvVar(Option<Regex>),
}

/// The folders and files to which references may lead; empty: all (KIP-993).
#[derive(Debug)]
pub(super) struct Allowed(Vec<PathBuf>);

const PACKAGE: &str = "org.apache.kafka.common.config.provider.";

impl Provider {
    /// The provider whose settings `text` gives: `class`, `param.allowed.paths`, `param.allowlist.pattern`.
    ///
    /// # Errors
    /// The setting that is wrong, and why.
    pub(super) fn new<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Result<Self, (&'static str, String)> {
        let served = format!(
            "FileConfigProvider, DirectoryConfigProvider and EnvVarConfigProvider of {PACKAGE}* are served"
        );
        let Some(class) = text("class") else { return Err(("class", format!("it is not set; {served}"))) };
        let allowed = || Allowed::read(text("param.allowed.paths").unwrap_or_default());
        match class.strip_prefix(PACKAGE) {
            Some("FileConfigProvider") => Ok(Self::File(allowed()?)),
            Some("DirectoryConfigProvider") => Ok(Self::Directory(allowed()?)),
            Some("EnvVarConfigProvider") => {
                let pattern = text("param.allowlist.pattern").filter(|pattern| !pattern.is_empty());
                let compiled = pattern.map(|pattern| Regex::new(&format!("^(?:{pattern})$"))).transpose();
                compiled.map(Self::EnvVar).map_err(|error| {
                    (
                        "param.allowlist.pattern",
                        format!("it is no regular expression that is served: {error}"),
                    )
                })
            }
            _ => Err(("class", format!("Ottla cannot load {class}; {served}"))),
        }
    }

    /// The text at a place.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn get(
        &self,
        path: &str,
        key: &str,
        variables: &[(String, String)],
    ) -> Result<Zeroizing<String>, String> {
        match self {
            Self::EnvVar(_) if !path.is_empty() => {
                Err("a variable has no path; write ${name:VARIABLE}".to_owned())
            }
            Self::EnvVar(pattern) => {
                if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(key)) {
                    return Err("param.allowlist.pattern does not allow the variable".to_owned());
                }
                let found = variables.iter().find(|(name, _)| name == key);
                found
                    .map(|(_, value)| Zeroizing::new(value.clone()))
                    .ok_or_else(|| "there is no such variable".to_owned())
            }
            Self::File(allowed) => {
                let file = allowed.path(Path::new(path))?;
                let text = secret_file::read(&file)?;
                let (properties, _) = properties::parse(text.as_bytes());
                // As in java.util.Properties, the last one counts.
                let found = properties.into_iter().rev().find(|property| property.key == key);
                found
                    .map(|property| Zeroizing::new(property.value))
                    .ok_or_else(|| "the file has no such key".to_owned())
            }
            Self::Directory(allowed) => {
                if Path::new(key).components().count() != 1 || key.contains("..") {
                    return Err("the last part is not the name of a file in the folder".to_owned());
                }
                secret_file::read(&allowed.path(&Path::new(path).join(key))?)
            }
        }
    }
}

impl Allowed {
    /// A list of absolute paths, separated by commas.
    fn read(text: &str) -> Result<Self, (&'static str, String)> {
        let paths: Vec<&str> = text.split(',').map(str::trim).filter(|path| !path.is_empty()).collect();
        if paths.is_empty() && !text.is_empty() {
            return Err(("param.allowed.paths", "it names no path; without it all are allowed".to_owned()));
        }
        let checked = paths.into_iter().map(|path| {
            // By the real path: a link, or `..`, must not lead out of what is allowed.
            let real = Path::new(path).canonicalize();
            real.map_err(|error| {
                ("param.allowed.paths", format!("{path}: {error}; list folders or files that exist"))
            })
        });
        checked.collect::<Result<_, _>>().map(Self)
    }

    /// The real path of a file that is allowed.
    fn path(&self, path: &Path) -> Result<PathBuf, String> {
        let real = path.canonicalize().map_err(|error| error.to_string())?;
        let is_allowed = self.0.is_empty() || self.0.iter().any(|allowed| real.starts_with(allowed));
        is_allowed.then_some(real).ok_or_else(|| "param.allowed.paths does not allow the file".to_owned())
    }
}
