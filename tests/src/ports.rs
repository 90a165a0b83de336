//! Ports that no other test on this machine has.
//!
//! They lie below the ephemeral range, so that no outgoing connection takes one while a broker is
//! restarting, and each is held by a lock on a file for as long as the [`Port`] lives, so that
//! tests in other processes choose others.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

/// The range to choose from: Linux gives 32768 and above to outgoing connections.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port of 127.0.0.1 that is reserved until this is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Reserves a port that is free.
    ///
    /// # Errors
    /// If the folder of locks cannot be written, or none is free.
    pub fn take() -> Result<Port> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = PathBuf::from("/tmp/ottla-test-ports");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        for _ in 0..COUNT {
            // Start where another process probably does not, so that the first try is mostly right.
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let offset = process::id().wrapping_mul(37).wrapping_add(step) % COUNT;
            let number = u16::try_from(FIRST + offset)?;
            let path = folder.join(number.to_string());
            let lock = OpenOptions::new().create(true).append(true).open(&path)?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Port { number, _lock: lock });
            }
        }
        bail!("no free port from {FIRST} on")
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}
