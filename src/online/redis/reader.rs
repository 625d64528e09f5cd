//! Reading many rows for whoever serves them: some threads, each with a connection, on which what is
//! asked at the same time goes out together.
//!
//! The job's heartbeats are read before the rows and after them. What was true of the rows before they
//! were read is true of them: every change up to that clock is in them. And what Redis has lost in
//! between, the heartbeats behind tell.
//!
//! Bound: `queue_max` requests that wait, beyond which a request is refused.

use crate::online::StoreError;
use crate::online::heartbeat::{Beats, heartbeat_key};
use crate::online::layout::{RowForm, StoredRow};
use crate::online::redis::link::{self, Link};
use crate::online::redis::read::bytes;
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::wire;
use crate::online::schema::Schema;
use redis::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidemark_operators::plan::Plan;
use tokio::sync::oneshot;

/// Commands that go out together; a request with more goes alone.
const TOGETHER_MAX: usize = 4_096;

/// For so long after a failure what is asked is refused at once, before the next attempt.
const PAUSE: Duration = Duration::from_millis(200);

/// What is asked: the commands of one request.
#[derive(Debug, Default)]
pub struct RowsAsked {
    commands: Vec<u8>,
    /// Of each row.
    views: Vec<usize>,
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
    /// Redis does not answer, or not with rows. The text is free of secrets.
    #[error("{0}")]
    Down(String),
}

type Reply = oneshot::Sender<Result<RowsRead, ReadError>>;

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<(RowsAsked, Reply)>,
    closed: bool,
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
        let heartbeat = heartbeat_key(&settings.key_prefix, &schema.job);
        let forms: Arc<[_]> = settings.placing().read_forms(&schema).into();
        let reader = RedisReader { queue: Arc::default(), queue_max, forms };
        let settings = Arc::new(settings);
        for at in 0..connections {
            let (queue, settings) = (Arc::clone(&reader.queue), Arc::clone(&settings));
            let (heartbeat, forms) = (heartbeat.clone(), Arc::clone(&reader.forms));
            let thread = std::thread::Builder::new().name(format!("redis-read-{at}"));
            let checked = Instant::now();
            let run =
                move || Connection { queue, settings, heartbeat, forms, link: None, checked }.run();
            thread.spawn(run).map_err(StoreError::Thread)?;
        }
        Ok(reader)
    }

    /// Adds a row to what is asked: `features` (job indices) of the entity `id` in `view`.
    pub fn add(&self, asked: &mut RowsAsked, view: usize, id: &[u8], features: &[usize]) {
        let Some(form) = self.forms.get(view) else { return };
        wire::hmget(&form.key(id), form.fields_of(features).into_iter(), &mut asked.commands);
        asked.views.push(view);
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
    heartbeat: String,
    forms: Arc<[RowForm]>,
    link: Option<Link>,
    /// When it was last looked whether the server is still the primary.
    checked: Instant,
}

impl Connection {
    fn run(mut self) {
        while let Some(mut requests) = self.next() {
            // Whoever gave up waiting needs no answer.
            requests.retain(|(_, reply)| !reply.is_closed());
            if requests.is_empty() {
                continue;
            }
            match self.exchange(&requests) {
                Ok(replies) => share_out(requests, replies, &self.forms),
                Err(error) => {
                    self.link = None;
                    let why = error.to_string();
                    self.queue.lock().failed = Some((why.clone(), Instant::now()));
                    refuse(requests, &why);
                }
            }
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
            if self.link.is_none()
                && let Some((why, _)) = paused
            {
                refuse(waiting.requests.drain(..).collect(), &why);
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

    fn exchange(&mut self, requests: &[(RowsAsked, Reply)]) -> Result<Vec<Value>, StoreError> {
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
        wire::hgetall(self.heartbeat.as_bytes(), &mut commands);
        for (asked, _) in requests {
            commands.extend_from_slice(&asked.commands);
        }
        wire::hgetall(self.heartbeat.as_bytes(), &mut commands);
        let count = requests.iter().map(|(asked, _)| asked.views.len()).sum::<usize>() + 2;
        let mut replies = Vec::with_capacity(count);
        link.exchange(&commands, count, &mut replies)?;
        Ok(replies)
    }
}

fn refuse(requests: Vec<(RowsAsked, Reply)>, why: &str) {
    for (_, reply) in requests {
        // Whoever gave up needs no answer.
        let _ = reply.send(Err(ReadError::Down(why.to_owned())));
    }
}

fn share_out(requests: Vec<(RowsAsked, Reply)>, replies: Vec<Value>, forms: &[RowForm]) {
    let mut replies = replies.into_iter();
    let (before, after) = (replies.next(), replies.next_back());
    let beats = |reply: Option<Value>| match reply {
        Some(Value::ServerError(error)) => Err(link::reason(&error)),
        reply => Ok(Beats::of(link::text_pairs(&reply.unwrap_or_default()))),
    };
    let (before, after) = (beats(before), beats(after));
    for (asked, reply) in requests {
        let views = asked.views.iter().map(|view| forms.get(*view));
        let replies = replies.by_ref().take(asked.views.len());
        let rows: Vec<_> = replies.zip(views).map(|(reply, form)| row(reply, form)).collect();
        let rows = rows.into_iter().collect::<Result<Vec<_>, _>>();
        let read = match (rows, before.clone(), after.clone()) {
            (Ok(rows), Ok(before), Ok(after)) => Ok(RowsRead { before, after, rows }),
            (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => {
                Err(ReadError::Down(format!("Redis refused to read: {why}")))
            }
        };
        let _ = reply.send(read);
    }
}

/// The reply to HMGET.
fn row(reply: Value, form: Option<&RowForm>) -> Result<StoredRow, String> {
    match (reply, form) {
        (Value::Array(values), Some(form)) => {
            Ok(form.read(values.into_iter().map(bytes).collect()))
        }
        (Value::ServerError(error), _) => Err(link::reason(&error)),
        _ => Err("its reply to HMGET is no array".to_owned()),
    }
}
