//! The state behind the operator, and what one activation does with it.

use super::arrived::Arrived;
use super::forgetting::Forgetting;
use super::handed::Handed;
use super::lines_ahead::LinesAhead;
use super::report::Told;
use super::restoring::Restoring;
use super::watching::Watching;
use super::{Activation, EntityState, Sealing, Serving, WindowsConfig};
use crate::event_batch::EventBatch;
use crate::hot::HotEntities;
use crate::live::LiveWindows;
use crate::online::AppliedEvents;
use crate::online_rows::LiveRows;
use crate::origin::Origin;
use crate::probes::EntityProbes;
use crate::reference::lookups::Lookups;
use crate::sealed::{SealedOutput, SealedRows, SealedWindows};
use crate::sealed_lines::LineWriter;
use crate::shared::Reached;
use crate::time::EventTime;
use crate::timeline::log::Log;
use crate::timeline::names::Names;
use crate::timeline::owner::Owner;
use crate::timeline::stash::Block;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::rc::Rc;

/// Computes rows, looks at none of them.
struct Counted;

impl SealedOutput for Counted {
    fn rows(&mut self, rows: &SealedRows<'_>, _: &Names) {
        // The rows are the result: computing them must not be optimised away.
        black_box(rows.columns);
    }
}

pub(super) struct Running {
    pub(super) config: WindowsConfig,
    pub(super) state: Rc<RefCell<EntityState>>,
    pub(super) queue: VecDeque<EventBatch>,
    pub(super) lookups: Lookups,
    pub(super) live: Option<LiveWindows>,
    pub(super) sealing: Option<SealedWindows>,
    pub(super) writer: Option<LineWriter>,
    /// What it has written that is not known to be merged.
    pub(super) ahead: LinesAhead,
    pub(super) probes: Option<EntityProbes>,
    /// What has them answered by arrival, out of the live windows, where it is asked so.
    pub(super) arrived: Option<Arrived>,
    /// Under probes, whose rows are handed over.
    pub(super) watching: Option<Watching>,
    pub(super) origins: Vec<Origin>,
    /// Everything below has been sealed and given out.
    pub(super) sealed: EventTime,
    pub(super) due: Vec<u64>,
    /// Live rows that this activation gives.
    pub(super) rows: LiveRows,
    /// Whether there are more of them than one activation gives.
    pub(super) more_rows: bool,
    /// Which events the state shows.
    pub(super) applied: Rc<AppliedEvents>,
    /// Whether that was told since the start: once also where there are no rows.
    pub(super) applied_told: bool,
    /// To be told once they are given.
    pub(super) reached: Option<Reached>,
    /// Whether rows were given and nothing has been let go of since.
    pub(super) unretired: bool,
    pub(super) told: Told,
    pub(super) hot: HotEntities,
    pub(super) over: bool,
    /// What is kept for checkpoints, where there are any.
    pub(super) handed: Option<Handed>,
    pub(super) restoring: Option<Restoring>,
    /// The next slot whose rows are given out anew after a restore.
    pub(super) anew: Option<u32>,
    /// Who is being forgotten.
    pub(super) forgetting: Forgetting,
    /// Where the edges of windows stand in the log, of which rows leave memory.
    pub(super) places: Vec<u64>,
}

/// The sealed windows that `config` asks for, over a log that starts with them.
fn sealed_windows(
    config: &WindowsConfig,
    log: &Log,
    probes: Option<&EntityProbes>,
) -> Option<SealedWindows> {
    let (plan, entity) = (&config.plan, &config.plan.entities[config.entity]);
    let windows = match config.sealing {
        Sealing::None | Sealing::Arrived => return None,
        Sealing::State { rebuilt } => {
            let sealed = SealedWindows::at(plan, entity, log, 0);
            // Live windows say the rest.
            match config.serving {
                Serving::None => sealed,
                _ => sealed.lessened(plan, entity, rebuilt),
            }
        }
        Sealing::Probes => SealedWindows::probed(plan, entity, probes?),
        // All state is kept then, whatever rows need of it.
        _ if config.cuts.is_some() => SealedWindows::at(plan, entity, log, 0),
        _ => SealedWindows::new(plan, entity),
    };
    Some(config.sealing.follow(windows, entity))
}

impl Running {
    pub(super) fn new(
        mut config: WindowsConfig,
        state: Rc<RefCell<EntityState>>,
        owner: Owner,
    ) -> Self {
        let (mut restore, mut probes) = (config.restore.take(), config.probes.take());
        let offsets = restore.as_mut().map(|from| std::mem::take(&mut from.read));
        let offsets = offsets.unwrap_or_default();
        let forgotten = restore.as_ref().map_or(&[][..], |from| &from.forgotten);
        let forgetting = Forgetting::of(forgotten);
        state.borrow_mut().log.forget_restored(forgotten);
        let (plan, entity) = (&config.plan, &config.plan.entities[config.entity]);
        let watched = probes.as_mut().and_then(|asked| asked.watched.take());
        let watching = watched.map(|watched| Watching::new(watched, entity));
        let held = state.borrow();
        let sealing = sealed_windows(&config, &held.log.log, probes.as_ref());
        let by_arrival = probes.as_ref().filter(|_| config.sealing == Sealing::Arrived);
        let served = || (config.serving != Serving::None).then(|| LiveWindows::new(plan, entity));
        let probed = by_arrival.map(|asked| LiveWindows::probed(plan, entity, asked));
        let arrived = by_arrival.map(|_| Arrived::new(plan, entity));
        let live = probed.or_else(served);
        let handed = config
            .cuts
            .as_ref()
            .map(|sink| Handed::new(Rc::clone(sink), (config.entity, entity), &held.log, (0, 0)));
        drop(held);
        Running {
            queue: VecDeque::new(),
            lookups: Lookups::new(plan, entity, Rc::clone(&config.tables)),
            live,
            sealing,
            probes,
            arrived,
            watching,
            writer: (config.sealing.line_form())
                .map(|form| LineWriter::new(plan, config.metrics.worker, config.entity, form)),
            ahead: LinesAhead::default(),
            origins: Vec::new(),
            sealed: 0,
            due: Vec::new(),
            rows: LiveRows::default(),
            more_rows: false,
            applied: Rc::new(AppliedEvents { entity: config.entity, clock: 0, offsets }),
            applied_told: false,
            reached: None,
            unretired: false,
            told: Told::default(),
            hot: HotEntities::default(),
            over: false,
            handed,
            restoring: restore.map(|from| Restoring::new(from, owner)),
            anew: None,
            forgetting,
            places: Vec::new(),
            config,
            state,
        }
    }

    pub(super) fn receive(&mut self, batches: &mut Vec<EventBatch>) {
        self.queue.extend(batches.drain(..));
    }

    /// Below which everything is known: of the events, and of the tables they are looked up in.
    pub(super) fn known(&self, events: Option<EventTime>) -> Option<EventTime> {
        events.into_iter().chain(self.lookups.frontier()).min()
    }

    /// No more lines come of times before this.
    pub(super) fn given(&self) -> EventTime {
        let given = self.sealing.as_ref().and_then(SealedWindows::given);
        given.map_or(self.sealed, |clock| clock.saturating_add(1).max(self.sealed))
    }

    /// One slice of work up to `frontier` (`None`: the events have ended).
    pub(super) fn step(&mut self, frontier: Option<EventTime>) -> Activation {
        if self.over {
            return Activation::Over;
        }
        if self.restoring.is_some() {
            return self.restore();
        }
        if self.more_rows {
            self.hand_out();
            return Activation::Again;
        }
        if std::mem::take(&mut self.unretired) {
            self.retire();
        }
        if self.arrived.is_some() {
            return self.step_by_arrival(frontier);
        }
        if let Some(activation) = self.forget() {
            return activation;
        }
        let anew = self.touch_anew();
        let over = if frontier.is_none() { self.config.shared.over.get() } else { None };
        if !self.arrive(frontier, over) {
            return Activation::Again;
        }
        if let (Some(newest), Some(asked)) = (over, &mut self.probes) {
            asked.probes.ends(newest);
        }
        // Once the events have ended, the clock stops at the newest of all.
        let hi = frontier.or(over.map(|newest| self.end_of(newest)));
        let waits = self.awaits_merge();
        let done = hi.is_none_or(|hi| !waits && self.seal(hi));
        let handing = self.hand_over();
        self.reached = Some(self.reached(frontier, done));
        match self.config.serving {
            Serving::EveryStep => self.hand_out(),
            Serving::AtEnd if done && over.is_some() => self.hand_out(),
            _ => self.tell_reached(),
        }
        // The rows' slots are theirs until the sink has seen them, which it has when this runs again.
        self.unretired = !self.rows.batches.is_empty();
        if !self.unretired {
            self.retire();
        }
        self.report(over.is_some());
        match (done, over) {
            _ if self.more_rows || handing || anew => Activation::Again,
            (false, _) if waits => Activation::Wait,
            (false, _) => Activation::Again,
            (true, None) => Activation::Wait,
            (true, Some(_)) if self.unretired => Activation::Again,
            (true, Some(_)) => {
                self.over = true;
                self.hand_over_last();
                self.check();
                Activation::Over
            }
        }
    }

    /// Where time ends, when the events have ended with that of `newest`.
    fn end_of(&self, newest: EventTime) -> EventTime {
        let asked = self.probes.as_ref().and_then(|asked| asked.probes.last());
        let decays = self.sealing.as_ref().filter(|_| self.config.cuts.is_none());
        let decayed = decays.and_then(|sealing| sealing.decayed(newest));
        asked.into_iter().chain(decayed).fold(newest, EventTime::max).saturating_add(1)
    }

    /// Moves the live clock and takes in what has arrived; says whether it is through.
    pub(super) fn arrive(&mut self, frontier: Option<EventTime>, over: Option<EventTime>) -> bool {
        let EntityState { log, clock: stands, .. } = &mut *self.state.borrow_mut();
        if let Some(live) = &mut self.live {
            let shared = &self.config.shared;
            let said = self.queue.iter().map(|b| b.clock).max().unwrap_or(0);
            let cap = shared.live_cap.get().map(|cap| cap.max(frontier.unwrap_or(self.sealed)));
            let said = cap.map_or(said, |cap| said.min(cap));
            let clock = over.unwrap_or(said.max(shared.live_clock.get()));
            let through = live.advance(log, clock, self.config.limits.slice_rows);
            *stands = live.clock();
            if !through {
                return false;
            }
        }
        let lookups = &mut self.lookups;
        if let Some(from) = lookups.news() {
            log.revise(from, |block, row, names| lookups.fill(block, row..row + 1, names));
            if let Some(live) = &mut self.live {
                live.revised(log);
            }
        }
        let traced = self.config.serving == Serving::EveryStep;
        let asked = !self.config.sealing.answers() || self.probes.is_some();
        for mut batch in self.queue.drain(..) {
            let due = self.config.shared.takes_in(&batch);
            if due > 0 && traced {
                self.due.push(due);
            }
            // Of whom nobody asks nothing is kept.
            if !asked && self.live.is_none() {
                continue;
            }
            if self.live.is_some() || self.handed.is_some() {
                Rc::make_mut(&mut self.applied).take(&batch.origins);
            }
            self.forgetting.events.drop_from(&mut batch);
            if batch.is_empty() {
                continue;
            }
            let fill =
                |block: &Block, names: &mut Names| lookups.fill(block, 0..block.len(), names);
            let block = log.receive_with(batch, fill);
            self.hot.arrive(&block.slots);
            self.told.memory_rows += block.len();
            if let Some(live) = &mut self.live {
                live.arrive(&block, log);
            }
        }
        true
    }

    /// Seals what lies below `hi`; says whether it is through.
    pub(super) fn seal(&mut self, hi: EventTime) -> bool {
        let (mut to, wanted) = (hi, self.config.shared.snapshot.get());
        if let Some(handed) = &mut self.handed {
            to = handed.seals_to(hi, self.sealed, wanted);
        }
        if to <= self.sealed {
            return hi <= self.sealed || self.tell_states(wanted);
        }
        let sealing = self.config.sealing;
        let given = sealing == Sealing::Count || self.writer.is_some();
        let EntityState { log, windows, .. } = &mut *self.state.borrow_mut();
        if windows.upper() == self.sealed {
            log.seal(Some(to), &mut self.origins);
            if let Some(watching) = &mut self.watching {
                watching.sealed(log, &self.origins);
            }
            windows.seal(&log.log, to);
            if let Some(sealing) = &mut self.sealing {
                if given {
                    sealing.sealed(&mut self.origins);
                }
                sealing.begin(windows.newest(), to);
            }
            self.origins.clear();
        }
        // The step that has been begun ends before the next begins.
        if let Some(sealing) = &mut self.sealing {
            let mut counted = Counted;
            let output: &mut dyn SealedOutput = match &mut self.writer {
                Some(writer) => writer,
                None => &mut counted,
            };
            let budget = self.config.limits.slice_rows;
            let (rows, names) = (&log.log, &mut log.names);
            let through = match &mut self.probes {
                Some(probes) => sealing.probe(rows, names, budget, probes),
                None if given => sealing.run(rows, names, budget, output),
                None => sealing.fold(rows, names, budget),
            };
            if !through {
                return false;
            }
        }
        windows.compact();
        self.sealed = windows.upper();
        self.sealed >= hi
    }

    /// Fills the rows to be given; with the last of a step goes what is told once they are given.
    pub(super) fn hand_out(&mut self) {
        let Some(live) = &mut self.live else { return };
        let goes_on = self.more_rows;
        self.more_rows = !live.hand_out(&self.state.borrow().log.names, &mut self.rows.batches);
        if self.more_rows {
            return;
        }
        self.rows.due.append(&mut self.due);
        let changed = goes_on || !self.rows.batches.is_empty();
        if self.anew.is_none() && (changed || !self.applied_told) {
            self.applied_told = true;
            Rc::make_mut(&mut self.applied).clock = live.clock();
            self.rows.applied = Some(Rc::clone(&self.applied));
        }
        match self.rows.is_empty() {
            true => self.tell_reached(),
            false => self.rows.reached = self.reached.take(),
        }
    }

    /// Lets go of what no window needs, after the sink has seen the rows that say so.
    pub(super) fn retire(&mut self) {
        if self.handed.as_ref().is_some_and(Handed::is_telling) {
            return;
        }
        let EntityState { log, windows, .. } = &mut *self.state.borrow_mut();
        // As much as a slice may have brought: what passes its horizon must not pile up.
        let budget = self.config.limits.slice_rows;
        let mut low = windows.low_water(&log.log);
        if let Some(live) = &mut self.live {
            low = low.min(live.low_water(log));
            live.forget(self.sealed.saturating_sub(1), budget as usize, &mut log.names);
        }
        if let Some(sealing) = &self.sealing {
            low = low.min(sealing.low_water());
        }
        if let Some(handed) = &self.handed {
            low = low.min(handed.low_water());
        }
        log.retire(low, budget);
        log.forget(self.sealed, budget as usize);
    }
}
