//! The latest event of an entity, some of its attributes, and the time of the one before it.
//!
//! Not a window: it outlives the log's rows, up to a horizon, as small state by slot. The two
//! newest events in (ts, source, partition, offset) order are a function of the set of events, so
//! they may come in any order.
//!
//! A horizon passes by itself: an entity has one timer for each horizon in use, armed lazily (a
//! timer that fires finds a newer event and is set again), so a busy entity costs no timer work.

mod by_value;

use crate::event_batch::NULL;
use crate::expiry::Expiry;
use crate::origin::Origin;
use crate::plan::{AttributePlan, LastPlan, SessionSum, Storage};
use crate::slab::Slab;
use crate::time::{EventTime, Millis};
use crate::timeline::chunk::symbol_of;
use crate::timeline::lane::Lane;
use crate::timeline::names::Names;
use crate::value::Column;

/// What is read of an entity's last events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastReading {
    /// The attribute at this place of [`LastPlan::attributes`].
    Attribute(usize),
    /// The latest event's time.
    Time,
    /// Milliseconds between the two newest.
    Gap,
    /// A sum from two attributes (see [`crate::plan::SessionSum`]); 0 when nothing is shown.
    SessionSum {
        /// The place of the high part in [`LastPlan::attributes`].
        high: usize,
        /// The place of the low part.
        low: usize,
    },
}

/// Times are kept plus one: 0 is "no such event".
#[derive(Clone, Copy, Debug, Default)]
struct LastSeen {
    latest: u64,
    previous: u64,
    origin: Origin,
}

/// Last-event state for every slot.
///
/// ```
/// use tidemark_operators::aggregate::last::{Last, LastReading};
/// use tidemark_operators::entity_log::EntityLog;
/// use tidemark_operators::in_memory::plan;
/// use tidemark_operators::interner::stable_hash;
/// use tidemark_operators::origin::Origin;
/// use tidemark_operators::plan::LastPlan;
/// use tidemark_operators::timeline::lane::Lane;
/// use tidemark_operators::value::Column;
///
/// let mut names = EntityLog::new(&plan().entities[0], 256, 0).names;
/// let card = names.entities.intern(b"a", stable_hash(b"a"));
/// let last_plan = LastPlan { mask: 0, attributes: Vec::new(), horizon: 60_000 };
/// let mut last = Last::new(&last_plan, &[], vec![60_000]);
/// last.grow(1);
/// let mut lane = Lane::new(&[]);
/// (lane.times, lane.slots, lane.bits) = (vec![9_000, 2_000], vec![card; 2], vec![0; 2]);
/// // In whichever order: what counts is the order of the events.
/// for row in 0..lane.len() {
///     last.observe(&lane, Origin::default(), row, &mut names);
/// }
/// let read = |clock, reading| {
///     let mut out = Column::default();
///     last.read(card, clock, (reading, 60_000), &names, &mut out);
///     out.int(0)
/// };
/// assert_eq!(read(10_000, LastReading::Time), Some(9_000));
/// assert_eq!(read(10_000, LastReading::Gap), Some(7_000));
/// assert_eq!(read(69_000, LastReading::Time), None, "its horizon has passed");
/// ```
pub struct Last {
    plan: LastPlan,
    attributes: Vec<AttributePlan>,
    states: Slab<LastSeen>,
    values: Vec<Slab<i64>>,
    /// Shown until then: one for each horizon a reader has.
    shown: Vec<Expiry>,
    /// Kept until then, by the clock below which no event comes any more.
    kept: Expiry,
}

impl Last {
    /// Over `attributes`, read with these `horizons`.
    pub fn new(plan: &LastPlan, attributes: &[AttributePlan], mut horizons: Vec<Millis>) -> Self {
        horizons.sort_unstable();
        horizons.dedup();
        Last {
            plan: plan.clone(),
            attributes: attributes.to_vec(),
            states: Slab::new(),
            values: vec![Slab::new(); plan.attributes.len()],
            shown: horizons.into_iter().map(Expiry::new).collect(),
            kept: Expiry::new(plan.horizon),
        }
    }

    /// Makes the slots `0..slots` exist.
    pub fn grow(&mut self, slots: usize) {
        self.states.grow(slots);
        self.values.iter_mut().for_each(|v| v.grow(slots));
        self.shown.iter_mut().for_each(|e| e.grow(slots));
        self.kept.grow(slots);
    }

    /// Takes note of row `row` of `lane`, if it concerns this state. The lane must carry the plan's
    /// attributes.
    #[inline]
    pub fn observe(&mut self, lane: &Lane, origin: Origin, row: usize, names: &mut Names) {
        if lane.bits[row] & self.plan.mask != self.plan.mask {
            return;
        }
        let (slot, ts) = (lane.slots[row], lane.times[row]);
        let state = &mut self.states[slot];
        if (ts + 1, origin) < (state.latest, state.origin) {
            state.previous = state.previous.max(ts + 1);
            return;
        }
        if state.latest == 0 {
            names.entities.retain(slot);
        }
        *state = LastSeen { latest: ts + 1, previous: state.latest, origin };
        self.keep_all(slot, lane, row, names);
        self.arm(slot, ts);
    }

    /// Sets the timers of a slot whose latest event is of `ts`.
    #[inline]
    fn arm(&mut self, slot: u32, ts: EventTime) {
        self.shown.iter_mut().for_each(|e| e.arm(slot, ts));
        self.kept.arm(slot, ts);
    }

    /// Takes note that what is derived of row `row` of `lane` has changed since it was observed.
    pub fn revise(&mut self, lane: &Lane, origin: Origin, row: usize, names: &mut Names) {
        let (slot, ts) = (lane.slots[row], lane.times[row]);
        let state = &self.states[slot];
        let latest = (state.latest, state.origin) == (ts + 1, origin);
        if latest && lane.bits[row] & self.plan.mask == self.plan.mask {
            self.keep_all(slot, lane, row, names);
        }
    }

    /// Keeps the attributes of row `row` of `lane`.
    #[inline]
    fn keep_all(&mut self, slot: u32, lane: &Lane, row: usize, names: &mut Names) {
        for at in 0..self.plan.attributes.len() {
            let attribute = Some(self.plan.attributes[at]);
            let value = lane.values(attribute).get(row).copied().unwrap_or(NULL);
            self.keep(at, slot, value, names);
        }
    }

    /// Replaces the kept value `at`, counting the uses of symbols.
    fn keep(&mut self, at: usize, slot: u32, value: i64, names: &mut Names) {
        let attribute = self.plan.attributes[at];
        let kept = &mut self.values[at][slot];
        let old = std::mem::replace(kept, value);
        if self.attributes[attribute].storage == Storage::Symbol {
            names.retain_symbol(attribute, symbol_of(value));
            // A fresh slot holds 0, which is no symbol.
            names.release_symbol(attribute, symbol_of(old));
        }
    }

    /// The horizons pass up to `clock`: `touched` gets the slots of which something is no longer
    /// shown. At most `budget` timers a horizon; says whether more are due.
    pub fn expire(&mut self, clock: EventTime, budget: usize, touched: &mut Vec<u32>) -> bool {
        let states = &self.states;
        let mut more = false;
        for expiry in &mut self.shown {
            more |= expiry.run(clock, budget, |slot| states[slot].latest, |s| touched.push(s));
        }
        more
    }

    /// Frees what no event at or above `frontier` can see any more. At most `budget` timers.
    pub fn forget(&mut self, frontier: EventTime, budget: usize, names: &mut Names) {
        let mut gone = Vec::new();
        let states = &self.states;
        self.kept.run(frontier, budget, |slot| states[slot].latest, |slot| gone.push(slot));
        for slot in gone {
            self.states[slot] = LastSeen::default();
            for at in 0..self.values.len() {
                self.keep(at, slot, NULL, names);
                self.values[at][slot] = 0;
            }
            names.entities.release(slot);
        }
    }

    /// How many slots exist.
    pub(crate) fn slots(&self) -> usize {
        self.states.capacity()
    }

    /// The time of the latest event of `slot`, plus one; 0: none is known.
    pub(crate) fn latest(&self, slot: u32) -> u64 {
        self.states[slot].latest
    }

    /// Whether the latest event of `slot` is younger than `extent` at `clock`.
    #[inline]
    pub fn holds(&self, slot: u32, extent: Millis, clock: EventTime) -> bool {
        let latest = self.states[slot].latest;
        latest > 0 && (latest - 1).saturating_add(extent) > clock
    }

    /// Appends what `reading` says of `slot` at `clock`, shown for `horizon`.
    #[inline]
    pub fn read(
        &self,
        slot: u32,
        clock: EventTime,
        (reading, horizon): (LastReading, Millis),
        names: &Names,
        out: &mut Column,
    ) {
        if !self.holds(slot, horizon, clock) {
            match reading {
                LastReading::SessionSum { .. } => out.push_double(0.0),
                _ => out.push_null(),
            }
            return;
        }
        let state = &self.states[slot];
        match reading {
            LastReading::Time => out.push_word(state.latest - 1),
            LastReading::Gap if state.previous == 0 => out.push_null(),
            LastReading::Gap => {
                // Both are kept plus one, which cancels.
                let gap = state.latest - state.previous;
                if gap < horizon { out.push_word(gap) } else { out.push_null() }
            }
            LastReading::SessionSum { high, low } => {
                let sum = SessionSum::total(self.values[high][slot], self.values[low][slot]);
                let ty = self.attributes[self.plan.attributes[high]].ty;
                let unit = ty.unit() as f64;
                out.push_double(sum as f64 / unit);
            }
            LastReading::Attribute(at) => {
                let attribute = self.plan.attributes[at];
                let value = self.values[at][slot];
                match self.attributes[attribute].storage {
                    _ if value == NULL => out.push_null(),
                    Storage::Wide => out.push_int(value),
                    Storage::Symbol => names.push_symbol(attribute, symbol_of(value), out),
                }
            }
        }
    }

    /// The bits an event must have.
    pub fn mask(&self) -> u64 {
        self.plan.mask
    }

    /// What it is.
    pub fn plan(&self) -> &LastPlan {
        &self.plan
    }

    /// How many timers each entity has.
    pub fn timers(&self) -> usize {
        self.shown.len() + 1
    }

    /// About how much memory it takes, in bytes.
    pub fn memory(&self) -> usize {
        let timers = self.shown.iter().chain([&self.kept]);
        let timers: usize = timers.map(Expiry::memory).sum();
        self.slot_memory() + timers
    }

    /// How much of it is by slot, in bytes.
    pub fn slot_memory(&self) -> usize {
        self.states.bytes() + self.values.iter().map(Slab::bytes).sum::<usize>()
    }
}
