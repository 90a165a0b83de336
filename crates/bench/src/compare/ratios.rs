//! Ratios within pairs, and their medians.
//!
//! A ratio is Ottla's value divided by Kafka's, so below 1 is better for latency, processor time, memory and
//! disk, above 1 for throughput. A pair of which one run is missing, or in which Kafka's value is 0, has no
//! ratio.

use std::fmt::{self, Display, Formatter, Write as _};

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
    "disk_read_per_byte",
    "ready_ms",
    "ready_after_kill_ms",
];
/// Those of the last table.
const SUMMARY: &[&str] = &[
    "mb_per_s",
    "requests_per_s",
    "cpu_s_per_gb",
    "cpu_us_per_request",
    "cpu_percent",
    "ack_p50_us",
    "ack_p99_us",
    "ack_p999_us",
    "delivery_p50_us",
    "delivery_p99_us",
    "delivery_p999_us",
    "peak_mib",
    "disk_per_byte",
    "disk_read_per_byte",
    "ready_after_kill_ms",
];

/// The runs of one pair; one is missing if it failed or was not asked for.
pub(crate) type Pair = Vec<(BrokerKind, Vec<Metric>)>;

/// The medians of one metric.
#[derive(Debug, PartialEq)]
struct Medians {
    name: &'static str,
    /// Of the ratios; `None` if no pair has one.
    ratio: Option<f64>,
    ottla: Option<f64>,
    kafka: Option<f64>,
}

/// Ratios of one load.
#[derive(Debug)]
pub(crate) struct Table {
    /// Every pair, then the medians.
    pub(crate) text: String,
    /// By metric.
    medians: Vec<Medians>,
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
        let of = |kind| median(pairs.iter().filter_map(|pair| find(pair, kind)).collect());
        let medians = match median(ratios.clone()) {
            // Of pairs without a ratio: one broker may have been left out, or Kafka's value is 0.
            None => Medians { name, ratio: None, ottla: of(BrokerKind::Ottla), kafka: of(BrokerKind::Kafka) },
            ratio => Medians {
                name,
                ratio,
                ottla: median(values.iter().map(|(ottla, _)| *ottla).collect()),
                kafka: median(values.iter().map(|(_, kafka)| *kafka).collect()),
            },
        };
        if medians.ottla.is_none() && medians.kafka.is_none() {
            continue;
        }
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let pairs = if each.is_empty() { String::new() } else { format!("   pairs {}", each.join(" ")) };
        let _ = writeln!(table.text, "{medians}{pairs}");
        table.medians.push(medians);
    }
    table
}

impl Table {
    /// The medians that count most, each in a line.
    pub(crate) fn summary(&self, load: &str) -> String {
        let some = self.medians.iter().filter(|medians| SUMMARY.contains(&medians.name));
        some.map(|medians| format!("{load:24} {medians}\n")).collect()
    }
}

impl Display for Medians {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let text = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        let Medians { name, ratio, ottla, kafka } = self;
        let (ratio, ottla, kafka) = (text(*ratio), text(*ottla), text(*kafka));
        write!(to, "{name:20} ottla / kafka {ratio:>6}   medians {ottla:>12} {kafka:>12}")
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
        let medians = Medians { name: "mb_per_s", ratio: Some(2.0), ottla: Some(100.0), kafka: Some(50.0) };
        assert_eq!(table.medians, [medians]);
        assert!(table.text.contains("pairs 1.50 4.00 2.00\n"), "{}", table.text);
    }

    #[test]
    fn one_broker_alone_has_medians_and_no_ratio() {
        let run =
            |ready| vec![(BrokerKind::Ottla, vec![("ready_after_kill_ms", ready), ("peak_mib", 150.0)])];
        let summary = table(&[run(700.0), run(900.0), run(800.0)]).summary("restart");
        let lines: Vec<Vec<&str>> = summary.lines().map(|line| line.split_whitespace().collect()).collect();
        let expected = |name, value| vec!["restart", name, "ottla", "/", "kafka", "-", "medians", value, "-"];
        assert_eq!(lines, [expected("peak_mib", "150.00"), expected("ready_after_kill_ms", "800.00")]);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
