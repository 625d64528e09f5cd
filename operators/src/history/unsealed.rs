//! The events that are not sealed, by entity and in order, for the live path.

use super::fold::{Fold, Memory};
use super::revised::Revised;
use super::sealed::SealedHistory;
use crate::slab::Slab;
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::timeline::stash::{Block, Stash, Stashed};
use std::collections::{HashMap, VecDeque};

/// So many events are derived between two marks: how many too many are derived again for one that
/// is out of order.
const MARK_EVERY: u64 = if cfg!(test) { 4 } else { 64 };

/// The state after some of an entity's unsealed events: what differs from the sealed state.
#[derive(Clone, Debug, Default)]
struct Tail {
    cells: Vec<i64>,
    /// When each value was seen, oldest first.
    seen: HashMap<(usize, u32), VecDeque<EventTime>>,
}

/// One entity's unsealed events.
#[derive(Clone, Debug, Default)]
struct UnsealedQueue {
    entries: VecDeque<Stashed>,
    /// After the first `derived` entries; all of them but while a batch is being taken in.
    tail: Tail,
    derived: usize,
    /// Whether there is something to be derived.
    touched: bool,
    /// Entries that were sealed before the first: an entry's number is its place and this.
    sealed: u64,
    /// Cells before the entry of a number, ascending, so that not all has to be derived again for
    /// an event that is out of order.
    marks: VecDeque<(u64, Box<[i64]>)>,
}

impl UnsealedQueue {
    fn new(cells: &[i64]) -> Self {
        let tail = Tail { cells: cells.to_vec(), seen: HashMap::new() };
        UnsealedQueue { tail, ..UnsealedQueue::default() }
    }

    /// Goes back to the state before an entry at or before `place`.
    fn rewind(&mut self, place: usize, stash: &Stash, fold: &Fold, sealed: &[i64]) {
        let number = self.sealed + place as u64;
        while self.marks.back().is_some_and(|(marked, _)| *marked > number) {
            self.marks.pop_back();
        }
        let (to, cells) = match self.marks.back() {
            Some((marked, cells)) => ((marked - self.sealed) as usize, &**cells),
            None => (0, sealed),
        };
        self.tail.cells.copy_from_slice(cells);
        for entry in self.entries.range(to..self.derived).rev() {
            for key in fold.shown(stash.block(entry), entry.row as usize) {
                self.tail.forget(key, VecDeque::pop_back);
            }
        }
        self.derived = to;
    }

    /// Goes back to the sealed state, whatever was seen.
    fn restart(&mut self, sealed: &[i64]) {
        self.tail.cells.copy_from_slice(sealed);
        self.tail.seen.clear();
        self.marks.clear();
        self.derived = 0;
    }
}

impl Tail {
    /// Forgets one time at which a value was seen.
    fn forget(
        &mut self,
        key: (usize, u32),
        which: impl FnOnce(&mut VecDeque<EventTime>) -> Option<EventTime>,
    ) {
        if let Some(times) = self.seen.get_mut(&key) {
            which(times);
            if times.is_empty() {
                self.seen.remove(&key);
            }
        }
    }
}

/// Reads on from the sealed state. Symbols in the tail are kept alive by the rows they are from.
struct OfTail<'a> {
    slot: u32,
    sealed: &'a SealedHistory,
    seen: &'a mut HashMap<(usize, u32), VecDeque<EventTime>>,
}

impl Memory for OfTail<'_> {
    fn seen(&self, sequence: usize, symbol: u32) -> Option<EventTime> {
        let own = self.seen.get(&(sequence, symbol)).and_then(VecDeque::back);
        own.copied().or_else(|| self.sealed.seen(sequence, self.slot, symbol))
    }

    fn see(&mut self, sequence: usize, symbol: u32, ts: EventTime) {
        self.seen.entry((sequence, symbol)).or_default().push_back(ts);
    }

    fn carry(&mut self, _attribute: usize, _value: i64) {}

    fn replace(&mut self, _attribute: usize, _old: i64, _new: i64) {}
}

/// See the module. Bounded by the stash, whose rows it lists.
#[derive(Default)]
pub(crate) struct Unsealed {
    queues: Slab<Option<Box<UnsealedQueue>>>,
    touched: Vec<u32>,
    /// Entities that have a queue, and the cells of each.
    held: usize,
    width: usize,
    /// Entries in all of them.
    entries: usize,
    /// Values that an entry may show to what looks for new ones.
    seeing: usize,
}

/// What a time at which a value was seen takes with its share of the map and the queue it is in,
/// about.
const SEEN_BYTES: usize = 96;

impl Unsealed {
    /// The bytes that each entity takes that has nothing unsealed.
    pub const SLOT_BYTES: u64 = size_of::<Option<Box<UnsealedQueue>>>() as u64;

    /// Makes the slots `0..slots` exist.
    pub fn grow(&mut self, slots: usize) {
        self.queues.grow(slots);
    }

    /// Adds rows that have just been put into the stash, and derives them and what they change.
    pub fn receive(
        &mut self,
        arrived: impl Iterator<Item = Stashed>,
        stash: &Stash,
        sealed: &SealedHistory,
        revised: &mut Revised,
    ) {
        let mut new = None;
        self.seeing = sealed.fold.seeing().count();
        for entry in arrived {
            new = Some(entry.block);
            let slot = stash.block(&entry).slots[entry.row as usize];
            let (held, cells) = (&mut self.held, sealed.cells(slot));
            self.width = cells.len();
            let queue = self.queues[slot].get_or_insert_with(|| {
                *held += 1;
                Box::new(UnsealedQueue::new(cells))
            });
            self.entries += 1;
            if !std::mem::replace(&mut queue.touched, true) {
                self.touched.push(slot);
            }
            if queue.entries.back().is_none_or(|last| *last < entry) {
                queue.entries.push_back(entry);
                continue;
            }
            let place = queue.entries.partition_point(|e| *e < entry);
            if place < queue.derived {
                queue.rewind(place, stash, &sealed.fold, sealed.cells(slot));
            }
            queue.entries.insert(place, entry);
        }
        let mut touched = std::mem::take(&mut self.touched);
        for slot in touched.drain(..) {
            let watched = new.map(|new| (new, &mut *revised));
            self.derive(slot, stash, sealed, watched);
        }
        self.touched = touched;
    }

    /// Derives what is not derived of `slot`. With `watched`, rows that become others are noted
    /// there, but for those of its block, which nobody has seen yet.
    fn derive(
        &mut self,
        slot: u32,
        stash: &Stash,
        sealed: &SealedHistory,
        mut watched: Option<(u32, &mut Revised)>,
    ) {
        let Some(queue) = &mut self.queues[slot] else { return };
        let UnsealedQueue { entries, tail, derived, touched, sealed: before, marks } = &mut **queue;
        let Tail { cells, seen } = tail;
        let mut memory = OfTail { slot, sealed, seen };
        for (place, entry) in entries.range(*derived..).enumerate() {
            let number = *before + (*derived + place) as u64;
            if number.is_multiple_of(MARK_EVERY) && marks.back().is_none_or(|(m, _)| *m < number) {
                marks.push_back((number, cells.as_slice().into()));
            }
            let (block, row) = (stash.block(entry), entry.row as usize);
            let mut step = || sealed.fold.step(block, row, cells, &mut memory);
            match &mut watched {
                Some((new, revised)) if *new != entry.block => {
                    revised.watch(stash, entry, step);
                }
                _ => step(),
            }
        }
        *derived = entries.len();
        *touched = false;
    }

    /// What the rows `changed` carry has changed since they were as in `was`: derives the events of
    /// their entities again. All rows that are others now are in `revised`.
    pub fn derive_again(
        &mut self,
        changed: &[Stashed],
        was: &Lane,
        stash: &Stash,
        sealed: &SealedHistory,
        revised: &mut Revised,
    ) {
        let mut places = HashMap::new();
        for (place, entry) in changed.iter().enumerate() {
            places.insert((entry.block, entry.row), place);
            let slot = stash.block(entry).slots[entry.row as usize];
            if let Some(queue) = &mut self.queues[slot]
                && !std::mem::replace(&mut queue.touched, true)
            {
                queue.restart(sealed.cells(slot));
                self.touched.push(slot);
            }
        }
        let (mut old, mut entries) = (Revised::new(was.values.len()).old, Vec::new());
        let mut touched = std::mem::take(&mut self.touched);
        let queues = touched.iter().filter_map(|slot| self.queues[*slot].as_ref());
        for entry in queues.flat_map(|queue| &queue.entries) {
            match places.get(&(entry.block, entry.row)) {
                Some(place) => was.copy(*place, &mut old),
                None => stash.block(entry).copy(entry.row as usize, &mut old),
            }
            entries.push(*entry);
        }
        for slot in touched.drain(..) {
            self.derive(slot, stash, sealed, None);
        }
        self.touched = touched;
        for (row, entry) in entries.iter().enumerate() {
            revised.compare(&old, row, stash, entry);
        }
    }

    /// About how much memory it takes, in bytes: counted, not looked up.
    pub fn memory(&self) -> usize {
        let cells = self.width * size_of::<i64>();
        let entry = size_of::<Stashed>() + self.seeing * SEEN_BYTES + cells / MARK_EVERY as usize;
        let queues = self.held * (size_of::<UnsealedQueue>() + cells) + self.entries * entry;
        self.slot_memory() + self.touched.capacity() * size_of::<u32>() + queues
    }

    /// How much of it is by slot, in bytes.
    pub fn slot_memory(&self) -> usize {
        self.queues.bytes()
    }

    /// How many values the tail of `slot` has seen.
    #[cfg(test)]
    pub fn shown(&self, slot: u32) -> usize {
        self.queues[slot].as_ref().map_or(0, |queue| queue.tail.seen.len())
    }

    /// Row `row` of `block`, the oldest event of its entity, has just been sealed.
    #[inline]
    pub fn sealed(&mut self, block: &Block, row: usize, fold: &Fold) {
        let queue = &mut self.queues[block.slots[row]];
        let Some(held) = queue else { return };
        self.entries -= usize::from(held.entries.pop_front().is_some());
        if held.entries.is_empty() {
            *queue = None;
            self.held -= 1;
            return;
        }
        held.sealed += 1;
        held.derived -= 1;
        // From here on it is read from the sealed state.
        for key in fold.shown(block, row) {
            held.tail.forget(key, VecDeque::pop_front);
        }
        while held.marks.front().is_some_and(|(number, _)| *number <= held.sealed) {
            held.marks.pop_front();
        }
    }
}
