//! Counts over the last few minutes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back is looked.
pub(super) const OVER: Duration = Duration::from_secs(300);
/// Into so many parts that is cut.
const SAMPLES: u32 = 60;

/// What `N` counts have grown by in the last [`OVER`]. Bound: [`SAMPLES`] + 2 samples.
#[derive(Clone, Debug)]
pub(super) struct Recent<const N: usize> {
    /// The oldest is the newest that is at least [`OVER`] old, when there is one.
    samples: VecDeque<(Instant, [u64; N])>,
}

impl<const N: usize> Recent<N> {
    /// The counts stand at `counts` at `now`.
    pub fn new(counts: [u64; N], now: Instant) -> Self {
        Recent { samples: VecDeque::from([(now, counts)]) }
    }

    /// The counts stand at `counts` at `now`; by how much they have grown.
    pub fn look(&mut self, counts: [u64; N], now: Instant) -> [u64; N] {
        let age = |at: &Instant| now.saturating_duration_since(*at);
        if self.samples.back().is_none_or(|(at, _)| age(at) >= OVER / SAMPLES) {
            self.samples.push_back((now, counts));
        }
        while self.samples.get(1).is_some_and(|(at, _)| age(at) >= OVER) {
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
        let mut recent = Recent::new([7], start);
        for second in 1..2_000 {
            let [grown] = recent.look([7 + second], start + Duration::from_secs(second));
            assert!(grown == second || (300..306).contains(&grown), "{grown} after {second} s");
            assert!(recent.samples.len() <= SAMPLES as usize + 2);
        }
    }
}
