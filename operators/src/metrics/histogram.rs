//! Histograms with fixed bucket bounds.

use crate::metrics::cell::Counter;

/// Upper bounds of the latency buckets in nanoseconds: 50 us to 10 s.
pub const LATENCY_BOUNDS_NS: &[u64] = &[
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_000_000,
    3_000_000,
    5_000_000,
    7_500_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Upper bounds of the lateness buckets in milliseconds: 100 ms to 1 day.
pub const LATE_BOUNDS_MS: &[u64] = &[
    100, 500, 1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000,
    86_400_000,
];

/// Counts of values by bucket, and their sum. A bucket holds the values up to and including its
/// bound that no bucket before it holds; one more bucket holds the rest.
///
/// ```
/// use tidemark_operators::metrics::Histogram;
///
/// let late_by_ms = Histogram::new(&[10, 100, 1_000]);
/// late_by_ms.record(50);
/// late_by_ms.record_many(5_000, 2);
/// let snapshot = late_by_ms.snapshot();
/// assert_eq!(snapshot.counts, [0, 1, 0, 2]);
/// assert_eq!(snapshot.sum, 10_050);
/// ```
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Vec<Counter>,
    sum: Counter,
}

impl Histogram {
    /// An empty histogram over ascending `bounds`.
    pub fn new(bounds: &'static [u64]) -> Self {
        Histogram {
            bounds,
            counts: bounds.iter().map(|_| Counter::default()).chain([Counter::default()]).collect(),
            sum: Counter::default(),
        }
    }

    /// Counts one value.
    #[inline]
    pub fn record(&self, value: u64) {
        self.record_many(value, 1);
    }

    /// Counts `n` equal values, such as the rows of one flush.
    #[inline]
    pub fn record_many(&self, value: u64, n: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.add(n);
        }
        self.sum.add(value.saturating_mul(n));
    }

    /// The counts as of now.
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            bounds: self.bounds,
            counts: self.counts.iter().map(Counter::get).collect(),
            sum: self.sum.get(),
        }
    }
}

/// A histogram's counts at one moment; snapshots of several workers can be added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Upper bounds of all buckets but the last.
    pub bounds: &'static [u64],
    /// Values in each bucket, not cumulative; one longer than `bounds`.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl HistogramSnapshot {
    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds another snapshot with the same bounds; one with other bounds is added only when this
    /// one is empty, and then replaces it.
    pub fn add(&mut self, other: &HistogramSnapshot) {
        if self.counts.is_empty() {
            *self = other.clone();
        } else if self.bounds == other.bounds {
            for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
                *mine = mine.wrapping_add(*theirs);
            }
            self.sum = self.sum.wrapping_add(other.sum);
        }
    }

    /// What was counted since `earlier`, a snapshot of the same histogram.
    pub fn since(&self, earlier: &HistogramSnapshot) -> HistogramSnapshot {
        let mut difference = self.clone();
        if self.bounds == earlier.bounds {
            for (now, then) in difference.counts.iter_mut().zip(&earlier.counts) {
                *now = now.saturating_sub(*then);
            }
            difference.sum = difference.sum.wrapping_sub(earlier.sum);
        }
        difference
    }

    /// The value below which `per_mille` thousandths of the values lie, interpolated inside its
    /// bucket; the last bound when it lies in the last bucket, `None` when there are no values.
    pub fn quantile(&self, per_mille: u64) -> Option<u64> {
        let count = u128::from(self.count());
        if count == 0 {
            return None;
        }
        let rank = (count * u128::from(per_mille.min(1_000))).div_ceil(1_000).max(1);
        let mut below = 0_u128;
        let mut low = 0_u64;
        for (bound, in_bucket) in self.bounds.iter().zip(&self.counts) {
            let in_bucket = u128::from(*in_bucket);
            if below + in_bucket >= rank {
                let step = u128::from(bound - low) * (rank - below) / in_bucket;
                return Some(low + u64::try_from(step).unwrap_or(0));
            }
            below += in_bucket;
            low = *bound;
        }
        Some(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_bound_belongs_to_the_bucket_below_it() {
        let histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21] {
            histogram.record(value);
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.counts, [2, 2, 1]);
        assert_eq!((snapshot.count(), snapshot.sum), (5, 62));
    }

    #[test]
    fn a_quantile_lies_in_the_bucket_of_the_sorted_value() {
        let histogram = Histogram::new(LATENCY_BOUNDS_NS);
        let mut values = Vec::new();
        let mut x = 1_u64;
        for _ in 0..2_000 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = x >> 33;
            histogram.record(value);
            values.push(value);
        }
        values.sort_unstable();
        let bucket = |v: u64| LATENCY_BOUNDS_NS.partition_point(|b| *b < v);
        for (per_mille, rank) in [(1, 2), (500, 1_000), (990, 1_980), (1_000, 2_000)] {
            let quantile = histogram.snapshot().quantile(per_mille).unwrap();
            assert_eq!(bucket(quantile), bucket(values[rank - 1]), "{per_mille}");
        }
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        assert_eq!(Histogram::new(&[1]).snapshot().quantile(500), None);
        assert_eq!(HistogramSnapshot::default().quantile(500), None);
    }

    #[test]
    fn the_difference_of_two_snapshots_is_what_came_between() {
        let histogram = Histogram::new(&[10, 20]);
        histogram.record_many(5, 3);
        let earlier = histogram.snapshot();
        histogram.record_many(15, 4);
        let difference = histogram.snapshot().since(&earlier);
        assert_eq!((difference.counts, difference.sum), (vec![0, 4, 0], 60));
    }
}
