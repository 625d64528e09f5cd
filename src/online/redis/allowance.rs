//! How much of background work may be done now, at so many a second.

/// Work beyond this part of a second is not saved up: after a pause there is no burst.
const SAVED: u64 = 20;

/// An allowance: it grows with time and is spent on work. Times are us on the store's clock.
#[derive(Debug)]
pub(crate) struct Allowance {
    rate: u64,
    /// Millionths of a piece of work.
    saved: u64,
    seen: u64,
}

impl Allowance {
    /// `rate` pieces of work a second, at least one.
    pub(crate) fn new(rate: u64) -> Self {
        Allowance { rate: rate.max(1), saved: 0, seen: 0 }
    }

    /// How many pieces may be done at `now`.
    pub(crate) fn at(&mut self, now: u64) -> usize {
        let grown = now.saturating_sub(self.seen).saturating_mul(self.rate);
        let most = (self.rate * 1_000_000 / SAVED).max(1_000_000);
        self.saved = self.saved.saturating_add(grown).min(most);
        self.seen = now.max(self.seen);
        usize::try_from(self.saved / 1_000_000).unwrap_or(usize::MAX)
    }

    /// Takes off what was done. More than was allowed is owed.
    pub(crate) fn spend(&mut self, pieces: usize) {
        let spent = (pieces as u64).saturating_mul(1_000_000);
        let owed = spent.saturating_sub(self.saved);
        self.saved = self.saved.saturating_sub(spent);
        self.seen = self.seen.saturating_add(owed / self.rate);
    }

    /// When `pieces` may be done, or as many as are ever saved up.
    pub(crate) fn ready_at(&self, pieces: usize) -> u64 {
        let most = (self.rate * 1_000_000 / SAVED).max(1_000_000);
        let wanted = (pieces as u64).saturating_mul(1_000_000).min(most);
        self.seen.saturating_add(wanted.saturating_sub(self.saved).div_ceil(self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_rate_is_done_however_it_is_asked_for() {
        for (rate, step) in [(1, 50_000), (100, 1_000), (50_000, 300), (50_000, 20_000)] {
            let mut allowance = Allowance::new(rate);
            let mut done = 0;
            for now in (0..10_000_000).step_by(step) {
                let pieces = allowance.at(now).min(1_000);
                allowance.spend(pieces);
                done += pieces as u64;
            }
            assert!(done <= rate * 10 && done >= rate * 9, "{rate} {step}: {done}");
        }
    }

    #[test]
    fn what_is_owed_is_waited_for_and_a_pause_saves_up_little() {
        let mut allowance = Allowance::new(1_000);
        assert_eq!(allowance.at(1_000_000_000), 50);
        allowance.spend(550);
        assert_eq!(allowance.at(1_000_400_000), 0);
        assert_eq!(allowance.ready_at(10), 1_000_510_000);
        assert_eq!(allowance.at(1_000_510_000), 10);
    }
}
