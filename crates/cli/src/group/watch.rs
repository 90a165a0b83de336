//! A text that is shown again and again: drawn over the last one on a terminal, and one after the other elsewhere. It ends with Ctrl-C, as a signal, or with
//! its reader.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use rustix::termios::tcgetwinsize;

use crate::clock;
use crate::failure::Failure;

/// Shows the result of `frame` for the time, a table or lines, again and again. A failure is printed and does not end it, except the first.
///
/// # Errors
/// The first frame fails, or standard output does.
pub(super) fn run(
    every: Duration,
    mut frame: impl FnMut(&str) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let mut is_first = true;
    loop {
        let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + clock::since_1970()).to_string();
        match frame(&time) {
            Ok(text) => {
                let out = std::io::stdout();
                let text = match out.is_terminal() {
                    true => drawn(&text, is_first, tcgetwinsize(&out).map_or(0, |size| size.ws_row.into())),
                    false => line_by_line(&text, is_first).to_owned(),
                };
                let written = out.lock().write_all(text.as_bytes()).and_then(|()| out.lock().flush());
                match written {
                    Ok(()) => (),
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                    Err(error) => {
                        return Err(Failure::failed(format!("cannot write to standard output: {error}")));
                    }
                }
                is_first = false;
            }
            Err(failure) if is_first => return Err(failure),
            Err(failure) => eprintln!("ottla: {failure}; the next try is in {} s", every.as_secs_f64()),
        }
        std::thread::sleep(every);
    }
}

/// The text at the top of a terminal with this number of rows (0: unknown), in place of the old one.
fn drawn(text: &str, is_first: bool, rows: usize) -> String {
    // Home; to the end of each line, and of the screen.
    let mut drawn = if is_first { "\x1b[2J\x1b[H" } else { "\x1b[H" }.to_owned();
    let count = text.lines().count();
    // The cursor stays in the line after the last.
    let fits = if rows == 0 || count < rows { count } else { rows.saturating_sub(2) };
    for line in text.lines().take(fits) {
        drawn.push_str(line);
        drawn.push_str("\x1b[K\n");
    }
    if fits < count {
        drawn.push_str(&format!("({} more lines)\x1b[K\n", count - fits));
    }
    drawn.push_str("\x1b[J");
    drawn
}

/// The text without the titles of its table after the first time.
fn line_by_line(text: &str, is_first: bool) -> &str {
    match text.split_once('\n') {
        Some((titles, rows)) if !is_first && titles.starts_with("TIME ") => rows,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_covers_the_last_one_and_fits_the_terminal() {
        assert_eq!(drawn("a\nb\n", true, 0), "\x1b[2J\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        assert_eq!(drawn("a\nb\n", false, 3), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        assert_eq!(drawn("a\nb\nc\nd\n", false, 4), "\x1b[Ha\x1b[K\nb\x1b[K\n(2 more lines)\x1b[K\n\x1b[J");
    }

    #[test]
    fn titles_come_once_in_a_file() {
        assert_eq!(line_by_line("TIME  LAG\n1     2\n", true), "TIME  LAG\n1     2\n");
        assert_eq!(line_by_line("TIME  LAG\n1     2\n", false), "1     2\n");
        assert_eq!(line_by_line("{}\n", false), "{}\n");
    }
}
