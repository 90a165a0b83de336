//! Readings of the broker's process around a load, and the figures made of them.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::clock::{Clock, SECOND};
use crate::process::{self, Usage};
use crate::report::Figures;
use crate::run::Target;
use crate::tally::Tally;

/// Reads the broker's process at the edges of the window, and before and after everything.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) clock: Clock,
    pid: Option<u32>,
    /// At the beginning and at the end of the window.
    edges: Vec<Edge>,
    /// From before everything, for the bytes written.
    before: Usage,
    /// The last reading.
    after: Usage,
}

/// The readings at one moment.
#[derive(Debug, Clone, Copy)]
struct Edge {
    /// Nanoseconds, by the clock of the meter.
    at: u64,
    broker: Usage,
    /// Processor time of the driver, and of the whole machine.
    own_cpu_s: f64,
    machine_cpu_s: f64,
}

impl Meter {
    /// Resets the peak of memory and takes the first reading.
    pub(crate) fn start(target: &Target) -> Result<Meter> {
        if let Some(pid) = target.pid {
            // Where it is refused, the peak counts from the process's start.
            process::reset_peak(pid);
        }
        let mut meter = Meter {
            clock: Clock::start(),
            pid: target.pid,
            edges: Vec::new(),
            before: Usage::default(),
            after: Usage::default(),
        };
        meter.before = meter.usage()?;
        Ok(meter)
    }

    /// Zeros without a process to read.
    fn usage(&self) -> Result<Usage> {
        self.pid.map_or_else(|| Ok(Usage::default()), process::usage)
    }

    /// Takes a reading at an edge of the window.
    pub(crate) fn edge(&mut self) -> Result<()> {
        let broker = self.usage()?;
        let (own_cpu_s, machine_cpu_s) = (process::own_cpu_s()?, process::machine_cpu_s());
        self.edges.push(Edge { at: self.clock.now(), broker, own_cpu_s, machine_cpu_s });
        self.after = broker;
        Ok(())
    }

    /// Reads once more; first, if asked to, waits until the broker wrote nothing for that long (sixty times that at most).
    pub(crate) fn settle(&mut self, quiet: Option<Duration>) -> Result<()> {
        for _ in 0..60 {
            let before = self.usage()?;
            let (Some(quiet), Some(_)) = (quiet, before.written_bytes) else { break };
            thread::sleep(quiet);
            if self.usage()?.written_bytes == before.written_bytes {
                break;
            }
        }
        self.after = self.usage()?;
        Ok(())
    }

    /// From the first edge to the last; empty before both were read.
    pub(crate) fn window(&self) -> std::ops::Range<u64> {
        match self.edges[..] {
            [begin, .., end] => begin.at..end.at,
            _ => 0..0,
        }
    }

    /// The figures of a load, with those of the process between the edges.
    pub(crate) fn figures(&self, tally: &Tally) -> Figures {
        let seconds = (tally.window.end - tally.window.start) as f64 / SECOND as f64;
        let mut figures = Figures::of(tally, seconds);
        if let [begin, .., end] = &self.edges[..] {
            figures.driver_cpu_s = end.own_cpu_s - begin.own_cpu_s;
            if self.pid.is_some() {
                let cpu_s = end.broker.cpu_s - begin.broker.cpu_s;
                let others = end.machine_cpu_s - begin.machine_cpu_s - cpu_s - figures.driver_cpu_s;
                figures.cpu_s = Some(cpu_s);
                // The readings are not taken at the same instant, and /proc counts in steps of 10 ms.
                figures.other_cpu_s = Some(others.max(0.0));
                figures.read_bytes =
                    end.broker.read_bytes.zip(begin.broker.read_bytes).map(|(end, begin)| end - begin);
                figures.resident_bytes = Some(end.broker.resident_bytes);
                figures.peak_bytes = Some(self.after.peak_bytes.max(end.broker.peak_bytes));
            }
        }
        let written = self.after.written_bytes.zip(self.before.written_bytes);
        figures.written_bytes = written.map(|(after, before)| after.saturating_sub(before));
        figures
    }
}
