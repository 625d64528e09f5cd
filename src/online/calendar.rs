//! What is to be done at which time: entries by due time, in buckets.
//!
//! When a row's TTL is to be refreshed (lazy: a row written in the meantime keeps its old entry, and
//! is put back when that comes up), and when one that was written a moment ago may be written again.
//! Bound: one entry a row slot (the row's `SCHEDULED` and `QUEUED_SPACED` flags).

use std::collections::BTreeMap;

/// The width of a bucket, as a power of two of ms: entries come up at most 64 ms after they are due.
const BUCKET: u32 = 6;

/// The calendar.
#[derive(Debug)]
pub(crate) struct Calendar<T> {
    buckets: BTreeMap<u64, Vec<T>>,
    len: usize,
}

impl<T> Calendar<T> {
    pub(crate) fn new() -> Self {
        Calendar { buckets: BTreeMap::new(), len: 0 }
    }

    /// About what its entries take, the slack of the buckets included, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        (2 * self.len * size_of::<T>()) as u64
    }

    /// Enters something that is due at `due` ms.
    pub(crate) fn insert(&mut self, due: u64, entry: T) {
        self.len += 1;
        self.buckets.entry(due >> BUCKET).or_default().push(entry);
    }

    /// When the next entry comes up, in ms.
    pub(crate) fn next(&self) -> Option<u64> {
        self.buckets.first_key_value().map(|(bucket, _)| (bucket + 1) << BUCKET)
    }

    /// Takes an entry that is due at `now` ms.
    pub(crate) fn pop(&mut self, now: u64) -> Option<T> {
        loop {
            let mut bucket = self.buckets.first_entry()?;
            if (bucket.key() + 1) << BUCKET > now {
                return None;
            }
            let entry = bucket.get_mut().pop();
            if bucket.get().is_empty() {
                bucket.remove();
            }
            if entry.is_some() {
                self.len -= 1;
                return entry;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_up_within_a_bucket_of_their_due_time_and_never_before() {
        let mut calendar = Calendar::new();
        for slot in 0..1_000_u32 {
            calendar.insert(u64::from(slot) * 7 % 5_000, slot);
        }
        let mut seen = 0;
        for now in (0..6_000).step_by(10) {
            while let Some(slot) = calendar.pop(now) {
                let due = u64::from(slot) * 7 % 5_000;
                assert!(due <= now && now <= due + 64 + 10, "due {due}, popped at {now}");
                seen += 1;
            }
            assert!(calendar.next().is_none_or(|next| next > now));
        }
        assert_eq!((seen, calendar.next()), (1_000, None));
    }
}
