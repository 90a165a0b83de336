//! Ratios within pairs, and their medians.
//!
//! A ratio is Ottla's value divided by Kafka's, so below 1 is better for latency, processor time, memory and
//! disk, above 1 for throughput. A pair of which one run is missing, or in which Kafka's value is 0, has no
//! ratio.

use std::fmt::Write as _;

use super::broker::BrokerKind;
use crate::report::Metric;

/// Metrics with a useful ratio, in the order in which they are printed.
const COMPARED: &[&str] = &[
    "mb_per_s",
    "requests_per_s",
    "fetched_mb_per_s",
    "cpu_s_per_gb",
    "cpu_us_per_request",
    "cpu_percent",
    "ack_p50_us",
    "ack_p99_us",
    "ack_p999_us",
    "ack_max_us",
    "delivery_p50_us",
    "delivery_p99_us",
    "delivery_p999_us",
    "delivery_max_us",
    "rss_mib",
    "peak_mib",
    "disk_per_byte",
    "ready_ms",
];
/// Those of the last table.
const SUMMARY: &[&str] = &[
    "mb_per_s",
    "requests_per_s",
    "cpu_s_per_gb",
    "cpu_us_per_request",
    "ack_p50_us",
    "ack_p99_us",
    "ack_p999_us",
    "delivery_p50_us",
    "delivery_p99_us",
    "delivery_p999_us",
    "peak_mib",
    "disk_per_byte",
];

/// The runs of one pair; one is missing if it failed or was not asked for.
pub(crate) type Pair = Vec<(BrokerKind, Vec<Metric>)>;

/// Ratios of one load.
#[derive(Debug)]
pub(crate) struct Table {
    /// Every pair, then the medians.
    pub(crate) text: String,
    /// Of the ratios, by metric.
    medians: Vec<Metric>,
}

/// Compares the pairs of one load.
pub(crate) fn table(pairs: &[Pair]) -> Table {
    let mut table = Table { text: String::new(), medians: Vec::new() };
    for name in COMPARED {
        let find = |pair: &Pair, kind: BrokerKind| {
            let (_, metrics) = pair.iter().find(|(of, _)| *of == kind)?;
            metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
        };
        let both = |pair: &Pair| find(pair, BrokerKind::Ottla).zip(find(pair, BrokerKind::Kafka));
        // A ratio to 0 would be infinite.
        let values: Vec<(f64, f64)> =
            pairs.iter().filter_map(both).filter(|(_, kafka)| *kafka > 0.0).collect();
        let ratios: Vec<f64> = values.iter().map(|(ottla, kafka)| ottla / kafka).collect();
        let Some(ratio) = median(ratios.clone()) else { continue };
        let ottla = median(values.iter().map(|(ottla, _)| *ottla).collect()).unwrap_or(f64::NAN);
        let kafka = median(values.iter().map(|(_, kafka)| *kafka).collect()).unwrap_or(f64::NAN);
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let _ = writeln!(
            table.text,
            "{name:20} ottla / kafka {ratio:6.2}   medians {ottla:12.2} {kafka:12.2}   pairs {}",
            each.join(" ")
        );
        table.medians.push((name, ratio));
    }
    table
}

impl Table {
    /// The medians in one line.
    pub(crate) fn line(&self, load: &str) -> String {
        let some = self.medians.iter().filter(|(name, _)| SUMMARY.contains(name));
        let some: Vec<String> = some.map(|(name, ratio)| format!("{name} {ratio:.2}")).collect();
        format!("{load:24} {}\n", some.join("  "))
    }
}

/// The middle value, or the mean of the two in the middle.
/// `None` without values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let high = *values.get(middle)?;
    match values.len() % 2 {
        0 => values.get(middle - 1).map(|low| (low + high) / 2.0),
        _ => Some(high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_pairs() {
        let run = |kind, value| (kind, vec![("mb_per_s", value)]);
        let pairs = [
            vec![run(BrokerKind::Kafka, 100.0), run(BrokerKind::Ottla, 150.0)],
            vec![run(BrokerKind::Kafka, 10.0), run(BrokerKind::Ottla, 40.0)],
            vec![run(BrokerKind::Kafka, 50.0), run(BrokerKind::Ottla, 100.0)],
            vec![run(BrokerKind::Ottla, 1.0)],
        ];
        let table = table(&pairs);
        assert_eq!(table.medians, [("mb_per_s", 2.0)]);
        assert!(table.text.contains("pairs 1.50 4.00 2.00\n"), "{}", table.text);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
