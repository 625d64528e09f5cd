//! As of when values are, and whether that is recent enough to tell them.
//!
//! Values decay with time: a row that nobody has looked after for a minute counts payments that have
//! left its windows. So what is not known to be current counts as too old.

use crate::config::ServeSettings;
use crate::connect::millis;
use crate::online::{Beats, Incomplete, Life};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tidemark_operators::time::{EventTime, Millis};

/// How old values may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct AgeBounds {
    /// Since the job's last sign of life.
    pub stale_after: Millis,
    /// Of the live clock against this machine's.
    pub behind_max: Millis,
}

impl AgeBounds {
    pub fn of(settings: &ServeSettings) -> Self {
        AgeBounds {
            stale_after: millis(settings.stale_after),
            behind_max: millis(settings.behind_max),
        }
    }
}

/// What is known of some rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Freshness {
    /// Every change up to this live clock is in them; `None`: nothing is known.
    pub as_of: Option<EventTime>,
    /// Why they must not be told; `None`: they are current.
    pub stale: Option<String>,
    /// For how long whoever writes them has not been heard of, in ms.
    pub silent: Millis,
    /// Views whose rows may lack something at that clock.
    pub incomplete: Incomplete,
}

impl Freshness {
    pub fn unknown(why: impl Into<String>) -> Freshness {
        Freshness { stale: Some(why.into()), ..Freshness::default() }
    }

    /// Of these rows and others together: as of the older of both, and too old when either is.
    #[must_use]
    pub fn and(self, other: Freshness) -> Freshness {
        let mut incomplete = self.incomplete;
        incomplete.add_all(&other.incomplete);
        Freshness {
            as_of: self.as_of.zip(other.as_of).map(|(one, other)| one.min(other)),
            stale: self.stale.or(other.stale),
            silent: self.silent.max(other.silent),
            incomplete,
        }
    }

    /// How old values are, in ms, by this machine's clock.
    pub fn age(&self, now: EventTime) -> Option<Millis> {
        self.as_of.map(|as_of| now.saturating_sub(as_of))
    }
}

/// Judges what workers say of themselves in Redis.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// The oldest `written` and when it was first seen.
    seen: Mutex<Option<(Millis, Instant)>>,
}

impl Judge {
    /// Of rows that were read between `before` and `after`, at `now` in ms since 1970.
    pub fn judge(
        &self,
        before: &Beats,
        after: &Beats,
        bounds: AgeBounds,
        now: Millis,
    ) -> Freshness {
        if let Some(why) = before.unknown().or(after.unknown()) {
            return Freshness::unknown(why);
        }
        let clock = before.workers().iter().map(|beat| beat.clock).min().unwrap_or(0);
        let written = after.workers().iter().map(|beat| beat.written).min().unwrap_or(0);
        if clock == 0 {
            return Freshness::unknown("the job has not written any row yet");
        }
        let is = |life: Life| after.workers().iter().any(|beat| beat.life == life);
        if is(Life::Rewriting) {
            return Freshness::unknown("rows that Redis lost are being written again");
        }
        let silent = self.silent(written).max(now.saturating_sub(written));
        let newest = after.workers().iter().map(|beat| beat.written).max().unwrap_or(0);
        let ahead = newest.saturating_sub(now);
        let behind = now.saturating_sub(clock);
        // Nobody lets anything leave the windows of such rows.
        let left_alone = is(Life::Stopped) || is(Life::CatchingUp);
        let stale = if ahead > bounds.stale_after {
            Some(format!("the clocks of the job's machine and this one differ by {ahead} ms"))
        } else if silent > bounds.stale_after {
            Some(format!("the job has not been heard of for {silent} ms"))
        } else if left_alone && behind > bounds.stale_after {
            Some(format!("the job does not write, and the rows are {behind} ms old"))
        } else if behind > bounds.behind_max {
            Some(format!("the live clock is {behind} ms behind"))
        } else {
            None
        };
        let mut incomplete = Incomplete::default();
        // Each as of its own clock, of which this one is the least.
        before.workers().iter().for_each(|beat| incomplete.add_all(&beat.incomplete));
        Freshness { as_of: Some(clock), stale, silent, incomplete }
    }

    /// For how long it is known that nothing newer than `written` has come, in ms.
    fn silent(&self, written: Millis) -> Millis {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match *seen {
            Some((same, since)) if same == written => since.elapsed(),
            _ => {
                *seen = Some((written, Instant::now()));
                Duration::ZERO
            }
        };
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::online::Heartbeat;
    use std::collections::BTreeMap;

    const BOUNDS: AgeBounds = AgeBounds { stale_after: 10_000, behind_max: 60_000 };
    const NOW: Millis = 1_767_484_800_000;

    fn beats(workers: &[Heartbeat]) -> Beats {
        let mut fields: BTreeMap<_, _> =
            (0..).zip(workers).map(|(at, beat)| (format!("w{at}"), beat.to_string())).collect();
        fields.insert("workers".to_owned(), workers.len().to_string());
        Beats::of(fields)
    }

    fn live(clock: Millis, written: Millis) -> Heartbeat {
        Heartbeat { life: Life::Live, clock, written, ..Heartbeat::default() }
    }

    fn judged(workers: &[Heartbeat]) -> Freshness {
        let beats = beats(workers);
        Judge::default().judge(&beats, &beats, BOUNDS, NOW)
    }

    #[test]
    fn rows_are_as_of_the_slowest_worker_and_current_up_to_the_bounds() {
        let workers = [live(NOW - 60_000, NOW - 10_000), live(NOW, NOW)];
        assert_eq!(
            judged(&workers),
            Freshness { as_of: Some(NOW - 60_000), silent: 10_000, ..Freshness::default() }
        );
        for beyond in [live(NOW - 60_001, NOW), live(NOW, NOW - 10_001), live(NOW, NOW + 10_001)] {
            let judged = judged(&[beyond, live(NOW, NOW)]);
            assert!(judged.stale.is_some() && judged.as_of.is_some(), "{judged:?}");
        }
    }

    #[test]
    fn nothing_is_known_without_exactly_all_workers() {
        let beat = live(NOW, NOW);
        let fields = |names: &[&str], count: &str| {
            let mut fields: BTreeMap<_, _> =
                names.iter().map(|name| ((*name).to_owned(), beat.to_string())).collect();
            fields.insert("workers".to_owned(), count.to_owned());
            fields
        };
        let of = |names: &[&str], count: &str| Beats::of(fields(names, count));
        for unknown in [
            of(&["w0"], "2"),
            of(&["w1"], "1"),
            of(&["w0"], "0"),
            of(&["w0"], "x"),
            of(&["w0"], "99999999999"),
            Beats::of(BTreeMap::new()),
        ] {
            let judged = Judge::default().judge(&unknown, &unknown, BOUNDS, NOW);
            assert!(judged.as_of.is_none() && judged.stale.is_some(), "{unknown:?}");
        }
        let left_over = of(&["w0", "w1"], "1");
        assert_eq!(Judge::default().judge(&left_over, &left_over, BOUNDS, NOW).stale, None);
    }

    #[test]
    fn rows_that_are_written_again_or_that_nobody_writes_are_not_current() {
        let with = |life, clock| judged(&[Heartbeat { life, ..live(clock, NOW) }]);
        assert!(with(Life::Rewriting, NOW).stale.is_some());
        for life in [Life::CatchingUp, Life::Stopped] {
            assert_eq!(with(life, NOW - 10_000).stale, None);
            assert!(with(life, NOW - 10_001).stale.is_some());
            assert!(with(life, 0).as_of.is_none());
        }
    }

    #[test]
    fn a_view_is_incomplete_while_any_worker_says_so_until_the_last_of_their_times() {
        let worker = |clock, views: &[(&str, Option<EventTime>)]| {
            let mut beat = live(clock, NOW);
            views.iter().for_each(|(view, from)| beat.incomplete.add(view, *from));
            beat
        };
        let judged = judged(&[
            worker(NOW - 5, &[("a", Some(NOW - 3)), ("b", Some(NOW))]),
            worker(NOW, &[("b", Some(NOW + 1)), ("c", None)]),
        ]);
        assert_eq!(judged.stale, None);
        let told: Vec<_> = judged.incomplete.iter().collect();
        assert_eq!(told, [("a", Some(NOW - 3)), ("b", Some(NOW + 1)), ("c", None)]);
    }

    #[test]
    fn a_loss_between_the_two_looks_is_seen() {
        let (good, gone) = (beats(&[live(NOW, NOW)]), Beats::of(BTreeMap::new()));
        assert!(Judge::default().judge(&good, &gone, BOUNDS, NOW).stale.is_some());
        assert!(Judge::default().judge(&gone, &good, BOUNDS, NOW).stale.is_some());
    }
}
