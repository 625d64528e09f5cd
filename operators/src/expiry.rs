//! Timers by slot, armed lazily: one that fires and finds a newer event is set again, so a busy
//! entity costs no timer work.

use crate::slab::Slab;
use crate::time::{EventTime, Millis};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One timer a slot, for a fixed time after the slot's latest event.
pub(crate) struct Expiry {
    /// How long after the latest event it fires.
    pub horizon: Millis,
    due: BinaryHeap<Reverse<(EventTime, u32)>>,
    armed: Slab<bool>,
}

impl Expiry {
    /// The bytes of a timer that is set.
    pub const TIMER_BYTES: u64 = size_of::<(EventTime, u32)>() as u64;

    pub fn new(horizon: Millis) -> Self {
        Expiry { horizon, due: BinaryHeap::new(), armed: Slab::new() }
    }

    /// Makes the slots `0..slots` exist.
    pub fn grow(&mut self, slots: usize) {
        self.armed.grow(slots);
    }

    #[inline]
    pub fn arm(&mut self, slot: u32, ts: EventTime) {
        if !self.armed[slot] {
            self.armed[slot] = true;
            self.due.push(Reverse((ts.saturating_add(self.horizon), slot)));
        }
    }

    /// Calls `passed` with the slots whose latest event (`latest` gives its time plus one, 0 for
    /// none) is `horizon` old at `clock`, at most `budget` timers; says whether more are due.
    pub fn run(
        &mut self,
        clock: EventTime,
        budget: usize,
        latest: impl Fn(u32) -> u64,
        mut passed: impl FnMut(u32),
    ) -> bool {
        for _ in 0..budget {
            match self.due.peek() {
                Some(Reverse((due, _))) if *due <= clock => {}
                _ => return false,
            }
            if let Some(Reverse((_, slot))) = self.due.pop() {
                self.armed[slot] = false;
                match latest(slot).checked_sub(1) {
                    Some(ts) if ts.saturating_add(self.horizon) > clock => self.arm(slot, ts),
                    Some(_) => passed(slot),
                    None => {}
                }
            }
        }
        self.is_due(clock)
    }

    /// Whether a timer is due at `clock`, if it is not set again.
    pub fn is_due(&self, clock: EventTime) -> bool {
        self.due().is_some_and(|due| due <= clock)
    }

    /// When the next timer is due, if not later: at the least.
    pub fn due(&self) -> Option<EventTime> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    /// Lets the next timer pass, and gives when and whose it was; `None`: it is set again, for its slot's
    /// latest event (`latest` as in [`Self::run`]) is a newer one, or there is none any more. They pass in
    /// the order of their times.
    pub fn pass(&mut self, latest: impl Fn(u32) -> u64) -> Option<(EventTime, u32)> {
        let Reverse((due, slot)) = self.due.pop()?;
        self.armed[slot] = false;
        let ts = latest(slot).checked_sub(1)?;
        if ts.saturating_add(self.horizon) > due {
            self.arm(slot, ts);
            return None;
        }
        Some((due, slot))
    }

    /// About how much memory it takes, in bytes.
    pub fn memory(&self) -> usize {
        self.due.capacity() * 16 + self.armed.bytes()
    }
}
