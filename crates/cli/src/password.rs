//! A new password: from a file, from standard input, typed, or made. Never an argument, which other users of the machine can see.

mod prompt;

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use security::Secret;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::random;

/// A longer line is no password.
const MOST_BYTES: u64 = 4096;

/// The source of a password; without one it is typed.
#[derive(Debug, Args)]
pub(crate) struct PasswordSource {
    /// Reads the password from the first line of a file.
    #[arg(long, value_name = "FILE", group = "source")]
    password_file: Option<PathBuf>,
    /// Reads the password from the first line of standard input.
    #[arg(long, group = "source")]
    password_stdin: bool,
    /// Makes a password of 24 letters and digits, and prints it once.
    #[arg(long, group = "source")]
    generate: bool,
}

impl PasswordSource {
    /// The password, and true if it was made here and has to be printed.
    ///
    /// # Errors
    /// There is none, or Ctrl-C was typed.
    pub(crate) fn read(&self) -> Result<(Secret, bool), Failure> {
        let password = match self {
            Self { generate: true, .. } => return Ok((random::password(), true)),
            Self { password_file: Some(path), .. } => of_file(path)?,
            Self { password_stdin: true, .. } => first_line(&mut std::io::stdin().lock())?,
            _ if std::io::stdin().is_terminal() => prompt::typed_twice(std::io::stdin())?,
            _ => {
                return Err(Failure::usage(
                    "a password is needed: give --password-stdin, --password-file FILE, or --generate",
                ));
            }
        };
        match password.expose().is_empty() {
            true => Err(Failure::usage("the password is empty")),
            false => Ok((password, false)),
        }
    }
}

fn of_file(path: &Path) -> Result<Secret, Failure> {
    let file = std::fs::File::open(path);
    let file =
        file.map_err(|error| Failure::failed(format!("{} cannot be read: {error}", path.display())))?;
    first_line(&mut std::io::BufReader::new(file))
}

/// The first line, without its end. Blanks count.
fn first_line(from: &mut impl std::io::BufRead) -> Result<Secret, Failure> {
    let mut line = Zeroizing::new(Vec::with_capacity(256));
    let read = std::io::Read::take(from, MOST_BYTES).read_until(b'\n', &mut line);
    read.map_err(|error| Failure::failed(format!("the password cannot be read: {error}")))?;
    let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(_) if line.len() as u64 == MOST_BYTES => {
            Err(Failure::usage("the password has more than 4095 bytes"))
        }
        Ok(_) => Ok(Secret::new(bytes)),
        Err(_) => Err(Failure::usage("the password is no UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8]) -> Result<Vec<u8>, u8> {
        first_line(&mut &*text).map(|line| line.expose().to_vec()).map_err(|error| error.exit_code())
    }

    #[test]
    fn the_first_line_is_the_password() {
        assert_eq!(line(b"geheim\nmore\n"), Ok(b"geheim".to_vec()));
        assert_eq!(line(b" a b \r\n"), Ok(b" a b ".to_vec()), "blanks count");
        assert_eq!(line(b""), Ok(vec![]));
        assert_eq!(line(b"\xff\n"), Err(2));
        assert_eq!(line(&[b'x'; 5000]), Err(2));
    }
}
