//! How long a row that was just sent waits to be sent again: not at all while few commands are
//! sent, and the longer the more are.
//!
//! Redis executes one command at a time, and its readers wait in the same line. Rows that change
//! all the time are what can be spared: a row that waits takes along whatever changes until then.
//! A row that was not sent for a while never waits. Counted are only commands for rows that were
//! written before, so that a start does not make anything wait.
//!
//! # Why this way
//!
//! The wait follows the commands, because no fixed one is right: two seconds are too few where a
//! hundred thousand cards are busy, and too many where Redis has nothing to do. It moves at the pace
//! of the wait itself, for what it does shows only after that.

use crate::online::redis::schedule::micros;
use crate::online::redis::settings::RedisSettings;

/// How often the wait is decided anew, in us.
const PERIOD: u64 = 250_000;
/// The shortest wait, in us.
const FIRST: i64 = 50_000;
/// Longer than this no time counts, in us.
const ELAPSED_MAX: u64 = 60_000_000;
/// One second in us.
const SECOND: i64 = 1_000_000;

/// The wait of one shard. Times are us on the store's clock.
#[derive(Debug)]
pub(crate) struct Spread {
    /// Commands a second from which on rows wait.
    rate: u64,
    longest: i64,
    spacing: i64,
    since: u64,
    commands: u64,
}

impl Spread {
    /// Of one of `workers` shards.
    pub(crate) fn new(settings: &RedisSettings, workers: usize) -> Self {
        let share = settings.write_rate / workers.max(1);
        Spread {
            rate: u64::try_from(share).unwrap_or(u64::MAX).max(1),
            longest: i64::try_from(micros(settings.write_spacing_max)).unwrap_or(i64::MAX),
            spacing: 0,
            since: 0,
            commands: 0,
        }
    }

    /// The wait in ms.
    pub(crate) fn spacing_ms(&self) -> u64 {
        self.spacing.unsigned_abs() / 1_000
    }

    /// `commands` were sent for rows that had been written before; at `now`.
    pub(crate) fn sent(&mut self, commands: usize, now: u64) {
        self.commands += commands as u64;
        let elapsed = now.saturating_sub(self.since);
        if elapsed < PERIOD {
            return;
        }
        let allowed = (self.rate.saturating_mul(elapsed) / 1_000_000).max(1);
        // In thousandths of what is allowed; below 0: less.
        let excess = i128::from(self.commands) * 1_000 / i128::from(allowed) - 1_000;
        let excess = i64::try_from(excess.clamp(-500, 1_000)).unwrap_or(0);
        let elapsed = i64::try_from(elapsed.min(ELAPSED_MAX)).unwrap_or(0);
        // Twice the excess in the time of a wait, or in a second for short ones.
        let share = (self.spacing + FIRST) * 1_000 / (self.spacing + SECOND);
        let step = elapsed / 1_000 * share / 1_000 * excess * 2;
        let spacing = (self.spacing + step).min(self.longest);
        self.spacing = if spacing < FIRST.min(self.longest) && excess <= 0 { 0 } else { spacing };
        (self.since, self.commands) = (now, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LONGEST: Duration = Duration::from_secs(30);

    fn spread(rate: usize) -> Spread {
        let settings = RedisSettings {
            write_rate: rate,
            write_spacing_max: LONGEST,
            ..RedisSettings::default()
        };
        Spread::new(&settings, 1)
    }

    /// Sends as `per_second` says for a wait in ms, every 50 ms from `from` to `to` s.
    fn run(spread: &mut Spread, from: u64, to: u64, per_second: impl Fn(u64) -> u64) -> u64 {
        let mut sent = 0;
        for at in (from * 1_000..to * 1_000).step_by(50) {
            let commands = per_second(spread.spacing_ms()) / 20;
            sent += commands;
            spread.sent(usize::try_from(commands).unwrap(), at * 1_000);
        }
        sent
    }

    #[test]
    fn nothing_waits_while_few_commands_are_sent() {
        let mut spread = spread(1_000);
        run(&mut spread, 0, 100, |_| 1_000);
        assert_eq!(spread.spacing_ms(), 0);
    }

    #[test]
    fn the_wait_settles_where_the_commands_are_as_many_as_they_may_be() {
        // Keys change a thousand times a second each, or seldom: half as often at twice the wait.
        for keys in [2_000, 20_000, 50_000] {
            let mut spread = spread(10_000);
            let rows = |spacing: u64| keys * 1_000 / (spacing + 20);
            run(&mut spread, 0, 120, rows);
            let sent = run(&mut spread, 120, 180, rows) / 60;
            assert!((9_000..11_000).contains(&sent), "{keys}: {sent}, {}", spread.spacing_ms());
        }
    }

    #[test]
    fn the_wait_has_a_bound_and_ends_when_the_load_does() {
        let mut spread = spread(1_000);
        run(&mut spread, 0, 200, |_| 100_000);
        assert_eq!(Duration::from_millis(spread.spacing_ms()), LONGEST);
        run(&mut spread, 200, 300, |_| 100);
        assert_eq!(spread.spacing_ms(), 0);
        // A pause ends it at once.
        run(&mut spread, 300, 400, |_| 100_000);
        run(&mut spread, 500, 501, |_| 0);
        assert_eq!(spread.spacing_ms(), 0);
    }
}
