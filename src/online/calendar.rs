//! When which row's TTL is to be refreshed: entries by due time, in buckets.
//!
//! Lazy: a row written in the meantime keeps its old entry, and is put back when that comes up.
//! Bound: one entry a row slot (the row's `SCHEDULED` flag).

use std::collections::BTreeMap;

/// The width of a bucket, as a power of two of ms: entries come up at most 64 ms after they are due.
const BUCKET: u32 = 6;

/// The calendar.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    buckets: BTreeMap<u64, Vec<(u32, u32)>>,
}

impl Calendar {
    /// Enters the row of `view` at `slot`, due at `due` ms.
    pub(crate) fn insert(&mut self, due: u64, view: u32, slot: u32) {
        self.buckets.entry(due >> BUCKET).or_default().push((view, slot));
    }

    /// When the next entry comes up, in ms.
    pub(crate) fn next(&self) -> Option<u64> {
        self.buckets.first_key_value().map(|(bucket, _)| (bucket + 1) << BUCKET)
    }

    /// Takes an entry that is due at `now` ms.
    pub(crate) fn pop(&mut self, now: u64) -> Option<(u32, u32)> {
        loop {
            let mut bucket = self.buckets.first_entry()?;
            if (bucket.key() + 1) << BUCKET > now {
                return None;
            }
            match bucket.get_mut().pop() {
                Some(entry) => return Some(entry),
                None => {
                    bucket.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_up_within_a_bucket_of_their_due_time_and_never_before() {
        let mut calendar = Calendar::default();
        for slot in 0..1_000 {
            calendar.insert(u64::from(slot) * 7 % 5_000, 0, slot);
        }
        let mut seen = 0;
        for now in (0..6_000).step_by(10) {
            while let Some((_, slot)) = calendar.pop(now) {
                let due = u64::from(slot) * 7 % 5_000;
                assert!(due <= now && now <= due + 64 + 10, "due {due}, popped at {now}");
                seen += 1;
            }
            assert!(calendar.next().is_none_or(|next| next > now));
        }
        assert_eq!((seen, calendar.next()), (1_000, None));
    }
}
