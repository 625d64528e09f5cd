//! The checkpoints of a job in several processes: the first one commits them, the others write what is
//! theirs and tell it.

use super::due::CheckpointProgress;
use super::follow::{self, Follower, Outgoing};
use super::lacks::Lacks;
use super::parcel::Parcel;
use super::part::LetterRoom;
use super::{Recovery, RecoveryConfig, RecoveryError, WorkerMessage, ids, load, spawn, system};
use crate::checkpoint::Manifest;
use crate::engine::Parcels;
use crate::objects::{self, Absent, Objects};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};

/// Which run of the job has written a manifest.
pub(super) fn run_of(manifest: &Manifest) -> String {
    format!("{} {}", manifest.generation, manifest.writer)
}

impl Recovery {
    /// Goes on, as another process than the first, from what that one has taken over in `run`. Dead
    /// letters and manifests are its business.
    ///
    /// # Errors
    /// When the store cannot be reached, or somebody else has taken the state over meanwhile.
    pub fn follow(
        config: RecoveryConfig,
        run: &str,
        failed: impl Fn(&RecoveryError) + Send + 'static,
    ) -> Result<Self, RecoveryError> {
        let objects: Arc<dyn Objects> = Arc::from(objects::open(&config.url, Absent::Refused)?);
        let (progress, over) = (Arc::<CheckpointProgress>::default(), Arc::<AtomicBool>::default());
        let store = || objects.url().to_owned();
        let begun = follow::begun(&*objects, run)?;
        let (begun, segments) = begun.ok_or_else(|| RecoveryError::OtherRun { store: store() })?;
        let outgoing = Arc::<Outgoing>::default();
        let follower = Follower {
            objects: Arc::clone(&objects),
            plan: Arc::clone(&config.plan),
            workers: config.shape.local(),
            cipher: config.keys.as_ref().map(|keys| keys.cipher()).transpose()?,
            progress: Arc::clone(&progress),
            over: Arc::clone(&over),
            begun: (begun.generation, begun.sequence),
            outgoing: Arc::clone(&outgoing),
        };
        let (to, messages) = channel();
        let run = move || {
            if let Err(error) = follower.run(&messages) {
                failed(&error);
            }
        };
        let thread = spawn(run)?;
        let ids = ids::resume(&config.plan, &*objects, &begun, config.keys.as_deref())?;
        let lacks = Arc::new(Lacks::new(&config.plan, &begun, config.start_empty.clone()));
        let restore = load(&config, &objects, &begun, segments, (&progress, &lacks))?;
        let room = Arc::new(LetterRoom::new(config.letters_max.0, config.letters_max.1));
        Ok(Recovery {
            config,
            begun,
            progress,
            ids,
            room,
            publisher: None,
            outgoing: Some(outgoing),
            topics: Arc::default(),
            lacks,
            tables: Arc::default(),
            left: OnceLock::new(),
            restore: Mutex::new(restore),
            messages: Mutex::new(Some(to)),
            over,
            objects,
            thread: Some(thread),
        })
    }

    /// Which run of the job this is, for its other processes.
    pub fn run(&self) -> String {
        run_of(&self.begun)
    }

    /// What goes between processes of checkpoints, for `worker`.
    pub(super) fn parcels(&self, worker: usize, to: Sender<WorkerMessage>) -> Option<Parcels> {
        let shape = self.config.shape;
        match &self.outgoing {
            Some(outgoing) => (worker == shape.first()).then(|| outgoing.parcels(&self.room)),
            None if worker == 0 && shape.processes() > 1 => {
                let room = Arc::clone(&self.room);
                Some(Parcels::Incoming(Box::new(move |bytes| match Parcel::decode(&bytes) {
                    Ok(parcel) => {
                        if let Parcel::Marks { letters, .. } = &parcel {
                            room.take(letters);
                        }
                        // An error means that the thread is gone, which has stopped the job.
                        let _ = to.send(WorkerMessage::Parcel(parcel));
                    }
                    // The job stops: without it no checkpoint would ever be whole.
                    Err(why) => {
                        let why = std::io::Error::other(why);
                        let error =
                            system("read what another process has told of a checkpoint", why);
                        let _ = to.send(WorkerMessage::Failed(error));
                    }
                })))
            }
            None => None,
        }
    }
}
