//! Figures of a process from /proc: processor time, memory, bytes written.
//!
//! Processor time comes in the kernel's ticks of 10 ms, memory and bytes as of the moment.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Readings of one process at one moment. Those that only its owner or root may see are `None` otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time so far, in seconds (steps of 10 ms).
    pub(crate) cpu_s: f64,
    /// VmRSS.
    pub(crate) resident_bytes: u64,
    /// VmHWM, since the start or the last [`reset_peak`].
    pub(crate) peak_bytes: u64,
    /// Bytes it caused to be written to disk (`write_bytes`): counted when a page gets dirty, less
    /// those of files that were removed or cut before they were written (`cancelled_write_bytes`).
    pub(crate) written_bytes: Option<u64>,
    /// Bytes it caused to be read from disk (`read_bytes`), read-ahead included.
    pub(crate) read_bytes: Option<u64>,
}

/// Reads [`Usage`].
///
/// # Errors
/// The process does not exist, or its files cannot be read.
pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let folder = format!("/proc/{pid}");
    let folder = Path::new(&folder);
    let read =
        |name: &str| fs::read_to_string(folder.join(name)).with_context(|| format!("/proc/{pid}/{name}"));
    let status = read("status")?;
    let kib = |name: &str| field(&status, name).map(|value| value * 1024);
    let resident_bytes = kib("VmRSS:").context("VmRSS")?;
    let io = read("io").unwrap_or_default();
    Ok(Usage {
        cpu_s: cpu_seconds(&read("stat")?).context("/proc/…/stat")?,
        resident_bytes,
        // The kernel updates the peak only now and then, so it may be too low.
        peak_bytes: kib("VmHWM:").context("VmHWM")?.max(resident_bytes),
        written_bytes: written(&io),
        read_bytes: field(&io, "read_bytes:"),
    })
}

/// This process's own processor time, in seconds.
pub(crate) fn own_cpu_s() -> Result<f64> {
    Ok(usage(std::process::id())?.cpu_s)
}

/// Processor time of the whole machine so far, without idle time, in seconds; time that a hypervisor took away counts too.
pub(crate) fn machine_cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    // user nice system (idle iowait) irq softirq steal; guests are in user already.
    let used: u64 =
        ticks.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, ticks)| ticks).sum();
    used as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Resets [`Usage::peak_bytes`]. Needs the process's owner or root.
pub(crate) fn reset_peak(pid: u32) -> bool {
    // 5 resets the peak alone (proc(5)).
    fs::write(format!("/proc/{pid}/clear_refs"), "5").is_ok()
}

/// Written bytes less cancelled ones, from /proc/…/io.
fn written(io: &str) -> Option<u64> {
    let cancelled = field(io, "cancelled_write_bytes:")?;
    Some(field(io, "write_bytes:")?.saturating_sub(cancelled))
}

/// Bytes that may be dirty in the page cache before writers have to wait for the disk, from /proc/sys/vm
/// (`balance_dirty_pages` of Linux).
///
/// # Errors
/// The kernel's files are missing or not numbers.
pub(crate) fn dirty_limit() -> Result<u64> {
    let number = |name: &str| -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/sys/vm/{name}")).with_context(|| name.to_owned())?;
        text.trim().parse().with_context(|| name.to_owned())
    };
    // One of both is 0: the one set last is in force.
    match number("dirty_bytes")? {
        0 => {
            let memory = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
            let available = field(&memory, "MemAvailable:").context("MemAvailable")? * 1024;
            Ok(available / 100 * number("dirty_ratio")?)
        }
        bytes => Ok(bytes),
    }
}

/// The number after a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// utime + stime: the 14th and 15th field, counted after the name, which may contain any byte.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let behind_name = stat.rsplit_once(") ")?.1;
    // The state, which comes first after the name, is the third field.
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_after_a_hostile_name() {
        let stat = "77 (a) b (c) S 1 77 77 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 7 0 100 0 0";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(400.0 / ticks));
        assert_eq!(cpu_seconds("77 (a"), None);
    }

    #[test]
    fn cancelled_bytes_were_not_written() {
        let io = "read_bytes: 7\nwrite_bytes: 4096\ncancelled_write_bytes: 1000\n";
        assert_eq!(written(io), Some(3096));
        assert_eq!(field(io, "read_bytes:"), Some(7));
        assert_eq!(written(""), None, "only its owner may read the file");
    }

    #[test]
    fn the_dirty_limit_is_less_than_all_memory() {
        let limit = dirty_limit().unwrap();
        assert!((1 << 20..1 << 45).contains(&limit), "{limit}");
    }

    #[test]
    fn this_process_has_memory() {
        let own = usage(std::process::id()).unwrap();
        assert!(own.resident_bytes > 1 << 20 && own.peak_bytes >= own.resident_bytes / 2, "{own:?}");
    }
}
