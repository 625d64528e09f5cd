//! The thread that publishes the dead letters of checkpoints, in order, each once.

use super::leads::leading;
use super::letter_file::LetterFile;
use super::letters;
use super::part::LetterRoom;
use super::{LettersTo, RecoveryError, system};
use crate::checkpoint::{Manifest, StateKeys, StoredLetters};
use crate::fault;
use crate::kafka::{CommittedLetters, CommittedTo};
use crate::metrics::snapshot::LogSinkSnapshot;
use crate::objects::Objects;
use crate::publishing::{Publishing, Unpublished};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tidemark_operators::ingest::dead_letter::DeadLetter;

/// The dead letters of one checkpoint.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The checkpoint's sequence number.
    pub number: u64,
    /// The number of its cut; 0: it is of an earlier run.
    pub cut: u64,
    /// The letters as lines.
    pub lines: Vec<u8>,
    /// The letters.
    pub letters: Vec<DeadLetter>,
}

/// Where letters are published.
pub(super) trait Target: Send {
    /// Ends what the process before has left half done, while `go_on` says so.
    fn begin(&mut self, _go_on: &dyn Fn() -> bool) -> Result<(), Unpublished> {
        Ok(())
    }

    /// Publishes a batch, which may have been published in part before, while `go_on` says so; says how
    /// far the target has been written then.
    fn publish(&mut self, batch: &Batch, go_on: &dyn Fn() -> bool) -> Result<u64, Unpublished>;
}

impl Target for CommittedLetters {
    fn begin(&mut self, go_on: &dyn Fn() -> bool) -> Result<(), Unpublished> {
        self.take_over(go_on)
    }

    fn publish(&mut self, batch: &Batch, go_on: &dyn Fn() -> bool) -> Result<u64, Unpublished> {
        CommittedLetters::publish(self, batch.number, &batch.letters, go_on)?;
        Ok(batch.number)
    }
}

/// How far letters are published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Published {
    /// The newest checkpoint whose letters are.
    pub number: u64,
    /// How far the target has been written.
    pub position: u64,
}

struct PublisherState {
    published: Mutex<Published>,
    publishing: Publishing,
}

/// See the module.
pub(super) struct LetterPublisher {
    queue: Option<Sender<Batch>>,
    state: Arc<PublisherState>,
    thread: Option<JoinHandle<()>>,
}

impl LetterPublisher {
    /// Starts the thread, which publishes to `target` and gives `room` back.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        name: &'static str,
        target: Box<dyn Target>,
        published: Published,
        room: Arc<LetterRoom>,
    ) -> std::io::Result<Self> {
        let state = Arc::new(PublisherState {
            published: Mutex::new(published),
            publishing: Publishing::new(name, "dead letters"),
        });
        let (queue, batches) = channel();
        let thread = std::thread::Builder::new().name("dead-letters".to_owned());
        let of_thread = Arc::clone(&state);
        let thread = thread.spawn(move || of_thread.run(&batches, target, &room))?;
        Ok(LetterPublisher { queue: Some(queue), state, thread: Some(thread) })
    }

    /// Hands over the next batch.
    pub fn publish(&self, batch: Batch) {
        self.state.publishing.note(|status| status.pending += batch.letters.len() as u64);
        // An error means that the thread is gone, which has given up.
        let _ = self.queue.as_ref().map(|queue| queue.send(batch));
    }

    /// How far letters are published.
    pub fn published(&self) -> Published {
        self.state.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How it fares; may be kept and asked after the end.
    pub fn status(&self) -> impl Fn() -> LogSinkSnapshot + Send + Sync + use<> {
        let state = Arc::clone(&self.state);
        move || state.publishing.snapshot()
    }

    /// Waits until all is published, while that fails for `within`; what is not will be after the next
    /// start. Says how many letters are left.
    pub fn finish(mut self, within: Duration) -> u64 {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            self.state.publishing.end(thread, within);
        }
        self.state.publishing.snapshot().pending
    }
}

/// Publishes what the checkpoint `begun` has and is not known to be published, and then what comes.
pub(super) fn publisher(
    objects: &Arc<dyn Objects>,
    (begun, keys): (&Manifest, Option<&StateKeys>),
    to: LettersTo,
    room: &Arc<LetterRoom>,
) -> Result<Arc<LetterPublisher>, RecoveryError> {
    // All of them first: nothing is opened, and nobody asked, for a job that cannot go on.
    let stored = StoredLetters::listed(&begun.outbox);
    let batches = stored.iter().map(|stored| letters::read(stored, &**objects, keys));
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    let published = letters::how_far(&begun.outbox);
    let position = published.as_ref().map(|published| published.position);
    let (target, begins): (Box<dyn Target>, u64) = match to {
        LettersTo::File(path) => {
            let file = LetterFile::open(&path, position).map_err(|why| {
                system(&format!("open the file of dead letters {}", path.display()), why)
            })?;
            let begins = file.position();
            (Box::new(file), begins)
        }
        LettersTo::Topic(kafka, letters) => {
            let progress = format!("{}.dlq.published", begun.job);
            let (state, sequence) = (begun.store_id.clone(), begun.sequence);
            let to = CommittedTo { kafka, letters, progress, state, begun: sequence };
            (Box::new(CommittedLetters::new(to, leading(objects, begun))), 0)
        }
    };
    let published = published.unwrap_or(Published { number: 0, position: begins });
    let publisher = LetterPublisher::start(super::LETTERS, target, published, Arc::clone(room))
        .map_err(|why| system("start the thread that publishes dead letters", why))?;
    for batch in batches {
        if fault::is_mutant("letters_forgotten") {
            break;
        }
        room.take(&batch.letters);
        publisher.publish(batch);
    }
    Ok(Arc::new(publisher))
}

impl PublisherState {
    fn run(&self, batches: &Receiver<Batch>, mut target: Box<dyn Target>, room: &LetterRoom) {
        if self.publishing.insist(|go_on| target.begin(go_on)).is_none() {
            return;
        }
        while let Ok(batch) = batches.recv() {
            fault::point("publish.letters");
            let published = self.publishing.insist(|go_on| target.publish(&batch, go_on));
            let Some(position) = published else { return };
            fault::point("publish.published");
            room.give_back(&batch.letters);
            room.published(batch.cut);
            self.publishing.note(|status| {
                status.pending = status.pending.saturating_sub(batch.letters.len() as u64);
                status.written += batch.letters.len() as u64;
            });
            let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
            *published = Published { number: batch.number, position };
        }
    }
}

/// Nothing is published here.
#[cfg(test)]
pub(super) struct Nowhere;

#[cfg(test)]
impl Target for Nowhere {
    fn publish(&mut self, batch: &Batch, _: &dyn Fn() -> bool) -> Result<u64, Unpublished> {
        Ok(batch.number)
    }
}
