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
    if !std::io::stdin().is_terminal() {
        eprintln!("{question}");
        return Err(Failure::usage(format!(
            "no terminal to answer that on; give {flag} to go on without a question"
        )));
    }
    eprint!("{question} (y/N) ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read.is_ok() && is_yes(&answer) {
        true => Ok(()),
        false => Err(Failure::failed("nothing was changed")),
    }
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
