//! A job's checkpoints: how they are made while it runs, and how a start goes on from the newest.
//!
//! ```text
//!  worker 0: is one due? ── cut G ──→ all workers
//!  workers:  marks and dead letters, at once ─┐
//!            rows with ts < G, once sealed   ─┼─→ writer ── segments, letters ──→ store
//!            states as of a snapshot's cut   ─┘     └────── manifest, last of all ──→ store
//!  publisher: the letters of committed checkpoints ──→ file or topic
//! ```
//!
//! What a checkpoint is made of and why nothing is lost or counted twice: [`crate::checkpoint`]. A
//! worker hands its part over and goes on; encoding and writing is done on a thread of its own. A
//! checkpoint that cannot be written stops nothing: the store is tried again, letters wait, and once
//! there is no room for more of them nothing more is read.

mod due;
mod letter_file;
mod letters;
mod marks;
mod part;
mod publisher;
mod restore;
mod writer;

use crate::checkpoint::{CheckpointError, ListedSegment, Manifest, Manifests};
use crate::engine::Checkpoints;
use crate::metrics::snapshot::LogSinkSnapshot;
use crate::objects::{self, ObjectError, Objects};
use crate::version::VERSION;
use crate::wall_clock::wall_ms;
use due::{Due, Progress};
use letter_file::LetterFile;
use letters::Letters;
use part::{LetterRoom, part};
use publisher::{Published, Publisher};
use restore::{EntityObjects, Loader};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thiserror::Error;
use tidemark_operators::cut::{Cut, EntityStates, PartitionMark, Resume, TimelineRows};
use tidemark_operators::entity_windows::{EntityRestore, RestoreFeed};
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;
use writer::{Gathering, Telling, Writer, schemas};

/// The name of the dead letters in metrics and health.
const LETTERS: &str = "dead_letters";
/// How often it is looked whether a checkpoint that was asked for is there.
const LOOK: Duration = Duration::from_millis(2);

/// What workers hand over.
enum Message {
    Marks {
        cut: Cut,
        marks: BTreeMap<PartitionId, PartitionMark>,
        letters: Vec<DeadLetter>,
        live: EventTime,
    },
    Rows {
        cut: Cut,
        worker: usize,
        entity: usize,
        rows: TimelineRows,
    },
    States {
        worker: usize,
        entity: usize,
        as_of: EventTime,
        states: Option<EntityStates>,
    },
    /// The bytes of the file of sealed rows that hold those before the cut; they are durable.
    Sealed {
        cut: Cut,
        bytes: u64,
    },
}

/// Why a job cannot go on from its checkpoints, or make more of them.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The store cannot be reached.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// A checkpoint cannot be written or used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The state is another job's.
    #[error(
        "cannot go on from the state in {store}: it is that of the job \"{held}\", and this is \
         \"{job}\"; give each job a store of its own: \"url\" in [state] of cluster.toml"
    )]
    OtherJob {
        /// The URL of the store.
        store: String,
        /// Whose state it is.
        held: String,
        /// Who wants it.
        job: String,
    },
    /// The job needs of past events what was not kept of them.
    #[error(
        "cannot go on from {object} in {store}: of the events of \"{entity}\" it does not have what \
         the job needs now: {}; run the job as it was, or begin with no state: another \"url\" in \
         [state] of cluster.toml", missing.join("; ")
    )]
    Changed {
        /// The entity type.
        entity: String,
        /// The object.
        object: String,
        /// The URL of the store.
        store: String,
        /// What is not there.
        missing: Vec<String>,
    },
    /// Letters that were to be published cannot be.
    #[error("cannot publish the dead letters {object} in {store}: {what}; bring the object back")]
    Letters {
        /// The object.
        object: String,
        /// The URL of the store.
        store: String,
        /// What is wrong.
        what: String,
    },
    /// The file of letters or a thread cannot be had.
    #[error("cannot {what}: {why}")]
    System {
        /// What was attempted.
        what: String,
        /// Why it failed.
        why: std::io::Error,
    },
}

/// Where and how often, and what the job is.
pub struct RecoveryConfig {
    /// The job.
    pub plan: Arc<Plan>,
    /// Worker threads.
    pub workers: usize,
    /// The store's URL.
    pub url: String,
    /// Between two checkpoints, and between two snapshots.
    pub intervals: (Duration, Duration),
    /// Dead letters, and their bytes, that may wait.
    pub letters_max: (u64, u64),
    /// Whether sealed rows go to a file.
    pub sealed_rows: bool,
}

/// The checkpoints of a running job.
pub struct Recovery {
    config: RecoveryConfig,
    /// The newest checkpoint when the job began.
    begun: Manifest,
    progress: Arc<Progress>,
    room: Arc<LetterRoom>,
    publisher: Arc<Publisher>,
    /// Of each worker that has not begun: what it is restored from.
    restore: Mutex<Vec<Vec<Box<dyn RestoreFeed + Send>>>>,
    messages: Mutex<Option<Sender<Message>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread needs once it has taken over.
type Begin = (Arc<Publisher>, Receiver<Message>);

impl Recovery {
    /// Takes over the state, and begins to read it. Dead letters are published in the file at
    /// `letters`. `failed` is told why the job has to stop, should that be.
    ///
    /// # Errors
    /// When the store cannot be reached, its state is damaged or another job's, or the file cannot be
    /// opened.
    pub fn open(
        config: RecoveryConfig,
        letters: &Path,
        failed: impl Fn(String) + Send + 'static,
    ) -> Result<Self, RecoveryError> {
        let objects: Arc<dyn Objects> = Arc::from(objects::open(&config.url)?);
        let (progress, over) = (Arc::<Progress>::default(), Arc::<AtomicBool>::default());
        let (taken, takes) = channel();
        let (begin, begins) = channel::<Begin>();
        let thread = {
            let (objects, progress, over) =
                (Arc::clone(&objects), Arc::clone(&progress), Arc::clone(&over));
            let (plan, workers) = (Arc::clone(&config.plan), config.workers);
            let sealed_rows = config.sealed_rows;
            let run = move || {
                let leader = match take_over(&*objects, &plan.name) {
                    Ok(leader) => leader,
                    Err(error) => return drop(taken.send(Err(error))),
                };
                let held = leader.manifest().clone();
                let segments = leader.segments();
                let segments = segments.map(|segments| (held.clone(), segments));
                if taken.send(segments.map_err(RecoveryError::from)).is_err() {
                    return;
                }
                let Ok((publisher, messages)) = begins.recv() else { return };
                let writer = Writer {
                    schemas: schemas(&plan),
                    plan,
                    objects: &*objects,
                    leader,
                    cipher: None,
                    workers,
                    sealed_rows,
                    progress,
                    publisher,
                    next: held,
                    gathering: Gathering::default(),
                    telling: Telling::default(),
                    number: 0,
                    published: Default::default(),
                };
                let keep_trying = || !over.load(Ordering::Acquire);
                if let Err(error) = writer.run(&messages, &keep_trying) {
                    failed(error.to_string());
                }
            };
            let thread = std::thread::Builder::new().name("checkpoints".to_owned());
            thread
                .spawn(run)
                .map_err(|why| system("start the thread that writes checkpoints", why))?
        };
        let gone = || system("write checkpoints", std::io::Error::other("the thread is gone"));
        let (begun, segments): (Manifest, Vec<ListedSegment>) =
            takes.recv().map_err(|_| gone())??;
        let room = Arc::new(LetterRoom::new(config.letters_max.0, config.letters_max.1));
        let publisher = publisher(&*objects, &begun, letters, &room)?;
        let (to, messages) = channel();
        begin.send((Arc::clone(&publisher), messages)).map_err(|_| gone())?;
        let restore = load(&config, &objects, &begun, segments)?;
        Ok(Recovery {
            config,
            begun,
            progress,
            room,
            publisher,
            restore: Mutex::new(restore),
            messages: Mutex::new(Some(to)),
            over,
            thread: Some(thread),
        })
    }

    /// The part of `worker` in checkpoints, and where its dead letters go; called once for each.
    ///
    /// # Errors
    /// When the job is over.
    pub fn part(&self, worker: usize) -> Result<(Checkpoints, Box<dyn DeadLetterSink>), String> {
        let to = self.sender().ok_or("checkpoints are written no more: the job is over")?;
        let (sink, letters) = part(worker, &self.room, to);
        let (progress, room) = (Arc::clone(&self.progress), Arc::clone(&self.room));
        let mut due = Due::new(self.config.intervals, progress, room, self.begun.cut);
        let mut restore = self.restore.lock().unwrap_or_else(PoisonError::into_inner);
        let feeds = restore.get_mut(worker).map(std::mem::take).unwrap_or_default();
        let snapshot = self.begun.snapshot.as_ref().map_or(0, |snapshot| snapshot.as_of);
        let entity = |feed: Box<dyn RestoreFeed + Send>| EntityRestore {
            cut: self.begun.cut,
            snapshot,
            among: None,
            feed,
            made: Vec::new(),
        };
        let checkpoints = Checkpoints {
            sink: Box::new(sink),
            due: Box::new(move |frontier| due.next(frontier)),
            resume: self.resume(),
            live: self.live(),
            restore: feeds.into_iter().map(entity).collect(),
        };
        Ok((checkpoints, Box::new(letters)))
    }

    /// Where the partitions stand that the newest checkpoint knew when the job began.
    pub fn resume(&self) -> Resume {
        marks::resume(&self.config.plan, &self.begun)
    }

    /// Where the live clock stood then, and how long ago that is.
    fn live(&self) -> (EventTime, u64) {
        let clocks = self.begun.partitions.iter().filter_map(|mark| mark.clock);
        let live = clocks.chain([self.begun.live_clock]).max().unwrap_or(0);
        let silent = wall_ms().unwrap_or(0).saturating_sub(self.begun.created_at);
        (live, if live == 0 { 0 } else { silent })
    }

    /// How many bytes of the file of sealed rows hold those before the cut; `None`: nothing is known.
    pub fn sealed_bytes(&self) -> Option<u64> {
        letters::number(&self.begun.outbox, letters::SEALED_BYTES)
    }

    /// Tells that the first `bytes` of the file of sealed rows, which are durable, hold those before
    /// `cut`.
    pub fn sealed(&self, cut: Cut, bytes: u64) {
        // An error means that the thread is gone, which has stopped the job.
        let _ = self.sender().map(|to| to.send(Message::Sealed { cut, bytes }));
    }

    /// How the dead letters fare; may be kept and asked after the end.
    pub fn status(&self) -> impl Fn() -> LogSinkSnapshot + Send + Sync + use<> {
        self.publisher.status()
    }

    fn sender(&self) -> Option<Sender<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for a checkpoint, and waits until it is committed, at most for `within` or while `go_on`
    /// says so; says whether it is.
    pub fn checkpoint(&self, within: Duration, go_on: impl Fn() -> bool) -> bool {
        let (until, before) =
            (Instant::now() + within, self.progress.committed.load(Ordering::Acquire));
        // One that is being gathered may have been asked for too early.
        let after = self.progress.gathered.load(Ordering::Acquire).max(before) + 1;
        self.progress.wanted.store(true, Ordering::Release);
        while self.progress.committed.load(Ordering::Acquire) < after {
            if Instant::now() >= until || !go_on() {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Waits until all that was handed over is written and published, at most for `within`. All workers
    /// must be gone.
    pub fn finish(mut self, within: Duration) -> u64 {
        let until = Instant::now() + within;
        drop(self.messages.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.take();
        while thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until
        {
            std::thread::sleep(LOOK);
        }
        self.over.store(true, Ordering::Release);
        // A panic of it has ended the process.
        thread.map(JoinHandle::join);
        let left = until.saturating_duration_since(Instant::now());
        Arc::into_inner(self.publisher).map_or(0, |publisher| publisher.finish(left))
    }
}

fn system(what: &str, why: std::io::Error) -> RecoveryError {
    RecoveryError::System { what: what.to_owned(), why }
}

/// Takes the state in `objects` over for the job `job`.
fn take_over<'a>(
    objects: &'a dyn Objects,
    job: &str,
) -> Result<crate::checkpoint::Leader<'a>, RecoveryError> {
    let now = wall_ms().unwrap_or(0);
    let first = Manifest {
        job: job.to_owned(),
        program: VERSION.to_owned(),
        created_at: now,
        ..Manifest::default()
    };
    let manifests = Manifests::new(objects);
    if let Some(newest) = manifests.newest()?
        && newest.manifest.job != job
    {
        let (held, store) = (newest.manifest.job, objects.url().to_owned());
        return Err(RecoveryError::OtherJob { store, held, job: job.to_owned() });
    }
    let writer = format!("{}-{now}", std::process::id());
    Ok(manifests.take_over(&first, &writer, now)?)
}

/// Publishes what the checkpoint `begun` has and is not known to be published, and then what comes.
fn publisher(
    objects: &dyn Objects,
    begun: &Manifest,
    path: &Path,
    room: &Arc<LetterRoom>,
) -> Result<Arc<Publisher>, RecoveryError> {
    let published = letters::how_far(&begun.outbox);
    let position = published.as_ref().map(|published| published.position);
    let file = LetterFile::open(path, position)
        .map_err(|why| system(&format!("open the file of dead letters {}", path.display()), why))?;
    let published = published.unwrap_or(Published { number: 0, position: file.position() });
    let publisher = Publisher::start(LETTERS, Box::new(file), published, Arc::clone(room))
        .map_err(|why| system("start the thread that publishes dead letters", why))?;
    for letters in Letters::listed(&begun.outbox) {
        let batch = letters.read(objects)?;
        room.take(&batch.letters);
        publisher.publish(batch);
    }
    Ok(Arc::new(publisher))
}

/// Begins to read the checkpoint `begun`, where there is anything to be read: for each worker its feeds.
fn load(
    config: &RecoveryConfig,
    objects: &Arc<dyn Objects>,
    begun: &Manifest,
    segments: Vec<ListedSegment>,
) -> Result<Vec<Vec<Box<dyn RestoreFeed + Send>>>, RecoveryError> {
    if begun.cut == 0 {
        return Ok(Vec::new());
    }
    let states = begun.snapshot.iter().flat_map(|snapshot| &snapshot.states);
    let of = |name: &str| EntityObjects {
        segments: segments.iter().filter(|segment| segment.entity == name).cloned().collect(),
        states: states.clone().filter(|states| states.entity == name).cloned().collect(),
    };
    let loader = Loader {
        plan: Arc::clone(&config.plan),
        objects: Arc::clone(objects),
        keys: None,
        snapshot: begun.snapshot.as_ref().map_or(0, |snapshot| snapshot.as_of),
        entities: config.plan.entities.iter().map(|entity| of(&entity.name)).collect(),
    };
    loader
        .start(config.workers)
        .map_err(|why| system("start the thread that reads a checkpoint", why))
}
