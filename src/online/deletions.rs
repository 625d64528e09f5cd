//! Keys that are to be removed from Redis, by view and id, in the order their rows went away.
//!
//! A key that has a row again is called off and its row replaces the whole key; so of one key there
//! is never both a deletion waiting and a row.
//! Bound: the keys Redis may hold, and at most `max` of keys that were never sent (an earlier run
//! may have left them there); beyond that those are left to their TTL, and counted.

use crate::online::fifo::Fifo;
use std::collections::HashMap;
use std::sync::Arc;

/// A key to remove.
#[derive(Clone, Debug)]
pub(crate) struct Deletion {
    pub(crate) view: u32,
    pub(crate) id: Arc<[u8]>,
    /// When its row went away, in us on the store's clock.
    pub(crate) since: u64,
}

/// The deletions of one shard.
#[derive(Debug)]
pub(crate) struct Deletions {
    /// By view: the queued ids, and whether they are still to be removed.
    waiting: Vec<HashMap<Arc<[u8]>, bool>>,
    /// One entry for each id in `waiting`.
    queue: Fifo<Deletion>,
    active: usize,
    max: usize,
}

impl Deletions {
    pub(crate) fn new(views: usize, max: usize) -> Self {
        let waiting = vec![HashMap::new(); views];
        Deletions { waiting, queue: Fifo::new(), active: 0, max }
    }

    /// How many keys are to be removed.
    pub(crate) fn len(&self) -> usize {
        self.active
    }

    /// About what they take beside the ids, in bytes: an entry in the queue and one in a map.
    pub(crate) fn bytes(&self) -> u64 {
        2 * self.queue.bytes()
    }

    /// When the oldest entry was made.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.queue.front().filter(|_| self.active > 0).map(|d| d.since)
    }

    /// Asks for a removal. `sent`: Redis may hold the key by our hand, so it is never dropped.
    /// Returns whether it was taken.
    pub(crate) fn record(&mut self, deletion: Deletion, sent: bool) -> bool {
        let Some(waiting) = self.waiting.get_mut(deletion.view as usize) else { return false };
        if let Some(active) = waiting.get_mut(&deletion.id) {
            self.active += usize::from(!*active);
            *active = true;
            return true;
        }
        if !sent && self.queue.len() >= self.max {
            return false;
        }
        waiting.insert(Arc::clone(&deletion.id), true);
        self.queue.push(deletion);
        self.active += 1;
        true
    }

    /// Calls a removal off; whether there was one.
    pub(crate) fn call_off(&mut self, view: u32, id: &[u8]) -> bool {
        if self.active == 0 {
            return false;
        }
        let active = self.waiting.get_mut(view as usize).and_then(|waiting| waiting.get_mut(id));
        let off = active.is_some_and(std::mem::take);
        self.active -= usize::from(off);
        off
    }

    /// Takes the next removal asked for at or before `cut`; those called off are forgotten.
    pub(crate) fn pop(&mut self, cut: u64) -> Option<Deletion> {
        while self.queue.front().is_some_and(|d| d.since <= cut) {
            let deletion = self.queue.pop()?;
            let waiting = self.waiting.get_mut(deletion.view as usize);
            if waiting.and_then(|w| w.remove(&deletion.id)) == Some(true) {
                self.active -= 1;
                return Some(deletion);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deletion(id: &str, since: u64) -> Deletion {
        Deletion { view: 0, id: id.as_bytes().into(), since }
    }

    #[test]
    fn a_key_that_came_back_is_not_removed_and_flapping_does_not_grow_the_queue() {
        let mut deletions = Deletions::new(1, 10);
        for since in 0..1_000 {
            assert!(deletions.record(deletion("a", since), true));
            assert!(deletions.call_off(0, b"a"));
            assert!(!deletions.call_off(0, b"a"));
        }
        assert_eq!((deletions.len(), deletions.queue.len()), (0, 1));
        assert!(deletions.pop(u64::MAX).is_none());
        assert!(deletions.record(deletion("a", 5), true));
        assert!(deletions.record(deletion("b", 6), true));
        assert_eq!(&*deletions.pop(5).unwrap().id, b"a");
        assert!(deletions.pop(5).is_none());
        assert_eq!((deletions.len(), deletions.oldest()), (1, Some(6)));
    }

    #[test]
    fn only_keys_that_were_never_sent_are_left_to_their_ttl() {
        let mut deletions = Deletions::new(1, 2);
        assert!(deletions.record(deletion("a", 0), false));
        assert!(deletions.record(deletion("b", 0), false));
        assert!(!deletions.record(deletion("c", 0), false));
        assert!(deletions.record(deletion("d", 0), true));
        assert_eq!(deletions.len(), 3);
    }
}
