//! When a checkpoint is due, and when a snapshot.

use super::part::LetterRoom;
use crate::checkpoint::ForgottenEntity;
use crate::metrics::snapshot::CheckpointSnapshot;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidemark_operators::coordination::Notice;
use tidemark_operators::cut::{CUT_GRID, Cut};
use tidemark_operators::time::{EventTime, Millis};

/// How far checkpoints are, for whoever asks for the next.
#[derive(Debug, Default)]
pub(super) struct CheckpointProgress {
    /// The newest cut of which all has been handed over.
    pub gathered: AtomicU64,
    /// The newest cut that is committed.
    pub committed: AtomicU64,
    /// When that was, or when the job began to make checkpoints; `None` where none are committed: in
    /// other processes than the first.
    pub committed_at: Mutex<Option<Instant>>,
    /// How many bytes of the file of sealed rows hold those before the newest cut that is committed.
    pub sealed_bytes: AtomicU64,
    /// That cut's time; stored behind the bytes, and read before them.
    pub sealed_cut: AtomicU64,
    /// One is wanted at once.
    pub wanted: AtomicBool,
    /// A snapshot is wanted at once: the newest holds something that is to go.
    pub snapshot_wanted: AtomicBool,
    /// What the newest checkpoint says to be forgotten.
    pub forgotten: Mutex<Vec<ForgottenEntity>>,
    /// The newest snapshot that is whole.
    pub snapshot: AtomicU64,
    /// Segments that the newest manifest lists, also through indexes.
    pub segments: AtomicU64,
    /// Bytes of segments of new rows, of segments that others were merged into, and of snapshots.
    pub row_bytes: AtomicU64,
    /// See `row_bytes`.
    pub merged_bytes: AtomicU64,
    /// See `row_bytes`.
    pub snapshot_bytes: AtomicU64,
    /// See `row_bytes`: of versions of tables.
    pub table_bytes: AtomicU64,
    /// Segments that were merged into others.
    pub merged_segments: AtomicU64,
    /// Bytes of the checkpoint that the job goes on from, and how many of them are read.
    pub restore_bytes: AtomicU64,
    /// See `restore_bytes`.
    pub restored_bytes: AtomicU64,
    /// Why the store takes nothing now.
    pub failing: Mutex<Option<String>>,
}

impl CheckpointProgress {
    /// The checkpoint of `cut` is committed, or nothing has changed since the one before.
    pub fn commit(&self, cut: u64) {
        self.stamp();
        self.committed.fetch_max(cut, Ordering::AcqRel);
    }

    /// The store takes nothing, for this reason; `None`: it does.
    pub fn fail(&self, why: Option<String>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn stamp(&self) {
        let mut at = self.committed_at.lock().unwrap_or_else(PoisonError::into_inner);
        *at = Some(Instant::now());
    }

    /// What checkpoints have cost.
    pub fn costs(&self) -> CheckpointSnapshot {
        let now = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let committed_at = *self.committed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        CheckpointSnapshot {
            committed: now(&self.committed),
            age: committed_at.map(|at| at.elapsed()),
            segments: now(&self.segments),
            forgotten,
            row_bytes: now(&self.row_bytes),
            merged_bytes: now(&self.merged_bytes),
            snapshot_bytes: now(&self.snapshot_bytes),
            table_bytes: now(&self.table_bytes),
            table_versions: Vec::new(),
            merged_segments: now(&self.merged_segments),
            restore_bytes: now(&self.restore_bytes),
            restored_bytes: now(&self.restored_bytes),
            failing: self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// How many cuts may be gathered and not committed.
const IN_FLIGHT_MAX: u64 = 2;

/// Says when the next cut is due: an interval after the one before, or earlier where one is wanted or
/// dead letters wait for it. The one before has been handed over by then, so nothing piles up.
pub(super) struct CheckpointsDue {
    interval: Duration,
    progress: Arc<CheckpointProgress>,
    room: Arc<LetterRoom>,
    last: Cut,
    /// No cut lies behind this; one lies there as soon as everything before it is sealed.
    until: Option<EventTime>,
    /// The newest cut whose letters are known to be published.
    published: u64,
    asked_at: Instant,
    snapshots: Snapshots,
}

/// The snapshots: each as of a cut that nobody has sealed to when it is asked for.
struct Snapshots {
    interval: Duration,
    asked: EventTime,
    asked_at: Instant,
    /// How much farther ahead than the frontier will be: more each time that somebody was there
    /// before.
    factor: Millis,
    /// Where the frontier was, and when.
    seen: (EventTime, Instant),
    /// How far it has come since the time before that.
    pace: Millis,
}

/// How often it is looked how fast the frontier moves: nobody is farther than that behind the others.
const PACE_EVERY: Duration = Duration::from_millis(100);
/// How much farther ahead of the frontier than it will be a snapshot is asked for, at first and at most.
const FACTORS: (Millis, Millis) = (2, 128);
/// A snapshot that has not come in so many intervals was missed.
const MISSED_AFTER: u32 = 2;

impl CheckpointsDue {
    /// Of a job that goes on from the cut `at`, or from 0.
    pub fn new(
        (interval, of_snapshots): (Duration, Duration),
        progress: Arc<CheckpointProgress>,
        room: Arc<LetterRoom>,
        at: EventTime,
    ) -> Self {
        progress.stamp();
        let (last, asked_at) = (Cut { number: 0, at }, Instant::now());
        let snapshots = Snapshots {
            interval: of_snapshots,
            asked: 0,
            asked_at,
            factor: FACTORS.0,
            seen: (0, asked_at),
            pace: 0,
        };
        let (published, until) = (0, None);
        CheckpointsDue { interval, progress, room, last, until, published, asked_at, snapshots }
    }

    /// The same, of a job that ends at `until`.
    pub fn until(self, until: Option<EventTime>) -> Self {
        CheckpointsDue { until, ..self }
    }

    /// What is due when everything before `frontier` is sealed, and what has been done.
    pub fn next(&mut self, frontier: EventTime) -> Option<Notice> {
        self.asked(frontier).or_else(|| {
            let published = self.room.published_to();
            let before = std::mem::replace(&mut self.published, published);
            (published > before).then_some(Notice::LettersPublished(published))
        })
    }

    fn asked(&mut self, frontier: EventTime) -> Option<Notice> {
        if frontier == EventTime::MAX {
            // All events have ended, and the last cut comes by itself. It lies before the newest of them,
            // and marks that were asked for a cut behind it have forgotten what is to be read again.
            return None;
        }
        let cut = self.cut(frontier).map(Notice::Cut);
        cut.or_else(|| self.snapshots.next(frontier, &self.progress).map(Notice::Snapshot))
    }

    fn cut(&mut self, frontier: EventTime) -> Option<Cut> {
        let gathered = self.progress.gathered.load(Ordering::Acquire);
        let committed = self.progress.committed.load(Ordering::Acquire);
        if gathered < self.last.number || gathered - committed.min(gathered) >= IN_FLIGHT_MAX {
            return None;
        }
        let wanted = self.progress.wanted.load(Ordering::Acquire) || self.room.is_short();
        let ends = self.until.is_some_and(|until| self.last.at < until && until <= frontier);
        if !wanted && !ends && self.asked_at.elapsed() < self.interval {
            return None;
        }
        self.progress.wanted.store(false, Ordering::Release);
        self.asked_at = Instant::now();
        let below = self.until.map_or(frontier, |until| frontier.min(until));
        let at = Cut::below(below).max(self.last.at);
        self.last = Cut { number: self.last.number + 1, at };
        Some(self.last)
    }
}

impl Snapshots {
    /// The one that is due.
    fn next(&mut self, frontier: EventTime, progress: &CheckpointProgress) -> Option<EventTime> {
        let (before, then) = self.seen;
        if then.elapsed() >= PACE_EVERY {
            self.pace = if before == 0 { 0 } else { frontier.saturating_sub(before) };
            self.seen = (frontier, Instant::now());
        }
        let elapsed = self.asked_at.elapsed();
        let wanted = progress.snapshot_wanted.load(Ordering::Acquire);
        if frontier == 0 || (elapsed < self.interval && !wanted) {
            return None;
        }
        let whole = progress.snapshot.load(Ordering::Acquire) >= self.asked;
        if !whole && (frontier <= self.asked || elapsed < self.interval * MISSED_AFTER) {
            return None;
        }
        self.factor = if whole { FACTORS.0 } else { (self.factor * 4).min(FACTORS.1) };
        self.asked_at = Instant::now();
        progress.snapshot_wanted.store(false, Ordering::Release);
        let ahead = self.pace.saturating_mul(self.factor);
        self.asked = Cut::below(frontier.saturating_add(ahead)).saturating_add(CUT_GRID);
        Some(self.asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_due_while_events_may_come_and_none_once_all_have_ended() {
        let always = (Duration::ZERO, Duration::ZERO);
        let room = Arc::new(LetterRoom::new(1, 1));
        let mut due = CheckpointsDue::new(always, Arc::default(), Arc::clone(&room), 0);
        assert_eq!(due.next(EventTime::MAX), None);
        let cut = Cut { number: 1, at: 7_000 };
        assert_eq!(due.next(7_777), Some(Notice::Cut(cut)));
        room.published(1);
        assert_eq!(due.next(EventTime::MAX), Some(Notice::LettersPublished(1)));
        assert_eq!(due.next(EventTime::MAX), None);
    }
}
