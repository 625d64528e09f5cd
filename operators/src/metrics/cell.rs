//! The two kinds of number: one that only grows, and one that goes up and down.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows, from 0. Wraps after 2^64.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count so far.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that is set, and may go down again.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Replaces the number.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Replaces one part of the number, of which the others belong to someone else on the same
    /// thread: what was `before` is now `after`.
    #[inline]
    pub fn replace_part(&self, before: u64, after: u64) {
        self.set(self.get().wrapping_sub(before).wrapping_add(after));
    }

    /// The newest number.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
