//! Rows that are known but not sealed: those at or above the frontier.
//!
//! A calendar of buckets by event time, so that a step touches only the rows it seals, however
//! many wait above the frontier. Bounded by the sources (`stash_bytes`), not here.

use super::lane::Lane;
use crate::origin::Origin;
use crate::time::{EventTime, Millis};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Interned rows in the order they arrived.
#[derive(Debug, Default)]
pub struct Block {
    /// Event times.
    pub times: Vec<EventTime>,
    /// Origins.
    pub origins: Vec<Origin>,
    /// Slots.
    pub slots: Vec<u32>,
    /// Filter bits. Some may be derived, and those change while the row waits.
    pub bits: Vec<Cell<u64>>,
    /// For each attribute its words or symbols ([`crate::event_batch::NULL`] for null). Derived
    /// ones change while the row waits.
    pub attributes: Vec<Vec<Cell<i64>>>,
}

impl Block {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The bytes of its rows, without their entries in the calendar.
    pub(crate) fn bytes(&self) -> usize {
        self.len() * (row_bytes(self.attributes.len()) - size_of::<Stashed>())
    }

    /// Appends row `row` to `lane`.
    pub(crate) fn copy(&self, row: usize, lane: &mut Lane) {
        lane.times.push(self.times[row]);
        lane.slots.push(self.slots[row]);
        lane.bits.push(self.bits[row].get());
        for (values, from) in lane.values.iter_mut().zip(&self.attributes) {
            if let Some(values) = values {
                values.push(from[row].get());
            }
        }
    }
}

/// A row's place in the order of the log, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stashed {
    pub ts: EventTime,
    pub origin: Origin,
    pub block: u32,
    pub row: u32,
}

/// What one row takes while it waits, with so many attributes (derived ones included): its place in
/// a block and its entry in the calendar. Texts that are new to a dictionary come to that.
pub(crate) const fn row_bytes(attributes: usize) -> usize {
    size_of::<EventTime>()
        + size_of::<Origin>()
        + size_of::<u32>()
        + size_of::<Cell<u64>>()
        + size_of::<Cell<i64>>() * attributes
        + size_of::<Stashed>()
}

#[derive(Default)]
struct Bucket {
    /// Descending unless `unsorted`, so that the oldest are taken off the end.
    entries: Vec<Stashed>,
    unsorted: bool,
}

impl Bucket {
    #[inline]
    fn put(&mut self, entry: Stashed) {
        self.unsorted |= self.entries.last().is_some_and(|last| *last < entry);
        self.entries.push(entry);
    }
}

/// See the module.
///
/// ```
/// use tidemark_operators::entity_log::EntityLog;
/// use tidemark_operators::in_memory::{batch, plan};
/// use tidemark_operators::timeline::stash::Stash;
///
/// let mut entity = EntityLog::new(&plan().entities[0], 256, 0);
/// let block = entity.receive(batch(&[(2_000, "a"), (1_000, "b"), (9_000, "a")]));
/// assert_eq!((entity.stash.len(), entity.stash.floor()), (3, Some(1_000)));
/// // What the frontier has passed leaves it for the log.
/// entity.seal(Some(5_000), &mut Vec::new());
/// assert_eq!((entity.stash.len(), entity.stash.floor()), (1, Some(9_000)));
///
/// let mut stash = Stash::new(100);
/// stash.insert(block);
/// assert_eq!(stash.len(), 3, "by itself it seals nothing");
/// ```
pub struct Stash {
    width: Millis,
    buckets: BTreeMap<u64, Bucket>,
    blocks: Vec<(Rc<Block>, u32)>,
    free: Vec<u32>,
    len: usize,
    /// The bytes of the blocks.
    held: usize,
    empty: Rc<Block>,
}

impl Stash {
    /// An empty stash whose buckets are `width` ms wide (at least 1): about a 64th of the time
    /// rows wait is good.
    pub fn new(width: Millis) -> Self {
        Stash {
            width: width.max(1),
            buckets: BTreeMap::new(),
            blocks: Vec::new(),
            free: Vec::new(),
            len: 0,
            held: 0,
            empty: Rc::default(),
        }
    }

    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// About how much memory the rows that wait take, in bytes. A block is freed with its last row.
    pub fn memory(&self) -> usize {
        self.held + self.len * size_of::<Stashed>()
    }

    /// A time at or below the least time in it.
    pub fn floor(&self) -> Option<EventTime> {
        self.buckets.first_key_value().map(|(bucket, _)| bucket * self.width)
    }

    /// Adds all rows of `block`; the number it has while a row of it waits, `None` when it has no
    /// rows.
    pub fn insert(&mut self, block: Rc<Block>) -> Option<u32> {
        if block.is_empty() {
            return None;
        }
        let rows = block.len() as u32;
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.blocks.push((Rc::clone(&self.empty), 0));
                self.blocks.len() as u32 - 1
            }
        };
        let times = block.times.iter().zip(&block.origins);
        let mut entries = times
            .zip(0..)
            .map(|((ts, origin), row)| Stashed { ts: *ts, origin: *origin, block: at, row })
            .peekable();
        // Rows that come one after the other are mostly of one bucket.
        while let Some(first) = entries.peek() {
            let number = first.ts / self.width;
            let bucket = self.buckets.entry(number).or_default();
            while let Some(entry) = entries.next_if(|entry| entry.ts / self.width == number) {
                bucket.put(entry);
            }
        }
        self.len += block.len();
        self.held += block.bytes();
        self.blocks[at as usize] = (block, rows);
        self.adapt();
        Some(at)
    }

    /// The rows of block `at`, in the order they arrived.
    pub(crate) fn rows(&self, at: u32) -> impl Iterator<Item = Stashed> {
        let block = &self.blocks[at as usize].0;
        let rows = block.times.iter().zip(&block.origins).zip(0..);
        rows.map(move |((ts, origin), row)| Stashed { ts: *ts, origin: *origin, block: at, row })
    }

    /// The rows that wait with `ts >= from`, by time but for those of one bucket.
    pub(crate) fn entries(&self, from: EventTime) -> impl Iterator<Item = &Stashed> {
        let buckets = self.buckets.range(from / self.width..);
        buckets.flat_map(|(_, bucket)| &bucket.entries).filter(move |entry| entry.ts >= from)
    }

    /// The rows of `slot` that wait, in the order of the log, when everything before `sealed` has been
    /// taken out; `None` when more than `most` rows wait.
    pub(crate) fn of_slot(
        &self,
        slot: u32,
        sealed: EventTime,
        most: usize,
    ) -> Option<Vec<Stashed>> {
        if self.len > most {
            return None;
        }
        let mut found = Vec::new();
        for (at, (block, left)) in (0..).zip(&self.blocks) {
            if *left > 0 && block.slots.contains(&slot) {
                let own = |entry: &Stashed| block.slots.get(entry.row as usize) == Some(&slot);
                // A block keeps the rows that have been taken out until the last of it has been.
                found.extend(self.rows(at).filter(|entry| own(entry) && entry.ts >= sealed));
            }
        }
        found.sort_unstable();
        Some(found)
    }

    /// Widens the buckets when they are nearly empty, narrows them when they are large: a bucket
    /// that is taken in pieces is sorted again for each.
    fn adapt(&mut self) {
        let (rows, buckets) = (self.len, self.buckets.len());
        let width = if buckets > 64 && rows < buckets * 16 {
            self.width.saturating_mul(4)
        } else if rows > buckets * 8_192 && self.width > 1 {
            (self.width / 4).max(1)
        } else {
            return;
        };
        self.width = width;
        for bucket in std::mem::take(&mut self.buckets).into_values() {
            for entry in bucket.entries.into_iter().rev() {
                self.put(entry);
            }
        }
    }

    #[inline]
    fn put(&mut self, entry: Stashed) {
        self.buckets.entry(entry.ts / self.width).or_default().put(entry);
    }

    /// Takes out the rows with `ts < hi` (all rows for `None`), oldest first, into `out`.
    pub(crate) fn take(&mut self, hi: Option<EventTime>, out: &mut Vec<Stashed>) {
        while let Some(mut first) = self.buckets.first_entry() {
            let bucket_start = first.key().saturating_mul(self.width);
            if hi.is_some_and(|hi| bucket_start >= hi) {
                break;
            }
            let bucket = first.get_mut();
            if std::mem::take(&mut bucket.unsorted) {
                // Stable sorting finds the sorted run that is there already.
                bucket.entries.sort_by(|a, b| b.cmp(a));
            }
            let stay = match hi {
                Some(hi) => bucket.entries.partition_point(|e| e.ts >= hi),
                None => 0,
            };
            self.len -= bucket.entries.len() - stay;
            out.extend(bucket.entries.drain(stay..).rev());
            if stay > 0 {
                break;
            }
            first.remove();
        }
    }

    /// The block a taken row is in.
    pub(crate) fn block(&self, entry: &Stashed) -> &Rc<Block> {
        &self.blocks[entry.block as usize].0
    }

    /// Lets go of a taken row; its block is freed with its last row.
    pub(crate) fn release(&mut self, entry: &Stashed) {
        let (block, left) = &mut self.blocks[entry.block as usize];
        *left -= 1;
        if *left == 0 {
            self.held -= block.bytes();
            *block = Rc::clone(&self.empty);
            self.free.push(entry.block);
        }
    }

    /// The least time above `lo` that has about `budget` rows between `lo` and it, to the width of
    /// a bucket, if that is before `hi`.
    pub(crate) fn reach(&self, lo: EventTime, hi: EventTime, budget: u64) -> Option<EventTime> {
        if lo >= hi {
            return None;
        }
        let mut rows = 0;
        for (bucket, held) in self.buckets.range(lo / self.width..=hi / self.width) {
            rows += held.entries.len() as u64;
            if rows > budget {
                let end = (bucket + 1).saturating_mul(self.width);
                return Some(end).filter(|end| *end < hi);
            }
        }
        None
    }

    /// Appends the rows with `lo <= ts < hi` to `lane`, in no particular order.
    pub(crate) fn copy(&self, lo: EventTime, hi: EventTime, lane: &mut Lane) {
        if lo >= hi {
            return;
        }
        for bucket in self.buckets.range(lo / self.width..=hi / self.width).map(|(_, b)| b) {
            for entry in bucket.entries.iter().filter(|e| lo <= e.ts && e.ts < hi) {
                self.block(entry).copy(entry.row as usize, lane);
            }
        }
    }
}
