//! Rules that make the name of a principal of the subject of a client's certificate (`ssl.principal.mapping.rules`).
//!
//! The grammar is Kafka's (`SslPrincipalMapper`): rules with commas between them, `DEFAULT` for the text as it is, or
//! `RULE:pattern/replacement/` with `L` or `U` after it for lower or upper case. The first rule whose pattern fits the whole text counts.
//! Patterns are those of the `regex` crate, whose time is linear in the text; what Java has beyond them is refused,
//! not read as something else.

use regex::{Captures, Regex, RegexBuilder};
use thiserror::Error;

/// The rules of a listener.
#[derive(Debug, Clone)]
pub struct MappingRules(Vec<Rule>);

#[derive(Debug, Clone)]
enum Rule {
    /// `DEFAULT`: the text as it is.
    Whole,
    Rewrite {
        pattern: Regex,
        /// The same pattern, for whole texts only.
        whole: Regex,
        replacement: Vec<Piece>,
        case: Case,
    },
}

/// A part of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Kept,
    Lower,
    Upper,
}

/// A fault in the text of the rules. Rules are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MappingError {
    /// It is neither form of a rule.
    #[error(
        "rule {0} is neither DEFAULT nor RULE:pattern/replacement/ with L or U or nothing after it; a / within it is written \\/"
    )]
    Form(usize),
    /// The pattern cannot be used.
    #[error("the pattern of rule {0} cannot be used: {1}")]
    Pattern(usize, String),
    /// The replacement cannot be used.
    #[error("the replacement of rule {0} cannot be used: {1}")]
    Replacement(usize, &'static str),
}

/// Why a subject has no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unmapped {
    /// No rule fits.
    #[error("no rule of ssl.principal.mapping.rules fits the certificate's subject")]
    NoRule,
    /// It is longer than is looked at.
    #[error("the certificate's subject is longer than {MAX_SUBJECT_BYTES} bytes")]
    TooLong,
}

/// A longer subject has no principal: cut, two of them could be one.
const MAX_SUBJECT_BYTES: usize = 4096;
/// The memory of one compiled pattern.
const MAX_PATTERN_BYTES: usize = 1 << 20;

impl MappingRules {
    /// Reads the rules. Empty ones are passed over; without any no client has a principal, as in Kafka.
    ///
    /// # Errors
    /// A rule is malformed, or is one that only Java could follow.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            let (rule, after) = rule(number, rest.trim_start())?;
            rules.extend(rule);
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(next) => next,
                None if after.is_empty() => after,
                None => return Err(MappingError::Form(number)),
            };
        }
        Ok(Self(rules))
    }

    /// The name that the rules make of a subject.
    ///
    /// # Errors
    /// No rule fits, or the subject is too long.
    pub fn name(&self, subject: &str) -> Result<String, Unmapped> {
        if subject.len() > MAX_SUBJECT_BYTES {
            return Err(Unmapped::TooLong);
        }
        self.0.iter().find_map(|rule| rule.apply(subject)).ok_or(Unmapped::NoRule)
    }
}

/// Reads one rule, `None` for an empty one; returns it with the text after it.
fn rule(number: usize, text: &str) -> Result<(Option<Rule>, &str), MappingError> {
    if let Some(after) = text.strip_prefix("DEFAULT") {
        return Ok((Some(Rule::Whole), after));
    }
    let Some(text) = text.strip_prefix("RULE:") else { return Ok((None, text)) };
    let (pattern, text) = up_to_slash(text).ok_or(MappingError::Form(number))?;
    let (replacement, text) = up_to_slash(text).ok_or(MappingError::Form(number))?;
    let (case, after) = match text.strip_prefix('L') {
        Some(after) => (Case::Lower, after),
        None => text.strip_prefix('U').map_or((Case::Kept, text), |after| (Case::Upper, after)),
    };
    let (pattern, whole) = compile(pattern).map_err(|reason| MappingError::Pattern(number, reason))?;
    let replacement = pieces(replacement, pattern.captures_len() - 1)
        .map_err(|reason| MappingError::Replacement(number, reason))?;
    Ok((Some(Rule::Rewrite { pattern, whole, replacement, case }), after))
}

/// The text before the next `/` that has no backslash before it, and the text after that.
fn up_to_slash(text: &str) -> Option<(&str, &str)> {
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '/' => return Some((text.get(..at)?, text.get(at + 1..)?)),
            '\\' => drop(letters.next()),
            _ => {}
        }
    }
    None
}

/// The pattern as it is searched for, and as it fits whole texts.
fn compile(pattern: &str) -> Result<(Regex, Regex), String> {
    let pattern = java_classes(pattern)?;
    let build = |text: &str| {
        let built = RegexBuilder::new(text).size_limit(MAX_PATTERN_BYTES).build();
        // The last line of the crate's text says what is wrong; those above it draw the pattern.
        built.map_err(|error| {
            error.to_string().lines().last().map_or_else(String::new, |line| line.trim().to_owned())
        })
    };
    Ok((build(&pattern)?, build(&format!("^(?:{pattern})$"))?))
}

/// The pattern with Java's meaning of `\d`, `\w` and `\s`, which are ASCII there.
///
/// # Errors
/// It has a construct that means something else here.
fn java_classes(pattern: &str) -> Result<String, String> {
    let refused =
        |construct: &str| Err(format!("{construct} is a construct of Java that Ottla does not have"));
    let mut text = String::with_capacity(pattern.len());
    let mut letters = pattern.chars().peekable();
    // Letters before this one; an escape counts as one that is neither.
    let (mut last, mut last_quantifies) = (None, false);
    while let Some(letter) = letters.next() {
        let mut quantifies = false;
        match letter {
            '\\' => match letters.next() {
                Some('d') => text.push_str("[0-9]"),
                Some('D') => text.push_str("[^0-9]"),
                Some('w') => text.push_str("[a-zA-Z0-9_]"),
                Some('W') => text.push_str("[^a-zA-Z0-9_]"),
                Some('s') => text.push_str("[ \\t\\n\\x0B\\f\\r]"),
                Some('S') => text.push_str("[^ \\t\\n\\x0B\\f\\r]"),
                Some(class @ ('p' | 'P' | 'b' | 'B' | 'v' | 'U')) => return refused(&format!("\\{class}")),
                // The signs themselves: here they would be the beginning and the end of a word.
                Some(sign @ ('<' | '>')) => text.push(sign),
                Some(escaped) => text.extend(['\\', escaped]),
                None => return Err("it ends with a backslash".to_owned()),
            },
            '+' if last_quantifies => return refused("a possessive quantifier"),
            '?' if last == Some('(') => {
                // `(?:` and `(?<name>` mean the same; flags and the like do not.
                match letters.peek() {
                    Some(':' | '<') => text.push('?'),
                    _ => return refused("(? with flags, looking ahead or an atomic group"),
                }
            }
            '&' | '-' | '~' if last == Some(letter) => return refused(&format!("{letter}{letter}")),
            letter => {
                quantifies = matches!(letter, '*' | '+' | '?' | '}');
                text.push(letter);
            }
        }
        last = (letter != '\\').then_some(letter);
        last_quantifies = quantifies;
    }
    Ok(text)
}

/// Reads a replacement as `Matcher.appendReplacement`, with Kafka's rule that `$3` without a third group is text.
fn pieces(text: &str, groups: usize) -> Result<Vec<Piece>, &'static str> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            '$' => {
                let first = letters.next();
                let (Some(first), Some(number)) = (first, first.and_then(|digit| digit.to_digit(10))) else {
                    return Err("after $ there must be the number of a group; a $ of its own is written \\$");
                };
                let mut number = number as usize;
                if number > groups {
                    if groups == 0 {
                        return Err("it names a group, and the pattern has none");
                    }
                    plain.push('$');
                    plain.push(first);
                    continue;
                }
                // Further digits belong to the number as long as there is such a group.
                while let Some(digit) = letters.peek().and_then(|digit| digit.to_digit(10)) {
                    let longer = number.saturating_mul(10).saturating_add(digit as usize);
                    if longer > groups {
                        break;
                    }
                    number = longer;
                    letters.next();
                }
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Group(number));
            }
            letter => plain.push(letter),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

impl Rule {
    fn apply(&self, subject: &str) -> Option<String> {
        let Self::Rewrite { pattern, whole, replacement, case } = self else {
            return Some(subject.to_owned());
        };
        if !whole.is_match(subject) {
            return None;
        }
        let name = replace_all(pattern, replacement, subject);
        Some(match case {
            Case::Kept => name,
            Case::Lower => name.to_lowercase(),
            Case::Upper => name.to_uppercase(),
        })
    }
}

/// As `String.replaceAll`: searches again after each match, and one letter later after an empty one.
fn replace_all(pattern: &Regex, replacement: &[Piece], subject: &str) -> String {
    let mut name = String::new();
    let (mut copied, mut from) = (0, 0);
    while let Some(captures) = pattern.captures_at(subject, from) {
        let Some(found) = captures.get(0) else { break };
        name.extend(subject.get(copied..found.start()));
        expand(&captures, replacement, &mut name);
        copied = found.end();
        from = found.end();
        if found.is_empty() {
            match subject.get(from..).and_then(|rest| rest.chars().next()) {
                Some(letter) => from += letter.len_utf8(),
                None => break,
            }
        }
    }
    name.extend(subject.get(copied..));
    name
}

fn expand(captures: &Captures<'_>, replacement: &[Piece], name: &mut String) {
    for piece in replacement {
        match piece {
            Piece::Text(text) => name.push_str(text),
            // A group that took no part is empty.
            Piece::Group(number) => name.push_str(captures.get(*number).map_or("", |group| group.as_str())),
        }
    }
}

#[cfg(test)]
mod tests;
