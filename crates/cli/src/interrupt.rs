//! Signals that end a tool which would run for ever: Ctrl-C (SIGINT) and SIGTERM. The tool ends after the record at hand; a second signal ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use std::{io, process};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::failure::Failure;

/// Time between two looks at the signal.
const PAUSE: Duration = Duration::from_millis(100);

/// The last of these signals that came.
pub(crate) struct Interrupt {
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Takes the signals from now on. Before it, a signal ends the process.
    ///
    /// # Errors
    /// The system refuses it.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let signal = Arc::new(AtomicUsize::new(0));
        Self::register(&signal)
            .map_err(|error| Failure::failed(format!("signals cannot be taken: {error}")))?;
        Ok(Self { signal })
    }

    fn register(last: &Arc<AtomicUsize>) -> io::Result<()> {
        for signal in [SIGINT, SIGTERM] {
            let again = Arc::new(AtomicBool::new(false));
            // Handlers run in this order: the first signal finds `again` false.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
            flag::register(signal, again)?;
            flag::register_usize(signal, Arc::clone(last), usize::try_from(signal).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Ends the process by the signal if it has not ended this long after it: it may wait for a broker, or for the reader of its output.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(crate) fn end_after(&self, grace: Duration) -> Result<(), Failure> {
        let watched = Self { signal: Arc::clone(&self.signal) };
        let watch = move || {
            while !watched.has_come() {
                thread::sleep(PAUSE);
            }
            thread::sleep(grace);
            // It ends the process.
            let _ = watched.end();
        };
        let started = thread::Builder::new().name("signals".to_owned()).spawn(watch);
        started.map(drop).map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))
    }

    /// True once a signal has come.
    pub(crate) fn has_come(&self) -> bool {
        self.signal.load(Ordering::Relaxed) != 0
    }

    /// Ends the process as the signal would have done, so that a shell sees it. Returns only if the system refuses.
    pub(crate) fn end(&self) -> Failure {
        let signal = i32::try_from(self.signal.load(Ordering::Relaxed)).unwrap_or(SIGINT);
        if process::id() == 1 {
            // The first process of a container cannot be ended by its own signal. A shell shows the same code for one that was.
            low_level::exit(128 + signal);
        }
        let _ = low_level::emulate_default_handler(signal);
        Failure::failed("interrupted")
    }
}

#[cfg(test)]
impl Interrupt {
    pub(crate) fn that_has_come() -> Self {
        Self { signal: Arc::new(AtomicUsize::new(usize::try_from(SIGINT).unwrap())) }
    }

    pub(crate) fn that_has_not_come() -> Self {
        Self { signal: Arc::default() }
    }
}
