//! The question for a password on a terminal, which does not show what is typed.
//!
//! The terminal is left as it was, also after Ctrl-C. That would be a signal, which ends the process before it can show again what
//! is typed. So Ctrl-C and Ctrl-\ end the line here, as characters of it, and the signal follows once the terminal is restored
//! ([`Failure::Interrupted`]); Ctrl-Z has no effect.

use std::io::Write as _;
use std::os::fd::AsFd;

use rustix::io::{read, retry_on_intr};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use security::Secret;
use zeroize::Zeroizing;

use super::{MOST_BYTES, first_line};
use crate::failure::Failure;

/// Asks twice.
///
/// # Errors
/// The terminal cannot be used, the passwords differ, or Ctrl-C was typed.
pub(super) fn typed_twice(terminal: impl AsFd) -> Result<Secret, Failure> {
    let hidden = Hidden::begin(terminal)?;
    let one = hidden.ask("New password")?;
    let other = hidden.ask("The same again")?;
    if one.equals(other.expose()) { Ok(one) } else { Err(Failure::usage("the two passwords differ")) }
}

/// Value of a special character that has none (_POSIX_VDISABLE).
const NONE: u8 = 0;

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden<Fd: AsFd> {
    terminal: Fd,
    before: Termios,
    /// The characters that are signals otherwise: Ctrl-C and Ctrl-\, unless the user chose others (stty).
    stops: [u8; 2],
}

impl<Fd: AsFd> Hidden<Fd> {
    fn begin(terminal: Fd) -> Result<Self, Failure> {
        use SpecialCodeIndex as Of;
        let before = tcgetattr(&terminal).map_err(unusable)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let codes = &mut hidden.special_codes;
        let stops = [codes[Of::VINTR], codes[Of::VQUIT]];
        // Further ends of a line.
        (codes[Of::VEOL], codes[Of::VEOL2]) = (stops[0], stops[1]);
        for code in [Of::VINTR, Of::VQUIT, Of::VSUSP] {
            codes[code] = NONE;
        }
        tcsetattr(&terminal, OptionalActions::Now, &hidden).map_err(unusable)?;
        Ok(Self { terminal, before, stops })
    }

    fn ask(&self, prompt: &str) -> Result<Secret, Failure> {
        eprint!("{prompt}: ");
        let _ = std::io::stderr().flush();
        let mut bytes = Zeroizing::new([0; MOST_BYTES as usize]);
        // A terminal returns one line at a time.
        let count = retry_on_intr(|| read(&self.terminal, &mut bytes[..]));
        eprintln!();
        let line = bytes.get(..count.map_err(unusable)?).unwrap_or(&bytes[..]);
        match line.last() {
            Some(last) if *last != NONE && self.stops.contains(last) => Err(Failure::Interrupted),
            _ => first_line(&mut &*line),
        }
    }
}

impl<Fd: AsFd> Drop for Hidden<Fd> {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

fn unusable(error: rustix::io::Errno) -> Failure {
    Failure::failed(format!("the terminal cannot be used: {error}; give --password-stdin"))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::fs::{Mode, OFlags, open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// A terminal: the end of the person, and that of the program.
    fn terminal() -> (OwnedFd, OwnedFd) {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let program = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        (person, program)
    }

    /// The password that the prompt gets of that text, typed once the terminal is hidden. The terminal is as before afterwards.
    fn typed(text: &[u8]) -> Result<Vec<u8>, Failure> {
        let (person, program) = terminal();
        let before = tcgetattr(&program).unwrap();
        assert!(before.local_modes.contains(LocalModes::ECHO));
        let is_hidden = || !tcgetattr(&program).unwrap().local_modes.contains(LocalModes::ECHO);
        let password = std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..6000 {
                    if is_hidden() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                rustix::io::write(&person, text).unwrap();
            });
            typed_twice(&program).map(|password| password.expose().to_vec())
        });
        let after = tcgetattr(&program).unwrap();
        assert_eq!(after.local_modes, before.local_modes);
        for code in [
            SpecialCodeIndex::VINTR,
            SpecialCodeIndex::VQUIT,
            SpecialCodeIndex::VSUSP,
            SpecialCodeIndex::VEOL,
        ] {
            assert_eq!(after.special_codes[code], before.special_codes[code], "{code:?}");
        }
        password
    }

    #[test]
    fn a_password_is_typed_twice_without_being_shown() {
        assert_eq!(typed(b"geheim\ngeheim\n"), Ok(b"geheim".to_vec()));
        // Backspace takes a character back.
        assert_eq!(typed(b"gg\x7feheim\ngeheim\n"), Ok(b"geheim".to_vec()));
        assert!(matches!(typed(b"geheim\nGeheim\n"), Err(Failure::Usage(_))));
    }

    /// The shell after it had a terminal that showed nothing of what was typed.
    #[test]
    fn an_interrupt_restores_the_terminal() {
        for text in [&b"\x03geheim\ngeheim\n"[..], b"geh\x03geheim\ngeheim\n", b"geheim\ngeh\x1cgeheim\n"] {
            assert_eq!(typed(text), Err(Failure::Interrupted));
        }
    }
}
