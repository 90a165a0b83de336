//! Why a tool did not do what it was asked, and the exit code that says so.

use std::process::ExitCode;

use rustix::process::{Signal, kill_current_process_group};
use thiserror::Error;

/// An error of a tool. The text says what, where, and what to do about it; it holds no secret.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It was tried, and did not work (exit code 1).
    #[error("{0}")]
    Failed(String),
    /// The arguments make no sense (exit code 2, as clap's own).
    #[error("{0}")]
    Usage(String),
    /// A configuration file is wrong (exit code 78, EX_CONFIG of sysexits.h).
    #[error("{0}")]
    Config(String),
    /// The user typed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Prints it; returns the exit code. An interrupt ends the process in place of both, as the terminal would have done, and with it
    /// the script that runs it.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Interrupted => {
                let _ = kill_current_process_group(Signal::INT);
            }
            _ => eprintln!("ottla: {self}"),
        }
        ExitCode::from(self.exit_code())
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Config(_) => 78,
            // Where the signal is ignored: that of shells for it.
            Self::Interrupted => 130,
        }
    }
}
