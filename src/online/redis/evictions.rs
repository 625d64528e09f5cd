//! Keys that Redis evicted: they read as zeros until they are written again.

/// What has been seen of Redis's count of evicted keys.
#[derive(Debug, Default)]
pub(crate) struct Evictions {
    counted: Option<u64>,
    /// `maxmemory` at the last look.
    seen: u64,
    /// `maxmemory` when a key was last seen evicted; 0: none.
    limit: u64,
    /// Keys evicted and not written again since.
    missing: u64,
}

impl Evictions {
    /// Redis counts `evicted` keys since its start, under a limit of `limit` bytes (0: none).
    /// Whether there is room now for what was evicted, so that all rows are worth writing again.
    ///
    /// Without more room another pass over all rows would only evict others.
    pub(crate) fn look(&mut self, evicted: u64, limit: u64) -> bool {
        // The first count is of before this run; a smaller one is of a server that began anew.
        let before = self.counted.replace(evicted).unwrap_or(evicted);
        let new = evicted.checked_sub(before).unwrap_or(evicted);
        let seen = std::mem::replace(&mut self.seen, limit);
        if new > 0 {
            self.missing += new;
            // Whoever raises it does so under load: those of this look went before that, under the lower one.
            self.limit = if seen > 0 && (limit == 0 || seen < limit) { seen } else { limit };
            return false;
        }
        let raised = limit == 0 || limit > self.limit;
        self.missing > 0 && raised
    }

    /// All rows are being written again.
    pub(crate) fn rewritten(&mut self) {
        self.missing = 0;
    }

    /// Keys evicted and not written again since.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_evicted_during_the_run_counts_and_more_room_calls_for_a_rewrite() {
        let mut evictions = Evictions::default();
        assert!(!evictions.look(1_000, 64));
        assert_eq!(evictions.missing(), 0);
        assert!(!evictions.look(1_007, 64));
        assert!(!evictions.look(1_007, 64), "no room yet");
        assert!(!evictions.look(1_007, 32), "less room");
        assert_eq!(evictions.missing(), 7);
        assert!(evictions.look(1_007, 128));
        evictions.rewritten();
        assert!(!evictions.look(1_007, 0));
        assert!(!evictions.look(1_008, 128));
        assert!(evictions.look(1_008, 0), "no limit any more");
    }

    #[test]
    fn room_that_is_made_while_keys_are_evicted_is_noticed() {
        for raised in [128, 0] {
            let mut evictions = Evictions::default();
            assert!(!evictions.look(1_000, 64));
            assert!(!evictions.look(1_007, 64));
            assert!(
                !evictions.look(1_020, raised),
                "some went since the last look, before or after"
            );
            assert!(evictions.look(1_020, raised));
            evictions.rewritten();
            assert!(!evictions.look(1_020, raised));
        }
        let mut evictions = Evictions::default();
        evictions.look(1_000, 64);
        assert!(!evictions.look(1_007, 128));
        assert!(!evictions.look(1_009, 128), "they go under the new limit, too");
        assert!(!evictions.look(1_009, 128));
    }

    #[test]
    fn a_server_that_began_anew_counts_from_zero() {
        let mut evictions = Evictions::default();
        evictions.look(1_000, 64);
        evictions.look(3, 64);
        assert_eq!(evictions.missing(), 3);
    }
}
