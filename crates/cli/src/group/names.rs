//! The groups that a command names: literally, or by regular expressions.

use clap::Args;
use regex::Regex;

use super::list;
use crate::client::Coordinators;
use crate::failure::Failure;

/// Groups by their names.
#[derive(Debug, Args)]
pub(super) struct Groups {
    /// Names of groups.
    #[arg(value_name = "GROUP", required = true)]
    names: Vec<String>,
    /// Takes the names as regular expressions, each of which must match a whole name: '.*' is every group
    #[arg(short, long)]
    regex: bool,
}

impl Groups {
    /// The names, each once. Only regular expressions are compared with the groups that exist.
    ///
    /// # Errors
    /// An expression is wrong, or none fits.
    pub(super) fn find(&self, cluster: &mut Coordinators) -> Result<Vec<String>, Failure> {
        let mut names = match self.regex {
            false => self.names.clone(),
            true => {
                let mut listed: Vec<String> =
                    list::all(cluster, 0)?.into_iter().map(|group| group.name).collect();
                let patterns = Patterns::new(&self.names)?;
                // Before anything is done: a pattern that fits nothing is misspelled.
                if let Some(text) = patterns.without_any(&listed) {
                    return Err(Failure::failed(format!("no group fits {text:?}; see `ottla group list`")));
                }
                listed.retain(|name| patterns.fit(name));
                listed
            }
        };
        names.sort();
        names.dedup();
        match names.is_empty() {
            true => Err(Failure::failed("no group fits; see `ottla group list`")),
            false => Ok(names),
        }
    }
}

/// Regular expressions, of which one must match a whole name. Without any, every name fits.
#[derive(Debug)]
pub(super) struct Patterns(Vec<(String, Regex)>);

impl Patterns {
    /// # Errors
    /// An expression is wrong.
    pub(super) fn new(texts: &[String]) -> Result<Self, Failure> {
        let compiled = texts.iter().map(|text| {
            // By itself first: its error then shows the text as it was written.
            let whole = Regex::new(text).and_then(|_| Regex::new(&format!(r"\A(?s:{text})\z")));
            let whole = whole.map(|whole| (text.clone(), whole));
            whole.map_err(|error| Failure::usage(format!("{text:?} is no regular expression: {error}")))
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn fit(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|(_, pattern)| pattern.is_match(name))
    }

    /// The first expression that fits none of these names.
    fn without_any(&self, names: &[String]) -> Option<&str> {
        let fits_none = |(_, pattern): &&(String, Regex)| !names.iter().any(|name| pattern.is_match(name));
        self.0.iter().find(fits_none).map(|(text, _)| text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(patterns: &[&str], name: &str) -> bool {
        let texts: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        Patterns::new(&texts).unwrap().fit(name)
    }

    #[test]
    fn an_expression_matches_a_whole_name() {
        assert!(fit(&[], "billing"));
        assert!(fit(&["bill.*"], "billing"));
        assert!(fit(&["a|billing"], "billing"));
        assert!(!fit(&["bill"], "billing"));
        assert!(!fit(&["a|bill"], "billing"));
        assert!(fit(&["x", "b.+"], "billing"));
        assert!(fit(&[".*"], "two\nlines"));
    }

    #[test]
    fn an_expression_that_fits_nothing_is_found() {
        let patterns = Patterns::new(&["a.".to_owned(), "b".to_owned()]).unwrap();
        assert_eq!(patterns.without_any(&["aa".to_owned(), "b".to_owned()]), None);
        assert_eq!(patterns.without_any(&["aa".to_owned()]), Some("b"));
    }

    #[test]
    fn a_wrong_expression_is_named() {
        let wrong = Patterns::new(&["a)|(b".to_owned()]).unwrap_err();
        assert!(matches!(&wrong, Failure::Usage(text) if text.contains("a)|(b")), "{wrong}");
    }
}
