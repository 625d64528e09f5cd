//! A batch of a window: five numbers and the chunks they speak of.

use crate::plan::Window;
use crate::time::EventTime;
use crate::timeline::chunk::Chunk;
use crate::timeline::chunks;
use crate::timeline::lane::Lane;
use crate::timeline::run::Run;
use crate::window::cursor::WindowCursor;
use differential_dataflow::lattice::Lattice;
use differential_dataflow::trace::{Batch, BatchReader, Description, Merger, Navigable};
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::rc::Rc;
use timely::progress::{Antichain, frontier::AntichainRef};

/// Arrivals `a0..a1` and departures `d0..d1` of log rows; rows `a0..cut` are in both and cancelled.
///
/// What is both arrived and departed at or below the compaction frontier is always a prefix of the
/// arrivals, because rows leave in the order in which they enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSpan {
    /// The first arrival.
    pub a0: u64,
    /// One past the last arrival.
    pub a1: u64,
    /// The first departure; at most `a0`.
    pub d0: u64,
    /// One past the last departure; at most `a1`.
    pub d1: u64,
    /// Arrivals below this are cancelled.
    pub cut: u64,
}

impl BatchSpan {
    /// Nothing cancelled yet.
    pub fn new(a0: u64, a1: u64, d0: u64, d1: u64) -> Self {
        debug_assert!(d0 <= d1 && d0 <= a0 && a0 <= a1 && d1 <= a1);
        BatchSpan { a0, a1, d0, d1, cut: a0 }
    }

    /// Whether row `seq` arrives in it.
    pub fn arrives(&self, seq: u64) -> bool {
        self.cut <= seq && seq < self.a1
    }

    /// Whether row `seq` departs in it.
    pub fn departs(&self, seq: u64) -> bool {
        self.d0 <= seq && seq < self.d1 && (seq < self.a0 || self.cut <= seq)
    }

    /// Departures of rows that arrived before it.
    fn early(&self) -> (u64, u64) {
        (self.d0, self.d1.min(self.a0))
    }

    /// How many updates.
    pub fn len(&self) -> usize {
        let (lo, hi) = self.early();
        ((self.a1 - self.cut) + (hi - lo) + self.d1.saturating_sub(self.cut)) as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows a reader may touch.
    pub fn needs(&self) -> [(u64, u64); 2] {
        [self.early(), (self.cut, self.a1)]
    }

    /// The two joined; `next` must follow. What `next` cancelled is younger than all of `self`, so
    /// everything up to there is cancelled as well.
    fn concat(&self, next: &BatchSpan) -> BatchSpan {
        assert_eq!((self.a1, self.d1), (next.a0, next.d0), "batches of a window follow each other");
        let cut = if next.cut > next.a0 { next.cut } else { self.cut };
        BatchSpan { a0: self.a0, a1: next.a1, d0: self.d0, d1: next.d1, cut }
    }
}

/// Sorted rows of one of the batch's chunks.
pub(super) struct Segment {
    pub chunk: usize,
    pub run: Rc<Run>,
}

/// See the module.
pub struct WindowBatch {
    pub(super) window: Window,
    description: Description<EventTime>,
    /// `None`: a batch that knows no position; the neutral element of joining.
    pub(super) span: Option<BatchSpan>,
    pub(super) chunks: VecDeque<Rc<Chunk>>,
    /// Just made: it touches few rows of its chunks, and sorts those for itself.
    fresh: bool,
    segments: OnceCell<Vec<Segment>>,
}

impl WindowBatch {
    /// What enters and leaves `window` in `[lower, upper)`.
    pub fn new(
        window: Window,
        lower: Antichain<EventTime>,
        upper: Antichain<EventTime>,
        span: BatchSpan,
        chunks: VecDeque<Rc<Chunk>>,
    ) -> Self {
        let description = Description::new(lower, upper, Antichain::from_elem(0));
        let segments = OnceCell::new();
        WindowBatch { window, description, span: Some(span), chunks, fresh: true, segments }
    }

    /// All of a window up to `upper`, compacted to `upper`.
    pub fn settled(
        window: Window,
        upper: EventTime,
        span: BatchSpan,
        chunks: VecDeque<Rc<Chunk>>,
    ) -> Self {
        let upper = Antichain::from_elem(upper);
        let description = Description::new(Antichain::from_elem(0), upper.clone(), upper);
        let segments = OnceCell::new();
        WindowBatch { window, description, span: Some(span), chunks, fresh: false, segments }
    }

    /// Its arrivals and departures; `None` for one that was made empty and knows no position.
    pub fn span(&self) -> Option<BatchSpan> {
        self.span
    }

    /// The first of its rows `lo..hi` whose time fails `below`, which must be monotone; `hi` when
    /// none does.
    pub(crate) fn partition(&self, rows: (u64, u64), below: impl Fn(EventTime) -> bool) -> u64 {
        chunks::partition(&self.chunks, rows, below)
    }

    /// The time of row `seq`, if it has it and `wanted` holds of it, which must be monotone: true, then
    /// false.
    pub(crate) fn time_if(
        &self,
        seq: u64,
        wanted: impl Fn(EventTime) -> bool,
    ) -> Option<EventTime> {
        chunks::time_if(&self.chunks, seq, wanted)
    }

    /// Whether rows of it had left memory and could not be read back.
    pub(crate) fn is_lost(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.is_lost())
    }

    /// Appends its rows `lo..hi` to `lane`.
    pub(crate) fn copy_rows(&self, rows: (u64, u64), lane: &mut Lane) {
        chunks::copy(&self.chunks, rows, lane);
    }

    /// The first row that it or any batch after it may speak of; `None` when it knows no position.
    pub(super) fn low_water(&self) -> Option<u64> {
        self.span.map(|span| {
            let (from, to) = span.early();
            if from < to { from } else { span.cut.min(span.d1) }
        })
    }

    /// The same batch, without its index.
    pub(super) fn copy(&self) -> Self {
        WindowBatch {
            window: self.window,
            description: self.description.clone(),
            span: self.span,
            chunks: self.chunks.clone(),
            fresh: self.fresh,
            segments: OnceCell::new(),
        }
    }

    /// Appends `next`, then forgets what arrived and departed at or before `since`.
    pub(super) fn absorb(&mut self, next: &WindowBatch, since: AntichainRef<'_, EventTime>) {
        assert_eq!(self.description.upper(), next.description.lower(), "batches follow each other");
        let joined = self.description.since().join(next.description.since());
        let joined = joined.join(&since.to_owned());
        let (lower, upper) = (self.description.lower().clone(), next.description.upper().clone());
        self.description = Description::new(lower, upper, joined);
        match (self.span, next.span) {
            (_, None) => {}
            (None, Some(_)) => {
                self.span = next.span;
                self.window = next.window;
                self.chunks.clone_from(&next.chunks);
            }
            (Some(a), Some(b)) => {
                self.span = Some(a.concat(&b));
                next.chunks.iter().for_each(|c| self.own(c));
            }
        }
        self.changed();
    }

    /// Adds `chunk` in its place, unless it is there.
    fn own(&mut self, chunk: &Rc<Chunk>) {
        let at = self.chunks.partition_point(|c| c.base() < chunk.base());
        if self.chunks.get(at).is_none_or(|c| c.base() != chunk.base()) {
            self.chunks.insert(at, Rc::clone(chunk));
        }
    }

    /// Forgets what arrived and departed at or before `since`.
    pub(super) fn advance_since(&mut self, since: AntichainRef<'_, EventTime>) {
        let joined = self.description.since().join(&since.to_owned());
        let (lower, upper) = (self.description.lower(), self.description.upper());
        self.description = Description::new(lower.clone(), upper.clone(), joined);
        self.changed();
    }

    fn changed(&mut self) {
        self.fresh = false;
        self.recut();
        self.segments = OnceCell::new();
    }

    fn recut(&mut self) {
        let since = self.description.since().borrow().first().copied();
        let Some(span) = &mut self.span else { return };
        span.cut = span.cut.max(span.a0);
        if span.cut < span.d1 {
            let gone = |ts| since.is_none_or(|since| self.window.leaves(ts) <= since);
            span.cut = chunks::partition(&self.chunks, (span.cut, span.d1), gone);
        }
        if span.is_empty() {
            self.chunks.clear();
        }
        let [early, rest] = span.needs();
        if early.0 >= early.1 {
            while self.chunks.front().is_some_and(|c| c.end() <= rest.0) && self.chunks.len() > 1 {
                self.chunks.pop_front();
            }
        }
    }

    /// The sorted rows it touches, found when first asked for.
    pub(super) fn segments(&self) -> &[Segment] {
        self.segments.get_or_init(|| self.find_segments())
    }

    fn find_segments(&self) -> Vec<Segment> {
        let mut found = Vec::new();
        let Some(span) = self.span else { return found };
        for (at, chunk) in self.chunks.iter().enumerate() {
            let part = |(lo, hi): (u64, u64)| {
                let lo = lo.max(chunk.base()) - chunk.base();
                let hi = hi.min(chunk.end()).max(chunk.base()) - chunk.base();
                (lo as u32, hi.max(lo) as u32)
            };
            let [x, y] = span.needs().map(part);
            let need = (x.1 - x.0) + (y.1 - y.0);
            if need == 0 {
                continue;
            }
            if self.fresh && need * 2 < chunk.len() {
                let Some(columns) = chunk.columns() else { continue };
                let slot = |row: u32| columns.slots()[row as usize].get();
                let run = Rc::new(Run::build((x.0..x.1).chain(y.0..y.1), slot));
                found.push(Segment { chunk: at, run });
                continue;
            }
            let touches = |run: &Run, (lo, hi): (u32, u32)| lo < hi && run.lo < hi && lo < run.hi;
            let runs = chunk.runs().into_iter().filter(|r| touches(r, x) || touches(r, y));
            found.extend(runs.map(|run| Segment { chunk: at, run }));
        }
        found
    }
}

impl BatchReader for WindowBatch {
    type Time = EventTime;

    fn len(&self) -> usize {
        self.span.map_or(0, |s| s.len())
    }

    fn description(&self) -> &Description<EventTime> {
        &self.description
    }
}

impl Batch for WindowBatch {
    type Merger = WindowMerger;

    fn empty(lower: Antichain<EventTime>, upper: Antichain<EventTime>) -> Self {
        WindowBatch {
            window: Window { length: 1, delay: 0 },
            description: Description::new(lower, upper, Antichain::from_elem(0)),
            span: None,
            chunks: VecDeque::new(),
            fresh: true,
            segments: OnceCell::new(),
        }
    }
}

/// Merging is joining ranges: done at once, whatever the fuel.
pub struct WindowMerger(WindowBatch);

impl Merger<WindowBatch> for WindowMerger {
    fn new(a: &WindowBatch, b: &WindowBatch, since: AntichainRef<'_, EventTime>) -> Self {
        let mut merged = a.copy();
        merged.absorb(b, since);
        WindowMerger(merged)
    }

    fn work(&mut self, _: &WindowBatch, _: &WindowBatch, _fuel: &mut isize) {}

    fn done(self) -> WindowBatch {
        self.0
    }
}

impl Navigable for WindowBatch {
    type Cursor = WindowCursor;

    fn cursor(&self) -> WindowCursor {
        WindowCursor::new(self)
    }
}
