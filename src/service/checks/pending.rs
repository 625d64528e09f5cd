//! Rows that wait for the online store for too long.
//!
//! What catching up has left is written after it, all at once: that takes as long as it takes, and
//! is not late while less and less of it waits.

use crate::connect::millis;
use crate::http::{Part, components};
use crate::service::checks::{Finding, HealthCheck, Moment};
use crate::text::{count_text, duration_short, duration_text};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Finds the online store when the oldest row that waits has waited for too long.
#[derive(Debug)]
pub(crate) struct Pending {
    after: Duration,
    backlog: Mutex<Backlog>,
}

/// What catching up has left to be written.
#[derive(Clone, Copy, Debug)]
enum Backlog {
    /// It is not known yet.
    Unknown,
    /// It is being written since `begun`: the fewest rows that waited since then, and since when.
    Shrinking { begun: Instant, least: u64, since: Instant },
    /// It is written, or is not being written.
    Over,
}

impl Pending {
    pub fn new(after: Duration) -> Self {
        Pending { after, backlog: Mutex::new(Backlog::Unknown) }
    }
}

impl HealthCheck for Pending {
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let online = moment.online;
        let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        let long_ago = |at| moment.now.saturating_duration_since(at) > self.after;
        let late = online.oldest_pending_ms > millis(self.after);
        *backlog = match *backlog {
            _ if !moment.caught_up || online.held_back => Backlog::Unknown,
            Backlog::Unknown => Backlog::Shrinking {
                begun: moment.now,
                least: online.rows_pending,
                since: moment.now,
            },
            // The oldest that waits is younger than the backlog.
            Backlog::Shrinking { begun, .. } if !late && long_ago(begun) => Backlog::Over,
            Backlog::Shrinking { begun, least, .. } if online.rows_pending < least => {
                Backlog::Shrinking { begun, least: online.rows_pending, since: moment.now }
            }
            Backlog::Shrinking { since, .. } if long_ago(since) => Backlog::Over,
            same => same,
        };
        if !late || !matches!(*backlog, Backlog::Over) {
            return Vec::new();
        }
        let text = format!(
            "{} rows wait, the oldest for {}, longer than pending_after ({}): the store takes \
             fewer rows than change; look at its CPU and network, or raise workers",
            count_text(online.rows_pending),
            duration_short(online.oldest_pending_ms),
            duration_text(millis(self.after)),
        );
        let component = components::online_name(online);
        vec![Finding { part: Part::Sink, component, reason: "pending_after", text }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::snapshot::OnlineSnapshot;
    use crate::service::checks::tests::World;

    struct Store {
        world: World,
        check: Pending,
    }

    impl Store {
        fn new() -> Self {
            Store { world: World::new(), check: Pending::new(Duration::from_secs(10)) }
        }

        /// What is found so many seconds after the start while so many rows wait, the oldest for
        /// so long.
        fn found(&self, at: u64, rows_pending: u64, oldest_pending_ms: u64) -> Option<String> {
            let online =
                OnlineSnapshot { kind: "redis", rows_pending, oldest_pending_ms, ..self.held() };
            let moment = Moment { online: &online, ..self.world.moment(at) };
            self.check.look(&moment).pop().map(|finding| finding.text)
        }

        fn held(&self) -> OnlineSnapshot {
            OnlineSnapshot { held_back: !self.world.caught_up, ..OnlineSnapshot::default() }
        }
    }

    #[test]
    fn a_row_that_waits_for_longer_than_the_limit_is_found_and_one_that_waits_as_long_is_not() {
        let store = Store::new();
        assert_eq!(store.found(0, 0, 0), None);
        assert_eq!(store.found(11, 0, 0), None);
        assert_eq!(store.found(30, 5, 10_000), None);
        let text = store.found(31, 1_234, 10_001).unwrap();
        assert!(text.starts_with("1,234 rows wait, the oldest for 10.0 s, longer than"), "{text}");
        assert_eq!(store.found(32, 3, 900), None);
    }

    #[test]
    fn what_catching_up_has_left_is_not_late_while_it_shrinks() {
        let mut store = Store::new();
        store.world.caught_up = false;
        assert_eq!(store.found(0, 900_000, 60_000), None);
        store.world.caught_up = true;
        for second in 1..60 {
            assert_eq!(store.found(second, 900_000 - second * 1_000, second * 1_000), None);
        }
        // From here on as many rows change as are written.
        assert_eq!(store.found(69, 841_000, 69_000), None);
        assert!(store.found(70, 841_000, 70_000).is_some());
        assert!(store.found(71, 500_000, 71_000).is_some(), "it is late once, and until it is not");
        assert_eq!(store.found(72, 10, 5), None);
        assert!(store.found(99, 10, 20_000).is_some());
    }
}
