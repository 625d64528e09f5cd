//! The first of each second that comes after all before it.

use crate::time::{EventTime, SECOND};
use std::collections::VecDeque;

/// A staircase of (second, value), both ascending: what was so when a second was first reached. Cuts are
/// multiples of a second, so the first step at or above one says what was so when it was first reached.
#[derive(Debug, Default)]
pub(crate) struct SecondSteps(VecDeque<(u64, u64)>);

impl SecondSteps {
    /// `ts` is reached, and it is `value` now.
    #[inline]
    pub fn reach(&mut self, ts: EventTime, value: u64) {
        let second = ts / SECOND;
        if self.0.back().is_none_or(|(last, _)| *last < second) {
            self.0.push_back((second, value));
        }
    }

    /// What it was when `cut` or a later time was first reached; `None`: none has been. What lies below
    /// `cut` is forgotten: no earlier cut may be asked for.
    pub fn first_at(&mut self, cut: EventTime) -> Option<u64> {
        while self.0.front().is_some_and(|(second, _)| second.saturating_mul(SECOND) < cut) {
            self.0.pop_front();
        }
        self.0.front().map(|(_, value)| *value)
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Makes of two steps one at a time, the later second with the lower value.
    pub fn halve(&mut self) {
        let steps = std::mem::take(&mut self.0);
        let pairs = steps.iter().step_by(2).zip(steps.iter().skip(1).step_by(2));
        self.0 = pairs.map(|((_, lower), (second, _))| (*second, *lower)).collect();
    }
}
