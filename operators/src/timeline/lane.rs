//! Rows copied out of a log or a stash, a column a thing, as the aggregates want them.

use crate::time::EventTime;

/// Rows in the order they enter or leave something.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// Event times.
    pub times: Vec<EventTime>,
    /// Slots.
    pub slots: Vec<u32>,
    /// Filter bits.
    pub bits: Vec<u64>,
    /// Values by attribute ([`crate::event_batch::NULL`] for null); `None`: not asked for.
    pub values: Vec<Option<Vec<i64>>>,
}

impl Lane {
    /// An empty lane with the attributes for which `wanted` holds.
    pub fn new(wanted: &[bool]) -> Self {
        let values = wanted.iter().map(|w| w.then(Vec::new)).collect();
        Lane { values, ..Lane::default() }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.times.clear();
        self.slots.clear();
        self.bits.clear();
        self.values.iter_mut().flatten().for_each(Vec::clear);
    }

    /// Appends row `row` to `out`, which may ask for fewer attributes.
    pub fn copy(&self, row: usize, out: &mut Lane) {
        out.times.push(self.times[row]);
        out.slots.push(self.slots[row]);
        out.bits.push(self.bits[row]);
        for (to, from) in out.values.iter_mut().zip(&self.values) {
            if let (Some(to), Some(from)) = (to, from) {
                to.push(from[row]);
            }
        }
    }

    /// Takes the last row out.
    pub fn pop(&mut self) {
        self.times.pop();
        self.slots.pop();
        self.bits.pop();
        for values in self.values.iter_mut().flatten() {
            values.pop();
        }
    }

    /// Whether the last row has the same bits and values as that of `other`.
    pub fn last_equals(&self, other: &Lane) -> bool {
        fn last(lane: &Lane) -> impl Iterator<Item = Option<&i64>> {
            lane.values.iter().flatten().map(|values| values.last())
        }
        self.bits.last() == other.bits.last() && last(self).eq(last(other))
    }

    /// The values of `attribute`; empty for `None` and where they were not asked for.
    #[inline]
    pub fn values(&self, attribute: Option<usize>) -> &[i64] {
        attribute.and_then(|a| self.values.get(a)).and_then(Option::as_deref).unwrap_or_default()
    }
}
