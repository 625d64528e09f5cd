//! A worker's end of the checkpoints: what it hands over goes to the thread that writes them.

use super::WorkerMessage;
use super::ids::IdsByPartition;
use super::parcel::Parcel;
use crate::dead_letters::size;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use tidemark_operators::cut::Forgotten;
use tidemark_operators::cut::{Cut, CutSink, EntityStates, PartitionMark, TimelineRows};
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::time::EventTime;

/// Room for the letters of all workers that no checkpoint has yet, or that are not published.
#[derive(Debug)]
pub(super) struct LetterRoom {
    letters: AtomicU64,
    bytes: AtomicU64,
    letters_max: u64,
    bytes_max: u64,
    /// The newest cut whose letters are published.
    published: AtomicU64,
}

impl LetterRoom {
    pub fn new(letters_max: u64, bytes_max: u64) -> Self {
        let (letters, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let (letters_max, bytes_max) = (letters_max.max(1), bytes_max.max(1));
        LetterRoom { letters, bytes, letters_max, bytes_max, published: AtomicU64::new(0) }
    }

    /// These letters wait.
    pub fn take(&self, letters: &[DeadLetter]) {
        self.letters.fetch_add(letters.len() as u64, Ordering::AcqRel);
        self.bytes.fetch_add(letters.iter().map(size).sum(), Ordering::AcqRel);
    }

    /// These letters are published.
    pub fn give_back(&self, letters: &[DeadLetter]) {
        self.free(letters.len() as u64, letters.iter().map(size).sum());
    }

    /// So many letters, of so many bytes, are published.
    pub fn free(&self, letters: u64, bytes: u64) {
        self.letters.fetch_sub(letters, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// The letters of `cut` and of all before are published.
    pub fn published(&self, cut: u64) {
        self.published.fetch_max(cut, Ordering::AcqRel);
    }

    /// The newest cut whose letters are published.
    pub fn published_to(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Whether another letter has room, if only `share` out of 2 of it were there.
    fn has(&self, share: u64) -> bool {
        let below = |used: &AtomicU64, most: u64| used.load(Ordering::Acquire) < most * share / 2;
        below(&self.letters, self.letters_max.max(2)) && below(&self.bytes, self.bytes_max.max(2))
    }

    /// Whether more than half of it is taken: no time for a checkpoint to be waited for.
    pub fn is_short(&self) -> bool {
        !self.has(1)
    }
}

/// The letters of a worker that belong to the checkpoint after the last.
type HeldByWorker = Arc<Mutex<Vec<DeadLetter>>>;

fn take(held: &HeldByWorker) -> Vec<DeadLetter> {
    std::mem::take(&mut *held.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Takes a worker's dead letters. They are published once a checkpoint has them.
pub(super) struct HeldLetters {
    pub room: Arc<LetterRoom>,
    pub held: HeldByWorker,
}

impl DeadLetterSink for HeldLetters {
    fn has_room(&self) -> bool {
        self.room.has(2)
    }

    fn push(&mut self, letter: DeadLetter) {
        self.room.take(std::slice::from_ref(&letter));
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
    }
}

/// Hands over a worker's part of each checkpoint. An error of the channel means that the thread is
/// gone, which stops the job.
pub(super) struct WorkerPart {
    pub worker: usize,
    pub held: HeldByWorker,
    /// Those of the cut whose marks come next.
    pub ids: IdsByPartition,
    pub to: Sender<WorkerMessage>,
}

impl CutSink for WorkerPart {
    fn ids(&mut self, _cut: Cut, ids: IdsByPartition) {
        self.ids = ids;
    }

    fn marks(&mut self, cut: Cut, marks: BTreeMap<PartitionId, PartitionMark>, live: EventTime) {
        let (letters, ids) = (take(&self.held), std::mem::take(&mut self.ids));
        let marks = Parcel::Marks { cut, ids, marks, letters, live };
        let _ = self.to.send(WorkerMessage::Parcel(marks));
    }

    fn rows(&mut self, cut: Cut, entity: usize, rows: TimelineRows) {
        let _ = self.to.send(WorkerMessage::Rows { cut, worker: self.worker, entity, rows });
    }

    fn forgotten(&mut self, entity: usize, forgotten: Forgotten) {
        let forgotten = Parcel::Forgotten { entity, forgotten };
        let _ = self.to.send(WorkerMessage::Parcel(forgotten));
    }

    fn states(&mut self, entity: usize, as_of: EventTime, states: Option<EntityStates>) {
        let _ = self.to.send(WorkerMessage::States { worker: self.worker, entity, as_of, states });
    }
}

/// What is handed over to a worker's part by its two ends.
pub(super) fn part(
    worker: usize,
    room: &Arc<LetterRoom>,
    to: Sender<WorkerMessage>,
) -> (WorkerPart, HeldLetters) {
    let held = HeldByWorker::default();
    let letters = HeldLetters { room: Arc::clone(room), held: Arc::clone(&held) };
    (WorkerPart { worker, held, ids: IdsByPartition::new(), to }, letters)
}
