//! Reading on the thread that asks, in tasks of its runtime, each with a connection of its own. Connecting,
//! and asking Sentinels, is done on threads that end with it.
//!
//! Bound: one exchange at a time on each connection; what is kept for the next one is [`KEPT_BYTES`] of
//! commands, and of replies what `Replies` keeps.

use super::queue::{AskedBy, LOOK_AGAIN, ReadQueue, ReadRequests, ReaderTurn};
use super::together::refuse;
use super::{RowsAsked, RowsRead};
use crate::online::StoreError;
use crate::online::heartbeat::Beats;
use crate::online::layout::RowForm;
use crate::online::redis::plain::{PlainLink, io_reason};
use crate::online::redis::replies::{Replies, Reply};
use crate::online::redis::sentinel;
use crate::online::redis::servers::{RedisServers, ServerAddress};
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::wire;
use crate::online::stored::StoredRows;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Bytes of commands that are kept.
const KEPT_BYTES: usize = 1 << 20;
/// Values after which a long answer lets others through.
const VALUES_AT_ONCE: usize = 4_096;

/// The connections, which begin with the first request.
#[derive(Debug)]
pub(super) struct DirectReader {
    connections: usize,
    settings: Arc<RedisSettings>,
    /// What asks for the heartbeats.
    heartbeat: Arc<[u8]>,
    begun: AtomicBool,
}

impl DirectReader {
    /// So many connections; `heartbeat` is the key of the job's heartbeats.
    pub(super) fn new(
        connections: usize,
        settings: Arc<RedisSettings>,
        heartbeat: &str,
    ) -> DirectReader {
        let mut command = Vec::new();
        wire::hgetall(heartbeat.as_bytes(), &mut command);
        DirectReader { connections, settings, heartbeat: command.into(), begun: false.into() }
    }

    /// Starts them in the runtime of who asks, unless they have begun.
    pub(super) fn start(
        &self,
        queue: &Arc<ReadQueue>,
        forms: &Arc<[RowForm]>,
    ) -> Result<(), String> {
        if self.begun.load(Relaxed) {
            return Ok(());
        }
        let runtime = Handle::try_current().map_err(|error| error.to_string())?;
        if self.begun.swap(true, Relaxed) {
            return Ok(());
        }
        for _ in 0..self.connections {
            let connection = DirectConnection {
                queue: Arc::clone(queue),
                settings: Arc::clone(&self.settings),
                forms: Arc::clone(forms),
                heartbeat: Arc::clone(&self.heartbeat),
                open: None,
                checked: Instant::now(),
                answered: false,
                commands: Vec::new(),
                replies: Replies::default(),
                known: KnownBeats::default(),
            };
            runtime.spawn(connection.run());
        }
        Ok(())
    }
}

/// A connection that is open.
struct OpenStream {
    stream: TcpStream,
    at: ServerAddress,
}

/// The heartbeats that were read last, and as which bytes: most looks find the same.
#[derive(Default)]
struct KnownBeats {
    bytes: Vec<u8>,
    beats: Arc<Beats>,
}

/// One task's connection.
struct DirectConnection {
    queue: Arc<ReadQueue>,
    settings: Arc<RedisSettings>,
    forms: Arc<[RowForm]>,
    heartbeat: Arc<[u8]>,
    open: Option<OpenStream>,
    /// When it was last looked whether the server is still the primary.
    checked: Instant,
    /// Whether its last exchange was answered.
    answered: bool,
    commands: Vec<u8>,
    replies: Replies,
    known: KnownBeats,
}

impl DirectConnection {
    async fn run(mut self) {
        while let Some(requests) = self.next().await {
            if requests.is_empty() {
                continue;
            }
            let read = self.exchange(&requests).await;
            self.queue.was_answered(&mut self.answered, read.is_ok());
            match read {
                Ok(()) => self.share_out(requests).await,
                Err(error) => self.queue.failed(requests, &error.to_string()),
            }
        }
        self.queue.wake_other();
    }

    /// What goes out next; `None` when there is nothing to do any more.
    async fn next(&self) -> Option<ReadRequests> {
        loop {
            let turn = self.queue.lock().turn(self.answered);
            match turn {
                ReaderTurn::End => return None,
                ReaderTurn::Send(requests) => return Some(requests),
                ReaderTurn::Wait => self.queue.woken().await,
                ReaderTurn::Refuse(requests, why) => refuse(requests, &why),
                ReaderTurn::LeaveToOthers => {
                    // Until this one tries again.
                    self.queue.wake_other();
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    /// Asks for all of them. A connection on which that fails is of no more use.
    async fn exchange(&mut self, requests: &[(RowsAsked, AskedBy)]) -> Result<(), StoreError> {
        let open = self.connected().await?;
        self.commands.clear();
        self.commands.shrink_to(KEPT_BYTES);
        self.commands.extend_from_slice(&self.heartbeat);
        requests.iter().for_each(|(asked, _)| self.commands.extend_from_slice(&asked.commands));
        self.commands.extend_from_slice(&self.heartbeat);
        let count = requests.iter().map(|(asked, _)| asked.views.len()).sum::<usize>() + 2;
        let within = self.settings.response_timeout;
        let read = open.exchange(&self.commands, count, within, &mut self.replies).await;
        read.map_err(|reason| StoreError::Lost { address: open.at.to_string(), reason })?;
        self.open = Some(open);
        Ok(())
    }

    /// The connection, made anew where there is none or the server is the primary no more.
    async fn connected(&mut self) -> Result<OpenStream, StoreError> {
        let mut held = self.open.take();
        if let Some(open) = &held
            && self.checked.elapsed() >= self.settings.probe_interval
        {
            self.checked = Instant::now();
            if self.is_deposed(&open.at).await {
                held = None;
            }
        }
        if let Some(open) = held {
            return Ok(open);
        }
        let settings = Arc::clone(&self.settings);
        let PlainLink { stream, at } = on_thread(move || PlainLink::open(&settings)).await??;
        let opened = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        let failed = |error: io::Error| StoreError::Connect {
            address: at.to_string(),
            reason: error.to_string(),
        };
        Ok(OpenStream { stream: opened.map_err(failed)?, at })
    }

    /// Whether Sentinels name another server than the one at `at`. Who cannot be asked says nothing
    /// against it.
    async fn is_deposed(&self, at: &ServerAddress) -> bool {
        let RedisServers::Sentinel(watched) = &self.settings.servers else { return false };
        let (settings, watched) = (Arc::clone(&self.settings), watched.clone());
        let primary = on_thread(move || sentinel::primary(&settings, &watched)).await;
        primary.is_ok_and(|primary| primary.is_ok_and(|primary| primary != *at))
    }

    /// Tells each request its rows.
    async fn share_out(&mut self, requests: ReadRequests) {
        let last = self.replies.count().saturating_sub(1);
        let (before, after) = (self.beats(0), self.beats(last));
        let mut at = 1;
        for (asked, asked_by) in requests {
            let rows = self.rows(&asked, at).await;
            at += asked.views.len();
            let read = RowsRead::of(rows, [before.clone(), after.clone()]);
            // Whoever gave up needs no answer.
            let _ = asked_by.send(read);
        }
    }

    /// The rows of a request, whose replies begin at `begin`.
    async fn rows(&self, asked: &RowsAsked, begin: usize) -> Result<StoredRows, String> {
        let count = asked.views.len();
        let bytes = (begin..begin + count).map(|at| self.replies.bytes(at).len()).sum();
        let values = match self.replies.reply(begin) {
            Reply::List(values) => values.len(),
            _ => 0,
        };
        let mut rows = StoredRows::with_capacity(count, values.saturating_mul(count), bytes);
        let mut read = 0;
        for (at, view) in (begin..).zip(&asked.views) {
            match (self.replies.reply(at), self.forms.get(*view)) {
                (Reply::List(values), Some(form)) => {
                    read += values.len();
                    form.read(values.map(Reply::text), &mut rows);
                }
                // Somebody else's: it is no other row's fault.
                (Reply::Error(line), Some(form)) if line.starts_with(b"WRONGTYPE") => {
                    form.read_unreadable(&mut rows);
                }
                (Reply::Error(line), _) => return Err(String::from_utf8_lossy(line).into_owned()),
                _ => return Err("its reply to HMGET is no array".to_owned()),
            }
            if read >= VALUES_AT_ONCE {
                read = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(rows)
    }

    /// The heartbeats in the reply at `at`.
    fn beats(&mut self, at: usize) -> Result<Arc<Beats>, String> {
        let bytes = self.replies.bytes(at);
        if self.known.bytes == bytes {
            return Ok(Arc::clone(&self.known.beats));
        }
        let mut fields = BTreeMap::new();
        match self.replies.reply(at) {
            Reply::Error(line) => return Err(String::from_utf8_lossy(line).into_owned()),
            Reply::List(mut texts) => {
                let text = |reply: Reply<'_>| {
                    let text = std::str::from_utf8(reply.text()?).ok()?;
                    Some(text.to_owned())
                };
                while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
                    fields.extend(text(name).zip(text(value)));
                }
            }
            Reply::Text(_) | Reply::Nil => {}
        }
        self.known = KnownBeats { bytes: bytes.to_vec(), beats: Arc::new(Beats::of(fields)) };
        Ok(Arc::clone(&self.known.beats))
    }
}

impl OpenStream {
    /// Sends commands and reads the replies to all `count` of them; each step may take so long.
    async fn exchange(
        &self,
        commands: &[u8],
        count: usize,
        within: Duration,
        replies: &mut Replies,
    ) -> Result<(), String> {
        replies.clear();
        let mut left = commands;
        while !left.is_empty() {
            match self.stream.try_write(left) {
                Ok(0) => return Err(CLOSED.to_owned()),
                Ok(sent) => left = left.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    in_time(within, self.stream.writable()).await?;
                }
                Err(error) => return Err(io_reason(&error)),
            }
        }
        while replies.count() < count {
            in_time(within, self.stream.readable()).await?;
            match self.stream.try_read(replies.room()) {
                Ok(0) => return Err(CLOSED.to_owned()),
                Ok(read) => replies.filled(read).map_err(|error| error.to_string())?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(io_reason(&error)),
            }
        }
        match replies.count() == count && replies.is_whole() {
            true => Ok(()),
            false => Err("it sends more replies than it was asked for".to_owned()),
        }
    }
}

const CLOSED: &str = "it closed the connection";

async fn in_time(
    within: Duration,
    ready: impl Future<Output = io::Result<()>>,
) -> Result<(), String> {
    match tokio::time::timeout(within, ready).await {
        Ok(ready) => ready.map_err(|error| io_reason(&error)),
        Err(_) => Err(io_reason(&ErrorKind::TimedOut.into())),
    }
}

/// What `work` gives, which may wait: on a thread that ends with it.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let (tell, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name("redis-open".to_owned());
    // Whoever asked may be gone.
    let run = move || drop(tell.send(work()));
    thread.spawn(run).map_err(StoreError::Thread)?;
    told.await.map_err(|_| StoreError::Thread(io::Error::other("it ended before it was done")))
}
