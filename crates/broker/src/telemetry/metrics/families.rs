//! Metric families under construction, with a bound on the number of series.
//!
//! Guarantees that a family is in the scrape whole or not at all: half of the partitions would be worse than none. A
//! family that does not fit is not built, so that a scrape's memory is bounded too.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// Name and value of each label.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// The families of one scrape.
pub(super) struct Families {
    out: Vec<MetricFamily>,
    /// Series of the families so far, the unbounded ones included.
    series: usize,
    /// See `MetricsOptions::max_series`.
    limit: usize,
    /// Series of the families that did not fit.
    dropped: usize,
}

/// One family being filled.
pub(super) struct Family {
    kind: MetricType,
    series: Vec<Metric>,
}

impl Families {
    /// No families yet; bounded ones fit as long as there are at most `limit` series.
    pub(super) fn new(limit: usize) -> Self {
        Self { out: Vec::new(), series: 0, limit, dropped: 0 }
    }

    /// A gauge without bound: for what has a fixed, small number of series.
    pub(super) fn gauge(&mut self, name: &str, help: &str, fill: impl FnOnce(&mut Family)) {
        self.fill(MetricType::GAUGE, name, help, fill);
    }

    /// A counter without bound.
    pub(super) fn counter(&mut self, name: &str, help: &str, fill: impl FnOnce(&mut Family)) {
        self.fill(MetricType::COUNTER, name, help, fill);
    }

    /// A histogram without bound.
    pub(super) fn histogram(&mut self, name: &str, help: &str, fill: impl FnOnce(&mut Family)) {
        self.fill(MetricType::HISTOGRAM, name, help, fill);
    }

    /// A gauge that has `count` series, where that fits.
    pub(super) fn bounded_gauge(
        &mut self,
        name: &str,
        help: &str,
        count: usize,
        fill: impl FnOnce(&mut Family),
    ) {
        if self.admit(count) {
            self.fill(MetricType::GAUGE, name, help, fill);
        }
    }

    /// A counter that has `count` series, where that fits.
    pub(super) fn bounded_counter(
        &mut self,
        name: &str,
        help: &str,
        count: usize,
        fill: impl FnOnce(&mut Family),
    ) {
        if self.admit(count) {
            self.fill(MetricType::COUNTER, name, help, fill);
        }
    }

    /// The families, and one that says what was left out.
    pub(super) fn finish(mut self) -> Vec<MetricFamily> {
        let dropped = self.dropped as f64;
        let help = "Series left out of this scrape because of the limit on their number.";
        // Without the limit: an alert on it must not be among what is left out.
        self.gauge("ottla_metrics_series_dropped", help, |family| family.push(&[], dropped));
        self.out
    }

    /// Returns true if `count` further series fit, and counts them as dropped otherwise.
    fn admit(&mut self, count: usize) -> bool {
        let fits = self.series.saturating_add(count) <= self.limit;
        if !fits {
            self.dropped += count;
        }
        fits
    }

    /// Builds a family. One without series does not appear in the text: `Registry::gather` leaves it out.
    fn fill(&mut self, kind: MetricType, name: &str, help: &str, fill: impl FnOnce(&mut Family)) {
        let mut family = Family { kind, series: Vec::new() };
        fill(&mut family);
        // Families without a bound count too, so that the bound holds for the whole scrape.
        self.series += family.series.len();
        let mut out = MetricFamily::default();
        out.set_name(name.to_owned());
        out.set_help(help.to_owned());
        out.set_field_type(kind);
        out.set_metric(family.series);
        self.out.push(out);
    }
}

impl Family {
    /// Adds a series to a gauge or counter.
    pub(super) fn push(&mut self, labels: Labels<'_>, value: f64) {
        let mut metric = Metric::from_label(pairs(labels));
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.series.push(metric);
    }

    /// Adds a series to a histogram: upper bounds with the number of values in each bucket alone (not cumulative), the
    /// number of all values, and their sum.
    pub(super) fn push_histogram(
        &mut self,
        labels: Labels<'_>,
        buckets: &[(f64, u64)],
        count: u64,
        sum: f64,
    ) {
        // The encoder adds the bucket `+Inf`, from the count.
        let mut cumulative = 0;
        let bucket = |&(upper_bound, values): &(f64, u64)| {
            cumulative += values;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(upper_bound);
            bucket.set_cumulative_count(cumulative);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.iter().map(bucket).collect());
        histogram.set_sample_count(count);
        histogram.set_sample_sum(sum);
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_histogram(histogram);
        self.series.push(metric);
    }
}

fn pairs(labels: Labels<'_>) -> Vec<LabelPair> {
    let pair = |&(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}
