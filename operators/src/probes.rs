//! Probes: moments at which somebody wants to know the features of an entity.
//!
//! A probe reads and does not enter: no clock, no watermark, no window and no event's verdict depends on
//! there being one, wherever in time it lies. What is read is what the [sealed
//! windows](crate::sealed::SealedWindows::probe) hold at its time, which only events that the frontier
//! has passed are in; of an entity of which nothing is known it is what a view has of no events. Under
//! [`Sealing::Arrived`](crate::entity_windows::Sealing::Arrived) it is what the [live
//! windows](crate::live::LiveWindows::probe) would hold at its time, of the events that had arrived.
//!
//! Each worker has the probes of its own entities, in the order of their times: they are given to it, not
//! sent, so that their number takes no memory between the operators.

use crate::cut::TimelineRows;
use crate::interner::{PIECE, stable_hash};
use crate::origin::Origin;
use crate::time::{EventTime, Millis};
use crate::timeline::names::Names;
use crate::value::Column;
use std::collections::HashSet;

/// Probes that are answered at once.
pub(crate) const PROBES_MAX: usize = 1_024;

/// Probes in the order of their times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeBatch {
    /// The clocks that are asked for.
    pub times: Vec<EventTime>,
    /// Whatever number each is known by to those who asked.
    pub rows: Vec<u64>,
    ids: Vec<u8>,
    ends: Vec<usize>,
}

impl ProbeBatch {
    /// Adds the probe `row` of the entity `id` at `time`.
    ///
    /// ```
    /// use tidemark_operators::probes::ProbeBatch;
    ///
    /// let mut batch = ProbeBatch::default();
    /// batch.push(1_000, 7, b"a");
    /// assert_eq!((batch.len(), batch.id(0)), (1, &b"a"[..]));
    /// ```
    pub fn push(&mut self, time: EventTime, row: u64, id: &[u8]) {
        self.times.push(time);
        self.rows.push(row);
        self.ids.extend_from_slice(id);
        self.ends.push(self.ids.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whom probe `at` is of; empty where there is no such probe.
    pub fn id(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let range = start.zip(self.ends.get(at).copied());
        range.and_then(|(start, end)| self.ids.get(start..end)).unwrap_or_default()
    }

    /// Appends the slots of their entities to `slots`: those that are not known are made. Each entity counts
    /// once more for each probe until it is [let go of](Self::release).
    pub(crate) fn intern(&self, names: &mut Names, slots: &mut Vec<u32>) {
        for from in (0..self.len()).step_by(PIECE) {
            let piece = from..self.len().min(from + PIECE);
            let mut hashes = [0; PIECE];
            let hashes = &mut hashes[..piece.len()];
            hashes
                .iter_mut()
                .zip(piece.clone())
                .for_each(|(to, at)| *to = stable_hash(self.id(at)));
            let likely = names.entities.likely(hashes);
            for ((hash, likely), at) in hashes.iter().zip(likely.iter()).zip(piece) {
                slots.push(names.entities.intern_as(likely, self.id(at), *hash));
            }
        }
    }

    /// Lets go of `slots`, which were [interned](Self::intern).
    pub(crate) fn release(slots: &mut Vec<u32>, names: &mut Names) {
        for slot in slots.drain(..) {
            names.entities.release(slot);
        }
    }

    /// Forgets them, keeps the memory.
    pub fn clear(&mut self) {
        self.times.clear();
        self.rows.clear();
        self.ids.clear();
        self.ends.clear();
    }
}

/// What some probes have read.
pub struct Probed<'a> {
    /// What they are known by.
    pub rows: &'a [u64],
    /// For each view that was asked for, in the order of the job, its place there and its columns;
    /// [`FeaturePlan::column`](crate::plan::FeaturePlan::column) says which is which feature.
    pub views: Vec<(usize, &'a [Column])>,
}

/// Where the probes of one entity type come from, on one worker, and where goes what they have read.
pub trait Probing {
    /// When the next of them is; `None`: there are no more.
    fn next(&self) -> Option<EventTime>;

    /// When the last of all is, whether it has been taken or not; `None`: there are none.
    fn last(&self) -> Option<EventTime>;

    /// Appends the next of them that are at or before `until`, at most `most`.
    fn take(&mut self, until: EventTime, most: usize, into: &mut ProbeBatch);

    /// Takes what those of the last [`take`](Self::take) have read.
    fn give(&mut self, probed: &Probed<'_>);

    /// The events have ended, the newest of all with the time `newest`: who wants to know what the
    /// features are then can still ask. Told at least once, before anything is asked of that time.
    fn ends(&mut self, newest: EventTime) {
        let _ = newest;
    }
}

/// Takes the rows of [watched entities](WatchedEntities).
pub trait WatchedRows {
    /// The next of them, in the order of the log, and where each is from.
    fn take(&mut self, rows: TimelineRows, origins: &[Origin]);
}

/// Entities whose rows somebody wants to see, each as it is sealed.
pub struct WatchedEntities {
    /// Their ids.
    pub ids: HashSet<Vec<u8>>,
    /// Where their rows go.
    pub rows: Box<dyn WatchedRows>,
}

/// The probes of one entity type on one worker.
pub struct EntityProbes {
    /// The views that are asked for, by their places in
    /// [`EntityPlan::views`](crate::plan::EntityPlan::views).
    pub views: Vec<usize>,
    /// Whether events at the very time of a probe (by arrival: that arrive then) do not count: what leaves at
    /// that time has left all the same, and what enters a delayed window then is in.
    pub before: bool,
    /// How long after its time an event is known, in ms; the windows of the plan must be those of
    /// [`Plan::known_after`](crate::plan::Plan::known_after) it.
    pub lag: Millis,
    /// The probes.
    pub probes: Box<dyn Probing>,
    /// Whose rows are wanted besides; `None`: nobody's.
    pub watched: Option<WatchedEntities>,
}
