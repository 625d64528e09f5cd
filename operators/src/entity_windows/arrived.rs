//! Probes that are answered by what had arrived at their times: a log, which is read by event time, is
//! replayed in the order of arrival through live windows, at the clock of each probe.
//!
//! ```text
//!  batches ──→ unarrived ──(arrival <= clock)──→ stash ──(ts <= clock, none older unarrived)──→ log
//!                                                  │
//!                        clock of each probe ──→ live windows ──→ what the probe reads
//! ```
//!
//! **How far the clock may go.** At a frontier F every event that is still to come has `ts >= F`, and no event
//! lies further ahead of its arrival than `max_ahead`: so all that arrives before `F - max_ahead` is at hand.
//! Where a source bounds it by nothing, the clock waits for the end of the events.
//!
//! **Why this way.** What live windows hold is a function of the events they were given and of the clock,
//! not of the order in which these came ([`live`](crate::live)); so what arrives between two probes may be
//! given to them at once, at the clock of the second, and what a probe reads is what an online read would
//! have been at that clock.
//!
//! A row cannot be sealed before all older ones have arrived, so one event that arrives a day late has a day
//! of events wait. What waits is bounded by [`stash_bytes`](crate::shared::Limits::stash_bytes) over all
//! entity types of a worker, and told as `unsealed` bytes.

use super::running::Running;
use super::{Activation, EntityState};
use crate::live::LiveWindows;
use crate::plan::{EntityPlan, Plan};
use crate::probes::{EntityProbes, PROBES_MAX, ProbeBatch, Probed};
use crate::shared::{Limits, Reached};
use crate::time::{EventTime, Millis};
use crate::timeline::names::Names;
use crate::timeline::stash::Block;
use crate::timeline::unarrived::Unarrived;

/// Rows that arrive at once.
const ARRIVALS_MAX: usize = 4_096;

/// See the module.
pub(super) struct Arrived {
    unarrived: Unarrived,
    /// How far ahead of its arrival an event may lie at most; `None`: nothing bounds it.
    ahead: Option<Millis>,
    /// Every event before this has been taken in, and all probes that this allows are answered.
    reached: EventTime,
    batch: ProbeBatch,
    slots: Vec<u32>,
}

impl Arrived {
    pub fn new(plan: &Plan, entity: &EntityPlan) -> Self {
        let feeding = plan.sources.iter().zip(&entity.sources).filter(|(_, feed)| feed.is_some());
        let mut ahead = feeding.map(|(source, _)| source.max_ahead);
        Arrived {
            unarrived: Unarrived::default(),
            ahead: ahead.try_fold(0, |most: Millis, ahead| Some(most.max(ahead?))),
            reached: 0,
            batch: ProbeBatch::default(),
            slots: Vec::new(),
        }
    }

    /// About how much memory what has not arrived takes, in bytes.
    pub fn memory(&self) -> usize {
        self.unarrived.memory()
    }

    /// The last time at which all that has arrived is at hand; `None`: there is none yet.
    fn until(&self, frontier: Option<EventTime>) -> Option<EventTime> {
        let Some(frontier) = frontier else { return Some(EventTime::MAX) };
        frontier.checked_sub(self.ahead?)?.checked_sub(1)
    }

    /// Moves the clock as far as `until`, and answers the probes on the way, touching about `slice_rows` of
    /// events and probes; says whether it is through.
    fn answer(
        &mut self,
        until: EventTime,
        live: &mut LiveWindows,
        state: &mut EntityState,
        probes: &mut EntityProbes,
        limits: &Limits,
    ) -> bool {
        let (log, budget, mut touched) = (&mut state.log, limits.slice_rows, 0);
        loop {
            let asked = probes.probes.next().filter(|at| *at <= until);
            if asked.is_none() && until == EventTime::MAX {
                // Nobody asks any more: what arrives later is of no interest.
                return true;
            }
            let clock = asked.unwrap_or(until);
            if !live.advance(log, clock, budget) {
                return false;
            }
            let before = probes.before && asked.is_some();
            let arrived = if before { clock.checked_sub(1) } else { Some(clock) };
            while let Some(block) = arrived.and_then(|at| self.unarrived.take(at, ARRIVALS_MAX)) {
                touched += block.len() as u64;
                let block = log.add(block);
                live.arrive(&block, log);
                if touched >= budget {
                    return false;
                }
            }
            if asked.is_none() {
                return true;
            }
            touched += self.probe(clock, live, &mut log.names, probes);
            if touched >= budget {
                return false;
            }
        }
    }

    /// Answers probes of the time `clock`, at which the windows are; how many.
    fn probe(
        &mut self,
        clock: EventTime,
        live: &mut LiveWindows,
        names: &mut Names,
        probes: &mut EntityProbes,
    ) -> u64 {
        self.batch.clear();
        probes.probes.take(clock, PROBES_MAX, &mut self.batch);
        self.batch.intern(names, &mut self.slots);
        let views = live.probe(&self.slots, names);
        probes.probes.give(&Probed { rows: &self.batch.rows, views });
        ProbeBatch::release(&mut self.slots, names);
        self.batch.len() as u64
    }

    /// Below which every row has arrived and is no news to the windows, whose clock stands at `clock`.
    fn settled(&self, clock: EventTime) -> EventTime {
        let passed = clock.saturating_add(1);
        self.unarrived.floor().map_or(passed, |floor| floor.min(passed))
    }
}

impl Running {
    /// As [`step`](Self::step), where probes are answered by arrival.
    pub(super) fn step_by_arrival(&mut self, frontier: Option<EventTime>) -> Activation {
        let over = if frontier.is_none() { self.config.shared.over.get() } else { None };
        self.take_in();
        if let (Some(newest), Some(asked)) = (over, &mut self.probes) {
            asked.probes.ends(newest);
        }
        let through = self.answer_by_arrival(frontier);
        self.seal_arrived();
        self.tell_reached();
        self.retire();
        self.bound();
        self.report(over.is_some());
        match (through, over) {
            (false, _) => Activation::Again,
            (true, None) => Activation::Wait,
            (true, Some(_)) => {
                self.over = true;
                Activation::Over
            }
        }
    }

    /// Takes in what has been read: it waits until it arrives, with what it has looked up.
    fn take_in(&mut self) {
        let (Some(arrived), Some(live)) = (&mut self.arrived, &mut self.live) else { return };
        let unarrived = &mut arrived.unarrived;
        let log = &mut self.state.borrow_mut().log;
        let lookups = &mut self.lookups;
        if let Some(from) = lookups.news() {
            unarrived.each(from, |block, row| lookups.fill(block, row..row + 1, &mut log.names));
            log.revise(from, |block, row, names| lookups.fill(block, row..row + 1, names));
            live.revised(log);
        }
        for mut batch in self.queue.drain(..) {
            self.config.shared.takes_in(&batch);
            let arrivals = std::mem::take(&mut batch.arrivals);
            let fill =
                |block: &Block, names: &mut Names| lookups.fill(block, 0..block.len(), names);
            let block = log.intern_with(batch, fill);
            self.hot.arrive(&block.slots);
            self.told.memory_rows += block.len();
            unarrived.insert(block, &arrivals);
        }
    }

    /// Answers what the frontier lets be answered; says whether that is all.
    fn answer_by_arrival(&mut self, frontier: Option<EventTime>) -> bool {
        let (Some(arrived), Some(live), Some(probes)) =
            (&mut self.arrived, &mut self.live, &mut self.probes)
        else {
            return true;
        };
        let state = &mut *self.state.borrow_mut();
        let through = arrived
            .until(frontier)
            .is_none_or(|until| arrived.answer(until, live, state, probes, &self.config.limits));
        live.untouch();
        if through {
            arrived.reached = frontier.unwrap_or(EventTime::MAX);
        }
        self.reached = Some(Reached { frontier: arrived.reached, clock: 0 });
        through
    }

    /// Seals what has arrived and lies before the clock.
    fn seal_arrived(&mut self) {
        let (Some(arrived), Some(live)) = (&self.arrived, &self.live) else { return };
        let EntityState { log, windows, .. } = &mut *self.state.borrow_mut();
        let to = arrived.settled(live.clock());
        if to > self.sealed {
            log.seal(Some(to), &mut self.origins);
            self.origins.clear();
            windows.seal(&log.log, to);
            windows.compact();
            self.sealed = windows.upper();
        }
    }

    /// Stops the job where more waits than may.
    fn bound(&mut self) {
        let (Some(arrived), Some(live)) = (&self.arrived, &self.live) else { return };
        let metrics = &self.config.metrics;
        let Some(entity) = metrics.entities.get(self.config.entity) else { return };
        entity.unsealed_bytes.set(self.unsealed_bytes());
        let held: u64 = metrics.entities.iter().map(|entity| entity.unsealed_bytes.get()).sum();
        let most = self.config.limits.stash_bytes;
        if held < most {
            return;
        }
        let why = match (arrived.ahead, arrived.unarrived.floor()) {
            (None, _) => "a source with max_ahead = \"none\" lets an event lie any distance ahead of its \
                          arrival, so that nothing can be said before all of them have been read: set \
                          max_ahead"
                .to_owned(),
            (Some(_), Some(oldest)) => format!(
                "an event of {oldest} (ms since 1970) arrives after {}, and all events between wait for it",
                live.clock()
            ),
            (Some(_), None) => "so many events arrive within max_ahead".to_owned(),
        };
        let name = &self.config.plan.entities[self.config.entity].name;
        self.config.shared.fail(format!(
            "replaying the events of {name} by arrival: those that are not there yet, or wait for these, take \
             {held} bytes in one worker, and limits.stash_bytes is {most}; {why}; take more workers (each has \
             as much), or ask for what is known so much later (--known lag=DURATION)"
        ));
    }
}
