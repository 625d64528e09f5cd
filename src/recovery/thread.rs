//! The thread that takes the state over and writes checkpoints.

use super::WorkerMessage;
use super::due::CheckpointProgress;
use super::error::{RecoveryError, system};
use super::history;
use super::lacks::Lacks;
use super::merging::Merging;
use super::part_files::PartFiles;
use super::publisher::LetterPublisher;
use super::table_versions::TableVersions;
use super::writer::{Gathering, SnapshotFiles, Writer};
use crate::checkpoint::{
    BlockCipher, Leader, ListedSegment, Manifest, Manifests, ReadHistory, StateKeys,
};
use crate::fault;
use crate::kafka::FoundTopics;
use crate::objects::{Objects, unique_text};
use crate::version::VERSION;
use crate::wall_clock::wall_ms;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use tidemark_operators::plan::Plan;

/// What the thread needs once it has taken over.
pub(super) type Begin =
    (Arc<LetterPublisher>, Arc<Lacks>, Arc<TableVersions>, Receiver<WorkerMessage>);

/// What the thread that writes checkpoints is made of.
pub(super) struct WriterThread {
    pub objects: Arc<dyn Objects>,
    pub plan: Arc<Plan>,
    /// In all processes.
    pub workers: usize,
    pub sealed_rows: bool,
    pub keys: Option<Arc<StateKeys>>,
    /// The history that is read into the state, where that is what is done.
    pub history: Option<ReadHistory>,
    pub cipher: Option<BlockCipher>,
    pub progress: Arc<CheckpointProgress>,
    pub topics: Arc<OnceLock<Arc<FoundTopics>>>,
    pub over: Arc<AtomicBool>,
}

/// What was taken over.
pub(super) type Taken = Result<(Manifest, Vec<ListedSegment>), RecoveryError>;

impl WriterThread {
    /// Takes over, tells `taken` what, and writes checkpoints once it is told to begin.
    pub fn run(self, taken: &Sender<Taken>, begins: &Receiver<Begin>) -> Result<(), RecoveryError> {
        let objects = &*self.objects;
        let leader = match take_over(objects, &self.plan.name, self.history.as_ref()) {
            Ok(leader) => leader,
            Err(error) => {
                // It is told to whoever waits for it.
                let _ = taken.send(Err(error));
                return Ok(());
            }
        };
        fault::point("start.taken_over");
        let mut held = leader.manifest().clone();
        let snapshot = held.snapshot.as_ref().map_or(0, |snapshot| snapshot.as_of);
        held.rows_from.get_or_insert(snapshot);
        held.history = self.history.or(held.history);
        let segments = leader.segments().map(|segments| (held.clone(), segments));
        let _ = taken.send(segments.map_err(RecoveryError::from));
        let Ok((publisher, lacks, tables, messages)) = begins.recv() else { return Ok(()) };
        let cipher = self.cipher.map(Arc::new);
        let (store, progress) = (Arc::clone(&self.objects), Arc::clone(&self.progress));
        let writer = Writer {
            merging: Merging::new(store, self.keys.clone(), cipher.clone(), progress),
            files: PartFiles::new(objects, &self.plan, cipher.clone(), Arc::clone(&self.progress)),
            plan: self.plan,
            objects,
            leader,
            cipher,
            keys: self.keys,
            workers: self.workers,
            sealed_rows: self.sealed_rows,
            progress: self.progress,
            topics: self.topics,
            publisher,
            lacks,
            tables,
            next: held,
            gathering: Gathering::default(),
            unreadable_ids: BTreeSet::new(),
            forgotten: Vec::new(),
            telling: SnapshotFiles::default(),
            number: 0,
            published: VecDeque::new(),
        };
        writer.tell_forgotten();
        writer.run(&messages, &|| !self.over.load(Ordering::Acquire))
    }
}

/// Takes the state in `objects` over for the job `job`, or for reading its `history` into it.
pub(super) fn take_over<'a>(
    objects: &'a dyn Objects,
    job: &str,
    history: Option<&ReadHistory>,
) -> Result<Leader<'a>, RecoveryError> {
    let now = wall_ms().unwrap_or(0);
    let first = Manifest {
        job: job.to_owned(),
        program: VERSION.to_owned(),
        created_at: now,
        rows_from: Some(0),
        history: history.cloned(),
        ..Manifest::default()
    };
    let manifests = Manifests::new(objects);
    if let Some(newest) = manifests.newest()? {
        let (held, store) = (newest.manifest, objects.url());
        if held.job != job {
            let (held, store) = (held.job, store.to_owned());
            return Err(RecoveryError::OtherJob { store, held, job: job.to_owned() });
        }
        history::check(&held, history, store)?;
    }
    let writer = unique_text().map_err(|why| system("name this start of the process", why))?;
    Ok(manifests.take_over(&first, &writer, now)?)
}

/// Starts the thread that writes checkpoints.
pub(super) fn spawn(run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, RecoveryError> {
    let thread = std::thread::Builder::new().name("checkpoints".to_owned());
    thread.spawn(run).map_err(|why| system("start the thread that writes checkpoints", why))
}
