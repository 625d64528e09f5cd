//! The chunks of one timeline, and positions in them.

use super::chunk::{CHUNK_ROWS_MIN, Chunk};
use super::chunks;
use super::cold::{ColdCounts, ColdRows, Cooling};
use super::columns::ColumnLayout;
use super::lane::Lane;
use super::stash::Block;
use crate::plan::AttributePlan;
use crate::time::{EventTime, Millis};
use std::collections::VecDeque;
use std::rc::Rc;

/// Sealed rows in (ts, source, partition, offset) order. A row's *sequence number* is its place in
/// the whole history; the log forgets a prefix of it.
///
/// ```
/// use tidemark_operators::entity_log::EntityLog;
/// use tidemark_operators::in_memory::{batch, plan};
///
/// let mut entity = EntityLog::new(&plan().entities[0], 256, 0);
/// entity.receive(batch(&[(2_000, "a"), (1_000, "b"), (9_000, "a")]));
/// // What the frontier has passed comes to the log, in the order of time.
/// entity.seal(Some(5_000), &mut Vec::new());
/// let log = &entity.log;
/// assert_eq!((log.start(), log.end()), (0, 2));
/// assert_eq!((log.time(0), log.time(1), log.time(2)), (Some(1_000), Some(2_000), None));
/// assert_eq!(log.partition(0, |ts| ts < 1_500), 1, "the first row that is not before 1,500");
/// ```
pub struct Log {
    chunks: VecDeque<Rc<Chunk>>,
    bytes: usize,
    next: u64,
    forgotten: Option<EventTime>,
    chunk_rows: usize,
    chunk_span: Millis,
    layout: ColumnLayout,
    /// Where rows go cold.
    cooling: Option<Cooling>,
}

impl Log {
    /// An empty log. `chunk_rows` bounds a chunk's rows (1 to 65,536) and `chunk_span` the time
    /// it spans, so that a quiet log lets go of its rows in pieces too.
    pub fn new(
        chunk_rows: usize,
        chunk_span: Millis,
        filters: usize,
        attributes: &[AttributePlan],
    ) -> Self {
        Log {
            chunks: VecDeque::new(),
            bytes: 0,
            next: 0,
            forgotten: None,
            chunk_rows,
            chunk_span,
            layout: ColumnLayout::new(filters, attributes),
            cooling: None,
        }
    }

    /// Has rows that lie `hot_window` behind the clock leave memory, for `rows`; `entity` names it for people.
    pub fn keep_cold(&mut self, entity: &str, hot_window: Millis, rows: Box<dyn ColdRows>) {
        self.cooling = Some(Cooling::new(entity, self.layout.clone(), hot_window, rows));
    }

    /// Whether rows leave memory.
    pub(crate) fn goes_cold(&self) -> bool {
        self.cooling.is_some()
    }

    /// Lets rows go that lie behind the clock `now` and below `through`, and asks ahead for those that the
    /// edges at `places` come to; says whether there are more to go as soon as others have been written.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tidemark_operators::entity_log::EntityLog;
    /// use tidemark_operators::in_memory::{ColdInMemory, ColdTrials, batch, plan};
    ///
    /// let mut entity = EntityLog::new(&plan().entities[0], 64, 0);
    /// entity.log.keep_cold("card", 1_000, Box::new(ColdInMemory::new(&Arc::new(ColdTrials::default()))));
    /// let events: Vec<_> = (0..1_000).map(|at| (10 * at, "a")).collect();
    /// entity.receive(batch(&events));
    /// entity.seal(None, &mut Vec::new());
    /// let before = entity.log.bytes();
    /// // An edge stands at the first row: its chunk stays.
    /// for _ in 0..100 {
    ///     entity.log.cool(10_000, 1_000, &[0]);
    /// }
    /// assert!(entity.log.bytes() < before / 4 && entity.log.cold().rows > 800);
    /// assert_eq!(entity.log.time(777), Some(7_770), "read back");
    /// ```
    pub fn cool(&mut self, now: EventTime, through: u64, places: &[u64]) -> bool {
        let Some(cooling) = &mut self.cooling else { return false };
        let mut shrunk = 0;
        let more = cooling.step(&self.chunks, (now, through), places, &mut shrunk);
        self.bytes = self.bytes.saturating_sub(shrunk);
        more
    }

    /// What of it is elsewhere.
    pub fn cold(&self) -> ColdCounts {
        self.cooling.as_ref().map(Cooling::counts).unwrap_or_default()
    }

    /// Whether rows that had left memory could not be read back: nothing that was computed since counts.
    pub fn is_lost(&self) -> bool {
        self.cooling.as_ref().is_some_and(Cooling::is_lost)
    }

    /// Why, for people.
    pub fn lost(&self) -> Option<String> {
        self.cooling.as_ref().and_then(Cooling::lost)
    }

    /// The sequence number the next row will have.
    pub fn end(&self) -> u64 {
        self.next
    }

    /// The sequence number of the oldest row it still has.
    pub fn start(&self) -> u64 {
        self.chunks.front().map_or(self.next, |c| c.base())
    }

    /// The time of the newest row it has.
    pub(crate) fn newest(&self) -> Option<EventTime> {
        self.chunks.back().map(|chunk| chunk.last_time())
    }

    /// A time up to which rows may not be there: that of the newest row it has let go of, or what comes
    /// before all that it was restored from.
    pub fn forgotten(&self) -> Option<EventTime> {
        self.forgotten
    }

    /// Rows before `from` are not put into a log that has none yet.
    pub(crate) fn begins(&mut self, from: EventTime) {
        if self.next == 0 && self.forgotten.is_none() {
            self.forgotten = from.checked_sub(1);
        }
    }

    /// The chunks, oldest first.
    pub fn chunks(&self) -> impl Iterator<Item = &Rc<Chunk>> {
        self.chunks.iter()
    }

    /// The bytes of all its columns in memory, and of what is on its way out or back.
    pub fn bytes(&self) -> usize {
        let (out, moving) = self.cooling.as_ref().map_or((0, 0), Cooling::bytes);
        self.bytes.saturating_sub(out) + moving
    }

    /// The bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.chunks.back().map_or(0, |c| c.row_bytes())
    }

    /// Appends row `row` of `block`; its time must not be less than the last row's.
    pub(crate) fn push(&mut self, block: &Block, row: usize) {
        let ts = block.times[row];
        match self.chunks.back() {
            Some(chunk) if chunk.takes(ts, self.chunk_span) => chunk.push(block, row),
            last => {
                // As many rows as the last one took, and some more; twice as many when it was
                // filled before its time, so that chunks grow with the traffic.
                let rows = last.map_or(CHUNK_ROWS_MIN, |c| {
                    let took = c.len() as usize;
                    if c.is_full() { took * 2 } else { took + took / 16 }
                });
                let rows = rows.min(self.chunk_rows);
                let chunk = Chunk::of_layout(self.next, ts, rows, &self.layout);
                chunk.push(block, row);
                self.bytes += chunk.bytes();
                self.chunks.push_back(Rc::new(chunk));
            }
        }
        self.next += 1;
    }

    /// The first sequence number at or after `from` whose time fails `below`, which must be
    /// monotone.
    pub fn partition(&self, from: u64, below: impl Fn(EventTime) -> bool) -> u64 {
        chunks::partition(&self.chunks, (from.max(self.start()), self.next), below)
    }

    /// The time of row `seq`, if the log has it.
    pub fn time(&self, seq: u64) -> Option<EventTime> {
        chunks::time(&self.chunks, seq)
    }

    /// The same where `wanted` holds of it, which must be monotone: true, then false.
    pub(crate) fn time_if(
        &self,
        seq: u64,
        wanted: impl Fn(EventTime) -> bool,
    ) -> Option<EventTime> {
        chunks::time_if(&self.chunks, seq, wanted)
    }

    /// Chunks that hold rows of `lo..hi`.
    pub fn cover(&self, lo: u64, hi: u64) -> impl Iterator<Item = &Rc<Chunk>> {
        chunks::cover(&self.chunks, lo, hi)
    }

    /// Appends rows `lo..hi` to `lane`.
    pub(crate) fn copy(&self, lo: u64, hi: u64, lane: &mut Lane) {
        chunks::copy(&self.chunks, (lo, hi), lane);
    }

    /// Takes the front chunk out when all of it is below `seq` and nobody else reads it any more.
    pub(crate) fn retire(&mut self, seq: u64) -> Option<Rc<Chunk>> {
        let front = self.chunks.front()?;
        let done = front.end() <= seq && Rc::strong_count(front) == 1;
        if !done {
            return None;
        }
        self.forgotten = Some(front.last_time());
        self.bytes -= front.bytes();
        self.chunks.pop_front()
    }
}
