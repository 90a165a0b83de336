//! The changes that the flags ask for: `a=1,b=[2,3]`, or a file of properties, and keys to delete.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use security::Secret;
use security::properties::parse;
use zeroize::Zeroizing;

use super::super::flags::Given;
use super::super::refusal::Refusal;
use super::{ADD, ADD_FILE, DELETE};
use crate::output::escaped;

/// Keys with new values, which may be passwords, and keys that lose theirs.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) added: BTreeMap<String, Secret>,
    pub(super) deleted: Vec<String>,
}

impl Changes {
    /// # Errors
    /// The file cannot be read, or a text has another form.
    pub(super) fn of(given: &Given) -> Result<Self, Refusal> {
        let mut added = match given.value(ADD_FILE)? {
            Some(path) => of_file(path)?,
            None => BTreeMap::new(),
        };
        if let Some(text) = given.value(ADD)? {
            added.extend(pairs(text)?);
        }
        if let Some(key) = added.keys().find(|key| !is_key(key)) {
            let text = format!("Invalid character found for config key: {}", escaped(key));
            return Err(Refusal::Argument(text));
        }
        let deleted = given.values(DELETE).flat_map(keys).map(|key| key.trim().to_owned()).collect();
        Ok(Self { added, deleted })
    }

    /// All keys: those that get values, and those that lose theirs.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.added.keys().chain(&self.deleted).map(String::as_str)
    }
}

/// `$` is part of the names of loggers.
fn is_key(key: &str) -> bool {
    key.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '$' | '.' | '_' | '-'))
}

fn of_file(path: &str) -> Result<BTreeMap<String, Secret>, Refusal> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Refusal::error("java.nio.file.NoSuchFileException", escaped(path)),
        _ => Refusal::error("java.io.IOException", format!("{}: {error}", escaped(path))),
    };
    let bytes = Zeroizing::new(std::fs::read(path).map_err(failed)?);
    let (properties, bad) = parse(&bytes);
    match bad.first() {
        Some(bad) => {
            let text = format!("{} line {}: {}", escaped(path), bad.line, bad.reason);
            Err(Refusal::Argument(text))
        }
        None => Ok(properties.into_iter().map(|one| (one.key, Secret::new(one.value))).collect()),
    }
}

/// `a=1,b=[2,3]`; the last value of a key counts. The brackets are left out.
fn pairs(text: &str) -> Result<Vec<(String, Secret)>, Refusal> {
    let mut parts = split(text, ',');
    // As in Java, empty parts at the end do not count, except if there is nothing else than one.
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    let pair = |part: &str| {
        match split(part, '=').as_slice() {
        [key, value] => {
            Ok((key.trim().to_owned(), Secret::new(value.replace(['[', ']'], "").trim())))
        }
        _ => Err(Refusal::Argument(
            "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \"key=[val1,val2]\" to group values which contain commas."
                .to_owned(),
        )),
    }
    };
    parts.into_iter().map(pair).collect()
}

/// The parts between separators that are not within brackets: the next bracket after such a one closes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for (at, found) in text.match_indices(separator) {
        let after = text.get(at + found.len()..).unwrap_or_default();
        let next_bracket = after.chars().find(|letter| matches!(letter, '[' | ']'));
        if next_bracket != Some(']') {
            parts.push(text.get(start..at).unwrap_or_default());
            start = at + found.len();
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// `a,b`, without empty parts, except if there is nothing else.
fn keys(text: &str) -> Vec<&str> {
    let keys: Vec<&str> = text.split(',').filter(|key| !key.is_empty()).collect();
    if keys.is_empty() { vec![text] } else { keys }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::TOOL;
    use super::*;

    fn changes(words: &[&str]) -> Result<(Vec<String>, Vec<String>), Refusal> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let changes = Changes::of(&TOOL.flags.parse(&words)?)?;
        let pair = |(key, value): (&String, &Secret)| format!("{key}={}", value.expose_text().unwrap());
        Ok((changes.added.iter().map(pair).collect(), changes.deleted))
    }

    fn added(text: &str) -> Result<String, String> {
        let changes = changes(&["--add-config", text]);
        changes.map(|(added, _)| added.join(" ")).map_err(|refusal| refusal.text().to_owned())
    }

    #[test]
    fn brackets_keep_commas_and_equals_signs_together() {
        for (text, expected) in [
            ("a=1", "a=1"),
            (" a = 1 , b=2,", "a=1 b=2"),
            ("a=[x,y],b=,c=[z]", "a=x,y b= c=z"),
            ("SCRAM-SHA-256=[iterations=8192,password=p=q]", "SCRAM-SHA-256=iterations=8192,password=p=q"),
            ("a=1,a=2", "a=2"),
            ("a$b=1", "a$b=1"),
        ] {
            assert_eq!(added(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "a", "a=b=c", ",a=1", "a=1,,b=2"] {
            let refused = added(text).unwrap_err();
            assert!(
                refused.starts_with("requirement failed: Invalid entity config: all"),
                "{text}: {refused}"
            );
        }
        assert_eq!(added("a!b=1").unwrap_err(), "Invalid character found for config key: a!b");
    }

    #[test]
    fn deleted_keys_are_a_list() {
        let deleted = |words: &[&str]| changes(words).unwrap().1;
        assert_eq!(deleted(&["--delete-config", "a, b,,c", "--delete-config", "d"]), ["a", "b", "c", "d"]);
        assert_eq!(deleted(&["--delete-config", ""]), [""]);
    }

    #[test]
    fn a_file_has_properties() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "# more\nretention.bytes = 5000\ncleanup.policy=compact,delete").unwrap();
        let path = file.path().to_str().unwrap();
        let (added, _) = changes(&["--add-config-file", path]).unwrap();
        assert_eq!(added, ["cleanup.policy=compact,delete", "retention.bytes=5000"]);
        let missing = changes(&["--add-config-file", "/none/such"]).unwrap_err();
        assert_eq!(missing, Refusal::error("java.nio.file.NoSuchFileException", "/none/such"));
    }
}
