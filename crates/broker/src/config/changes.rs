//! Changes of what a resource was given: one [`apply`] of SET, DELETE, APPEND and SUBTRACT for every kind.
//!
//! A kind of resource says what it knows of its keys ([`KeyRules`]); sizes are limited in `limits.rs`.

use std::collections::HashSet;

use super::limits;
use super::overrides::{ConfigRefusal, Overrides};

/// A change of one key (Kafka's `AlterConfigOp.OpType`, KIP-339).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOp<'a> {
    Set(&'a str),
    /// Back to what holds where the resource is given nothing.
    Delete,
    /// Adds to a list what it does not have.
    Append(&'a str),
    /// Takes from a list what it has.
    Subtract(&'a str),
}

/// A key and its change.
pub type Change<'a> = (&'a str, ConfigOp<'a>);

/// The rules that one kind of resource has for its keys.
pub(crate) trait KeyRules {
    /// The value of the list called `name`, if the resource was given `set`; `None` if that key is no list.
    fn list(&self, name: &str, set: &Overrides) -> Option<String>;

    /// The value as it is kept.
    ///
    /// # Errors
    /// There is no such key, or it cannot have this value.
    fn normalise(&self, name: &str, value: &str) -> Result<String, ConfigRefusal>;

    /// Checks the rules that join several keys.
    ///
    /// # Errors
    /// The first rule that is broken.
    fn check_together(&self, set: &Overrides) -> Result<(), ConfigRefusal>;
}

/// Applies the changes to `current`. Keys that are not changed are not judged again alone.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn apply<'a>(
    rules: &impl KeyRules,
    current: &Overrides,
    changes: impl IntoIterator<Item = Change<'a>>,
) -> Result<Overrides, ConfigRefusal> {
    // On a copy: a resource is changed as a whole or not at all (KIP-339).
    let mut set = current.clone();
    for (name, change) in changes {
        let list = |operation: &str| {
            let text = || format!("Can't {operation} to key {name} because its type is not LIST.");
            rules.list(name, &set).ok_or_else(|| ConfigRefusal::InvalidConfig(text()))
        };
        let value = match change {
            ConfigOp::Set(value) => value.to_owned(),
            ConfigOp::Delete => {
                // The name is not checked: a key that an earlier version took, and this one does not, can
                // still be deleted (ADR 7).
                set.remove(name);
                continue;
            }
            ConfigOp::Append(more) => appended(&list("APPEND")?, more),
            ConfigOp::Subtract(less) => subtracted(&list("SUBTRACT")?, less),
        };
        // Before a refusal could repeat the value.
        limits::check_value(name, &value)?;
        set.insert(name.to_owned(), rules.normalise(name, &value)?);
    }
    limits::check_all(&set)?;
    rules.check_together(&set)?;
    Ok(set)
}

/// The list with what it does not have yet of `more`.
fn appended(before: &str, more: &str) -> String {
    let mut known: HashSet<&str> = elements(before).collect();
    let more = elements(more).filter(|element| known.insert(element));
    elements(before).chain(more).collect::<Vec<_>>().join(",")
}

/// The list without what is in `less`.
fn subtracted(before: &str, less: &str) -> String {
    let gone: HashSet<&str> = elements(less).collect();
    elements(before).filter(|element| !gone.contains(element)).collect::<Vec<_>>().join(",")
}

/// The elements of a list as configurations spell it.
pub(crate) fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list and a number; the number may not be 13.
    struct Two;

    impl KeyRules for Two {
        fn list(&self, name: &str, set: &Overrides) -> Option<String> {
            (name == "list").then(|| set.get(name).cloned().unwrap_or_else(|| "a,b".to_owned()))
        }

        fn normalise(&self, name: &str, value: &str) -> Result<String, ConfigRefusal> {
            match name {
                "list" | "number" => Ok(value.trim().to_owned()),
                _ => Err(ConfigRefusal::InvalidConfig(format!("Unknown {name}"))),
            }
        }

        fn check_together(&self, set: &Overrides) -> Result<(), ConfigRefusal> {
            match set.get("number").map(String::as_str) {
                Some("13") => Err(ConfigRefusal::InvalidRequest("13".to_owned())),
                _ => Ok(()),
            }
        }
    }

    fn set(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn refused(changes: &[(&str, ConfigOp<'_>)]) -> String {
        apply(&Two, &Overrides::new(), changes.iter().copied()).unwrap_err().to_string()
    }

    #[test]
    fn a_list_begins_with_what_it_holds() {
        let none = Overrides::new();
        let appended = apply(&Two, &none, [("list", ConfigOp::Append(" c,a "))]).unwrap();
        assert_eq!(appended, set(&[("list", "a,b,c")]));
        let subtracted = apply(&Two, &appended, [("list", ConfigOp::Subtract("a,c,x"))]).unwrap();
        assert_eq!(subtracted, set(&[("list", "b")]));
        assert_eq!(apply(&Two, &appended, [("list", ConfigOp::Delete)]).unwrap(), none);
    }

    #[test]
    fn keys_that_are_not_changed_stay() {
        let before = set(&[("list", "x"), ("number", "1")]);
        let after = apply(&Two, &before, [("number", ConfigOp::Set(" 2 "))]).unwrap();
        assert_eq!(after, set(&[("list", "x"), ("number", "2")]));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(
            refused(&[("number", ConfigOp::Append("1"))]),
            "Can't APPEND to key number because its type is not LIST."
        );
        assert_eq!(
            refused(&[("other", ConfigOp::Subtract("1"))]),
            "Can't SUBTRACT to key other because its type is not LIST."
        );
        assert_eq!(refused(&[("other", ConfigOp::Set("1"))]), "Unknown other");
        assert_eq!(refused(&[("number", ConfigOp::Set("13"))]), "13");
        let long = "x".repeat(limits::MAX_VALUE_BYTES + 1);
        assert!(refused(&[("number", ConfigOp::Set(&long))]).contains("exceeds the maximum value size"));
    }

    /// Three APPENDs of 32 KB each once made a value that its record on the disk cut.
    #[test]
    fn a_list_does_not_outgrow_its_record() {
        let mut current = Overrides::new();
        let part =
            |part: u32| (0..1_200).map(|index| format!("org.apache.{part}.{index:05}.,")).collect::<String>();
        let mut refusals = 0;
        for text in (0..4).map(part) {
            match apply(&Two, &current, [("list", ConfigOp::Append(&text))]) {
                Ok(set) => current = set,
                Err(refusal) => {
                    assert!(matches!(refusal, ConfigRefusal::InvalidConfig(_)), "{refusal:?}");
                    refusals += 1;
                }
            }
        }
        assert_eq!(refusals, 3, "{} bytes", current["list"].len());
    }
}
