//! The question before something is destroyed.

use std::io::IsTerminal as _;

use crate::failure::Failure;

/// Asks on a terminal, by a text on standard error, and takes everything except yes for a no. Without a terminal it takes the flag of this name.
///
/// # Errors
/// The answer is no, or there is neither a terminal nor the flag.
pub(crate) fn confirm(question: &str, flag: &str, is_given: bool) -> Result<(), Failure> {
    if is_given {
        return Ok(());
    }
    eprint!("{question}{}", if std::io::stdin().is_terminal() { " (y/N) " } else { "\n" });
    match answer(flag)?.is_some_and(|answer| is_yes(&answer)) {
        true => Ok(()),
        false => Err(Failure::failed("nothing was changed")),
    }
}

/// A line that is typed on the terminal, without its end; `None` where no line comes any more.
///
/// # Errors
/// There is no terminal.
pub(crate) fn answer(flag: &str) -> Result<Option<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "no terminal to answer that on; give {flag} to go on without a question"
        )));
    }
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    let is_read = read.is_ok_and(|bytes| bytes != 0);
    Ok(is_read.then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_a_yes() {
        for answer in ["y\n", "Y\n", " yes \n"] {
            assert!(is_yes(answer), "{answer:?}");
        }
        for answer in ["", "\n", "n\n", "yy\n", "orders\n"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
    }
}
