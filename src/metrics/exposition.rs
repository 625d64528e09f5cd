//! Metric families from numbers that are counted elsewhere.
//!
//! Why this way: the numbers live in atomics of the dataflow and in the status of the sinks, so
//! families are made when they are asked for, from one reading of each, and nothing is counted
//! twice. The `prometheus` crate's own model and encoder write the text.

use prometheus::TextEncoder;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use tidemark_operators::metrics::HistogramSnapshot;

/// Metric families in the order they were added; ones without samples are left out.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<MetricFamily>,
}

/// Labels of one sample: names and values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// Starts a counter.
    pub fn counter(&mut self, name: &str, help: &str) -> Family {
        Family::new(name, help, MetricType::COUNTER)
    }

    /// Starts a gauge.
    pub fn gauge(&mut self, name: &str, help: &str) -> Family {
        Family::new(name, help, MetricType::GAUGE)
    }

    /// Starts a histogram.
    pub fn histogram(&mut self, name: &str, help: &str) -> Family {
        Family::new(name, help, MetricType::HISTOGRAM)
    }

    /// Adds a family unless it has no samples.
    pub fn add(&mut self, family: Family) {
        if !family.metrics.is_empty() {
            let mut proto = MetricFamily::default();
            proto.set_name(family.name);
            proto.set_help(family.help);
            proto.set_field_type(family.kind);
            proto.set_metric(family.metrics);
            self.families.push(proto);
        }
    }

    /// The text of all families.
    ///
    /// # Errors
    /// When a name or a label is not one that Prometheus allows.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.families)
    }
}

/// One family being filled.
#[derive(Debug)]
pub struct Family {
    name: String,
    help: String,
    kind: MetricType,
    metrics: Vec<Metric>,
}

impl Family {
    fn new(name: &str, help: &str, kind: MetricType) -> Self {
        Family { name: name.to_owned(), help: help.to_owned(), kind, metrics: Vec::new() }
    }

    /// Adds the sample of a counter or a gauge.
    pub fn sample(&mut self, labels: Labels<'_>, value: f64) -> &mut Self {
        let mut metric = labelled(labels);
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
        self
    }

    /// Adds a count as a sample.
    pub fn count(&mut self, labels: Labels<'_>, value: u64) -> &mut Self {
        self.sample(labels, float(value))
    }

    /// Adds the buckets of a histogram, whose unit is a `units`-th of the metric's.
    pub fn buckets(
        &mut self,
        labels: Labels<'_>,
        counts: &HistogramSnapshot,
        units: f64,
    ) -> &mut Self {
        let mut cumulative = 0;
        let mut buckets = Vec::with_capacity(counts.bounds.len());
        for (bound, count) in counts.bounds.iter().zip(&counts.counts) {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_cumulative_count(cumulative);
            bucket.set_upper_bound(float(*bound) / units);
            buckets.push(bucket);
        }
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(counts.count());
        histogram.set_sample_sum(float(counts.sum) / units);
        let mut metric = labelled(labels);
        metric.set_histogram(histogram);
        self.metrics.push(metric);
        self
    }
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}

/// A count as Prometheus keeps it: exact up to 2^53, rounded beyond.
#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other number than f64")]
pub fn float(value: u64) -> f64 {
    value as f64
}

/// Milliseconds as seconds.
pub fn seconds(ms: u64) -> f64 {
    float(ms) / 1_000.0
}
