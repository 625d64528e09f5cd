//! Last-event state by value, and of another clock.
//!
//! Each attribute is told apart from the times, so that a changed job keeps the ones it still has.

use super::{Last, LastSeen};
use crate::cut::{Encoded, Unreadable, put, put_bytes, put_signed};
use crate::event_batch::NULL;
use crate::plan::Storage;
use crate::time::EventTime;
use crate::timeline::chunk::symbol_of;
use crate::timeline::lane::Lane;
use crate::timeline::names::Names;

impl Last {
    /// Appends how long before the cut `as_of` the latest event of `slot` was, and how long before
    /// that the one before it, plus one (0: none that a reader sees); nothing when its horizon has
    /// passed by then.
    pub fn save_times(&self, slot: u32, as_of: EventTime, out: &mut Vec<u8>) {
        if !self.is_kept(slot, as_of) {
            return;
        }
        let LastSeen { latest, previous, .. } = self.states[slot];
        put(out, as_of.saturating_sub(latest - 1));
        let gap = latest - previous;
        let seen = previous > 0 && gap < self.plan.horizon;
        put(out, if seen { gap + 1 } else { 0 });
    }

    /// Appends attribute `at` of the latest event of `slot`, unless it is null or its horizon has
    /// passed by the cut `as_of`.
    pub fn save_attribute(
        &self,
        at: usize,
        slot: u32,
        as_of: EventTime,
        names: &Names,
        out: &mut Vec<u8>,
    ) {
        let value = self.values[at][slot];
        if !self.is_kept(slot, as_of) || value == NULL {
            return;
        }
        let attribute = self.plan.attributes[at];
        match self.attributes[attribute].storage {
            Storage::Wide => put_signed(out, value),
            Storage::Symbol => {
                put_bytes(out, names.symbol_bytes(attribute, symbol_of(value), &mut [0; 4]));
            }
        }
    }

    /// Whether an event at `as_of` or just before could still see the latest one.
    fn is_kept(&self, slot: u32, as_of: EventTime) -> bool {
        self.holds(slot, self.plan.horizon, as_of.saturating_sub(1))
    }

    /// Makes the times of `slot`, which has none, what [`save_times`](Self::save_times) told, without
    /// any attribute.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn load_times(
        &mut self,
        slot: u32,
        as_of: EventTime,
        mut from: Encoded<'_>,
        names: &mut Names,
    ) -> Result<(), Unreadable> {
        let (age, gap) = (from.take()?, from.take()?);
        from.end()?;
        if age == 0 {
            return Err(Unreadable::Later);
        }
        let ts = as_of.checked_sub(age).ok_or(Unreadable::Large)?;
        let previous = match gap {
            0 => 0,
            gap => (ts + 1).checked_sub(gap - 1).ok_or(Unreadable::Large)?,
        };
        if gap > 0 && previous == 0 {
            return Err(Unreadable::Large);
        }
        if self.states[slot].latest > 0 {
            return Err(Unreadable::Twice);
        }
        names.entities.retain(slot);
        self.states[slot] = LastSeen { latest: ts + 1, previous, origin: Default::default() };
        for at in 0..self.values.len() {
            self.keep(at, slot, NULL, names);
        }
        self.arm(slot, ts);
        Ok(())
    }

    /// Gives the latest event of `slot` its attribute `at`, as
    /// [`save_attribute`](Self::save_attribute) told it; nothing when there is no such event.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn load_attribute(
        &mut self,
        at: usize,
        slot: u32,
        mut from: Encoded<'_>,
        names: &mut Names,
    ) -> Result<(), Unreadable> {
        let attribute = self.plan.attributes[at];
        let wide = self.attributes[attribute].storage == Storage::Wide;
        let (value, bytes) = match wide {
            true => (from.take_signed()?, &[][..]),
            false => (NULL, from.take_bytes()?),
        };
        from.end()?;
        if self.states[slot].latest == 0 {
            return Ok(());
        }
        if wide {
            self.values[at][slot] = value;
            return Ok(());
        }
        let symbol = names.intern_symbol(attribute, bytes);
        self.keep(at, slot, i64::from(symbol), names);
        names.release_symbol(attribute, symbol);
        Ok(())
    }

    /// Whether anything is known of `slot`.
    pub(crate) fn is_known(&self, slot: u32) -> bool {
        self.states[slot].latest > 0
    }

    /// Gives the latest event its attribute `at`, if row `row` of `lane` is that event.
    pub(crate) fn fill_attribute(&mut self, at: usize, lane: &Lane, row: usize, names: &mut Names) {
        let (slot, mask) = (lane.slots[row], self.plan.mask);
        if lane.bits[row] & mask == mask && self.states[slot].latest == lane.times[row] + 1 {
            let value = lane.values(Some(self.plan.attributes[at])).get(row);
            self.keep(at, slot, value.copied().unwrap_or(NULL), names);
        }
    }

    /// Makes the state of the slots `0..slots`, which have none, that of `other`, which is of the same
    /// plan but may have other readers.
    pub fn take_over(&mut self, other: &Last, slots: usize, names: &mut Names) {
        self.grow(slots);
        for slot in (0..slots as u32).filter(|slot| other.states[*slot].latest > 0) {
            let state = other.states[slot];
            names.entities.retain(slot);
            self.states[slot] = state;
            for at in 0..self.values.len() {
                self.keep(at, slot, other.values[at][slot], names);
            }
            self.arm(slot, state.latest - 1);
        }
    }
}
