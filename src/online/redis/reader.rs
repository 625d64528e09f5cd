//! Reading many rows for whoever serves them: some connections, on each of which what is asked at the same
//! time goes out together.
//!
//! The job's heartbeats are read before the rows and after them. What was true of the rows before they
//! were read is true of them: every change up to that clock is in them. And what Redis has lost in
//! between, the heartbeats behind tell.
//!
//! Bound: `queue_max` requests that wait, beyond which a request is refused.
//!
//! # Why this way
//! One server without TLS, be it named or found by Sentinels, is read on the thread that asks (`direct`): no
//! other thread has to be woken for an answer, which on a busy machine is what an answer waits for, and rows
//! are read from the bytes that come in. A cluster and TLS are read by the `redis` crate on threads of their
//! own (`threads`).

mod direct;
mod queue;
mod threads;
mod together;

use crate::online::StoreError;
use crate::online::heartbeat::Beats;
use crate::online::layout::RowForm;
use crate::online::redis::nodes::Routed;
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::slots::slot_of;
use crate::online::redis::wire::{self, PackedFields};
use crate::online::schema::Schema;
use crate::online::stored::StoredRows;
use direct::DirectReader;
use queue::{ReadQueue, ReaderWake};
use std::sync::Arc;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::Millis;
use tokio::sync::oneshot;

/// What is asked: the commands of one request.
#[derive(Debug, Default)]
pub struct RowsAsked {
    commands: Vec<u8>,
    /// Of each row.
    views: Vec<usize>,
    /// Where each command goes, in a cluster.
    routed: Vec<Routed>,
}

/// What is asked of each row of a view.
#[derive(Debug)]
pub struct FieldsAsked {
    view: usize,
    fields: PackedFields,
}

/// What came back.
#[derive(Debug)]
pub struct RowsRead {
    /// What the job said of itself before the rows were read.
    pub before: Arc<Beats>,
    /// And after it.
    pub after: Arc<Beats>,
    /// The rows that were asked for, in the order asked.
    pub rows: StoredRows,
}

impl RowsRead {
    /// What was read, or why it was not: rows, and the heartbeats before and after them.
    fn of(
        rows: Result<StoredRows, String>,
        beats: [Result<Arc<Beats>, String>; 2],
    ) -> Result<RowsRead, ReadError> {
        let rows = rows.map_err(ReadError::Refused)?;
        let told = |beats: Result<_, String>| {
            beats.map_err(|why| ReadError::Down(ReadError::Refused(why).to_string()))
        };
        let [before, after] = beats.map(told);
        Ok(RowsRead { before: before?, after: after?, rows })
    }
}

/// Why rows were not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// More requests wait than may.
    #[error("{0} requests wait for Redis already")]
    Busy(usize),
    /// Redis answers, but not with these rows. The text is free of secrets.
    #[error("Redis refused to read: {0}")]
    Refused(String),
    /// Redis does not answer. The text is free of secrets.
    #[error("{0}")]
    Down(String),
}

/// The connections. They end when it is dropped.
#[derive(Debug)]
pub struct RedisReader {
    queue: Arc<ReadQueue>,
    queue_max: usize,
    /// By view.
    forms: Arc<[RowForm]>,
    clustered: bool,
    /// `None`: threads read.
    direct: Option<DirectReader>,
}

impl RedisReader {
    /// Makes `connections` for the rows of `plan`. Redis need not be there yet.
    ///
    /// # Errors
    /// [`StoreError::Thread`] when a thread cannot be started.
    pub fn start(
        plan: &Plan,
        settings: RedisSettings,
        connections: usize,
        queue_max: usize,
    ) -> Result<RedisReader, StoreError> {
        let schema = Schema::new(plan);
        let forms: Arc<[_]> = settings.placing().read_forms(&schema).into();
        let clustered = settings.is_cluster();
        let settings = Arc::new(settings);
        if clustered || settings.tls.is_some() {
            let queue = Arc::new(ReadQueue::new(ReaderWake::thread()));
            let job = schema.job.as_str();
            threads::start(connections, &queue, &settings, job, &forms)?;
            return Ok(RedisReader { queue, queue_max, forms, clustered, direct: None });
        }
        let queue = Arc::new(ReadQueue::new(ReaderWake::task()));
        let heartbeat = settings.beats_key(&schema.job, None);
        let direct = DirectReader::new(connections, settings, &heartbeat);
        Ok(RedisReader { queue, queue_max, forms, clustered, direct: Some(direct) })
    }

    /// What is read of each row of `view`: `features` by job index.
    pub fn fields(&self, view: usize, features: &[usize]) -> FieldsAsked {
        let fields = self.forms.get(view).map(|form| form.fields_of(features));
        FieldsAsked { view, fields: PackedFields::new(&fields.unwrap_or_default()) }
    }

    /// Adds a row to what is asked, of the entity `id`.
    pub fn add(&self, asked: &mut RowsAsked, fields: &FieldsAsked, id: &[u8]) {
        let Some(form) = self.forms.get(fields.view) else { return };
        wire::hmget(form, id, &fields.fields, &mut asked.commands);
        asked.views.push(fields.view);
        if self.clustered {
            let (end, slot) = (asked.commands.len(), slot_of(&form.key(id)));
            asked.routed.push(Routed { end, slot, joined: false });
        }
    }

    /// How long the keys of `view` live when nobody refreshes them, in ms.
    pub fn ttl(&self, view: usize) -> Millis {
        self.forms.get(view).map_or(0, |form| form.ttl)
    }

    /// Asks, in a runtime; the answer comes through the channel, or never when the reader is dropped.
    ///
    /// # Errors
    /// When too many wait, or there is no runtime.
    pub fn ask(
        &self,
        asked: RowsAsked,
    ) -> Result<oneshot::Receiver<Result<RowsRead, ReadError>>, ReadError> {
        if let Some(direct) = &self.direct {
            direct.start(&self.queue, &self.forms).map_err(ReadError::Down)?;
        }
        let (reply, answer) = oneshot::channel();
        match self.queue.put((asked, reply), self.queue_max) {
            true => Ok(answer),
            false => Err(ReadError::Busy(self.queue_max)),
        }
    }

    /// Whether the rows are on the servers of a cluster.
    pub fn is_clustered(&self) -> bool {
        self.clustered
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.queue.lock().waiting()
    }
}

impl Drop for RedisReader {
    fn drop(&mut self) {
        self.queue.close();
    }
}
