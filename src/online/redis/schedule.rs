//! When a shard is flushed: a pure decision over what waits in it.

use crate::online::dirt::Dirt;
use crate::online::redis::settings::RedisSettings;
use std::time::Duration;

/// The settings that decide, in us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    interval: u64,
    rows: usize,
    decay: u64,
}

impl Pace {
    pub(crate) fn new(settings: &RedisSettings) -> Self {
        Pace {
            interval: micros(settings.flush_interval),
            rows: settings.flush_rows.max(1),
            decay: micros(settings.decay_flush),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn decay(&self) -> u64 {
        self.decay
    }

    /// When the shard is to be flushed next, on the store's clock; `None`: nothing waits. `drain`:
    /// nothing is waited for any more.
    pub(crate) fn due(&self, dirt: &Dirt, drain: bool) -> Option<u64> {
        let at_once = !dirt.retry.is_empty() || !dirt.swept.is_empty();
        if at_once || dirt.arrival.len() >= self.rows || drain && dirt.is_ready() {
            return Some(0);
        }
        let arrival = dirt.arrival.front().map(|entry| entry.since + self.interval);
        let refresh = dirt.calendar.next().map(|ms| ms * 1_000);
        let decay = oldest_decay(dirt).map(|since| since + self.decay);
        [arrival, dirt.spaced.next(), refresh, decay].into_iter().flatten().min()
    }

    /// Which decayed rows and deletions go into a flush at `now`: none before the oldest has waited
    /// `decay_flush`; then those that have waited half of it, so that flushes stay large.
    pub(crate) fn cut(&self, dirt: &Dirt, now: u64, drain: bool) -> Option<u64> {
        if drain {
            return Some(u64::MAX);
        }
        let overdue = oldest_decay(dirt).is_some_and(|since| since + self.decay <= now);
        overdue.then(|| now.saturating_sub(self.decay / 2))
    }
}

fn oldest_decay(dirt: &Dirt) -> Option<u64> {
    let decay = dirt.decay.front().map(|entry| entry.since);
    decay.into_iter().chain(dirt.deletions.oldest()).min()
}

/// A duration in us.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::online::deletions::Deletion;
    use crate::online::dirt::Entry;
    use tidemark_operators::online::Cause;

    fn entry(since: u64) -> Entry {
        Entry { view: 0, slot: 0, since, cause: Cause::Arrival }
    }

    #[test]
    fn arrivals_are_due_after_the_interval_or_when_a_flush_is_full() {
        let pace = Pace::new(&RedisSettings { flush_rows: 3, ..RedisSettings::default() });
        let mut dirt = Dirt::new(1, 10, true);
        assert_eq!(pace.due(&dirt, false), None);
        dirt.arrival.push(entry(100));
        dirt.arrival.push(entry(200));
        assert_eq!(pace.due(&dirt, false), Some(5_100));
        dirt.arrival.push(entry(300));
        assert_eq!(pace.due(&dirt, false), Some(0));
    }

    #[test]
    fn decayed_rows_and_deletions_wait_for_decay_flush_and_arrivals_do_not_take_them_along() {
        let pace = Pace::new(&RedisSettings::default());
        let mut dirt = Dirt::new(1, 10, true);
        dirt.decay.push(entry(1_000));
        dirt.deletions.record(Deletion { view: 0, id: [1].into(), since: 500 }, true);
        assert_eq!(pace.due(&dirt, false), Some(1_000_500));
        assert_eq!(pace.cut(&dirt, 1_000_499, false), None);
        assert_eq!(pace.cut(&dirt, 1_000_500, false), Some(500_500));
        dirt.arrival.push(entry(2_000));
        assert_eq!(pace.due(&dirt, false), Some(7_000));
        assert_eq!(pace.cut(&dirt, 7_000, false), None);
        assert_eq!((pace.due(&dirt, true), pace.cut(&dirt, 0, true)), (Some(0), Some(u64::MAX)));
    }
}
