//! Live windows: the newest values, on arrival, at the live clock.
//!
//! Each accepted event is applied when it arrives, whatever its place in time; what leaves (or, in
//! a delayed window, enters) does so when the live clock `L` reaches its edge, so values decay by
//! themselves. An event may lie ahead of `L`, which no record moves further than to its arrival: in
//! a window without delay it counts at once, and leaves when `L` reaches its own time + length. At
//! any moment a window without delay holds exactly the accepted events with `L - length < ts`, one
//! with a delay those with `L - delay - length < ts <= L - delay`: a function of the set of events
//! and of `L`, not of the order of arrival.
//!
//! Edges are found in the log and, for events that are not sealed yet, in the stash. A window's
//! position in the log skips what had its edge while it was still in the stash.

pub(crate) mod as_of;
mod edges;
mod handout;
mod probed;
mod restored;
mod revise;
mod view;

use crate::aggregate::last::Last;
use crate::aggregate::{Accumulators, wanted_attributes};
use crate::entity_log::EntityLog;
use crate::online::Cause;
use crate::plan::{Alive, EntityPlan, Plan, Window};
use crate::slab::{PROBED, Share};
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::timeline::names::Names;
use crate::timeline::stash::Block;
use crate::view::Source;
use edges::edges;
use handout::Batches;
use std::cell::Cell;
use std::collections::BTreeSet;
use view::{View, live_view};

/// One window: everything in the log below `entered` (`left`) that has this edge at or before the
/// clock has had it.
struct LivePlace {
    window: Window,
    entered: u64,
    left: u64,
    /// Rows inside, over all entities.
    inside: u64,
    enter: Lane,
    leave: Lane,
}

impl LivePlace {
    /// Whether a row of `ts` is inside when the live clock stands at `clock`.
    #[inline]
    fn holds(&self, ts: EventTime, clock: EventTime) -> bool {
        let entered = self.window.delay == 0 || self.window.enters(ts) <= clock;
        entered && clock < self.window.leaves(ts)
    }
}

/// Bytes that the state of each entity takes, however few events it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotBytes {
    /// Of each of the plan's accumulators.
    pub accumulators: Vec<u64>,
    /// Of each last-event state, the plan's first, without its timers; and how many those are.
    pub lasts: Vec<(u64, u64)>,
    /// Of all views together.
    pub marks: u64,
}

/// See the module.
pub struct LiveWindows {
    windows: Vec<LivePlace>,
    accumulators: Accumulators,
    lasts: Vec<Last>,
    views: Vec<View>,
    arrivals: Lane,
    expired: Vec<u32>,
    batches: Batches,
    clock: EventTime,
    /// The clock that the online store shows rows as of, after a restore.
    shown: Option<EventTime>,
    /// Slots whose rows are given out as gone: their entities are being forgotten.
    leaving: BTreeSet<u32>,
    rows: u64,
    values: u64,
}

impl LiveWindows {
    /// Windows for `entity` of `plan`, over a log that starts with them.
    pub fn new(plan: &Plan, entity: &EntityPlan) -> Self {
        let accumulators = Accumulators::new(plan, entity);
        LiveWindows::of_views(plan, entity, accumulators, |_| true)
    }

    /// The same of the views, by their places in the entity, that are `wanted`.
    fn of_views(
        plan: &Plan,
        entity: &EntityPlan,
        accumulators: Accumulators,
        wanted: impl Fn(usize) -> bool,
    ) -> Self {
        let place = |(at, window): (usize, &Window)| {
            let wanted = wanted_attributes(entity, at);
            let (enter, leave) = (Lane::new(&wanted), Lane::new(&wanted));
            LivePlace { window: *window, entered: 0, left: 0, inside: 0, enter, leave }
        };
        let mut lasts = entity.lasts.clone();
        let mut views = Vec::new();
        for (_, view) in entity.views.iter().enumerate().filter(|(at, _)| wanted(*at)) {
            views.push(live_view(plan, entity, view, &mut lasts));
        }
        let horizons = |at: usize| {
            let reads = entity.views.iter().flat_map(|v| v.reads.iter().map(Source::from));
            let read = reads.filter_map(|s| match s {
                Source::Last(last, _, horizon) if last == at => Some(horizon),
                _ => None,
            });
            let extents = views.iter().flat_map(|v| &v.alive).filter_map(|a| match a {
                Alive::Younger(last, extent) if *last == at => Some(*extent),
                _ => None,
            });
            read.chain(extents).collect()
        };
        let last = |(at, l)| Last::new(l, &entity.attributes, horizons(at));
        LiveWindows {
            windows: entity.windows.iter().enumerate().map(place).collect(),
            accumulators,
            lasts: lasts.iter().enumerate().map(last).collect(),
            views,
            arrivals: Lane::new(&vec![true; entity.attributes.len()]),
            expired: Vec::new(),
            batches: Batches::default(),
            clock: 0,
            shown: None,
            leaving: BTreeSet::new(),
            rows: 0,
            values: 0,
        }
    }

    /// Its accumulators, in the order of the plan.
    pub(crate) fn accumulators(&self) -> &Accumulators {
        &self.accumulators
    }

    /// The live clock.
    pub fn clock(&self) -> EventTime {
        self.clock
    }

    /// Rows given out so far, over all views.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Feature values in those rows.
    pub fn values(&self) -> u64 {
        self.values
    }

    /// Rows inside window `window` of the entity, over all its entities.
    pub fn window_rows(&self, window: usize) -> u64 {
        self.windows.get(window).map_or(0, |p| p.inside)
    }

    /// Distinct counts that were read at the limit of what is written so far.
    pub fn saturated(&self) -> u64 {
        self.accumulators.saturated()
    }

    /// Every row of the log below this has left.
    pub fn low_water(&self, log: &EntityLog) -> u64 {
        let left = |place: &LivePlace| {
            log.log.partition(place.left, |ts| place.window.leaves(ts) <= self.clock)
        };
        self.windows.iter().map(left).min().unwrap_or(log.log.end())
    }

    /// Integer overflows so far in derived features.
    pub fn int_overflows(&self) -> u64 {
        self.views.iter().map(|v| v.columns.int_overflows()).sum()
    }

    /// The bytes that each entity takes.
    pub fn slot_bytes(mut self) -> SlotBytes {
        let mut bytes = |slots: usize| {
            self.grow(slots);
            let lasts: Vec<usize> = self.lasts.iter().map(Last::memory).collect();
            let marks = self.views.iter().map(|v| v.marks.bytes()).sum::<usize>();
            (lasts, marks)
        };
        let (before, after) = (bytes(PROBED), bytes(2 * PROBED));
        let each = |before: usize, after: usize| ((after - before) / PROBED) as u64;
        let lasts = before.0.into_iter().zip(after.0).map(|(before, after)| each(before, after));
        let timers = self.lasts.iter().map(|last| last.timers() as u64);
        SlotBytes {
            accumulators: self.accumulators.slot_bytes(),
            lasts: lasts.zip(timers).collect(),
            marks: each(before.1, after.1),
        }
    }

    /// About how much memory the accumulators and the rows on their way out take, in bytes.
    pub fn memory(&self) -> usize {
        let lasts: usize = self.lasts.iter().map(Last::memory).sum();
        let views: usize = self.views.iter().map(View::memory).sum();
        self.accumulators.memory() + lasts + views + self.batches.memory()
    }

    /// How much of it nothing is in, in bytes, where `free` of the slots are.
    pub fn reusable(&self, free: Share) -> usize {
        let lasts: usize = self.lasts.iter().map(Last::slot_memory).sum();
        let marks: usize = self.views.iter().map(|v| v.marks.bytes()).sum();
        self.accumulators.reusable(free) + free.of(lasts + marks)
    }

    /// Moves the clock to `to` (never back), touching about `budget` rows; says whether it got
    /// there. Call again when it did not; nothing may arrive until then.
    pub fn advance(&mut self, log: &EntityLog, to: EventTime, budget: u64) -> bool {
        self.grow(log.names.entities.end());
        self.settle(log);
        if !self.expire(budget) {
            return false;
        }
        if self.clock >= to {
            return true;
        }
        // Not past what is no news in one step with what is.
        let next = self.shown.filter(|shown| self.clock < *shown).map_or(to, |shown| to.min(shown));
        let reached = self.reachable(log, next, budget);
        let cause = self.decay_by(reached);
        for at in 0..self.windows.len() {
            self.advance_window(log, at, reached, cause);
        }
        self.clock = reached;
        self.expire(budget) && reached == to
    }

    /// Lets horizons pass up to the clock; says whether all of them have.
    fn expire(&mut self, budget: u64) -> bool {
        let cause = self.decay_by(self.clock);
        let mut more = false;
        for (at, last) in self.lasts.iter_mut().enumerate() {
            more |= last.expire(self.clock, budget as usize, &mut self.expired);
            for view in self.views.iter_mut().filter(|v| v.lasts.contains(&at)) {
                self.expired.iter().for_each(|slot| view.touch(*slot, cause));
            }
            self.expired.clear();
        }
        !more
    }

    /// Moves the windows' places in the log past the rows that had their edge in the stash.
    fn settle(&mut self, log: &EntityLog) {
        for LivePlace { window, entered, left, .. } in &mut self.windows {
            *left = log.log.partition(*left, |ts| window.leaves(ts) <= self.clock);
            *entered = log.log.partition(*entered, |ts| window.enters(ts) <= self.clock);
        }
    }

    /// Why rows change by decay up to `clock`: what the online store shows already is no news.
    fn decay_by(&self, clock: EventTime) -> Cause {
        match self.shown {
            Some(shown) if clock <= shown => Cause::Restored,
            _ => Cause::Decay,
        }
    }

    fn advance_window(&mut self, log: &EntityLog, at: usize, to: EventTime, cause: Cause) {
        let place = &mut self.windows[at];
        let (delay, extent) = (place.window.delay, place.window.leaves(0));
        edges(log, &mut place.left, extent, (self.clock, to), &mut place.leave);
        if delay > 0 {
            edges(log, &mut place.entered, delay, (self.clock, to), &mut place.enter);
        }
        if place.leave.is_empty() && place.enter.is_empty() {
            return;
        }
        place.inside = place.inside + place.enter.len() as u64 - place.leave.len() as u64;
        self.accumulators.apply(at, &place.enter, &place.leave);
        for view in &mut self.views {
            for lane in [&place.enter, &place.leave] {
                for (slot, bits) in lane.slots.iter().zip(&lane.bits) {
                    if view.windows[at].iter().any(|mask| bits & mask == *mask) {
                        view.touch(*slot, cause);
                    }
                }
            }
        }
    }

    fn grow(&mut self, slots: usize) {
        self.accumulators.grow(slots);
        self.lasts.iter_mut().for_each(|l| l.grow(slots));
        self.views.iter_mut().for_each(|v| v.marks.grow(slots));
    }

    /// Applies rows that have just arrived, and what they changed of others. They may lie ahead of
    /// the clock, which must stand where it stood when they went to the stash.
    pub fn arrive(&mut self, block: &Block, log: &mut EntityLog) {
        let EntityLog { names, revised, .. } = log;
        self.grow(names.entities.end());
        if !revised.is_empty() {
            self.revise(revised, names);
            revised.clear();
        }
        self.arrivals.clear();
        self.arrivals.times.extend_from_slice(&block.times);
        self.arrivals.slots.extend_from_slice(&block.slots);
        self.arrivals.bits.extend(block.bits.iter().map(Cell::get));
        for (values, from) in self.arrivals.values.iter_mut().zip(&block.attributes) {
            if let Some(values) = values {
                values.extend(from.iter().map(Cell::get));
            }
        }
        let oldest = block.times.iter().min().copied().unwrap_or(0);
        let none = Lane::default();
        for at in 0..self.windows.len() {
            let place = &mut self.windows[at];
            let whole = place.window.delay == 0 && place.window.leaves(oldest) > self.clock;
            if !whole {
                place.enter.clear();
                for (row, ts) in block.times.iter().enumerate() {
                    if place.holds(*ts, self.clock) {
                        block.copy(row, &mut place.enter);
                    }
                }
            }
            let enter = if whole { &self.arrivals } else { &place.enter };
            place.inside += enter.len() as u64;
            self.accumulators.apply(at, enter, &none);
            place.enter.clear();
        }
        for last in &mut self.lasts {
            for (row, origin) in block.origins.iter().enumerate() {
                last.observe(&self.arrivals, *origin, row, names);
            }
        }
        for view in &mut self.views {
            for (slot, bits) in block.slots.iter().zip(&block.bits) {
                if view.sees(bits.get()) {
                    view.touch(*slot, Cause::Arrival);
                }
            }
        }
    }

    /// Frees last-event state that no event at or above `frontier` can see; of each kind that of
    /// at most about `budget` entities.
    pub fn forget(&mut self, frontier: EventTime, budget: usize, names: &mut Names) {
        let frontier = frontier.min(self.clock);
        self.lasts.iter_mut().for_each(|l| l.forget(frontier, budget, names));
    }
}
