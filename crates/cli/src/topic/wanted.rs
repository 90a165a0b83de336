//! Names and regular expressions of topics, as arguments.
//!
//! A text of the characters that names may have (letters, digits, `.`, `_` and `-`) is a name and fits that topic alone, so that `a.b` never
//! deletes `a-b`. Any other text is a regular expression, and fits the names that it matches as a whole, as `--topic` of Kafka's tools.

use std::str::FromStr;

use regex::Regex;

/// Topics that an argument is about.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// The topic of this name.
    Name(String),
    /// The topics whose whole names match.
    Pattern {
        /// The text as it was given.
        text: String,
        regex: Regex,
    },
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_of_names = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        if text.is_empty() {
            return Err("a name of a topic, or a regular expression, is needed".to_owned());
        }
        if text.chars().all(is_of_names) {
            return Ok(Self::Name(text.to_owned()));
        }
        // By itself first: `a)|(b` is none, though it would be one between parentheses.
        let regex = Regex::new(text).and_then(|_| Regex::new(&format!("^(?:{text})$")));
        let regex = regex
            .map_err(|error| format!("it is neither a topic's name nor a regular expression: {error}"))?;
        Ok(Self::Pattern { text: text.to_owned(), regex })
    }
}

impl Wanted {
    /// True if it is about a topic. A regular expression is about an internal topic only if `with_internal` is set.
    pub(super) fn fits(&self, name: &str, is_internal: bool, with_internal: bool) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Pattern { regex, .. } => (with_internal || !is_internal) && regex.is_match(name),
        }
    }

    /// The name, if it is one.
    pub(super) fn name(&self) -> Option<&String> {
        match self {
            Self::Name(name) => Some(name),
            Self::Pattern { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(text: &str, name: &str) -> bool {
        text.parse::<Wanted>().unwrap().fits(name, false, false)
    }

    #[test]
    fn a_legal_name_fits_its_topic_alone() {
        assert!(fits("a.b", "a.b") && !fits("a.b", "a-b") && !fits("a", "ab"));
    }

    #[test]
    fn a_regular_expression_matches_whole_names() {
        assert!(fits("orders.*", "orders") && fits("orders.*", "orders-eu"));
        assert!(!fits("orders.*", "my-orders") && !fits("[a-c]", "ab"));
        // An alternative is no way around.
        assert!(fits("a|b", "b") && !fits("a|b", "ax") && !fits("a|b", "xb"));
        for text in ["", "*", "(", "a)|(b"] {
            assert!(text.parse::<Wanted>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn internal_topics_are_named_or_asked_for() {
        let all: Wanted = ".*".parse().unwrap();
        assert!(all.fits("__consumer_offsets", true, true) && !all.fits("__consumer_offsets", true, false));
        let named: Wanted = "__consumer_offsets".parse().unwrap();
        assert!(named.fits("__consumer_offsets", true, false));
    }
}
