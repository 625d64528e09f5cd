//! What the operators of one worker and the loop that drives them share.
//!
//! The loop outside writes the clocks (operators read no clock), the operators write how far they
//! are. All of it belongs to one worker thread but for the bytes in flight.

use crate::cut::{Cut, PartitionMarks};
use crate::event_batch::EventBatch;
use crate::shape::Shape;
use crate::time::{EventTime, Millis};
use crate::timeline::cold::Cold;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use timely::scheduling::{Activator, SyncActivator};

/// Bounds on what the dataflow holds; every one with its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that keep the accepted events above the frontier of a worker's partitions; half of it
    /// pauses those that do not hold the frontier back. Default 1 GiB.
    pub stash_bytes: u64,
    /// Bytes of events that the workers of the process have sent and that are not yet received. Default
    /// 64 MiB.
    pub in_flight_bytes: u64,
    /// Records a worker judges before it lets the other operators run. Default 4,096.
    pub records_step: usize,
    /// Log rows an operator touches before it lets the others run. Default 65,536.
    pub slice_rows: u64,
    /// Rows of a log's chunk. Default 65,536, which is also the most.
    pub chunk_rows: usize,
    /// Bytes of one record; a longer one is malformed. Default 1 MiB.
    pub record_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            stash_bytes: 1 << 30,
            in_flight_bytes: 64 << 20,
            records_step: 4_096,
            slice_rows: 65_536,
            chunk_rows: 65_536,
            record_bytes: 1 << 20,
        }
    }
}

/// Bytes of events that the workers of a process have sent and that are not known to be received.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<AtomicI64>);

impl InFlight {
    /// `bytes` were sent.
    pub fn sent(&self, bytes: usize) {
        self.0.fetch_add(bytes as i64, Ordering::Relaxed);
    }

    /// `bytes` were received.
    pub fn received(&self, bytes: usize) {
        self.0.fetch_sub(bytes as i64, Ordering::Relaxed);
    }

    /// How many are on their way.
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// Whether there is room for the state of what is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// For all there is.
    #[default]
    Enough,
    /// For little: only partitions that hold the frontier are read, a few records a step, so that
    /// what leaves windows makes room for what comes.
    Little,
    /// For nothing: nothing is read.
    None,
}

/// How far the windows of one entity are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Every event before this is sealed and given out; `u64::MAX` once all have ended.
    pub frontier: EventTime,
    /// The live clock; 0 where no live windows are kept.
    pub clock: EventTime,
}

/// See the module.
///
/// ```
/// use tidemark_operators::shared::{Reached, Shared};
///
/// let shared = Shared::default();
/// shared.reach(0, Reached { frontier: 500, clock: 900 });
/// let all = shared.reach(1, Reached { frontier: 700, clock: 800 });
/// assert_eq!(all, Reached { frontier: 500, clock: 800 }, "the least of both entities");
/// ```
#[derive(Default)]
pub struct Shared {
    /// Monotonic time in ms since the worker started, written by the loop; stands still in replay.
    pub now: Cell<Millis>,
    /// Where the live clock should be, by what the worker has heard.
    pub live_clock: Cell<EventTime>,
    /// What the live clock may not exceed while events come, unless the frontier does; `None`:
    /// nothing bounds it.
    pub live_cap: Cell<Option<EventTime>>,
    /// Set once every input everywhere has closed: where the live clock stops, which is the greatest
    /// time of an accepted event.
    pub over: Cell<Option<EventTime>>,
    /// Every event before this is sealed and given out at this worker, for every entity;
    /// `u64::MAX` once all have ended.
    pub frontier: Cell<EventTime>,
    /// How far the windows of each entity are.
    pub reached: RefCell<Vec<Reached>>,
    /// Set by whoever must stop the job: what was attempted, on what, why it failed, what to do.
    pub failure: RefCell<Option<String>>,
    /// Which of all workers are in this process.
    pub shape: Shape,
    /// Where rows go that no window lets go of for a while; `None`: all stay in memory.
    pub cold: Option<Cold>,
    /// Bytes that this process has sent and that are not known to be received.
    pub in_flight: InFlight,
    /// Bytes that were received here from workers of other processes and that these are not told of
    /// yet, by worker.
    pub unacknowledged: RefCell<BTreeMap<usize, u64>>,
    /// Wakes the source, when something it waits for has moved.
    pub source: RefCell<Option<Activator>>,
    /// Wakes the source from another thread: what readers call when they have something.
    pub source_sync: RefCell<Option<SyncActivator>>,
    /// Wake what reads the reference tables, whenever the source is woken.
    pub tables: RefCell<Vec<Activator>>,
    /// The newest cut that is asked for, where there are checkpoints.
    pub cut: Cell<Option<Cut>>,
    /// Once every input everywhere has closed, the last cut.
    pub last_cut: Cell<Option<Cut>>,
    /// The newest snapshot that is asked for; 0: none.
    pub snapshot: Cell<EventTime>,
    /// While this holds nothing is read, so that marks and letters are of one moment.
    pub marking: Cell<bool>,
    /// Where the partitions stand; kept up where there are checkpoints.
    pub marks: Option<PartitionMarks>,
    /// Whether there is room for the state of what is read, as the loop sees it.
    pub room: Cell<Room>,
    /// Dead letters between the source and their sink.
    pub letters: Cell<usize>,
    /// All sealed lines before this time are merged, those of other workers, too.
    pub merged: Cell<EventTime>,
    /// Whether windows wait for that to move.
    pub merge_awaited: Cell<bool>,
    /// Wake the entities' windows, when the live clock has moved or all is over.
    pub windows: RefCell<Vec<Activator>>,
}

impl Shared {
    /// Stops the job with `failure`, unless something else stopped it before.
    pub fn fail(&self, failure: String) {
        self.failure.borrow_mut().get_or_insert(failure);
    }

    /// Worker `worker` sends a batch.
    pub fn sends(&self, worker: usize, batch: &mut EventBatch) {
        self.in_flight.sent(batch.size());
        batch.from = u32::try_from(worker).unwrap_or(u32::MAX);
        let elsewhere = self.place(batch.target).is_none();
        if elsewhere && batch.due_ns > 0 {
            batch.due_ns = self.now_ns().saturating_sub(batch.due_ns).max(1);
        }
    }

    /// A batch is taken in: when its records were due, by the clock here; 0: they are not traced.
    pub fn takes_in(&self, batch: &EventBatch) -> u64 {
        let bytes = batch.size();
        if self.place(batch.from).is_some() {
            self.in_flight.received(bytes);
            return batch.due_ns;
        }
        let from = usize::try_from(batch.from).unwrap_or(usize::MAX);
        *self.unacknowledged.borrow_mut().entry(from).or_default() += bytes as u64;
        match batch.due_ns {
            0 => 0,
            age => self.now_ns().saturating_sub(age).max(1),
        }
    }

    fn now_ns(&self) -> u64 {
        self.now.get().saturating_mul(1_000_000)
    }

    fn place(&self, worker: u32) -> Option<usize> {
        usize::try_from(worker).ok().and_then(|worker| self.shape.place(worker))
    }

    /// The windows of `entity` have come this far; returns how far all of them have.
    pub fn reach(&self, entity: usize, reached: Reached) -> Reached {
        let mut all = self.reached.borrow_mut();
        if all.len() <= entity {
            all.resize(entity + 1, Reached::default());
        }
        all[entity] = reached;
        let frontier = all.iter().map(|r| r.frontier).min().unwrap_or(0);
        let clock = all.iter().map(|r| r.clock).min().unwrap_or(0);
        self.frontier.set(frontier);
        Reached { frontier, clock }
    }

    /// Schedules the source, and what reads reference tables.
    pub fn wake_source(&self) {
        self.tables.borrow().iter().for_each(Activator::activate);
        if let Some(activator) = &*self.source.borrow() {
            activator.activate();
        }
    }

    /// Schedules the windows of every entity.
    pub fn wake_windows(&self) {
        self.windows.borrow().iter().for_each(Activator::activate);
    }
}

/// What the operators of one worker share, by reference.
pub type SharedRef = Rc<Shared>;

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(target: u32) -> EventBatch {
        EventBatch { due_ns: 3_000_000, times: vec![5], ..EventBatch::new(target, 0, 0) }
    }

    #[test]
    fn what_goes_to_another_process_is_in_flight_until_that_one_says_so() {
        let of = |process| Shared { shape: Shape::of_process(process, 2, 1), ..Shared::default() };
        let (here, there) = (of(0), of(1));
        here.now.set(10);
        there.now.set(7_000);
        let mut sent = batch(1);
        let bytes = sent.size() as u64;
        here.sends(0, &mut sent);
        assert_eq!(sent.due_ns, 7_000_000, "its age");
        assert_eq!(there.takes_in(&sent), 6_993_000_000, "as long ago by the clock there");
        assert_eq!((here.in_flight.bytes(), there.in_flight.bytes()), (bytes, 0));
        assert_eq!(there.unacknowledged.take(), BTreeMap::from([(0, bytes)]));
    }

    #[test]
    fn what_stays_here_is_received_at_once_with_its_due_time() {
        let shared = Shared { shape: Shape::one_process(2), ..Shared::default() };
        let mut sent = batch(1);
        shared.sends(0, &mut sent);
        assert!(shared.in_flight.bytes() > 0);
        assert_eq!(shared.takes_in(&sent), 3_000_000);
        assert_eq!(shared.in_flight.bytes(), 0);
        assert!(shared.unacknowledged.take().is_empty());
    }
}
