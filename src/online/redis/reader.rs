//! Reading many rows for whoever serves them: some threads, each with a connection, on which what is
//! asked at the same time goes out together.
//!
//! The job's heartbeats are read before the rows and after them. What was true of the rows before they
//! were read is true of them: every change up to that clock is in them. And what Redis has lost in
//! between, the heartbeats behind tell.
//!
//! Bound: `queue_max` requests that wait, beyond which a request is refused.

mod together;

use crate::online::StoreError;
use crate::online::heartbeat::Beats;
use crate::online::layout::{RowForm, StoredRow};
use crate::online::redis::link::Link;
use crate::online::redis::nodes::{Nodes, Routed};
use crate::online::redis::schedule::micros;
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::slots::slot_of;
use crate::online::redis::wire::{self, PackedFields};
use crate::online::schema::Schema;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidemark_operators::plan::Plan;
use tidemark_operators::time::Millis;
use together::{ReadTogether, beats, read_from, refuse};
use tokio::sync::oneshot;

/// Commands that go out together; a request with more goes alone.
const TOGETHER_MAX: usize = 4_096;

/// For so long after a failure what is asked is refused at once, before the next attempt.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a thread that pauses leaves what waits to the others.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

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
    pub before: Beats,
    /// And after it.
    pub after: Beats,
    /// The rows that were asked for, in the order asked.
    pub rows: Vec<StoredRow>,
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

type Reply = oneshot::Sender<Result<RowsRead, ReadError>>;

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<(RowsAsked, Reply)>,
    closed: bool,
    /// Threads whose last exchange was answered.
    answered: usize,
    /// Why the last attempt failed, and when.
    failed: Option<(String, Instant)>,
}

/// What the threads share.
#[derive(Debug, Default)]
struct ReadQueue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

impl ReadQueue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads. They end when it is dropped.
#[derive(Debug)]
pub struct RedisReader {
    queue: Arc<ReadQueue>,
    queue_max: usize,
    /// By view.
    forms: Arc<[RowForm]>,
    clustered: bool,
}

impl RedisReader {
    /// Starts `connections` threads for the rows of `plan`. Redis need not be there yet.
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
        let reader = RedisReader { queue: Arc::default(), queue_max, forms, clustered };
        let settings = Arc::new(settings);
        for at in 0..connections {
            let (queue, settings) = (Arc::clone(&reader.queue), Arc::clone(&settings));
            let (job, forms) = (schema.job.clone(), Arc::clone(&reader.forms));
            let nodes = clustered.then(|| Nodes::new(Arc::clone(&settings)));
            let thread = std::thread::Builder::new().name(format!("redis-read-{at}"));
            let (started, checked) = (Instant::now(), Instant::now());
            let link = None;
            let run = move || {
                let answered = false;
                Connection { queue, settings, job, forms, link, nodes, started, checked, answered }
                    .run();
            };
            thread.spawn(run).map_err(StoreError::Thread)?;
        }
        Ok(reader)
    }

    /// What is read of each row of `view`: `features` by job index.
    pub fn fields(&self, view: usize, features: &[usize]) -> FieldsAsked {
        let fields = self.forms.get(view).map(|form| form.fields_of(features));
        FieldsAsked { view, fields: PackedFields::new(&fields.unwrap_or_default()) }
    }

    /// Adds a row to what is asked, of the entity `id`.
    pub fn add(&self, asked: &mut RowsAsked, fields: &FieldsAsked, id: &[u8]) {
        let Some(form) = self.forms.get(fields.view) else { return };
        let key = form.key(id);
        wire::hmget(&key, &fields.fields, &mut asked.commands);
        asked.views.push(fields.view);
        if self.clustered {
            let (end, slot) = (asked.commands.len(), slot_of(&key));
            asked.routed.push(Routed { end, slot, joined: false });
        }
    }

    /// How long the keys of `view` live when nobody refreshes them, in ms.
    pub fn ttl(&self, view: usize) -> Millis {
        self.forms.get(view).map_or(0, |form| form.ttl)
    }

    /// Asks; the answer comes through the channel, or never when the reader is dropped.
    ///
    /// # Errors
    /// When too many wait.
    pub fn ask(
        &self,
        asked: RowsAsked,
    ) -> Result<oneshot::Receiver<Result<RowsRead, ReadError>>, ReadError> {
        let (reply, answer) = oneshot::channel();
        let mut waiting = self.queue.lock();
        if waiting.requests.len() >= self.queue_max {
            return Err(ReadError::Busy(self.queue_max));
        }
        waiting.requests.push_back((asked, reply));
        drop(waiting);
        self.queue.wake.notify_one();
        Ok(answer)
    }

    /// Whether the rows are on the servers of a cluster.
    pub fn is_clustered(&self) -> bool {
        self.clustered
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.queue.lock().requests.len()
    }
}

impl Drop for RedisReader {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.wake.notify_all();
    }
}

/// One thread's connection.
struct Connection {
    queue: Arc<ReadQueue>,
    settings: Arc<RedisSettings>,
    job: String,
    forms: Arc<[RowForm]>,
    link: Option<Link>,
    /// Of a cluster, in the place of the one.
    nodes: Option<Nodes>,
    started: Instant,
    /// When it was last looked whether the server is still the primary.
    checked: Instant,
    /// Whether its last exchange was answered.
    answered: bool,
}

impl Connection {
    fn run(mut self) {
        while let Some(mut requests) = self.next() {
            // Whoever gave up waiting needs no answer.
            requests.retain(|(_, reply)| !reply.is_closed());
            if requests.is_empty() {
                continue;
            }
            let read = match self.nodes.is_some() {
                true => self.exchange_clustered(&requests),
                false => self.exchange(&requests),
            };
            match read {
                Ok(read) => {
                    self.was_answered(true);
                    read.share_out(requests, &self.forms);
                }
                Err(error) => {
                    self.link = None;
                    self.was_answered(false);
                    let why = error.to_string();
                    self.queue.lock().failed = Some((why.clone(), Instant::now()));
                    refuse(requests, &why);
                }
            }
        }
    }

    fn was_answered(&mut self, is: bool) {
        if std::mem::replace(&mut self.answered, is) != is {
            let mut waiting = self.queue.lock();
            waiting.answered = match is {
                true => waiting.answered + 1,
                false => waiting.answered.saturating_sub(1),
            };
        }
    }

    /// What goes out next; `None` when there is nothing to do any more.
    fn next(&self) -> Option<Vec<(RowsAsked, Reply)>> {
        let mut waiting = self.queue.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if waiting.requests.is_empty() {
                let woken = self.queue.wake.wait(waiting);
                waiting = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let paused = waiting.failed.clone().filter(|(_, at)| at.elapsed() < PAUSE);
            if !self.answered
                && let Some((why, _)) = paused
            {
                if waiting.answered == 0 {
                    refuse(waiting.requests.drain(..).collect(), &why);
                    continue;
                }
                // Others are answered: what waits is theirs until this one tries again.
                drop(waiting);
                self.queue.wake.notify_one();
                std::thread::sleep(LOOK_AGAIN);
                waiting = self.queue.lock();
                continue;
            }
            let (mut taken, mut count) = (Vec::new(), 0);
            while let Some((next, _)) = waiting.requests.front()
                && (taken.is_empty() || count + next.views.len() <= TOGETHER_MAX)
            {
                count += next.views.len();
                taken.extend(waiting.requests.pop_front());
            }
            return Some(taken);
        }
    }

    fn exchange(&mut self, requests: &[(RowsAsked, Reply)]) -> Result<ReadTogether, StoreError> {
        if self.checked.elapsed() >= self.settings.probe_interval {
            self.checked = Instant::now();
            // One that is primary no more is read from no longer.
            self.link = self.link.take().filter(|link| link.check_primary(&self.settings).is_ok());
        }
        let link = match self.link.take() {
            Some(link) => self.link.insert(link),
            None => self.link.insert(Link::open(&self.settings)?),
        };
        let mut commands = Vec::new();
        let heartbeat = self.settings.beats_key(&self.job, None);
        wire::hgetall(heartbeat.as_bytes(), &mut commands);
        for (asked, _) in requests {
            commands.extend_from_slice(&asked.commands);
        }
        wire::hgetall(heartbeat.as_bytes(), &mut commands);
        let count = requests.iter().map(|(asked, _)| asked.views.len()).sum::<usize>() + 2;
        let mut replies = Vec::with_capacity(count);
        link.exchange(&commands, count, &mut replies)?;
        let after = replies.pop();
        let mut replies = replies.into_iter();
        let bracket = [beats(replies.next()), beats(after)];
        let of_requests = vec![vec![0]; requests.len()];
        Ok(ReadTogether { rows: replies.collect(), bracket: vec![bracket], of_requests })
    }

    /// The same of a cluster: on each server its rows, between two looks at the heartbeats there.
    fn exchange_clustered(
        &mut self,
        requests: &[(RowsAsked, Reply)],
    ) -> Result<ReadTogether, StoreError> {
        let now = micros(self.started.elapsed());
        let Some(nodes) = &mut self.nodes else { return Ok(ReadTogether::default()) };
        if self.checked.elapsed() >= self.settings.probe_interval {
            self.checked = Instant::now();
            nodes.doubt();
        }
        let mut last = ReadTogether::default();
        // What was sent on was not read between the two looks: once more, by a new map.
        for _ in 0..READS_MAX {
            nodes.connect_some(now)?;
            let (read, sent_on) = read_from(nodes, requests, &self.settings, &self.job, now);
            last = read;
            if !sent_on {
                break;
            }
            nodes.doubt();
        }
        Ok(last)
    }
}

/// How often rows are read until none was sent on; while a slot moves some always are.
const READS_MAX: usize = 2;
