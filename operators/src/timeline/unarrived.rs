//! Rows that have been read and had not arrived yet, for whoever replays a log in the order of arrival.
//!
//! A log is read by event time, and no event is there before it arrives: a row waits here, interned and
//! with what it has looked up, until the clock comes to its arrival. Then it goes to the
//! [stash](super::stash) as if it had just been received.
//!
//! Bounded by its owner, who asks what it [takes](Unarrived::memory).

use super::stash::Block;
use crate::time::EventTime;
use std::cell::Cell;
use std::collections::BTreeMap;

/// What a row takes beside its block, about: its place by arrival, and its time.
const PLACE_BYTES: usize = 64;

/// Where a row is.
#[derive(Clone, Copy, Debug)]
struct UnarrivedPlace {
    block: u32,
    row: u32,
}

/// See the module.
///
/// ```
/// use tidemark_operators::entity_log::EntityLog;
/// use tidemark_operators::in_memory::{batch, plan};
/// use tidemark_operators::timeline::unarrived::Unarrived;
///
/// let mut entity = EntityLog::new(&plan().entities[0], 256, 0);
/// let block = entity.intern_with(batch(&[(1_000, "a"), (2_000, "b"), (3_000, "a")]), |_, _| {});
/// let mut unarrived = Unarrived::default();
/// unarrived.insert(block, &[1_500, 9_000, 3_000]);
/// assert_eq!((unarrived.floor(), unarrived.first()), (Some(1_000), Some(1_500)));
/// let arrived = unarrived.take(3_000, 10).unwrap();
/// assert_eq!(arrived.times, [1_000, 3_000]);
/// assert_eq!((unarrived.floor(), unarrived.first()), (Some(2_000), Some(9_000)));
/// assert!(unarrived.take(8_999, 10).is_none());
/// ```
#[derive(Default)]
pub struct Unarrived {
    /// With how many of their rows wait; a block is let go of with its last row.
    blocks: Vec<(Block, u32)>,
    free: Vec<u32>,
    /// By arrival.
    places: BTreeMap<EventTime, Vec<UnarrivedPlace>>,
    /// How many rows there are of each event time.
    times: BTreeMap<EventTime, u32>,
    len: usize,
    /// The bytes of the blocks.
    held: usize,
}

impl Unarrived {
    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// About how much memory they take, in bytes.
    pub fn memory(&self) -> usize {
        self.held + self.len * PLACE_BYTES
    }

    /// The least event time of a row that waits.
    pub fn floor(&self) -> Option<EventTime> {
        self.times.first_key_value().map(|(time, _)| *time)
    }

    /// When the next row arrives.
    pub fn first(&self) -> Option<EventTime> {
        self.places.first_key_value().map(|(arrival, _)| *arrival)
    }

    /// Adds the rows of `block`, of which `arrivals` says when each arrives; one of which it does not
    /// arrives at its own time.
    pub fn insert(&mut self, block: Block, arrivals: &[EventTime]) {
        if block.is_empty() {
            return;
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.blocks.push((Block::default(), 0));
            self.blocks.len() as u32 - 1
        });
        for ((row, time), number) in block.times.iter().enumerate().zip(0..) {
            let arrival = arrivals.get(row).unwrap_or(time);
            self.places
                .entry(*arrival)
                .or_default()
                .push(UnarrivedPlace { block: at, row: number });
            *self.times.entry(*time).or_default() += 1;
        }
        self.len += block.len();
        self.held += block.bytes();
        let rows = block.len() as u32;
        self.blocks[at as usize] = (block, rows);
    }

    /// Takes out rows that arrive at or before `until`, the first to arrive first, `most` of them at most.
    /// `None`: there are none.
    pub fn take(&mut self, until: EventTime, most: usize) -> Option<Block> {
        let mut taken = Block::default();
        while let Some(mut first) = self.places.first_entry() {
            let room = most.saturating_sub(taken.len());
            if *first.key() > until || room == 0 {
                break;
            }
            let places = first.get_mut();
            let from = places.len().saturating_sub(room);
            let leaving: Vec<UnarrivedPlace> = places.drain(from..).collect();
            if places.is_empty() {
                first.remove();
            }
            leaving.iter().for_each(|place| self.move_row(*place, &mut taken));
        }
        (!taken.is_empty()).then_some(taken)
    }

    /// Moves the row at `place` to the end of `to`.
    fn move_row(&mut self, place: UnarrivedPlace, to: &mut Block) {
        let (block, left) = &mut self.blocks[place.block as usize];
        let row = place.row as usize;
        let time = block.times[row];
        to.times.push(time);
        to.origins.push(block.origins[row]);
        to.slots.push(block.slots[row]);
        to.bits.push(block.bits[row].clone());
        to.attributes.resize_with(block.attributes.len(), Vec::new);
        for (to, from) in to.attributes.iter_mut().zip(&block.attributes) {
            to.push(Cell::new(from[row].get()));
        }
        self.len -= 1;
        *left -= 1;
        if *left == 0 {
            self.held -= block.bytes();
            *block = Block::default();
            self.free.push(place.block);
        }
        if let Some(rows) = self.times.get_mut(&time) {
            *rows -= 1;
            if *rows == 0 {
                self.times.remove(&time);
            }
        }
    }

    /// Has `change` see each row that waits with an event time of `from` or later, in no particular order.
    pub fn each(&self, from: EventTime, mut change: impl FnMut(&Block, usize)) {
        for place in self.places.values().flatten() {
            let (block, row) = (&self.blocks[place.block as usize].0, place.row as usize);
            if block.times[row] >= from {
                change(block, row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;

    /// Rows with these times, each with its offset.
    fn block(from: u64, times: &[EventTime]) -> Block {
        let origin = |offset| Origin { source: 0, partition: 0, offset };
        Block {
            times: times.to_vec(),
            origins: (from..).take(times.len()).map(origin).collect(),
            slots: vec![0; times.len()],
            bits: vec![Cell::new(0); times.len()],
            attributes: vec![times.iter().map(|time| Cell::new(*time as i64)).collect()],
        }
    }

    proptest::proptest! {
        #[test]
        fn rows_come_out_with_their_arrivals_and_nothing_is_left_of_them(
            blocks in proptest::collection::vec(
                proptest::collection::vec((0u64..50, 0u64..50), 0..6), 0..8),
            most in 1usize..5,
        ) {
            let (mut unarrived, mut offset) = (Unarrived::default(), 0);
            // The naive twin: all rows, looked through each time.
            let mut all: Vec<(EventTime, EventTime, u64)> = Vec::new();
            for rows in blocks {
                let times: Vec<EventTime> = rows.iter().map(|row| row.0).collect();
                let arrivals: Vec<EventTime> = rows.iter().map(|row| row.1).collect();
                unarrived.insert(block(offset, &times), &arrivals);
                all.extend(rows.iter().zip(offset..).map(|((ts, at), of)| (*at, *ts, of)));
                offset += times.len() as u64;
            }
            for until in 0..50 {
                let mut came = Vec::new();
                while let Some(block) = unarrived.take(until, most) {
                    assert!(block.len() <= most);
                    for (row, ts) in block.times.iter().enumerate() {
                        assert_eq!(block.attributes[0][row].get(), *ts as i64);
                        came.push((*ts, block.origins[row].offset));
                    }
                }
                came.sort_unstable();
                let due = all.iter().filter(|row| row.0 == until).map(|row| (row.1, row.2));
                let mut due: Vec<(EventTime, u64)> = due.collect();
                due.sort_unstable();
                assert_eq!(came, due);
                let left = all.iter().filter(|row| row.0 > until);
                assert_eq!(unarrived.len(), left.clone().count());
                assert_eq!(unarrived.floor(), left.clone().map(|row| row.1).min());
                assert_eq!(unarrived.first(), left.map(|row| row.0).min());
            }
            assert_eq!((unarrived.memory(), unarrived.free.len()), (0, unarrived.blocks.len()));
        }
    }
}
