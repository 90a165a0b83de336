//! Facts about the machine on which figures depend, and its other load.
//!
//! Everything is read from files and programs of Linux. What cannot be read is left empty: no load depends on
//! it.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Processor, memory, kernel, file system, Java, in lines.
pub(crate) fn describe(folder: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = value(&read("/proc/cpuinfo"), "model name");
    let memory = value(&read("/proc/meminfo"), "MemTotal");
    let kernel = read("/proc/sys/kernel/osrelease");
    // The type of the file system, in words (stat(1)).
    let folder_on = output(Command::new("stat").args(["-f", "-c", "%T"]).arg(folder));
    let java = output(Command::new("java").arg("--version"));
    format!(
        "{cores} cores, {cpu}; {memory}; Linux {}; folder on {}\nbeside Apache Kafka 4.3.0, 1 GiB heap as its start \
         script has it, {}\nload average {:.2}",
        kernel.trim(),
        folder_on.trim(),
        java.lines().next().unwrap_or("unknown Java"),
        load_average()
    )
}

/// Standard output of a program, empty if it cannot be run.
fn output(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).into_owned()
}

/// Of the last minute, from /proc/loadavg; NaN where that cannot be read, which JSON leaves out.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

/// The description as a line of JSON.
pub(crate) fn json(about: &str, machine: &str) -> String {
    crate::report::json(&[("about", about), ("machine", machine)], &[])
}
