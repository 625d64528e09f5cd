//! How many events.

use super::{Algebra, Reading};
use crate::slab::Slab;
use crate::time::EventTime;
use crate::value::Column;

/// Events inside, by slot. A window holds fewer than 2^32 rows of a worker: the log is in memory.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, count::Count};
/// use tidemark_operators::value::Column;
///
/// let mut count = Count::default();
/// count.grow(1);
/// count.add(0, 0, 1_000);
/// count.add(0, 0, 2_000);
/// count.remove(0, 0, 1_000);
/// let mut out = Column::default();
/// count.read(0, Reading::Count, &mut out);
/// assert_eq!(out.int(0), Some(1));
/// ```
#[derive(Default)]
pub struct Count {
    events: Slab<u32>,
}

impl Algebra for Count {
    fn grow(&mut self, slots: usize) {
        self.events.grow(slots);
    }

    #[inline]
    fn add(&mut self, slot: u32, _value: i64, _ts: EventTime) {
        self.events[slot] += 1;
    }

    #[inline]
    fn remove(&mut self, slot: u32, _value: i64, _ts: EventTime) {
        self.events[slot] -= 1;
    }

    #[inline]
    fn read(&self, slot: u32, _reading: Reading, out: &mut Column) {
        out.push_word(u64::from(self.events[slot]));
    }

    fn holds(&self, slot: u32) -> bool {
        self.events[slot] > 0
    }

    fn memory(&self) -> usize {
        self.events.bytes()
    }
}
