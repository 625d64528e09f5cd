//! The thread that writes one shard to Redis: one connection, one round trip in flight.

mod cluster;
mod connection;
mod replies;
mod upkeep;

use crate::online::StoreError;
use crate::online::redis::allowance::Allowance;
use crate::online::redis::breaker::Breaker;
use crate::online::redis::fence::{Entered, Fence};
use crate::online::redis::flush::{Flush, RoundTrip};
use crate::online::redis::gate::Gate;
use crate::online::redis::link::{Link, Server};
use crate::online::redis::nodes::Nodes;
use crate::online::redis::pulse::Pulse;
use crate::online::redis::record::Record;
use crate::online::redis::schedule::{Pace, micros};
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::spread::Spread;
use crate::online::redis::take::{Filling, Stage};
use crate::online::redis::wire::ViewWire;
use crate::online::schema::Schema;
use crate::online::table::{Cell, Clock};
use redis::Value;
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::online::Shown;
use tidemark_operators::shape::Shape;
use tidemark_operators::time::Millis;
use upkeep::Upkeep;

/// Rows taken or settled under one lock of the shard.
const SLICE: usize = 128;

/// Every stage gets at least this part of a round trip, however full those before it are.
const SHARE: usize = 8;

/// The longest sleep, in us: a lost wake-up costs no more.
const NAP: u64 = 1_000_000;

/// The thread's state.
pub(crate) struct Flusher {
    cell: Arc<Cell>,
    clock: Clock,
    settings: Arc<RedisSettings>,
    wire: Arc<Vec<ViewWire>>,
    gate: Arc<Gate>,
    record: Arc<Record>,
    pace: Pace,
    spread: Spread,
    breaker: Breaker,
    link: Option<Link>,
    /// Of a cluster: `link` is then to the server that has the claims.
    nodes: Option<Nodes>,
    /// Of a job that keeps its state.
    fence: Option<Arc<Fence>>,
    /// The connection watches the fence's key, since this run was entered there.
    watching: bool,
    /// Redis took no transaction, for it has no memory.
    full: bool,
    /// The server of the last connection.
    server: Option<Server>,
    /// What that server calls the last connection, where it says so.
    client_id: Option<i64>,
    /// When the connection is probed next.
    probe_at: u64,
    /// What one flusher of a store does for all of them.
    upkeep: Option<Upkeep>,
    job: String,
    pulse: Pulse,
    /// How many rows may be written again after a loss.
    rewriting: Allowance,
    flush: Flush,
    replies: Vec<Value>,
}

/// Parts of a flusher that are the store's.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) settings: Arc<RedisSettings>,
    pub(crate) wire: Arc<Vec<ViewWire>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) schema: Arc<Schema>,
    /// One for each worker of this process.
    pub(crate) cells: Arc<[Arc<Cell>]>,
    pub(crate) shape: Shape,
    /// The start of the run, in ms since 1970.
    pub(crate) started: Millis,
    /// Of a job that keeps its state.
    pub(crate) fence: Option<Arc<Fence>>,
    /// What rows are made by, where runs are numbered.
    pub(crate) definition: Option<u64>,
    /// What rows that are not written again are taken to show in Redis.
    pub(crate) kept: Option<Shown>,
}

impl Flusher {
    /// Of worker `at`, whose clocks are in `metrics`.
    pub(crate) fn new(
        at: usize,
        cell: Arc<Cell>,
        shared: Shared,
        record: Arc<Record>,
        metrics: Arc<WorkerMetrics>,
    ) -> Self {
        let upkeep = (at == 0).then(|| Upkeep::new(&shared));
        let definition = shared.definition;
        let Shared { clock, settings, wire, gate, schema, shape, started, fence, .. } = shared;
        let workers = shape.peers();
        let mut pulse = Pulse::new(workers, metrics, started);
        if let (Some(fence), Some(definition)) = (&fence, definition) {
            pulse = pulse.numbered(fence.number(), definition);
        }
        let rewriting = Allowance::new((settings.rewrite_rate / workers) as u64);
        let clustered = settings.is_cluster();
        let nodes = clustered.then(|| Nodes::new(Arc::clone(&settings)));
        let (first, max) = (micros(settings.backoff_first), micros(settings.backoff_max));
        Flusher {
            cell,
            clock,
            wire,
            gate,
            record,
            pace: Pace::new(&settings),
            spread: Spread::new(&settings, workers),
            breaker: Breaker::new(first, max, settings.breaker_after),
            settings,
            link: None,
            nodes,
            job: schema.job.clone(),
            fence,
            watching: false,
            full: false,
            server: None,
            client_id: None,
            probe_at: 0,
            upkeep,
            pulse,
            rewriting,
            flush: Flush::for_cluster(clustered),
            replies: Vec::new(),
        }
    }

    /// Works until the store is closed.
    pub(crate) fn run(mut self) {
        while self.wait() {
            self.breaker.attempt();
            self.record.numbers().breaker = self.breaker.state();
            let began = self.clock.now_us();
            let result = self.attempt();
            self.note(began, result);
        }
        self.farewell();
        self.record.numbers().connected = false;
    }

    /// Sleeps until there is something to do; false when the store is closed.
    fn wait(&mut self) -> bool {
        let mut shard = self.cell.lock();
        loop {
            let now = self.clock.now_us();
            let drain = self.gate.is_closing();
            let idle = self.gate.is_held() || shard.dirt.is_clean() || self.gate.is_refused();
            if drain && (idle || now >= self.gate.deadline()) {
                return false;
            }
            let granted = self.gate.is_granted();
            if granted && self.pulse.renew_at().is_some_and(|at| at <= now) {
                self.pulse.renew();
            }
            let may_write = self.gate.may_write();
            let write = self.pace.due(&shard.dirt, drain).filter(|_| may_write);
            let rewrite = shard.dirt.reassert.filter(|_| may_write);
            let rewrite = rewrite.map(|_| self.rewriting.ready_at(self.pace.rows()));
            let connect = match &self.nodes {
                Some(nodes) => nodes.next_attempt(),
                None => self.link.is_none().then_some(0),
            };
            let beat = if granted { self.pulse.due() } else { None };
            let renew = if granted { self.pulse.renew_at() } else { None };
            let upkeep = self.upkeep.as_ref().and_then(|upkeep| upkeep.due(&self.gate));
            let next = [write, rewrite, connect, beat, renew, upkeep, Some(self.probe_at)];
            let next = next.into_iter().flatten().min();
            let next = next.map_or(now + NAP, |at| at.max(self.breaker.ready_at()));
            if next <= now {
                return true;
            }
            let next = if drain { next.min(self.gate.deadline()) } else { next };
            let nap = Duration::from_micros((next - now).min(NAP));
            let woken = self.cell.wake.wait_timeout(shard, nap);
            shard = woken.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Connects, probes, writes: what is needed. Whether rows were written.
    fn attempt(&mut self) -> Result<bool, StoreError> {
        match self.nodes {
            Some(_) => self.mend()?,
            None => self.connect()?,
        }
        self.probe()?;
        self.keep_up()?;
        if !self.gate.is_granted() || !self.watch()? {
            return Ok(false);
        }
        self.pulse.inherit(self.gate.inherited());
        self.follow(false);
        self.begin();
        if self.gate.may_write() {
            self.fill();
            if std::mem::take(&mut self.full) && self.flush.len() == 0 {
                self.begin();
                self.fill();
            }
        }
        let now = self.clock.now_us();
        let due = self.pulse.due().is_some_and(|due| self.flush.len() > 0 || due <= now);
        if due && !self.flush.only_deletes() {
            self.beat(false);
        }
        if self.flush.expected.is_empty() {
            // Rows may have been taken that had nothing to send after all.
            self.cell.lock().settle_deletions(&mut self.flush.deletions);
            return Ok(false);
        }
        let rows = self.flush.len() > 0;
        self.write()?;
        Ok(rows)
    }

    /// Sees to it that the connection watches the fence's key, if there is one, and that this run is
    /// entered there; false: it is not, and whether it may be is looked at.
    fn watch(&mut self) -> Result<bool, StoreError> {
        if self.nodes.is_some() {
            return self.clear_nodes();
        }
        let Some(fence) = self.fence() else { return Ok(true) };
        let Some(link) = self.link.as_mut().filter(|_| !self.watching) else { return Ok(true) };
        let key = fence.key().as_bytes();
        let asked = link.ask("WATCH", &[key]).and_then(|_| link.ask("GET", &[key]));
        match asked {
            Ok(entered) => self.watching = fence.judge(&entered, true) == Entered::Own,
            Err(error @ StoreError::Reply { .. }) => return Err(error),
            Err(error) => return Err(self.drop_link(error)),
        }
        if !self.watching {
            self.gate.doubt();
        }
        Ok(self.watching)
    }

    /// The fence, where Redis lets this user keep it.
    fn fence(&self) -> Option<Arc<Fence>> {
        self.fence.clone().filter(|_| !self.gate.is_open())
    }

    /// Begins a round trip.
    fn begin(&mut self) {
        let kind = match self.fence() {
            None => RoundTrip::Plain,
            // Those of before are kept out by other means.
            Some(_) if self.nodes.is_some() => RoundTrip::Plain,
            // The one after it finds out whether there is memory again.
            Some(fence) if self.full => RoundTrip::Deletions(fence),
            Some(_) => RoundTrip::Fenced,
        };
        self.flush.begin(kind);
    }

    /// Asks for the memory and who else writes, or whether the server is there at all.
    fn probe(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now_us();
        let due = self.probe_at <= now;
        if !due || self.link.is_none() && self.nodes.is_none() {
            return Ok(());
        }
        self.probe_at = now + micros(self.settings.probe_interval);
        if self.nodes.is_some() {
            self.probe_nodes();
            return Ok(());
        }
        let Some(link) = &mut self.link else { return Ok(()) };
        let answer = match &mut self.upkeep {
            Some(upkeep) => upkeep.ask(link, &self.record, &self.settings).map(|memory| {
                let mut numbers = self.record.numbers();
                numbers.memory = memory.or(numbers.memory);
            }),
            None => link.ask("PING", &[]).map(|_| ()),
        };
        let answer = match answer {
            // Not allowed to ask, or still loading: it is there.
            Ok(()) | Err(StoreError::Reply { .. }) => link.check_primary(&self.settings),
            Err(error) => Err(error),
        };
        answer.map_err(|error| self.drop_link(error))
    }

    /// Takes what goes into the next round trip.
    fn fill(&mut self) {
        let Flusher { cell, flush, pace, settings, .. } = self;
        let now = self.clock.now_us();
        let closing = self.gate.is_closing();
        let cut = pace.cut(&cell.lock().dirt, now, closing);
        let spacing = self.spread.spacing_ms();
        let filling = Filling { wire: &self.wire, now, cut, spacing };
        let only_deletes = flush.only_deletes();
        let wanted =
            |stage: &Stage| !only_deletes || matches!(stage, Stage::Deletion | Stage::Sweep);
        for stage in Stage::ALL.into_iter().filter(wanted) {
            let rows = pace.rows();
            let mut share = rows.saturating_sub(flush.len()).max(rows.div_ceil(SHARE));
            if stage == Stage::Reassert && !closing {
                share = share.min(self.rewriting.at(now));
            }
            let before = flush.len();
            let end = flush.len() + share;
            while flush.len() < end && flush.buffer.len() < settings.flush_bytes {
                let limit = SLICE.min(end - flush.len());
                if !cell.lock().take(stage, limit, &filling, flush) {
                    break;
                }
            }
            if stage == Stage::Reassert {
                let rewritten = flush.len() - before;
                self.rewriting.spend(rewritten);
                self.record.numbers().rewritten += rewritten as u64;
            }
        }
    }

    /// The round trip and its end.
    fn write(&mut self) -> Result<(), StoreError> {
        let since = self.flush.rows.iter().map(|row| row.entry.since);
        let since = since.chain(self.flush.deletions.iter().map(|(d, _)| d.since)).min();
        self.record.numbers().in_flight_since = since;
        let fence = self.fence().filter(|_| self.flush.is_fenced());
        let mut count = self.flush.expected.len();
        if let Some(fence) = &fence {
            self.flush.end_fenced(fence);
            // MULTI before, and EXEC, WATCH and GET behind.
            count += 4;
        }
        if self.nodes.is_some() {
            return self.write_to_nodes();
        }
        let sent = match &mut self.link {
            Some(link) => link.exchange(&self.flush.buffer, count, &mut self.replies),
            // Attempts begin with connecting.
            None => return Ok(()),
        };
        let result = match sent {
            Ok(()) => match fence {
                Some(fence) => self.judge_fenced(&fence),
                None => self.judge(),
            },
            Err(error) => {
                self.flush.failed();
                Err(self.drop_link(error))
            }
        };
        self.settle();
        result
    }
}
