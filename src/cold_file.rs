//! Events that have left memory, in files: by their numbers in this process, and gone with it.
//!
//! A file has no name (or loses it at once, where the file system knows no files without one), so that
//! nothing is left of a process that is killed. A worker has one thread that writes and reads them; it waits
//! for it only where an event is needed that was not asked for in time. Files of an entity type grow to a
//! sixteenth of all it has there, and go with the last of their events: of what is held little is not needed
//! any more. Pieces carry a checksum (CRC32C); with `encrypt` in `[state]` they are encrypted by a key that
//! nobody has but this process.
//!
//! Nothing is forced to the disk: what matters after a crash is in the checkpoints.

mod log_files;

use crate::checkpoint::ProcessCipher;
use log_files::LogFiles;
use rustix::fs::{Mode, OFlags, open};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::timeline::cold::{ColdRows, ColdTicket, OpenCold};

/// How often a failure to write is said at most.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// The folder cannot be used.
#[derive(Debug, Error)]
#[error(
    "cannot keep events in {} that leave memory after \"hot_window\": {why}; name another folder (\"cold\" in \
     [state]), or leave \"hot_window\" out",
    path.display()
)]
pub struct ColdError {
    path: PathBuf,
    why: String,
}

/// A folder for events that have left memory. Clones are the same one.
#[derive(Clone, Debug)]
pub struct ColdFolder(Arc<SharedFolder>);

#[derive(Debug)]
struct SharedFolder {
    path: PathBuf,
    cipher: Option<ProcessCipher>,
    next: AtomicU64,
    /// How often something could not be written, and why the last time.
    failed: Mutex<(u64, String)>,
}

impl ColdFolder {
    /// The folder `path`, which is made where it is not there.
    ///
    /// # Errors
    /// When no file can be made in it, or there is no key to be had.
    pub fn open(path: &Path, encrypted: bool) -> Result<Self, ColdError> {
        let wrong = |why: String| ColdError { path: path.to_owned(), why };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| wrong(error.to_string()))?;
        let cipher = encrypted.then(ProcessCipher::new).transpose();
        let folder = SharedFolder {
            path: path.to_owned(),
            cipher: cipher.map_err(|error| wrong(error.to_string()))?,
            next: AtomicU64::new(0),
            failed: Mutex::default(),
        };
        folder.file().map_err(|error| wrong(error.to_string()))?;
        Ok(ColdFolder(Arc::new(folder)))
    }

    /// What the logs of a worker, which counts with `metrics`, open.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn worker(&self, metrics: &Arc<WorkerMetrics>) -> Result<OpenCold, String> {
        let (requests, asked) = channel();
        let (folder, metrics) = (Arc::clone(&self.0), Arc::clone(metrics));
        let name = format!("cold-{}", metrics.worker);
        let serves = move || serve(&asked, &folder);
        std::thread::Builder::new().name(name).spawn(serves).map_err(|error| {
            format!("could not start the thread that keeps events which leave memory: {error}")
        })?;
        Ok(Box::new(move |entity| {
            let (told, answers) = channel();
            // Whoever it is told to has ended only with the process; what is asked then says so.
            let _ = requests.send(ColdRequest::Log(entity, told));
            Box::new(ColdFiles {
                entity,
                requests: requests.clone(),
                answers,
                metrics: Arc::clone(&metrics),
                next: 0,
                asked: HashSet::new(),
                read: HashMap::new(),
                written: VecDeque::new(),
            })
        }))
    }

    /// How often something could not be written, and why the last time; `None`: never.
    pub fn failed(&self) -> Option<(u64, String)> {
        let failed = self.0.failed.lock().unwrap_or_else(PoisonError::into_inner);
        (failed.0 > 0).then(|| failed.clone())
    }
}

impl SharedFolder {
    /// A file without a name, for this process alone.
    fn file(&self) -> io::Result<File> {
        let mode = Mode::RUSR | Mode::WUSR;
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        if let Ok(file) = open(&self.path, flags | OFlags::TMPFILE, mode) {
            return Ok(File::from(file));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("cold-{}-{number}", std::process::id()));
        let made = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = open(&path, flags | made, mode)?;
        std::fs::remove_file(&path)?;
        Ok(File::from(file))
    }

    /// Says that something could not be written, now and then.
    fn failed(&self, why: &str, said: &mut Option<Instant>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed = (failed.0 + 1, why.to_owned());
        if said.is_none_or(|at| at.elapsed() >= SAID_EVERY) {
            *said = Some(Instant::now());
            tracing::warn!(
                "{why}; the events stay in memory, and it is tried again: make room there"
            );
        }
    }
}

/// What is asked of the thread; of which entity.
enum ColdRequest {
    /// Answers go here.
    Log(usize, Sender<ColdAnswer>),
    Put(usize, ColdTicket, Vec<u8>),
    Read(usize, ColdTicket),
    Free(usize, ColdTicket),
}

enum ColdAnswer {
    Written(ColdTicket, Result<(), String>),
    Read(ColdTicket, Result<Vec<u8>, String>),
}

/// Does what is asked until nobody is left to ask.
fn serve(requests: &Receiver<ColdRequest>, folder: &Arc<SharedFolder>) {
    let mut logs: BTreeMap<usize, (LogFiles, Sender<ColdAnswer>)> = BTreeMap::new();
    let mut said = None;
    while let Ok(request) = requests.recv() {
        // Who does not listen any more is not told.
        match request {
            ColdRequest::Log(entity, told) => {
                logs.insert(entity, (LogFiles::new(Arc::clone(folder)), told));
            }
            ColdRequest::Put(entity, ticket, bytes) => {
                let Some((files, told)) = logs.get_mut(&entity) else { continue };
                let written = files.put(ticket, bytes);
                if let Err(why) = &written {
                    folder.failed(why, &mut said);
                }
                let _ = told.send(ColdAnswer::Written(ticket, written));
            }
            ColdRequest::Read(entity, ticket) => {
                let Some((files, told)) = logs.get(&entity) else { continue };
                let _ = told.send(ColdAnswer::Read(ticket, files.read(ticket)));
            }
            ColdRequest::Free(entity, ticket) => {
                if let Some((files, _)) = logs.get_mut(&entity) {
                    files.free(ticket);
                }
            }
        }
    }
}

/// A log's side of it.
struct ColdFiles {
    entity: usize,
    requests: Sender<ColdRequest>,
    answers: Receiver<ColdAnswer>,
    metrics: Arc<WorkerMetrics>,
    next: u64,
    /// What is being read and nobody has taken.
    asked: HashSet<ColdTicket>,
    read: HashMap<ColdTicket, Result<Vec<u8>, String>>,
    written: VecDeque<(ColdTicket, Result<(), String>)>,
}

impl ColdFiles {
    /// Takes in an answer.
    fn hear(&mut self, answer: ColdAnswer) {
        match answer {
            ColdAnswer::Written(ticket, outcome) => self.written.push_back((ticket, outcome)),
            ColdAnswer::Read(ticket, outcome) => {
                if self.asked.contains(&ticket) {
                    self.read.insert(ticket, outcome);
                }
            }
        }
    }
}

impl ColdRows for ColdFiles {
    fn put(&mut self, bytes: Vec<u8>) -> ColdTicket {
        self.next += 1;
        let ticket = ColdTicket(self.next);
        if self.requests.send(ColdRequest::Put(self.entity, ticket, bytes)).is_err() {
            self.written.push_back((ticket, Err(ended())));
        }
        ticket
    }

    fn written(&mut self) -> Option<(ColdTicket, Result<(), String>)> {
        while let Ok(answer) = self.answers.try_recv() {
            self.hear(answer);
        }
        self.written.pop_front()
    }

    fn ask(&mut self, ticket: ColdTicket) {
        let asked = ColdRequest::Read(self.entity, ticket);
        if self.asked.insert(ticket) && self.requests.send(asked).is_err() {
            self.read.insert(ticket, Err(ended()));
        }
    }

    fn take(&mut self, ticket: ColdTicket) -> Result<Vec<u8>, String> {
        self.ask(ticket);
        let began = Instant::now();
        while !self.read.contains_key(&ticket) {
            let Ok(answer) = self.answers.recv() else { break };
            self.hear(answer);
        }
        if let Some(entity) = self.metrics.entities.get(self.entity) {
            entity.cold_wait_ns.add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        self.asked.remove(&ticket);
        self.read.remove(&ticket).unwrap_or_else(|| Err(ended()))
    }

    fn free(&mut self, ticket: ColdTicket) {
        self.asked.remove(&ticket);
        self.read.remove(&ticket);
        // With the thread all of it has gone.
        let _ = self.requests.send(ColdRequest::Free(self.entity, ticket));
    }
}

/// Why there is no answer.
fn ended() -> String {
    "the thread that keeps them has ended".to_owned()
}
