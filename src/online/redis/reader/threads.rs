//! Reading on threads, each with a connection of the `redis` crate, or one to each server of a cluster.

use super::RowsAsked;
use super::queue::{AskedBy, LOOK_AGAIN, ReadQueue, ReadRequests, ReaderTurn};
use super::together::{ReadTogether, beats, read_from, refuse};
use crate::online::StoreError;
use crate::online::layout::RowForm;
use crate::online::redis::link::Link;
use crate::online::redis::nodes::Nodes;
use crate::online::redis::schedule::micros;
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::wire;
use std::sync::Arc;
use std::time::Instant;

/// Starts so many threads. They end when the queue is closed.
pub(super) fn start(
    connections: usize,
    queue: &Arc<ReadQueue>,
    settings: &Arc<RedisSettings>,
    job: &str,
    forms: &Arc<[RowForm]>,
) -> Result<(), StoreError> {
    for at in 0..connections {
        let connection = Connection {
            queue: Arc::clone(queue),
            settings: Arc::clone(settings),
            job: job.to_owned(),
            forms: Arc::clone(forms),
            link: None,
            nodes: settings.is_cluster().then(|| Nodes::new(Arc::clone(settings))),
            started: Instant::now(),
            checked: Instant::now(),
            answered: false,
        };
        let thread = std::thread::Builder::new().name(format!("redis-read-{at}"));
        thread.spawn(move || connection.run()).map_err(StoreError::Thread)?;
    }
    Ok(())
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
        while let Some(requests) = self.next() {
            let read = match self.nodes.is_some() {
                _ if requests.is_empty() => continue,
                true => self.exchange_clustered(&requests),
                false => self.exchange(&requests),
            };
            self.queue.was_answered(&mut self.answered, read.is_ok());
            match read {
                Ok(read) => read.share_out(requests, &self.forms),
                Err(error) => {
                    self.link = None;
                    self.queue.failed(requests, &error.to_string());
                }
            }
        }
    }

    /// What goes out next; `None` when there is nothing to do any more.
    fn next(&self) -> Option<ReadRequests> {
        let mut waiting = self.queue.lock();
        loop {
            match waiting.turn(self.answered) {
                ReaderTurn::End => return None,
                ReaderTurn::Send(requests) => return Some(requests),
                ReaderTurn::Wait => waiting = self.queue.wait(waiting),
                ReaderTurn::Refuse(requests, why) => refuse(requests, &why),
                ReaderTurn::LeaveToOthers => {
                    // Until this one tries again.
                    drop(waiting);
                    self.queue.wake_other();
                    std::thread::sleep(LOOK_AGAIN);
                    waiting = self.queue.lock();
                }
            }
        }
    }

    fn exchange(&mut self, requests: &[(RowsAsked, AskedBy)]) -> Result<ReadTogether, StoreError> {
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
        requests: &[(RowsAsked, AskedBy)],
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
