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

mod collecting;
mod due;
mod error;
mod follow;
mod forgetting;
mod history;
mod ids;
mod insist;
mod kept_table;
mod kept_topic;
mod lacks;
mod leads;
mod left_online;
mod letter_file;
mod letters;
mod marks;
mod merging;
mod message;
mod parcel;
mod part;
mod part_files;
mod processes;
mod publisher;
mod restore;
mod schemas;
mod sealed_tail;
mod table_versions;
mod thread;
mod writer;

use crate::checkpoint::{Leading, ListedSegment, Manifest, ReadHistory, StateKeys};
use crate::engine::Checkpoints;
use crate::fault;
use crate::kafka::{DeadLetterSettings, FoundTopics, KafkaConfig};
use crate::metrics::snapshot::{CheckpointSnapshot, LogSinkSnapshot};
use crate::objects::{self, Absent, Objects};
use crate::online::redis::Generation;
use due::{CheckpointProgress, CheckpointsDue};
pub use error::RecoveryError;
use error::system;
use follow::Outgoing;
pub use forgetting::ForgottenStatus;
pub use history::{HistoryRead, JoinedPartition, JoinedTopic, SourceRead};
pub use kept_table::{KeptTable, TimedVersion};
pub use kept_topic::KeptTopic;
use lacks::Lacks;
use leads::{cause, leading, leads};
pub use left_online::LeftOnline;
use message::WorkerMessage;
use part::{LetterRoom, part};
use publisher::{LetterPublisher, publisher};
use restore::load;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
pub use table_versions::TableVersions;
use thread::{Begin, WriterThread, spawn};
use tidemark_operators::cut::{Cut, Resume, ResumedIds};
use tidemark_operators::entity_windows::{EntityRestore, RestoreFeed};
use tidemark_operators::ingest::dead_letter::DeadLetterSink;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;
use tidemark_operators::time::EventTime;

/// The name of the dead letters in metrics and health.
const LETTERS: &str = "dead_letters";
/// How often it is looked whether a checkpoint that was asked for is there.
const LOOK: Duration = Duration::from_millis(2);

/// Where and how often, and what the job is.
pub struct RecoveryConfig {
    /// The job.
    pub plan: Arc<Plan>,
    /// The workers of this process among all.
    pub shape: Shape,
    /// The store's URL.
    pub url: String,
    /// Between two checkpoints, and between two snapshots.
    pub intervals: (Duration, Duration),
    /// Dead letters, and their bytes, that may wait.
    pub letters_max: (u64, u64),
    /// The file that sealed rows go to; `None`: they go nowhere.
    pub sealed_file: Option<PathBuf>,
    /// Entity types that may lack of past events what the job needs of them.
    pub start_empty: Vec<String>,
    /// What blocks are encrypted with, and read; `None`: they are not.
    pub keys: Option<Arc<StateKeys>>,
    /// The history that is read from files into a state that has nothing else; `None`: the job runs.
    pub history: Option<ReadHistory>,
}

/// Where dead letters are published.
pub enum LettersTo {
    /// In a file.
    File(PathBuf),
    /// In topics.
    Topic(KafkaConfig, DeadLetterSettings),
}

/// The checkpoints of a running job.
pub struct Recovery {
    config: RecoveryConfig,
    /// The newest checkpoint when the job began.
    begun: Manifest,
    progress: Arc<CheckpointProgress>,
    /// By what copies are told.
    ids: ResumedIds,
    room: Arc<LetterRoom>,
    /// `None`: the first process publishes.
    publisher: Option<Arc<LetterPublisher>>,
    /// What is sent to the first process, when this is another one.
    outgoing: Option<Arc<Outgoing>>,
    topics: Arc<OnceLock<Arc<FoundTopics>>>,
    lacks: Arc<Lacks>,
    tables: Arc<TableVersions>,
    /// What the online store holds of the run before.
    left: OnceLock<LeftOnline>,
    /// Of each worker that has not begun: what it is restored from.
    restore: Mutex<Vec<Vec<Box<dyn RestoreFeed + Send>>>>,
    messages: Mutex<Option<Sender<WorkerMessage>>>,
    over: Arc<AtomicBool>,
    objects: Arc<dyn Objects>,
    thread: Option<JoinHandle<()>>,
}

impl Recovery {
    /// Takes over the state, and begins to read it. Dead letters are published where `letters` says.
    /// `failed` is told why the job has to stop, should that be.
    ///
    /// # Errors
    /// When the store cannot be reached, its state is damaged or another job's, or the file cannot be
    /// opened.
    pub fn open(
        config: RecoveryConfig,
        letters: LettersTo,
        failed: impl Fn(&RecoveryError) + Send + 'static,
    ) -> Result<Self, RecoveryError> {
        let objects: Arc<dyn Objects> = Arc::from(objects::open(&config.url, Absent::Made)?);
        let (progress, over) = (Arc::<CheckpointProgress>::default(), Arc::<AtomicBool>::default());
        let topics = Arc::<OnceLock<Arc<FoundTopics>>>::default();
        let (taken, takes) = channel();
        let (begin, begins) = channel::<Begin>();
        let thread = WriterThread {
            objects: Arc::clone(&objects),
            plan: Arc::clone(&config.plan),
            workers: config.shape.peers(),
            sealed_rows: config.sealed_file.is_some(),
            keys: config.keys.clone(),
            history: config.history.clone(),
            cipher: config.keys.as_ref().map(|keys| keys.cipher()).transpose()?,
            progress: Arc::clone(&progress),
            topics: Arc::clone(&topics),
            over: Arc::clone(&over),
        };
        let run = move || thread.run(&taken, &begins).unwrap_or_else(|error| failed(&error));
        let thread = spawn(run)?;
        let gone = || system("write checkpoints", std::io::Error::other("the thread is gone"));
        let (begun, segments): (Manifest, Vec<ListedSegment>) =
            takes.recv().map_err(|_| gone())??;
        let room = Arc::new(LetterRoom::new(config.letters_max.0, config.letters_max.1));
        // What a later run has taken away is missing to this one: that is the effect, not the cause.
        let superseded = |error| cause(&*objects, &begun, error);
        let keys = config.keys.as_deref();
        let publisher = publisher(&objects, (&begun, keys), letters, &room).map_err(superseded)?;
        let (to, messages) = channel();
        let lacks = Arc::new(Lacks::new(&config.plan, &begun, config.start_empty.clone()));
        let tables = TableVersions::open(&config, &objects, &begun, (&progress, &over));
        let tables = Arc::new(tables.map_err(superseded)?);
        let parts = (Arc::clone(&publisher), Arc::clone(&lacks), Arc::clone(&tables), messages);
        begin.send(parts).map_err(|_| gone())?;
        let ids = ids::resume(&config.plan, &*objects, &begun, keys).map_err(superseded)?;
        let restore = load(&config, &objects, &begun, segments, (&progress, &lacks))?;
        Ok(Recovery {
            config,
            begun,
            progress,
            ids,
            room,
            publisher: Some(publisher),
            outgoing: None,
            topics,
            lacks,
            tables,
            left: OnceLock::new(),
            restore: Mutex::new(restore),
            messages: Mutex::new(Some(to)),
            over,
            objects,
            thread: Some(thread),
        })
    }

    /// The part of `worker` in checkpoints, and where its dead letters go; called once for each.
    ///
    /// # Errors
    /// When the job is over.
    pub fn part(&self, worker: usize) -> Result<(Checkpoints, Box<dyn DeadLetterSink>), String> {
        let to = self.sender().ok_or("checkpoints are written no more: the job is over")?;
        let parcels = self.parcels(worker, to.clone());
        let (sink, letters) = part(worker, &self.room, to);
        let (progress, room) = (Arc::clone(&self.progress), Arc::clone(&self.room));
        let last = self.config.history.as_ref().and_then(|history| history.until);
        let due = CheckpointsDue::new(self.config.intervals, progress, room, self.begun.cut);
        let mut due = due.until(last);
        let mut restore = self.restore.lock().unwrap_or_else(PoisonError::into_inner);
        let place = self.config.shape.place(worker);
        let feeds = place.and_then(|place| restore.get_mut(place)).map(std::mem::take);
        let feeds = feeds.unwrap_or_default();
        let snapshot = self.begun.snapshot.as_ref().map_or(0, |snapshot| snapshot.as_of);
        let shown = self.online_shows().map(|(shown, _)| shown);
        let resume = self.resume();
        let read = resume.partitions.iter().map(|(id, mark)| (*id, mark.read));
        let read: Vec<_> = read.collect();
        let entity = |(at, feed): (usize, Box<dyn RestoreFeed + Send>)| EntityRestore {
            cut: self.begun.cut,
            snapshot,
            shown,
            read: read.clone(),
            forgotten: forgetting::restored(&self.config.plan, &self.begun, at),
            feed,
        };
        let checkpoints = Checkpoints {
            sink: Box::new(sink),
            due: Box::new(move |frontier| due.next(frontier)),
            last,
            resume,
            live: self.live(),
            restore: (0..).zip(feeds).map(entity).collect(),
            parcels,
        };
        Ok((checkpoints, Box::new(letters)))
    }

    /// Where the partitions stand that the newest checkpoint knew when the job began.
    pub fn resume(&self) -> Resume {
        fault::point("start.opened");
        Resume { ids: self.ids.clone(), ..marks::resume(&self.config.plan, &self.begun) }
    }

    /// The cut of the newest checkpoint when the job began.
    pub fn begun_at(&self) -> EventTime {
        self.begun.cut
    }

    /// The ids that topics had when the newest checkpoint was made, by source.
    pub fn topic_ids(&self) -> BTreeMap<u16, String> {
        marks::topic_ids(&self.config.plan, &self.begun)
    }

    /// Tells which topics the job reads; to be called before its workers begin.
    pub fn found(&self, topics: Arc<FoundTopics>) {
        // Once is enough.
        let _ = self.topics.set(topics);
    }

    /// Which run of the job this is.
    pub fn generation(&self) -> Generation {
        let Manifest { generation, store_id, writer, .. } = &self.begun;
        Generation { number: *generation, store: store_id.clone(), writer: writer.clone() }
    }

    /// How many bytes of the file of sealed rows hold those before the cut; `None`: nothing is known.
    pub fn sealed_bytes(&self) -> Option<u64> {
        letters::number(&self.begun.outbox, letters::SEALED_BYTES)
    }

    /// The same of the newest checkpoint of a run whose rows begin behind `begins`; may be kept.
    pub fn sealed_durable(&self, begins: u64) -> impl Fn() -> u64 + Send + use<> {
        let progress = Arc::clone(&self.progress);
        progress.sealed_bytes.store(begins, Ordering::Release);
        move || progress.sealed_bytes.load(Ordering::Acquire)
    }

    /// That cut's time; to be asked before those bytes, which have all rows before it. May be kept.
    pub fn sealed_cut(&self) -> impl Fn() -> EventTime + Send + use<> {
        let progress = Arc::clone(&self.progress);
        move || progress.sealed_cut.load(Ordering::Acquire)
    }

    /// Tells that the first `bytes` of the file of sealed rows, which are durable, hold those before
    /// `cut`.
    pub fn sealed(&self, cut: Cut, bytes: u64) {
        // An error means that the thread is gone, which has stopped the job.
        if let Some(to) = self.sender() {
            let _ = to.send(WorkerMessage::Sealed { cut, bytes });
        }
    }

    /// Sees that no other process has taken over since this one did, before something is taken away that
    /// such a one may have written. To be asked before the first checkpoint.
    ///
    /// # Errors
    /// When another one has, or the store cannot be read.
    pub fn leads(&self) -> Result<(), RecoveryError> {
        leads(&*self.objects, &self.begun)
    }

    /// The same, to be asked later.
    pub fn leading(&self) -> Leading {
        leading(&self.objects, &self.begun)
    }

    /// Has a manifest say that the job's first sealed rows are written behind the first `bytes` of their
    /// file, before any of them is: what is there of a run that was killed is written again.
    pub fn sealed_begins(&self, bytes: u64) {
        let (told, tells) = channel();
        if let Some(to) = self.sender() {
            let _ = to.send(WorkerMessage::SealedBegins { bytes, told });
        }
        // An error means that the thread is gone, which has stopped the job.
        let _ = tells.recv();
    }

    /// How the dead letters fare; may be kept and asked after the end.
    pub fn status(&self) -> impl Fn() -> LogSinkSnapshot + Send + Sync + use<> {
        let status = self.publisher.as_ref().map(|publisher| publisher.status());
        move || {
            let none = || LogSinkSnapshot { name: LETTERS, ..LogSinkSnapshot::default() };
            status.as_ref().map_or_else(none, |status| status())
        }
    }

    /// What checkpoints cost; may be kept and asked after the end.
    pub fn costs(&self) -> impl Fn() -> CheckpointSnapshot + Send + Sync + use<> {
        let (progress, tables) = (Arc::clone(&self.progress), Arc::clone(&self.tables));
        move || CheckpointSnapshot { table_versions: tables.counts(), ..progress.costs() }
    }

    /// The versions of reference tables that are kept: in the first process, which reads tables.
    pub fn tables(&self) -> &Arc<TableVersions> {
        &self.tables
    }

    /// From which time on rows of a view, by job index, lack nothing of what a changed job began to keep
    /// when it had had events already; may be kept and asked after the end.
    pub fn complete_from(&self) -> impl Fn(usize) -> Option<EventTime> + Send + Sync + use<> {
        let lacks = Arc::clone(&self.lacks);
        move |view| lacks.complete_from(view)
    }

    fn sender(&self) -> Option<Sender<WorkerMessage>> {
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
        let publisher = self.publisher.and_then(Arc::into_inner);
        publisher.map_or(0, |publisher| publisher.finish(left))
    }
}
