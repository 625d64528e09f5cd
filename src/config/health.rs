//! When `/health` says that something needs attention.

use crate::config::keys::Keys;
use std::time::Duration;

/// When `/health` says that something needs attention although every part works. Nothing of it is
/// said while the job catches up.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthSettings {
    /// A row may wait for the online store for so long; default 10 s.
    pub pending_after: Duration,
    /// This share of a source's records, and of all, may become dead letters, 0 to 1; default 0.05.
    pub refused_share: f64,
    /// The share is that of the records of so long; default 5 min.
    pub refused_over: Duration,
    /// The live clock may be so far behind the arrival of the newest record, and the machine's clock
    /// behind those of most partitions; default 1 min.
    pub clock_behind: Duration,
}

impl Default for HealthSettings {
    fn default() -> Self {
        HealthSettings {
            pending_after: Duration::from_secs(10),
            refused_share: 0.05,
            refused_over: Duration::from_secs(300),
            clock_behind: Duration::from_secs(60),
        }
    }
}

/// The bounds of `pending_after`.
pub(super) const PENDING_AFTER: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(3_600));
/// The bounds of `refused_over`.
pub(super) const REFUSED_OVER: (Duration, Duration) =
    (Duration::from_secs(10), Duration::from_secs(86_400));
/// The bounds of `clock_behind`.
pub(super) const CLOCK_BEHIND: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(3_650 * 86_400));

impl HealthSettings {
    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        let bounds = |(least, most)| least..=most;
        keys.duration("pending_after", bounds(PENDING_AFTER), &mut self.pending_after);
        keys.share("refused_share", &mut self.refused_share);
        keys.duration("refused_over", bounds(REFUSED_OVER), &mut self.refused_over);
        keys.duration("clock_behind", bounds(CLOCK_BEHIND), &mut self.clock_behind);
    }
}
