//! When to try again: pauses that double after each failure, and a circuit breaker over them.

use crate::online::BreakerState;

/// One failure that took so long opens a breaker: a server that is silent takes `connect_timeout` or
/// `response_timeout` for each, where one that is down refuses five in less than a second. In us.
const SILENT_MIN: u64 = 2_000_000;

/// The breaker of one connection. Times are us on the store's clock.
#[derive(Debug)]
pub(crate) struct Breaker {
    first: u64,
    max: u64,
    after: u32,
    failures: u32,
    ready_at: u64,
    state: BreakerState,
}

impl Breaker {
    /// Pauses start at `first` us and end at `max`; `after` failures in a row open it, or one that
    /// took [`SILENT_MIN`].
    pub(crate) fn new(first: u64, max: u64, after: u32) -> Self {
        let state = BreakerState::Closed;
        Breaker { first, max, after: after.max(1), failures: 0, ready_at: 0, state }
    }

    pub(crate) fn state(&self) -> BreakerState {
        self.state
    }

    /// Before this, nothing may be tried.
    pub(crate) fn ready_at(&self) -> u64 {
        self.ready_at
    }

    /// An attempt begins.
    pub(crate) fn attempt(&mut self) {
        if self.state == BreakerState::Open {
            self.state = BreakerState::HalfOpen;
        }
    }

    /// It succeeded. Whether there had been failures.
    pub(crate) fn success(&mut self) -> bool {
        let recovered = self.failures > 0;
        self.failures = 0;
        self.ready_at = 0;
        self.state = BreakerState::Closed;
        recovered
    }

    /// An attempt that began at `began` failed at `now`.
    pub(crate) fn failure(&mut self, began: u64, now: u64) {
        let doubled = self.first.checked_shl(self.failures.min(32)).unwrap_or(self.max);
        self.ready_at = now + doubled.min(self.max);
        self.failures = self.failures.saturating_add(1);
        let silent = now.saturating_sub(began) >= SILENT_MIN;
        if self.failures >= self.after || silent {
            self.state = BreakerState::Open;
        } else if self.state == BreakerState::HalfOpen {
            self.state = BreakerState::Closed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_the_breaker_opens_probes_and_closes() {
        let mut breaker = Breaker::new(50, 500, 3);
        let mut pauses = Vec::new();
        let mut states = Vec::new();
        for now in 0..6 {
            breaker.attempt();
            breaker.failure(now * 1_000, now * 1_000);
            pauses.push(breaker.ready_at() - now * 1_000);
            states.push(breaker.state() as u8);
        }
        assert_eq!(pauses, [50, 100, 200, 400, 500, 500]);
        assert_eq!(states, [0, 0, 2, 2, 2, 2]);
        breaker.attempt();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.success() && !breaker.success());
        assert_eq!((breaker.state(), breaker.ready_at()), (BreakerState::Closed, 0));
        breaker.failure(0, 0);
        assert_eq!(breaker.ready_at(), 50);
    }

    #[test]
    fn one_failure_opens_it_that_took_as_long_as_only_a_silent_server_does() {
        let mut breaker = Breaker::new(50, 500, 5);
        breaker.failure(1_000_000, 2_999_999);
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.failure(3_000_000, 5_000_000);
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker.attempt();
        assert!(breaker.success());
        breaker.failure(9_000_000, 9_000_001);
        assert_eq!(breaker.state(), BreakerState::Closed, "what was before has passed");
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let mut breaker = Breaker::new(50_000, 5_000_000, 5);
        for _ in 0..1_000 {
            breaker.failure(7, 7);
        }
        assert_eq!(breaker.ready_at(), 5_000_007);
    }
}
