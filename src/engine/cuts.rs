//! A worker's part in checkpoints, between its steps.
//!
//! Worker 0 asks for a cut when one is due, and every worker hears of it. The marks of a worker's
//! partitions and its dead letters must be of one moment, so it reads nothing until no letter is on
//! its way to the sink, and tells its marks then; that is a step or two. The windows hand out their
//! rows by themselves, once they have sealed up to the cut.

use super::{Checkpoints, Parcels};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tidemark_operators::coordination::{Coordination, Notice};
use tidemark_operators::cut::{Cut, SharedCutSink};
use tidemark_operators::shared::Shared;
use tidemark_operators::time::EventTime;

/// See the module.
pub(super) struct Cuts {
    /// Where the worker's part goes.
    pub sink: SharedCutSink,
    due: Box<dyn FnMut(EventTime) -> Option<Notice>>,
    /// Where the last cut lies, unless at the sources' watermark.
    last: Option<EventTime>,
    parcels: Option<Parcels>,
    /// The last cut has been told.
    told_last: bool,
    /// No parcel follows.
    all_sent: bool,
}

impl Cuts {
    pub fn new(checkpoints: Checkpoints) -> Self {
        let Checkpoints { sink, due, last, parcels, .. } = checkpoints;
        let all_sent = !matches!(parcels, Some(Parcels::Outgoing { .. }));
        let sink = Rc::new(RefCell::new(sink));
        Cuts { sink, due, last, parcels, told_last: false, all_sent }
    }

    /// Whether this worker sends parcels.
    pub fn sends(&self) -> bool {
        matches!(self.parcels, Some(Parcels::Outgoing { .. }))
    }

    /// What is to be sent to worker 0.
    pub fn outgoing(&mut self) -> Vec<Vec<u8>> {
        match &mut self.parcels {
            Some(Parcels::Outgoing { next, .. }) if !self.all_sent => next().unwrap_or_else(|| {
                self.all_sent = true;
                Vec::new()
            }),
            _ => Vec::new(),
        }
    }

    /// Whether nothing is to be sent any more.
    pub fn all_sent(&self) -> bool {
        self.all_sent
    }

    /// Takes parcels that have arrived.
    pub fn incoming(&mut self, arrived: Vec<Vec<u8>>) {
        if let Some(Parcels::Incoming(take)) = &mut self.parcels {
            arrived.into_iter().for_each(take);
        }
    }

    /// Dead letters of this cut and of all before are published.
    pub fn published(&mut self, cut: u64) {
        if let Some(Parcels::Outgoing { published, .. }) = &mut self.parcels {
            published(cut);
        }
    }

    /// On worker 0: what is due when everything before `frontier` is sealed.
    pub fn due(&mut self, frontier: EventTime) -> Option<Notice> {
        (self.due)(frontier)
    }

    /// Takes part in what has been heard of; the live clock is at `live`.
    pub fn take_part(&mut self, heard: &Coordination, shared: &Shared, live: EventTime) {
        let cut = heard.cut();
        if heard.snapshot() != shared.snapshot.replace(heard.snapshot()) {
            shared.wake_windows();
        }
        if cut != shared.cut.get() {
            shared.cut.set(cut);
            shared.marking.set(true);
            shared.wake_windows();
        }
        let (Some(cut), true, 0) = (cut, shared.marking.get(), shared.letters.get()) else {
            return;
        };
        self.mark(cut, shared, live);
        shared.marking.set(false);
        shared.wake_source();
    }

    /// The last cut of a job whose sources have ended, the greatest of their watermarks being
    /// `watermark`.
    pub fn last_cut(&self, watermark: EventTime) -> Cut {
        self.last.map_or_else(|| Cut::last(watermark), Cut::last_at)
    }

    /// All sources have ended, and all is handed over.
    pub fn last(&mut self, shared: &Shared, live: EventTime) {
        if std::mem::replace(&mut self.told_last, true) {
            return;
        }
        if let Some(cut) = shared.last_cut.get() {
            self.mark(cut, shared, live);
        }
    }

    fn mark(&mut self, cut: Cut, shared: &Shared, live: EventTime) {
        let (mut marks, mut ids) = (BTreeMap::new(), BTreeMap::new());
        if let Some(partitions) = &shared.marks {
            (marks, ids) = (partitions.at(cut.at), partitions.new_ids());
        }
        let mut sink = self.sink.borrow_mut();
        sink.ids(cut, ids);
        sink.marks(cut, marks, live);
    }
}
