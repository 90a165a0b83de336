//! Regular expressions of names.

use regex::Regex;

use crate::failure::Failure;

/// Regular expressions, of which one must match a whole name. Without any, every name fits.
#[derive(Debug)]
pub(crate) struct Patterns(Vec<(String, Regex)>);

impl Patterns {
    /// # Errors
    /// An expression is wrong.
    pub(crate) fn new(texts: &[String]) -> Result<Self, Failure> {
        let compiled = texts.iter().map(|text| {
            // By itself first: its error then shows the text as it was written.
            let whole = Regex::new(text).and_then(|_| Regex::new(&format!(r"\A(?s:{text})\z")));
            let whole = whole.map(|whole| (text.clone(), whole));
            whole.map_err(|error| Failure::usage(format!("{text:?} is no regular expression: {error}")))
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn fit(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|(_, pattern)| pattern.is_match(name))
    }

    /// The first expression that fits none of these names.
    pub(crate) fn without_any(&self, names: &[String]) -> Option<&str> {
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
