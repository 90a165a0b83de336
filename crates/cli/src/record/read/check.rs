//! Patterns by which records can be read: each text must have an end.

use super::{Number, NumberForm, Piece, Text};

/// # Errors
/// The text names the verb, and the remedy.
pub(super) fn readable(pieces: &[Piece]) -> Result<(), String> {
    if pieces.is_empty() {
        return Err("the pattern is empty".to_owned());
    }
    check(pieces, false)?;
    if pieces.iter().any(|piece| matches!(piece, Piece::Text(Text::Value, _))) {
        return Ok(());
    }
    Err("the pattern has no %v, and records without a value delete their keys; `-f json` takes null values"
        .to_owned())
}

fn check(pieces: &[Piece], of_header: bool) -> Result<(), String> {
    let mut known: Vec<Number> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let next = pieces.get(at + 1);
        let is_ended = matches!(next, Some(Piece::Literal(_))) || (next.is_none() && !of_header);
        match piece {
            Piece::Literal(_) => {}
            Piece::Text(text, _) if is_ended || known.contains(&Number::Length(*text)) => {}
            Piece::Text(text, _) => return Err(endless(*text)),
            Piece::Number(number, form) => {
                if *form == NumberForm::Ascii && !is_ended {
                    let reason = "a number in digits needs a literal after it, such as a blank, or a form such as {big32}";
                    return Err(reason.to_owned());
                }
                known.push(*number);
            }
            Piece::Headers(_) if !known.contains(&Number::Headers) => {
                return Err("%h{…} needs %H before it, the number of headers".to_owned());
            }
            Piece::Headers(inner) if inner.is_empty() => return Err("%h{} is empty".to_owned()),
            Piece::Headers(inner) => check(inner, true)?,
        }
    }
    Ok(())
}

fn endless(text: Text) -> String {
    let (verb, length) = match text {
        Text::Topic => ("%t", "%T"),
        Text::Key => ("%k", "%K"),
        Text::Value => ("%v", "%V"),
    };
    format!("{verb} needs a literal after it, or its length before it ({length})")
}
