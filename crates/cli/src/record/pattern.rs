//! rpk's `%` verbs: `%k %v\n` and the like. The same pattern writes records and reads them.
//!
//! Texts are `%t` topic, `%k` key, `%v` value; numbers are `%T`, `%K`, `%V` (their lengths), `%H` headers, `%p` partition, `%o` offset, `%d` timestamp
//! in ms, `%e` leader epoch, `%x` and `%y` producer id and epoch. `%h{…}` is a pattern for each header, with `%k` and `%v` of its own.
//! `%%`, `%{` and `%}` are the signs themselves. Escapes are `\t`, `\n`, `\r`, `\\` and `\xNN`.

use std::iter::Peekable;
use std::str::Chars;

/// A text of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Topic,
    Key,
    Value,
}

/// A number of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Length(Text),
    Headers,
    Partition,
    Offset,
    Timestamp,
    LeaderEpoch,
    ProducerId,
    ProducerEpoch,
}

/// The form of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextForm {
    Raw,
    Hex,
    Base64,
}

/// The form of a number: digits, or this many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberForm {
    Ascii,
    /// Most significant byte first.
    Big(usize),
    /// Least significant byte first.
    Little(usize),
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(Vec<u8>),
    Text(Text, TextForm),
    Number(Number, NumberForm),
    /// For each header.
    Headers(Vec<Piece>),
}

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(super) pieces: Vec<Piece>,
}

impl Pattern {
    /// # Errors
    /// A verb, a modifier or an escape is unknown; the text names it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut letters = text.chars().peekable();
        let pieces = pieces(&mut letters, false)?;
        Ok(Self { pieces })
    }

    /// True if it has the topic.
    pub(crate) fn has_topic(&self) -> bool {
        self.has(Text::Topic)
    }

    /// True if it has the key.
    pub(crate) fn has_key(&self) -> bool {
        self.has(Text::Key)
    }

    fn has(&self, text: Text) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Text(found, _) if *found == text))
    }
}

/// Replaces escapes, as in `-K '\t'`.
///
/// # Errors
/// An escape is unknown.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let (mut letters, mut bytes) = (text.chars().peekable(), Vec::new());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => bytes.push(escape(&mut letters)?),
            _ => push(&mut bytes, letter),
        }
    }
    Ok(bytes)
}

fn push(bytes: &mut Vec<u8>, letter: char) {
    bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

fn escape(letters: &mut Peekable<Chars<'_>>) -> Result<u8, String> {
    match letters.next() {
        Some('t') => Ok(b'\t'),
        Some('n') => Ok(b'\n'),
        Some('r') => Ok(b'\r'),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digits: String = letters.by_ref().take(2).collect();
            u8::from_str_radix(&digits, 16)
                .ok()
                .filter(|_| digits.len() == 2 && !digits.starts_with('+'))
                .ok_or_else(|| format!("\\x{digits} is not two hexadecimal digits"))
        }
        Some(other) => Err(format!("\\{other} is no escape; known are \\t \\n \\r \\\\ \\xNN")),
        None => Err("it ends in a \\; write \\\\ for the sign itself".to_owned()),
    }
}

/// Parses up to the end, or up to the `}` of a header pattern.
fn pieces(letters: &mut Peekable<Chars<'_>>, of_header: bool) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut literal) = (Vec::new(), Vec::new());
    loop {
        match letters.next() {
            None if of_header => return Err("%h{ has no } at its end".to_owned()),
            Some('}') if of_header => break,
            None => break,
            Some('\\') => literal.push(escape(letters)?),
            Some('%') => match letters.next() {
                Some(sign @ ('%' | '{' | '}')) => push(&mut literal, sign),
                Some(verb) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece(verb, letters, of_header)?);
                }
                None => return Err("it ends in a %; write %% for the sign itself".to_owned()),
            },
            Some(letter) => push(&mut literal, letter),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn piece(verb: char, letters: &mut Peekable<Chars<'_>>, of_header: bool) -> Result<Piece, String> {
    match verb {
        'h' if of_header => return Err("%h within %h{…}: a header has no headers".to_owned()),
        'h' => {
            if letters.next() != Some('{') {
                return Err("%h needs a pattern for each header, such as %h{%k=%v }".to_owned());
            }
            return Ok(Piece::Headers(pieces(letters, true)?));
        }
        _ => {}
    }
    let modifier = modifier(verb, letters)?;
    let text = |text| Ok(Piece::Text(text, text_form(verb, &modifier)?));
    let number = |number| Ok(Piece::Number(number, number_form(verb, &modifier)?));
    match verb {
        'k' => text(Text::Key),
        'v' => text(Text::Value),
        'K' => number(Number::Length(Text::Key)),
        'V' => number(Number::Length(Text::Value)),
        _ if of_header => Err(format!("%{verb} within %h{{…}}: a header has %k, %v, %K and %V")),
        't' => text(Text::Topic),
        'T' => number(Number::Length(Text::Topic)),
        'H' => number(Number::Headers),
        'p' => number(Number::Partition),
        'o' => number(Number::Offset),
        'd' => number(Number::Timestamp),
        'e' => number(Number::LeaderEpoch),
        'x' => number(Number::ProducerId),
        'y' => number(Number::ProducerEpoch),
        _ => Err(format!("%{verb} is no verb; known are %t %k %v %h{{…}} %p %o %d %e %x %y %T %K %V %H %%")),
    }
}

/// The text in braces after a verb; empty without.
fn modifier(verb: char, letters: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    if letters.next_if_eq(&'{').is_none() {
        return Ok(text);
    }
    loop {
        match letters.next() {
            Some('}') => return Ok(text),
            Some(letter) => text.push(letter),
            None => return Err(format!("%{verb}{{ has no }} at its end; write %{{ for the sign itself")),
        }
    }
}

fn text_form(verb: char, modifier: &str) -> Result<TextForm, String> {
    match modifier {
        "" => Ok(TextForm::Raw),
        "hex" => Ok(TextForm::Hex),
        "base64" => Ok(TextForm::Base64),
        _ => Err(format!("%{verb}{{{modifier}}}: a text is served as hex or base64")),
    }
}

fn number_form(verb: char, modifier: &str) -> Result<NumberForm, String> {
    Ok(match modifier {
        "" | "ascii" => NumberForm::Ascii,
        "byte" | "big8" | "little8" => NumberForm::Big(1),
        "big16" => NumberForm::Big(2),
        "big32" => NumberForm::Big(4),
        "big64" => NumberForm::Big(8),
        "little16" => NumberForm::Little(2),
        "little32" => NumberForm::Little(4),
        "little64" => NumberForm::Little(8),
        _ => {
            return Err(format!(
                "%{verb}{{{modifier}}}: a number is served as ascii, byte, or big or little with 8, 16, 32 or 64"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_escapes_and_modifiers_become_pieces() {
        let parsed = Pattern::parse(r"%K{big32}%k\t%v{base64}%%\x00%h{%k=%v }%d\n").unwrap();
        assert_eq!(
            parsed.pieces,
            [
                Piece::Number(Number::Length(Text::Key), NumberForm::Big(4)),
                Piece::Text(Text::Key, TextForm::Raw),
                Piece::Literal(b"\t".to_vec()),
                Piece::Text(Text::Value, TextForm::Base64),
                Piece::Literal(b"%\0".to_vec()),
                Piece::Headers(vec![
                    Piece::Text(Text::Key, TextForm::Raw),
                    Piece::Literal(b"=".to_vec()),
                    Piece::Text(Text::Value, TextForm::Raw),
                    Piece::Literal(b" ".to_vec()),
                ]),
                Piece::Number(Number::Timestamp, NumberForm::Ascii),
                Piece::Literal(b"\n".to_vec()),
            ]
        );
        assert!(parsed.has_key() && !parsed.has_topic());
    }

    #[test]
    fn wrong_patterns_are_named() {
        for (text, reason) in [
            ("%q", "%q is no verb"),
            ("%", "it ends in a %"),
            ("\\", "it ends in a \\"),
            ("\\x0", "two hexadecimal digits"),
            ("\\x+1", "two hexadecimal digits"),
            ("\\q", "\\q is no escape"),
            ("%k{", "has no }"),
            ("%k{json}", "hex or base64"),
            ("%d{go[2006]}", "served as ascii"),
            ("%h", "needs a pattern"),
            ("%h{%k", "no } at its end"),
            ("%h{%p}", "a header has"),
            ("%h{%h{%k}}", "has no headers"),
        ] {
            let error = Pattern::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert_eq!(unescape(r"a\x20\t"), Ok(b"a \t".to_vec()));
        assert!(unescape("\\").is_err());
    }
}
