//! Judged events on their way from the worker that read them to the worker that owns their entity.

use crate::origin::Origin;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// Null in a wide column.
pub const NULL: i64 = i64::MIN;

/// A byte string in a batch's arena: `start << 32 | end`.
pub(crate) type Span = u64;

/// Null in a column of spans.
pub(crate) const NO_SPAN: Span = u64::MAX;

/// Accepted events for one entity type and one worker, a column a thing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EventBatch {
    /// The worker it goes to.
    pub target: u32,
    /// What time its events say it is: the greatest `min(ts, arrival)` of them.
    pub clock: EventTime,
    /// The worker that sends it.
    pub from: u32,
    /// The least traced due time of its records, 0 when untraced; see
    /// [`crate::ingest::reader::RawBatch::due_ns`]. On its way to another process, whose clock is another
    /// one, it is how long ago that was when it was sent.
    pub due_ns: u64,
    /// Event times.
    pub times: Vec<EventTime>,
    /// When each arrived, or else its event time; empty unless [somebody
    /// asks](crate::ingest::source::SourceConfig::arrivals).
    pub arrivals: Vec<EventTime>,
    /// Origins.
    pub origins: Vec<Origin>,
    /// Stable hashes of the entity ids.
    pub hashes: Vec<u64>,
    /// Filter bits.
    pub bits: Vec<u64>,
    /// Entity ids in the arena.
    pub ids: Vec<u64>,
    /// For each wide attribute its column.
    pub wide: Vec<Vec<i64>>,
    /// For each symbol attribute its spans.
    pub spans: Vec<Vec<u64>>,
    /// Bytes of ids and symbols.
    pub arena: Vec<u8>,
}

/// Leaves the values of a column out for whose row `keep` does not hold.
pub(crate) fn retain<T>(column: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    column.retain(|_| keep.next().copied().unwrap_or(false));
}

impl EventBatch {
    /// An empty batch for `target` with this many columns of each kind.
    pub fn new(target: u32, wide: usize, symbols: usize) -> Self {
        EventBatch {
            target,
            wide: vec![Vec::new(); wide],
            spans: vec![Vec::new(); symbols],
            ..EventBatch::default()
        }
    }

    /// An empty batch to follow this one, with room for as much: steps are mostly alike.
    pub(crate) fn next(&self) -> Self {
        fn room<T>(column: &[T]) -> Vec<T> {
            Vec::with_capacity(column.len())
        }
        EventBatch {
            target: self.target,
            times: room(&self.times),
            arrivals: room(&self.arrivals),
            origins: room(&self.origins),
            hashes: room(&self.hashes),
            bits: room(&self.bits),
            ids: room(&self.ids),
            wide: self.wide.iter().map(|column| room(column)).collect(),
            spans: self.spans.iter().map(|column| room(column)).collect(),
            arena: room(&self.arena),
            ..EventBatch::default()
        }
    }

    /// Leaves out the events for which `keep` does not hold. What they had in the arena stays there.
    pub fn retain(&mut self, keep: &[bool]) {
        retain(&mut self.times, keep);
        retain(&mut self.arrivals, keep);
        retain(&mut self.origins, keep);
        retain(&mut self.hashes, keep);
        retain(&mut self.bits, keep);
        retain(&mut self.ids, keep);
        self.wide.iter_mut().for_each(|column| retain(column, keep));
        self.spans.iter_mut().for_each(|column| retain(column, keep));
    }

    /// How many events.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Its size in bytes, for the accounting of what is in flight.
    pub fn size(&self) -> usize {
        self.arena.len() + self.len() * (48 + 8 * (self.wide.len() + self.spans.len()))
    }

    /// Keeps a byte string.
    #[inline]
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.arena.len() as u64;
        self.arena.extend_from_slice(bytes);
        start << 32 | self.arena.len() as u64
    }

    /// A byte string kept before.
    #[inline]
    pub(crate) fn kept(&self, span: Span) -> &[u8] {
        self.arena.get((span >> 32) as usize..(span & 0xffff_ffff) as usize).unwrap_or_default()
    }
}
