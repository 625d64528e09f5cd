//! For how long a worker was kept from reading, and what it waited for.

use crate::metrics::cell::Counter;
use crate::time::Millis;

/// What a source waits for before it reads on: back-pressure, by where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// Dead letters that are to be written have reached their bound.
    DeadLetters,
    /// Bytes sent between workers and not taken in have reached `in_flight_bytes`.
    InFlight,
    /// The state has reached `state_bytes`.
    State,
    /// Every partition with records is ahead of the frontier, and paused.
    Frontier,
}

impl WaitFor {
    /// All of them.
    pub const ALL: [WaitFor; 4] =
        [WaitFor::DeadLetters, WaitFor::InFlight, WaitFor::State, WaitFor::Frontier];

    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            WaitFor::DeadLetters => "dead_letters",
            WaitFor::InFlight => "in_flight",
            WaitFor::State => "state",
            WaitFor::Frontier => "frontier",
        }
    }
}

/// The time that was waited, in ms, by what for.
#[derive(Debug, Default)]
pub struct WaitCounts {
    dead_letters: Counter,
    in_flight: Counter,
    state: Counter,
    frontier: Counter,
}

impl WaitCounts {
    /// That for `wait`.
    pub fn of(&self, wait: WaitFor) -> &Counter {
        match wait {
            WaitFor::DeadLetters => &self.dead_letters,
            WaitFor::InFlight => &self.in_flight,
            WaitFor::State => &self.state,
            WaitFor::Frontier => &self.frontier,
        }
    }
}

/// What a source waits for now, and since when by the worker's clock.
#[derive(Debug, Default)]
pub struct Waiting(Option<(WaitFor, Millis)>);

impl Waiting {
    /// From `now` on it waits for this, or for nothing: what it has waited until now is counted.
    pub fn goes_on(&mut self, wait: Option<WaitFor>, now: Millis, counts: &WaitCounts) {
        if let Some((before, since)) = self.0.take() {
            counts.of(before).add(now.saturating_sub(since));
        }
        self.0 = wait.map(|wait| (wait, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_for_what_was_waited_for_and_none_counts_while_it_is_read() {
        let (counts, mut waiting) = (WaitCounts::default(), Waiting::default());
        for (wait, now) in [
            (Some(WaitFor::State), 100),
            (Some(WaitFor::State), 130),
            (Some(WaitFor::Frontier), 150),
            (None, 151),
            (None, 900),
            (Some(WaitFor::State), 1_000),
        ] {
            waiting.goes_on(wait, now, &counts);
        }
        let waited = WaitFor::ALL.map(|wait| counts.of(wait).get());
        assert_eq!(waited, [0, 0, 50, 1]);
    }
}
