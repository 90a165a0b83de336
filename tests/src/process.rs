//! Signals, and figures of a process from /proc.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// Sends a signal, by its name without `SIG`. The shell's builtin does it: no unsafe code, and no
/// package that may be missing.
///
/// # Errors
/// If there is no such process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status()?;
    ensure!(status.success(), "kill -{name} {pid}: {status}");
    Ok(())
}

/// Stops a process (SIGSTOP) and waits until none of its threads runs any more: each is stopped,
/// or, unless `between_calls`, inside the kernel, waiting for a disk.
///
/// # Errors
/// If it has ended, or does not stop.
pub fn freeze(pid: u32, between_calls: bool) -> Result<()> {
    signal(pid, "STOP")?;
    let at_rest = |state: char| state == 'T' || (state == 'D' && !between_calls);
    for _ in 0..5_000 {
        if thread_states(pid)?.into_iter().all(at_rest) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    bail!("process {pid} does not come to rest: {:?}", thread_states(pid)?)
}

/// The states of its threads, as in the third field of /proc/…/stat.
fn thread_states(pid: u32) -> Result<Vec<char>> {
    let mut states = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(thread?.path().join("stat")).unwrap_or_default();
        // The name before it is in parentheses, and may hold anything.
        states.extend(stat.rsplit(") ").next().and_then(|rest| rest.chars().next()));
    }
    Ok(states)
}

/// Resident memory of a process, in bytes: now, and the most it ever was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// VmRSS.
    pub now_bytes: u64,
    /// VmHWM.
    pub peak_bytes: u64,
}

/// Reads [`Memory`] of a process.
///
/// # Errors
/// If it has ended.
pub fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Ok(Memory { now_bytes: field("VmRSS:").context("VmRSS")?, peak_bytes: field("VmHWM:").context("VmHWM")? })
}

/// Makes [`Memory::peak_bytes`] start again from what is resident now.
///
/// # Errors
/// If that is not allowed (it needs to be our own process, or root).
pub fn reset_peak(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("resetting VmHWM")
}

/// Open file descriptors of a process.
///
/// # Errors
/// If it has ended.
pub fn open_files(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}
