//! An order to die at a later step, which a test gives to a process that runs.
//!
//! The test writes a number N into a file. The next step of the engine takes the order and removes the file; the process ends
//! at once instead of the N-th step from there, that step included, as if it was killed: nothing is written, flushed or unwound.

use std::{fs, path::PathBuf, process};

/// Orders of one process.
#[derive(Debug)]
pub(super) struct Order {
    file: PathBuf,
    /// Steps until the one at which it dies.
    left: Option<u64>,
}

impl Order {
    /// Orders that come in this file.
    pub(super) fn of(file: &str) -> Self {
        Self { file: file.into(), left: None }
    }

    /// Comes to a step. Does not return if it is the one.
    pub(super) fn arrive(&mut self) {
        if let Some(number) = fs::read_to_string(&self.file).ok().and_then(|text| text.trim().parse().ok()) {
            // Removed first: the test sees by that where the count begins.
            let _ = fs::remove_file(&self.file);
            self.left = Some(number);
        }
        match &mut self.left {
            Some(0 | 1) => process::abort(),
            Some(left) => *left -= 1,
            None => {}
        }
    }
}
