//! One flusher's heartbeat: which clock it may claim, when it is due, what its reply tells.
//!
//! The clock is one whose rows Redis has acknowledged. A worker's live clock is noted together with
//! the moment from which on all rows up to it are in the table; it may be written once nothing waits
//! that has waited since before that moment. So rows that coalesce hold it back for as long as they
//! may wait (`decay_flush`) while Redis answers, and an outage stops it.
//!
//! The reply to HSET says how many fields were new: none, unless Redis was flushed or the key was
//! evicted. So losing everything is noticed within a second, without a command of its own.

use crate::online::Incomplete;
use crate::online::heartbeat::{Heartbeat, Life, worker_field};
use crate::online::redis::gate::Inherited;
use crate::online::redis::wire;
use crate::wall_clock::wall_ms;
use redis::{ServerError, Value};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::online::Shown;
use tidemark_operators::time::Millis;

/// The longest time between two heartbeats, in us.
const EVERY: u64 = 1_000_000;

/// So long before a heartbeat is due the clock is read for it, in us.
const AHEAD: u64 = 50_000;

/// After so many steps of its worker, rows of a live clock have come out of the dataflow.
const STEPS: u64 = 3;

/// Clocks whose rows are not all written, at most; further ones wait.
const CLOCKS_MAX: usize = 1_024;

/// The least time between two of them, in us.
const GRAIN: u64 = 5_000;

/// A flusher's heartbeat. Times are us on the store's clock unless they are called otherwise.
#[derive(Debug)]
pub(crate) struct Pulse {
    field: String,
    /// Written along by the first worker: how many there are.
    workers: Option<String>,
    metrics: Arc<WorkerMetrics>,
    /// The start of the run, in ms since 1970.
    started: Millis,
    next: u64,
    /// The clock was read for the next heartbeat.
    renewed: bool,
    /// A clock whose rows may still be on their way to the table, and the steps when it was read.
    asked: Option<(u64, Shown)>,
    /// Clocks, and when all of their rows were in the table.
    clocks: VecDeque<(u64, Shown)>,
    /// The newest clock whose rows are written.
    written: Option<Shown>,
    /// What the run before has left; until this one has written anything.
    inherited: Inherited,
    /// The run's number and what rows are made by, where runs are numbered.
    numbered: Option<(u64, u64)>,
    /// Keys that have a heartbeat of this run.
    known: BTreeSet<String>,
    /// Redis does not let us write heartbeats.
    refused: bool,
}

/// What a heartbeat says besides clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telling<'a> {
    /// Nothing was written by this run yet.
    pub(crate) held: bool,
    /// All rows are being written again.
    pub(crate) rewriting: bool,
    /// The run ends.
    pub(crate) stopped: bool,
    /// Rows and keys that Redis does not have.
    pub(crate) pending: usize,
    /// Views of which rows that this run has written may lack something.
    pub(crate) incomplete: &'a Incomplete,
}

impl Pulse {
    /// Of the worker that `metrics` are of, one of `workers` of `job`.
    pub(crate) fn new(workers: usize, metrics: Arc<WorkerMetrics>, started: Millis) -> Self {
        Pulse {
            field: worker_field(metrics.worker),
            workers: (metrics.worker == 0).then(|| workers.to_string()),
            metrics,
            started,
            next: 0,
            renewed: false,
            asked: None,
            clocks: VecDeque::new(),
            written: None,
            inherited: Inherited::default(),
            numbered: None,
            known: BTreeSet::new(),
            refused: false,
        }
    }

    /// The same, of the run `number` of a job whose rows are made by `definition`.
    pub(crate) fn numbered(self, number: u64, definition: u64) -> Self {
        Pulse { numbered: Some((number, definition)), ..self }
    }

    /// The next heartbeat is the first one that this server gets.
    pub(crate) fn reset(&mut self) {
        self.known.clear();
        (self.refused, self.next) = (false, 0);
    }

    pub(crate) fn inherit(&mut self, left: Inherited) {
        self.inherited = left;
    }

    /// When the next one is due; `None` when none may be written.
    pub(crate) fn due(&self) -> Option<u64> {
        (!self.refused).then_some(self.next)
    }

    /// When the clock is to be read anew, so that the next heartbeat does not tell an old one.
    pub(crate) fn renew_at(&self) -> Option<u64> {
        (!self.refused && !self.renewed).then(|| self.next.saturating_sub(AHEAD))
    }

    /// Reads the clock anew.
    pub(crate) fn renew(&mut self) {
        self.renewed = true;
        self.ask();
    }

    /// Follows the worker's clock. `now` is asked when the worker has been looked at, and `oldest`
    /// after that: since when what Redis does not have has waited. `over`: the worker has given out
    /// all of its rows.
    pub(crate) fn look(
        &mut self,
        over: bool,
        now: impl FnOnce() -> u64,
        oldest: impl FnOnce() -> Option<u64>,
    ) {
        if over {
            self.ask();
        }
        let steps = self.metrics.steps.get();
        if let Some((asked, shown)) = self.asked
            && (over || steps >= asked + STEPS)
        {
            self.asked = None;
            let now = now();
            let spaced = self.clocks.back().is_none_or(|(last, _)| now >= last + GRAIN);
            if shown.clock > 0 && (over || self.clocks.len() < CLOCKS_MAX && spaced) {
                self.clocks.push_back((now, shown));
            }
        }
        if self.asked.is_none() {
            self.ask();
        }
        let oldest = oldest();
        while let Some((since, shown)) = self.clocks.front().copied() {
            if oldest.is_some_and(|oldest| oldest <= since) {
                break;
            }
            self.written = Some(shown);
            self.clocks.pop_front();
        }
    }

    fn ask(&mut self) {
        // The clocks first, and of them the frontier: steps that pass in between only make the wait
        // longer.
        let frontier = self.metrics.frontier.get();
        let clock = self.metrics.live_clock.get();
        // All inputs have closed: everything up to the live clock is sealed.
        let frontier = if frontier == u64::MAX { clock.saturating_add(1) } else { frontier };
        self.asked = Some((self.metrics.steps.get(), Shown { frontier, clock }));
    }

    /// Appends the command for the heartbeat at `key`.
    pub(crate) fn append(&mut self, telling: Telling<'_>, now: u64, key: &str, out: &mut Vec<u8>) {
        (self.next, self.renewed) = (now + EVERY, false);
        let (Shown { frontier, clock }, incomplete) = match self.written {
            Some(written) => (written, telling.incomplete),
            None => (self.inherited.shown, &*self.inherited.incomplete),
        };
        let beat = Heartbeat {
            life: match telling {
                Telling { stopped: true, .. } => Life::Stopped,
                Telling { rewriting: true, .. } => Life::Rewriting,
                Telling { held: true, .. } => Life::CatchingUp,
                _ if self.written.is_none() => Life::CatchingUp,
                _ => Life::Live,
            },
            clock,
            frontier,
            written: wall_ms().unwrap_or(0),
            started: self.started,
            generation: self.numbered.map(|(number, _)| number),
            definition: self.numbered.map(|(_, definition)| definition),
            incomplete: incomplete.at(clock),
            pending: telling.pending as u64,
        };
        let beat = beat.to_string();
        let mut pairs = vec![(self.field.as_bytes(), beat.as_bytes())];
        if let Some(workers) = &self.workers {
            pairs.push((b"workers".as_slice(), workers.as_bytes()));
        }
        wire::hset(key.as_bytes(), &pairs, out);
    }

    /// What the reply for `key` tells: whether the one before was gone.
    pub(crate) fn judge<'a>(
        &mut self,
        key: &str,
        reply: &'a Value,
    ) -> Result<bool, &'a ServerError> {
        match reply {
            Value::ServerError(error) if ["NOPERM", "WRONGTYPE"].contains(&error.code()) => {
                let reason = crate::online::redis::link::reason(error);
                tracing::warn!(
                    key,
                    reason,
                    "Redis takes no heartbeat: rows are written, but readers cannot see how old \
                     they are, and a flush is noticed late; allow the user this key"
                );
                self.refused = true;
                Ok(false)
            }
            Value::ServerError(error) => Err(error),
            reply => {
                let known = self.known.contains(key);
                if !known {
                    self.known.insert(key.to_owned());
                }
                Ok(known && matches!(reply, Value::Int(new) if *new > 0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::small_plan;
    use std::sync::LazyLock;

    const KEY: &str = "tidemark:fraud";
    static NONE: LazyLock<Incomplete> = LazyLock::new(Incomplete::default);

    fn live() -> Telling<'static> {
        Telling { held: false, rewriting: false, stopped: false, pending: 0, incomplete: &NONE }
    }

    fn pulse() -> (Pulse, Arc<WorkerMetrics>) {
        let metrics = Arc::new(WorkerMetrics::new(0, &small_plan()));
        (Pulse::new(2, Arc::clone(&metrics), 77), metrics)
    }

    fn beat(pulse: &mut Pulse, telling: Telling<'_>) -> Heartbeat {
        let mut out = Vec::new();
        pulse.append(telling, 0, KEY, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("*6\r\n$4\r\nHSET\r\n$14\r\ntidemark:fraud\r\n$2\r\nw0\r\n"));
        assert!(text.ends_with("$7\r\nworkers\r\n$1\r\n2\r\n"), "{text}");
        text.lines().find(|line| line.starts_with("v=1")).unwrap().parse().unwrap()
    }

    fn look(pulse: &mut Pulse, now: u64, oldest: Option<u64>) {
        pulse.look(false, || now, || oldest);
    }

    #[test]
    fn a_clock_is_claimed_once_its_rows_have_left_the_dataflow_and_are_written() {
        let (mut pulse, metrics) = pulse();
        pulse.inherit(Inherited {
            shown: Shown { frontier: 40, clock: 50 },
            ..Inherited::default()
        });
        metrics.live_clock.set(100);
        look(&mut pulse, 1_000, None);
        metrics.steps.add(STEPS - 1);
        look(&mut pulse, 2_000, None);
        let first = beat(&mut pulse, live());
        assert_eq!((first.clock, first.life), (50, Life::CatchingUp), "not out of the dataflow");
        metrics.steps.add(1);
        // What has waited since before the clock was through may be of that clock.
        for oldest in [3_500, 4_000] {
            look(&mut pulse, 4_000, Some(oldest));
            assert_eq!(beat(&mut pulse, live()).clock, 50);
        }
        metrics.live_clock.set(200);
        look(&mut pulse, 5_000, Some(4_001));
        let written = beat(&mut pulse, live());
        assert_eq!((written.clock, written.life, written.started), (100, Life::Live, 77));
    }

    #[test]
    fn an_outage_keeps_the_clock_and_few_clocks_and_its_end_brings_the_newest() {
        let (mut pulse, metrics) = pulse();
        for now in 1..1_000_000 {
            metrics.steps.add(STEPS);
            metrics.live_clock.set(now);
            look(&mut pulse, now * 1_000, Some(1));
        }
        assert_eq!(pulse.clocks.len(), CLOCKS_MAX);
        assert_eq!(beat(&mut pulse, live()).clock, 0);
        for now in 1_000_000..1_000_030 {
            metrics.steps.add(STEPS);
            look(&mut pulse, now * 1_000, None);
        }
        assert_eq!(beat(&mut pulse, live()).clock, 999_999);
    }

    #[test]
    fn a_run_that_has_ended_claims_its_last_clock_without_further_steps() {
        let (mut pulse, metrics) = pulse();
        metrics.live_clock.set(100);
        metrics.frontier.set(u64::MAX);
        pulse.look(true, || 9, || None);
        let last = beat(&mut pulse, Telling { stopped: true, ..live() });
        assert_eq!((last.clock, last.frontier, last.life), (100, 101, Life::Stopped));
        // With rows left over it does not.
        metrics.live_clock.set(200);
        pulse.look(true, || 10, || Some(3));
        assert_eq!(beat(&mut pulse, live()).clock, 100);
    }

    #[test]
    fn views_lack_what_the_run_before_said_until_this_one_has_written_rows_of_its_own() {
        let of = |views: &[(&str, Option<u64>)]| {
            let mut all = Incomplete::default();
            views.iter().for_each(|(view, from)| all.add(view, *from));
            all
        };
        let (mut pulse, metrics) = pulse();
        let before = of(&[("a", Some(60)), ("b", Some(50))]);
        let shown = Shown { frontier: 40, clock: 50 };
        pulse.inherit(Inherited { shown, incomplete: Arc::new(before) });
        let own = of(&[("b", Some(101)), ("c", Some(100)), ("d", None)]);
        let telling = Telling { incomplete: &own, ..live() };
        assert_eq!(beat(&mut pulse, telling).incomplete, of(&[("a", Some(60))]));
        metrics.live_clock.set(100);
        look(&mut pulse, 1_000, None);
        metrics.steps.add(STEPS);
        look(&mut pulse, 2_000, None);
        let written = beat(&mut pulse, telling);
        assert_eq!(written.clock, 100);
        assert_eq!(written.incomplete, of(&[("b", Some(101)), ("d", None)]));
    }

    #[test]
    fn a_heartbeat_that_was_there_and_is_not_any_more_is_gone_but_the_first_one_is_not() {
        let (mut pulse, _) = pulse();
        assert_eq!(pulse.judge(KEY, &Value::Int(2)), Ok(false));
        assert_eq!(pulse.judge(KEY, &Value::Int(0)), Ok(false));
        assert_eq!(pulse.judge(KEY, &Value::Int(1)), Ok(true));
        pulse.reset();
        assert_eq!(pulse.judge(KEY, &Value::Int(2)), Ok(false));
        let refused = redis::parse_redis_value(b"-NOPERM no permissions\r\n").unwrap();
        assert_eq!(pulse.judge(KEY, &refused), Ok(false));
        assert_eq!(pulse.due(), None);
        let full = redis::parse_redis_value(b"-OOM no memory\r\n").unwrap();
        assert!(pulse.judge(KEY, &full).is_err());
    }
}
