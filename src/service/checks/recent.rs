//! Counts over the last few minutes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back clocks are looked at.
pub(super) const OVER: Duration = Duration::from_secs(300);
/// Into so many parts that is cut.
pub(super) const SAMPLES: u32 = 60;

/// What `N` counts have grown by over the last while. Bound: [`SAMPLES`] + 2 samples.
#[derive(Clone, Debug)]
pub(super) struct Recent<const N: usize> {
    over: Duration,
    /// The oldest is the newest that is at least `over` old, when there is one.
    samples: VecDeque<(Instant, [u64; N])>,
}

impl<const N: usize> Recent<N> {
    /// The counts stand at `counts` at `now`; it is looked back as far as `over`.
    pub fn new(counts: [u64; N], now: Instant, over: Duration) -> Self {
        Recent { over, samples: VecDeque::from([(now, counts)]) }
    }

    /// How many samples it holds.
    #[cfg(test)]
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// How far back the oldest sample lies.
    pub fn since(&self, now: Instant) -> Duration {
        self.samples.front().map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at))
    }

    /// The counts stand at `counts` at `now`; by how much they have grown.
    pub fn look(&mut self, counts: [u64; N], now: Instant) -> [u64; N] {
        let age = |at: &Instant| now.saturating_duration_since(*at);
        if self.samples.back().is_none_or(|(at, _)| age(at) >= self.over / SAMPLES) {
            self.samples.push_back((now, counts));
        }
        while self.samples.get(1).is_some_and(|(at, _)| age(at) >= self.over) {
            self.samples.pop_front();
        }
        let mut grown = counts;
        if let Some((_, before)) = self.samples.front() {
            for (grown, before) in grown.iter_mut().zip(before) {
                *grown = grown.saturating_sub(*before);
            }
        }
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_is_forgotten_and_samples_are_bounded() {
        let start = Instant::now();
        let mut recent = Recent::new([7], start, OVER);
        for second in 1..2_000 {
            let [grown] = recent.look([7 + second], start + Duration::from_secs(second));
            assert!(grown == second || (300..306).contains(&grown), "{grown} after {second} s");
            assert!(recent.samples.len() <= SAMPLES as usize + 2);
        }
    }
}
