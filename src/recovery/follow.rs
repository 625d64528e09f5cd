//! The checkpoints of a process that is not the first: it writes the objects of its own workers, and
//! sends the first process what the manifest is to say of them.
//!
//! Its objects carry a sequence number that no manifest reaches before the one that lists them, so that
//! they are not collected on the way.

use super::parcel::Parcel;
use super::part::LetterRoom;
use super::part_files::PartFiles;
use super::{RecoveryError, WorkerMessage, due::CheckpointProgress, system};
use crate::checkpoint::{
    BlockCipher, ListedKind, ListedSegment, Manifest, Manifests, WrittenBy, object_name,
};
use crate::dead_letters::size;
use crate::engine::Parcels;
use crate::objects::Objects;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use tidemark_operators::cut::Cut;
use tidemark_operators::plan::Plan;

/// How far ahead of the manifests at the start objects are numbered, beside the number of the cut.
const AHEAD: u64 = 4;
/// The number of the last cut.
const LAST: u64 = Cut::last(0).number;

/// What waits to be sent to the first process, and what of it waits to be published.
#[derive(Default)]
pub(super) struct Outgoing {
    queue: Mutex<VecDeque<Vec<u8>>>,
    /// By cut, how many letters it has, and their bytes.
    letters: Mutex<VecDeque<(u64, u64, u64)>>,
    /// Nothing follows what is in the queue.
    over: AtomicBool,
}

impl Outgoing {
    /// The worker's end.
    pub fn parcels(self: &Arc<Self>, room: &Arc<LetterRoom>) -> Parcels {
        let (sent, given, room) = (Arc::clone(self), Arc::clone(self), Arc::clone(room));
        let next = move || {
            let over = sent.over.load(Ordering::Acquire);
            let mut queue = sent.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let parcels: Vec<_> = queue.drain(..).collect();
            (!over || !parcels.is_empty()).then_some(parcels)
        };
        let published = move |cut| {
            let mut letters = given.letters.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some((_, count, bytes)) = letters.front().filter(|(of, ..)| *of <= cut) {
                room.free(*count, *bytes);
                letters.pop_front();
            }
        };
        Parcels::Outgoing { next: Box::new(next), published: Box::new(published) }
    }

    fn push(&self, parcel: Parcel) -> Result<(), RecoveryError> {
        if let Parcel::Marks { cut, letters, .. } = &parcel
            && !letters.is_empty()
        {
            let bytes = letters.iter().map(size).sum();
            let mut held = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
            held.push_back((cut.number, letters.len() as u64, bytes));
        }
        let bytes = parcel.encode().map_err(|why| {
            system("tell the first process of a checkpoint", std::io::Error::other(why))
        })?;
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(bytes);
        Ok(())
    }
}

/// What the first process has taken over, by the run that it says; `None`: it is another run by now.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn begun(
    objects: &dyn Objects,
    run: &str,
) -> Result<Option<(Manifest, Vec<ListedSegment>)>, RecoveryError> {
    let manifests = Manifests::new(objects);
    let newest = manifests.newest()?.map(|newest| newest.manifest);
    let Some(manifest) = newest.filter(|manifest| super::processes::run_of(manifest) == run) else {
        return Ok(None);
    };
    let segments = manifests.segments(&manifest)?;
    Ok(Some((manifest, segments)))
}

/// What the thread of such a process is made of.
pub(super) struct Follower {
    pub objects: Arc<dyn Objects>,
    pub plan: Arc<Plan>,
    /// Workers of this process.
    pub workers: usize,
    pub cipher: Option<BlockCipher>,
    pub progress: Arc<CheckpointProgress>,
    pub over: Arc<AtomicBool>,
    /// The checkpoint that the job goes on from.
    pub begun: (u64, u64),
    pub outgoing: Arc<Outgoing>,
}

impl Follower {
    /// Writes what comes until the other ends are gone.
    ///
    /// # Errors
    /// When what is to be written is none, or the store does not take it while the job ends.
    pub fn run(self, messages: &Receiver<WorkerMessage>) -> Result<(), RecoveryError> {
        let (generation, first) = self.begun;
        let (mut cut_seen, mut number, mut last) = (0, 0, 0);
        let all = self.workers * (1 + self.plan.entities.len());
        let (cipher, progress) = (self.cipher.map(Arc::new), Arc::clone(&self.progress));
        let mut files = PartFiles::new(&*self.objects, &self.plan, cipher, progress);
        let keep_trying = || !self.over.load(Ordering::Acquire);
        while let Ok(message) = messages.recv() {
            if let Some(Cut { number, .. }) = message.cut().filter(|cut| cut.number < LAST) {
                cut_seen = number.max(cut_seen);
            }
            let mut name = |kind, worker| {
                number += 1;
                let sequence = first.saturating_add(cut_seen).saturating_add(AHEAD);
                object_name(kind, WrittenBy { generation, sequence, worker, number })
            };
            let is_last = message.cut().is_some_and(|cut| cut.number == LAST);
            let parcel = match message {
                WorkerMessage::Parcel(parcel) => Some(parcel),
                WorkerMessage::Rows { cut, rows, .. } if rows.is_empty() => {
                    Some(Parcel::Segment { cut, listed: None })
                }
                WorkerMessage::Rows { cut, worker, entity, rows } => {
                    let name = name(ListedKind::Segment, worker);
                    let listed = files.segment(name, (cut, entity), &rows, &keep_trying)?;
                    Some(Parcel::Segment { cut, listed: Some(listed) })
                }
                WorkerMessage::States { worker, entity, as_of, states } => {
                    let of = (worker, entity);
                    let whole = files.states(&mut name, (of, as_of), states, &keep_trying)?;
                    whole.map(|files| Parcel::States { of, as_of, files })
                }
                WorkerMessage::Failed(error) => return Err(error),
                // Sealed rows are written by the first process.
                WorkerMessage::SealedBegins { .. } | WorkerMessage::Sealed { .. } => None,
            };
            parcel.map(|parcel| self.outgoing.push(parcel)).transpose()?;
            last += usize::from(is_last);
            if last == all {
                self.outgoing.over.store(true, Ordering::Release);
            }
        }
        Ok(())
    }
}
