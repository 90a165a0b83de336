//! Figures of one run, as a line for people and a line of JSON.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::tally::{Counts, Tally};

const MIB: f64 = (1 << 20) as f64;

/// Latency at the points that are reported, in µs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Latency {
    /// The median.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Latency {
    /// `None` without values.
    fn of(histogram: &Histogram<u64>) -> Option<Latency> {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        let max = histogram.max() as f64 / 1000.0;
        (!histogram.is_empty()).then(|| Latency {
            p50: at(0.5),
            // A histogram answers with the upper end of a bucket, which may lie above the greatest value.
            p99: at(0.99).min(max),
            p999: at(0.999).min(max),
            max,
        })
    }
}

/// Figures of a run.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    /// Of the window.
    pub(crate) seconds: f64,
    /// Acknowledged in the window.
    pub(crate) acked: Counts,
    /// Fetched in the window.
    pub(crate) fetched: Counts,
    /// All that was produced.
    pub(crate) produced: Counts,
    /// Records produced before a load that only reads.
    pub(crate) filled_records: Option<u64>,
    /// Ends of transactions in all partitions, of the whole load.
    pub(crate) markers: u64,
    /// Transactions that ended in the window, with their records.
    pub(crate) transactions: Counts,
    /// Requests that were refused and sent again after a back-off, of the whole load.
    pub(crate) repeated: u64,
    /// From the begin of a transaction to the answer to its end.
    pub(crate) transaction: Option<Latency>,
    /// From the request for the end to its answer.
    pub(crate) end: Option<Latency>,
    /// From the request for the end to its effect.
    pub(crate) visible: Option<Latency>,
    /// Of a producer beside it, while an end was under way.
    pub(crate) beside_end: Option<Latency>,
    /// From due to acknowledged.
    pub(crate) ack: Option<Latency>,
    /// From due to fetched, or of a fetch if there are no producers.
    pub(crate) delivery: Option<Latency>,
    /// Processor time of the broker in the window.
    pub(crate) cpu_s: Option<f64>,
    /// That of the driver.
    pub(crate) driver_cpu_s: f64,
    /// Of everything else on the machine, the kernel's own threads included: the figures mean little if this is high.
    pub(crate) other_cpu_s: Option<f64>,
    /// Resident memory of the broker when the window ended.
    pub(crate) resident_bytes: Option<u64>,
    /// Its maximum during the load.
    pub(crate) peak_bytes: Option<u64>,
    /// Bytes that the broker caused to be written to disk, from before the load to its end.
    pub(crate) written_bytes: Option<u64>,
    /// Bytes that it caused to be read from disk in the window.
    pub(crate) read_bytes: Option<u64>,
}

/// A figure by its name, which ends in its unit.
pub(crate) type Metric = (&'static str, f64);

impl Figures {
    /// The figures without those of the broker's process.
    pub(crate) fn of(tally: &Tally, seconds: f64) -> Figures {
        Figures {
            seconds,
            acked: tally.acked.measured,
            fetched: tally.fetched.measured,
            produced: tally.acked.total,
            filled_records: None,
            markers: 0,
            transactions: tally.transactions.ended.measured,
            repeated: tally.transactions.repeated,
            transaction: Latency::of(&tally.transactions.ended.latency),
            end: Latency::of(&tally.transactions.end),
            visible: Latency::of(&tally.transactions.visible),
            beside_end: Latency::of(&tally.transactions.beside_end),
            ack: Latency::of(&tally.acked.latency),
            delivery: Latency::of(&tally.fetched.latency),
            cpu_s: None,
            driver_cpu_s: 0.0,
            other_cpu_s: None,
            resident_bytes: None,
            peak_bytes: None,
            written_bytes: None,
            read_bytes: None,
        }
    }

    /// All figures by name. `…_us` are microseconds, MB and GB are powers of ten, MiB of two.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let mut all: Vec<Metric> = vec![("seconds", self.seconds)];
        // The producers' requests, or the fetches if there were no producers.
        let main = if self.acked.requests > 0 { self.acked } else { self.fetched };
        self.rates(main, ["mb_per_s", "records_per_s", "requests_per_s"], &mut all);
        if self.acked.requests > 0 {
            self.rates(
                self.fetched,
                ["fetched_mb_per_s", "fetched_records_per_s", "fetches_per_s"],
                &mut all,
            );
        }
        latencies(self.ack, ["ack_p50_us", "ack_p99_us", "ack_p999_us", "ack_max_us"], &mut all);
        let names = ["delivery_p50_us", "delivery_p99_us", "delivery_p999_us", "delivery_max_us"];
        latencies(self.delivery, names, &mut all);
        self.transaction_metrics(&mut all);
        if let Some(cpu_s) = self.cpu_s {
            all.push(("cpu_percent", 100.0 * cpu_s / self.seconds));
            // Requests of groups carry no batches.
            if main.bytes > 0 {
                all.push(("cpu_s_per_gb", cpu_s * 1e9 / main.bytes as f64));
            }
            if main.requests > 0 {
                all.push(("cpu_us_per_request", cpu_s * 1e6 / main.requests as f64));
            }
        }
        all.push(("driver_cpu_percent", 100.0 * self.driver_cpu_s / self.seconds));
        all.extend(self.other_cpu_s.map(|cpu_s| ("other_cpu_percent", 100.0 * cpu_s / self.seconds)));
        all.extend(self.resident_bytes.map(|bytes| ("rss_mib", bytes as f64 / MIB)));
        all.extend(self.peak_bytes.map(|bytes| ("peak_mib", bytes as f64 / MIB)));
        if self.produced.bytes > 0 {
            all.extend(
                self.written_bytes.map(|bytes| ("disk_per_byte", bytes as f64 / self.produced.bytes as f64)),
            );
            all.push(("acked_records", self.produced.records as f64));
        }
        // Without producers only: beside them the reads have many causes.
        if self.acked.requests == 0 && self.fetched.bytes > 0 {
            all.extend(self.read_bytes.map(|bytes| ("disk_read_mb", bytes as f64 / 1e6)));
            all.extend(
                self.read_bytes.map(|bytes| ("disk_read_per_byte", bytes as f64 / self.fetched.bytes as f64)),
            );
        }
        all.extend(self.filled_records.map(|records| ("filled_records", records as f64)));
        if self.markers > 0 {
            all.push(("markers", self.markers as f64));
        }
        all
    }

    /// Adds the figures of transactions, if there were any.
    fn transaction_metrics(&self, all: &mut Vec<Metric>) {
        let names = ["visible_p50_us", "visible_p99_us", "visible_p999_us", "visible_max_us"];
        latencies(self.visible, names, all);
        let ended = self.transactions.requests as f64;
        if ended == 0.0 {
            return;
        }
        all.push(("transactions_per_s", ended / self.seconds));
        all.push(("repeated_requests", self.repeated as f64));
        all.extend(self.cpu_s.map(|cpu_s| ("cpu_us_per_transaction", cpu_s * 1e6 / ended)));
        let names = ["transaction_p50_us", "transaction_p99_us", "transaction_p999_us", "transaction_max_us"];
        latencies(self.transaction, names, all);
        latencies(self.end, ["end_p50_us", "end_p99_us", "end_p999_us", "end_max_us"], all);
        let names = ["beside_end_p50_us", "beside_end_p99_us", "beside_end_p999_us", "beside_end_max_us"];
        latencies(self.beside_end, names, all);
    }

    /// Adds bytes (10^6), records and requests per second, unless nothing was counted.
    fn rates(&self, counts: Counts, names: [&'static str; 3], all: &mut Vec<Metric>) {
        if counts.requests > 0 && self.seconds > 0.0 {
            let values = [counts.bytes as f64 / 1e6, counts.records as f64, counts.requests as f64];
            all.extend(names.into_iter().zip(values.map(|value| value / self.seconds)));
        }
    }

    /// One line for people.
    pub(crate) fn line(&self, load: &str, broker: &str) -> String {
        let metrics = self.metrics();
        let mut line = format!("{load:32} {broker:6}");
        let mut put = |name: &str, decimals: usize, unit: &str| {
            if let Some((_, value)) = metrics.iter().find(|(known, _)| *known == name) {
                let _ = write!(line, " {value:.decimals$} {unit}");
            }
        };
        put("mb_per_s", 1, "MB/s,");
        put("records_per_s", 0, "records/s,");
        put("requests_per_s", 0, "requests/s,");
        put("cpu_s_per_gb", 2, "cpu s/GB,");
        put("cpu_us_per_request", 1, "cpu µs/request,");
        put("transactions_per_s", 0, "transactions/s,");
        put("cpu_us_per_transaction", 1, "cpu µs/transaction,");
        put("repeated_requests", 0, "repeated,");
        put("fetched_mb_per_s", 1, "MB/s fetched,");
        put("rss_mib", 0, "MiB resident,");
        put("peak_mib", 0, "peak,");
        put("disk_per_byte", 2, "bytes to disk per byte,");
        put("disk_read_mb", 1, "MB read from disk,");
        put("disk_read_per_byte", 2, "of each byte,");
        put("cpu_percent", 0, "% cpu");
        put("driver_cpu_percent", 0, "+ driver");
        put("other_cpu_percent", 0, "+ others");
        for (name, latency) in [
            ("ack", self.ack),
            ("delivery", self.delivery),
            ("transaction", self.transaction),
            ("end", self.end),
            ("visible", self.visible),
            ("ack beside ends", self.beside_end),
        ] {
            if let Some(Latency { p50, p99, p999, max }) = latency {
                let [p50, p99, p999, max] = [p50, p99, p999, max].map(|us| us / 1000.0);
                let _ = write!(line, "; {name} p50 {p50:.3} p99 {p99:.3} p99.9 {p999:.3} max {max:.3} ms");
            }
        }
        line
    }
}

/// One line of JSON: `labels` as strings, then metrics with three decimals. A metric that is no finite number
/// is left out.
pub(crate) fn json(labels: &[(&str, &str)], metrics: &[Metric]) -> String {
    let labels = labels.iter().map(|(name, value)| format!("\"{name}\":{}", quoted(value)));
    // JSON has neither infinities nor NaN.
    let finite = metrics.iter().filter(|(_, value)| value.is_finite());
    let metrics = finite.map(|(name, value)| format!("\"{name}\":{value:.3}"));
    format!("{{{}}}", labels.chain(metrics).collect::<Vec<_>>().join(","))
}

/// Adds the four points under these names, if there are any.
fn latencies(latency: Option<Latency>, names: [&'static str; 4], all: &mut Vec<Metric>) {
    if let Some(Latency { p50, p99, p999, max }) = latency {
        all.extend(names.into_iter().zip([p50, p99, p999, max]));
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            // Texts come from the command line and from /proc: they may hold anything.
            '"' | '\\' => quoted.extend(['\\', char]),
            char if char.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_escaped_and_finite() {
        let json = json(
            &[("load", "a\"b\\\n")],
            &[("mb_per_s", 1.5), ("rss_mib", f64::NAN), ("max", f64::INFINITY)],
        );
        assert_eq!(json, r#"{"load":"a\"b\\\u000a","mb_per_s":1.500}"#);
    }
}
