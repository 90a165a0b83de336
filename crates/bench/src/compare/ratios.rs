//! Ratios within pairs, and their medians.
//!
//! A ratio is Ottla's value divided by Kafka's (or by that of Ottla's other binary, or other load), so below 1 is better for
//! latency, processor time, memory and disk, above 1 for throughput. A pair of which one run is missing, or in which the
//! divisor is 0, has no ratio.

use std::fmt::Write as _;

use crate::report::Metric;

/// Metrics with a useful ratio, in the order in which they are printed.
const COMPARED: &[&str] = &[
    "mb_per_s",
    "requests_per_s",
    "fetched_mb_per_s",
    "cpu_s_per_gb",
    "cpu_us_per_request",
    "transactions_per_s",
    "cpu_us_per_transaction",
    "cpu_percent",
    "ack_p50_us",
    "ack_p99_us",
    "ack_p999_us",
    "ack_max_us",
    "delivery_p50_us",
    "delivery_p99_us",
    "delivery_p999_us",
    "delivery_max_us",
    "transaction_p50_us",
    "transaction_p99_us",
    "end_p50_us",
    "end_p99_us",
    "end_max_us",
    "visible_p50_us",
    "visible_p99_us",
    "visible_max_us",
    "beside_end_p99_us",
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
    "transactions_per_s",
    "cpu_us_per_transaction",
    "cpu_percent",
    "ack_p50_us",
    "ack_p99_us",
    "ack_p999_us",
    "delivery_p50_us",
    "delivery_p99_us",
    "delivery_p999_us",
    "transaction_p50_us",
    "transaction_p99_us",
    "end_p50_us",
    "end_p99_us",
    "visible_p50_us",
    "visible_p99_us",
    "beside_end_p99_us",
    "peak_mib",
    "disk_per_byte",
    "disk_read_per_byte",
    "ready_after_kill_ms",
];

/// The two runs that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Ottla.
    Subject,
    /// By whose values Ottla's are divided.
    Reference,
}

/// The runs of one pair; one is missing if it failed or was not asked for.
pub(crate) type Pair = Vec<(Side, Vec<Metric>)>;

/// The medians of one metric.
#[derive(Debug, PartialEq)]
struct Medians {
    name: &'static str,
    /// Of the ratios; `None` if no pair has one.
    ratio: Option<f64>,
    subject: Option<f64>,
    reference: Option<f64>,
}

/// Ratios of one load.
#[derive(Debug)]
pub(crate) struct Table {
    /// Every pair, then the medians.
    pub(crate) text: String,
    /// By metric.
    medians: Vec<Medians>,
    /// The name of the reference.
    reference: String,
}

/// Compares the pairs of one load; `reference` names the other side.
pub(crate) fn table(pairs: &[Pair], reference: &str) -> Table {
    let mut table = Table { text: String::new(), medians: Vec::new(), reference: reference.to_owned() };
    for name in COMPARED {
        let find = |pair: &Pair, side: Side| {
            let (_, metrics) = pair.iter().find(|(of, _)| *of == side)?;
            metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
        };
        let both = |pair: &Pair| find(pair, Side::Subject).zip(find(pair, Side::Reference));
        // A ratio to 0 would be infinite.
        let values: Vec<(f64, f64)> =
            pairs.iter().filter_map(both).filter(|(_, reference)| *reference > 0.0).collect();
        let ratios: Vec<f64> = values.iter().map(|(subject, reference)| subject / reference).collect();
        let of = |side| median(pairs.iter().filter_map(|pair| find(pair, side)).collect());
        let medians = match median(ratios.clone()) {
            // Of pairs without a ratio: one side may have been left out, or the reference's value is 0.
            None => Medians { name, ratio: None, subject: of(Side::Subject), reference: of(Side::Reference) },
            ratio => Medians {
                name,
                ratio,
                subject: median(values.iter().map(|(subject, _)| *subject).collect()),
                reference: median(values.iter().map(|(_, reference)| *reference).collect()),
            },
        };
        if medians.subject.is_none() && medians.reference.is_none() {
            continue;
        }
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let pairs = if each.is_empty() { String::new() } else { format!("   pairs {}", each.join(" ")) };
        let _ = writeln!(table.text, "{}{pairs}", medians.line(reference));
        table.medians.push(medians);
    }
    table
}

impl Table {
    /// The medians that count most, each in a line.
    pub(crate) fn summary(&self, load: &str) -> String {
        let some = self.medians.iter().filter(|medians| SUMMARY.contains(&medians.name));
        some.map(|medians| format!("{load:24} {}\n", medians.line(&self.reference))).collect()
    }
}

impl Medians {
    fn line(&self, reference: &str) -> String {
        let text = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        let Medians { name, ratio, .. } = self;
        let [ratio, ottla, other] = [*ratio, self.subject, self.reference].map(text);
        format!("{name:22} ottla / {reference} {ratio:>6}   medians {ottla:>12} {other:>12}")
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
            vec![run(Side::Reference, 100.0), run(Side::Subject, 150.0)],
            vec![run(Side::Reference, 10.0), run(Side::Subject, 40.0)],
            vec![run(Side::Reference, 50.0), run(Side::Subject, 100.0)],
            vec![run(Side::Subject, 1.0)],
        ];
        let table = table(&pairs, "kafka");
        let medians =
            Medians { name: "mb_per_s", ratio: Some(2.0), subject: Some(100.0), reference: Some(50.0) };
        assert_eq!(table.medians, [medians]);
        assert!(table.text.contains("pairs 1.50 4.00 2.00\n"), "{}", table.text);
    }

    #[test]
    fn one_broker_alone_has_medians_and_no_ratio() {
        let run = |ready| vec![(Side::Subject, vec![("ready_after_kill_ms", ready), ("peak_mib", 150.0)])];
        let summary = table(&[run(700.0), run(900.0), run(800.0)], "kafka").summary("restart");
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
