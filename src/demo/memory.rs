//! The end of a demo that nobody ends: its windows reach back a day, and so does what it keeps.

use crate::failure::Failure;
use crate::process::ProcessUsage;
use crate::text::count_text;
use std::cell::Cell;

/// The share of the memory there is at which the demo ends, in hundredths.
const END_PERCENT: u64 = 80;

/// Notices that the demo has taken most of the memory there is.
#[derive(Debug, Default)]
pub(super) struct MemoryGuard {
    exceeded: Cell<Option<u64>>,
}

impl MemoryGuard {
    /// Whether a process of `rss_bytes` takes too much; once so it stays so.
    pub fn exceeded(&self, rss_bytes: u64) -> bool {
        self.check(rss_bytes, || ProcessUsage::now().limit_bytes)
    }

    fn check(&self, rss_bytes: u64, limit_bytes: impl FnOnce() -> u64) -> bool {
        // Less than any machine has: nothing needs to be asked.
        if self.exceeded.get().is_none() && rss_bytes >= 256 << 20 {
            let limit = limit_bytes();
            if limit > 0 && rss_bytes / 100 >= limit / 100 * END_PERCENT / 100 {
                self.exceeded.set(Some(rss_bytes));
            }
        }
        self.exceeded.get().is_some()
    }

    /// A failure when the memory ended it.
    pub fn verdict(&self) -> Result<(), Failure> {
        match self.exceeded.get() {
            None => Ok(()),
            Some(bytes) => {
                let mib = count_text(bytes >> 20);
                let message = format!("the demo ended: it used {mib} MiB, most of what there is");
                Err(Failure::failed(message)
                    .hint("a day of events is kept for its windows; choose a lower --rate"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_ends_at_four_fifths_of_the_memory_and_says_so() {
        let guard = MemoryGuard::default();
        assert!(!guard.check(799 << 20, || 1_000 << 20) && guard.verdict().is_ok());
        assert!(!guard.check(799 << 20, || 0), "an unknown limit is none");
        assert!(guard.check(801 << 20, || 1_000 << 20));
        assert!(guard.check(1, || 1_000 << 20), "it stays so");
        assert!(guard.verdict().unwrap_err().to_string().contains("used 801 MiB"));
    }
}
