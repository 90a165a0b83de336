//! Names of topics as `--topic` and `--include` of Kafka's tools match them (`IncludeList`): a regular expression of whole names, in which a comma is an alternative.

use regex::Regex;

use super::refusal::Refusal;

/// The topics of an expression.
#[derive(Debug)]
pub(super) struct Filter(Regex);

impl Filter {
    /// Blanks are left out, and quotes at both ends.
    ///
    /// # Errors
    /// It is no regular expression.
    pub(super) fn new(text: &str) -> Result<Self, Refusal> {
        let text = text.trim().replace(',', "|").replace(' ', "");
        let text = text.trim_matches(['"', '\'']);
        // By itself first: `a)|(b` is none, though it would be one between parentheses.
        let regex = Regex::new(text).and_then(|_| Regex::new(&format!(r"\A(?:{text})\z")));
        let wrong = |_| Refusal::error("java.lang.RuntimeException", format!("{text} is an invalid regex."));
        regex.map(Self).map_err(wrong)
    }

    pub(super) fn fits(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_are_matched_and_a_comma_is_an_alternative() {
        let fits = |text: &str, name: &str| Filter::new(text).unwrap().fits(name);
        assert!(fits("a.b", "a.b") && fits("a.b", "axb") && !fits("a", "ab"));
        assert!(fits("a, b", "b") && fits("'a|b'", "a") && !fits("a,b", "ab"));
        for text in ["(", "a)|(b", "*"] {
            assert_eq!(Filter::new(text).unwrap_err().text(), format!("{text} is an invalid regex."));
        }
    }
}
