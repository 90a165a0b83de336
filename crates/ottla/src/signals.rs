//! Signals: what each one that can be caught does to a broker.
//!
//! Guarantees that no signal ends the process unprepared, except SIGKILL, those that the kernel sends for a fault of the
//! process itself (SIGSEGV and its like), and a second SIGINT or SIGTERM, by which an operator forces the end. Job
//! control (SIGTSTP, SIGCONT) is left to the system. docs/operations.md has the same table for operators.

use std::io;
use std::task::Poll;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// First and last real-time signal that are listened to. The C library keeps those below for itself.
// The last one, 64 (SIGRTMAX), is missing in tokio's table of signals.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=63;

/// Effect of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A clean stop; while that is under way, a stop by force.
    Stop,
    /// A clean stop; nothing more while that is under way: a terminal that closes sends SIGHUP twice, and systemd sends
    /// it right after SIGTERM.
    StopOnce,
    /// Files of certificates are read again.
    Renew,
    /// A summary of the broker's state in the log, as a JVM prints its threads.
    Report,
    /// A line in the log.
    Nothing,
}

/// A signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Such as `SIGTERM`.
    pub(crate) name: &'static str,
    /// The effect that it has on the broker.
    pub(crate) effect: Effect,
}

const fn arrived(number: Number, name: &'static str, effect: Effect) -> (Number, Arrived) {
    (number, Arrived { name, effect })
}

/// The signals that have names. SIGPIPE is ignored by Rust's runtime.
const NAMED: [(Number, Arrived); 16] = [
    arrived(Number::TERM, "SIGTERM", Effect::Stop),
    arrived(Number::INT, "SIGINT", Effect::Stop),
    arrived(Number::HUP, "SIGHUP", Effect::StopOnce),
    arrived(Number::QUIT, "SIGQUIT", Effect::Report),
    arrived(Number::USR1, "SIGUSR1", Effect::Nothing),
    arrived(Number::USR2, "SIGUSR2", Effect::Nothing),
    // The write that was too long fails, and the storage says so.
    arrived(Number::XFSZ, "SIGXFSZ", Effect::Nothing),
    // A supervisor's watchdog. The process's own abort() still ends it: it raises the signal again after this.
    arrived(Number::ABORT, "SIGABRT", Effect::StopOnce),
    arrived(Number::ALARM, "SIGALRM", Effect::StopOnce),
    arrived(Number::VTALARM, "SIGVTALRM", Effect::StopOnce),
    arrived(Number::PROF, "SIGPROF", Effect::StopOnce),
    arrived(Number::XCPU, "SIGXCPU", Effect::StopOnce),
    arrived(Number::IO, "SIGIO", Effect::StopOnce),
    // Sent to the first process of an LXC container that is to stop, and by a failing power supply.
    arrived(Number::POWER, "SIGPWR", Effect::StopOnce),
    arrived(Number::STKFLT, "SIGSTKFLT", Effect::StopOnce),
    arrived(Number::TRAP, "SIGTRAP", Effect::StopOnce),
];

/// All signals that are listened to.
pub(crate) struct Signals(Vec<(Signal, Arrived)>);

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system refuses to.
    pub(crate) fn new() -> io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default(); // no /proc: nothing is known
        let is_nohup = is_ignored(&status, Number::HUP.as_raw());
        let mut all = Vec::new();
        for (number, arrived) in NAMED {
            // A process that was started by nohup outlives its terminal.
            if number != Number::HUP || !is_nohup {
                all.push((signal(SignalKind::from_raw(number.as_raw()))?, arrived));
            }
        }
        let real_time = Arrived { name: "a real-time signal", effect: Effect::StopOnce };
        // A C library may keep some of these for itself, too: then nothing can be listened to.
        let listened = REAL_TIME.filter_map(|number| signal(SignalKind::from_raw(number)).ok());
        all.extend(listened.map(|signal| (signal, real_time)));
        Ok(Self(all))
    }

    /// From now on SIGHUP has files of certificates read again, in place of a stop.
    pub(crate) fn renew_at_hangup(&mut self) {
        for (_, arrived) in &mut self.0 {
            if arrived.name == "SIGHUP" {
                arrived.effect = Effect::Renew;
            }
        }
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Arrived {
        std::future::poll_fn(|cx| {
            // The order of NAMED decides between signals that arrived together: a stop comes before a report.
            for (signal, arrived) in &mut self.0 {
                if signal.poll_recv(cx) == Poll::Ready(Some(())) {
                    return Poll::Ready(*arrived);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The next signal that asks for a clean stop; `other` hears of those before it.
    pub(crate) async fn stop(&mut self, mut other: impl FnMut(Arrived)) -> &'static str {
        loop {
            let arrived = self.next().await;
            match arrived.effect {
                Effect::Stop | Effect::StopOnce => return arrived.name,
                Effect::Renew | Effect::Report | Effect::Nothing => other(arrived),
            }
        }
    }

    /// The next signal that stops a broker by force which stops already.
    pub(crate) async fn force(&mut self) -> &'static str {
        loop {
            let Arrived { name, effect } = self.next().await;
            match effect {
                Effect::Stop => return name,
                Effect::StopOnce | Effect::Renew | Effect::Report | Effect::Nothing => {
                    tracing::info!("{name}: no effect, the broker is stopping already");
                }
            }
        }
    }
}

/// Says in the log that a signal means nothing here.
pub(crate) fn no_effect(Arrived { name, .. }: Arrived) {
    tracing::info!("{name}: no effect");
}

/// Returns true if the process that wrote this `/proc/…/status` ignores a signal.
fn is_ignored(status: &str, number: i32) -> bool {
    let mask =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    // Signals count from 1, bits from 0 (proc(5)).
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_proc() {
        // Written by the kernel for a process under nohup: SIGHUP (1) and SIGPIPE (13).
        let status = "Name:\tcat\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        assert!(is_ignored(status, 1) && is_ignored(status, 13));
        assert!(!is_ignored(status, 2) && !is_ignored("", 1) && !is_ignored("SigIgn:\tx\n", 1));
    }

    #[test]
    fn every_signal_has_one_entry() {
        let mut numbers: Vec<i32> = NAMED.iter().map(|(number, _)| number.as_raw()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), NAMED.len());
    }
}
