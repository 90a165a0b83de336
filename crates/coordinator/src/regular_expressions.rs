//! Regular expressions that clients send.
//!
//! The matcher's time is linear in its input. An expression is matched against whole texts, as Kafka's RE2J
//! does.

use regex::{Regex, RegexBuilder};

/// The most that one compiled regular expression may take up, bytes. A client cannot fill the memory with
/// `a{1000}{1000}`.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Matches whole texts only.
///
/// # Errors
/// If it is not a regular expression, or a compiled one would be too large.
pub(crate) fn whole_match(regex: &str) -> Result<Regex, regex::Error> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
    // By itself first: `a)|(b` must not become valid by what is put around it.
    build(regex)?;
    build(&format!(r"\A(?:{regex})\z"))
}
