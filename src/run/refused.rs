//! Warnings about records that are refused: at most one a minute for each reason and source,
//! however many they are.

use crate::engine::Observer;
use crate::refusals::{Refusals, sentence};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemark_operators::verdict::Reason;

/// How long after the first one it is told of, so that the warning counts those beside it.
const GATHER: Duration = Duration::from_secs(1);
/// How long nothing is said of a reason and source after that.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Says what is refused.
pub(super) struct RefusedWatch {
    refusals: Arc<Refusals>,
    /// Where dead letters are kept, for people.
    kept: String,
    /// By source and reason.
    told: HashMap<(usize, Reason), Told>,
}

/// What was said of a reason in a source.
#[derive(Clone, Copy)]
struct Told {
    /// How many had been refused by then.
    count: u64,
    /// When it was said; `None`: not yet.
    at: Option<Instant>,
    /// When those were seen first of which nothing was said.
    since: Option<Instant>,
}

impl Told {
    /// Whether it is time to speak of `count` refused records, at the end of the job (`over`) of
    /// what has just begun too.
    fn is_due(&mut self, count: u64, now: Instant, over: bool) -> bool {
        if count == self.count {
            return false;
        }
        let gathered = now.duration_since(*self.since.get_or_insert(now)) >= GATHER;
        let quiet = self.at.is_none_or(|at| now.duration_since(at) >= SAY_EVERY);
        if !quiet || !(gathered || over) {
            return false;
        }
        *self = Told { count, at: Some(now), since: None };
        true
    }
}

impl RefusedWatch {
    /// Watches what is counted in `refusals`; the letters go where `kept` says.
    pub fn new(refusals: &Arc<Refusals>, kept: String) -> Self {
        RefusedWatch { refusals: Arc::clone(refusals), kept, told: HashMap::new() }
    }

    /// Says what is due.
    pub fn say(&mut self, observer: &Observer, over: bool) {
        let now = Instant::now();
        for (source, name) in self.refusals.sources().enumerate() {
            for reason in Reason::ALL {
                let count = self.refusals.count(source, reason);
                let never = Told { count: 0, at: None, since: None };
                let told = self.told.entry((source, reason)).or_insert(never);
                if !told.is_due(count, now, over) {
                    continue;
                }
                let verdicts = observer.metrics.iter().filter_map(|m| m.verdicts.get(source));
                // A record is refused before it is counted as read.
                let of = verdicts.map(|verdicts| verdicts.judged()).sum::<u64>().max(count);
                let first = self.refusals.take_first(source, reason);
                let said = sentence(reason, count, of, first.as_ref());
                let kept = &self.kept;
                tracing::warn!(source = name, reason = reason.name(), "{said}; kept in {kept}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_once_a_minute() {
        let start = Instant::now();
        let mut told = Told { count: 0, at: None, since: None };
        let mut said = Vec::new();
        for tick in 0..3_000_u64 {
            let now = start + Duration::from_millis(50) * u32::try_from(tick).unwrap();
            if told.is_due(tick * 1_000, now, false) {
                said.push(tick / 20);
            }
        }
        assert_eq!(said, [1, 61, 121], "in seconds");
        assert!(!told.is_due(told.count, start + SAY_EVERY * 9, true), "there are no more");
    }

    #[test]
    fn what_has_just_begun_is_told_of_at_the_end() {
        let start = Instant::now();
        let mut told = Told { count: 0, at: None, since: None };
        assert!(!told.is_due(7, start, false));
        assert!(told.is_due(7, start, true));
        assert!(!told.is_due(8, start, true), "a minute has not passed");
    }
}
