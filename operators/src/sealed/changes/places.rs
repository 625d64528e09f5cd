//! Where the features of entities may change, and what is given out there.

use super::super::SealedWindows;
use super::super::fold::WindowFold;
use crate::expiry::Expiry;
use crate::origin::Origin;
use crate::plan::{EntityPlan, Mask};
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::value::Column;

/// A row of a view as of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedRow {
    /// What it is as of.
    pub time: EventTime,
    /// Its entity.
    pub slot: u32,
    /// The event it belongs to; `None`: it differs from the row before it, and is no event's of the view.
    pub origin: Option<Origin>,
    /// Whether its features were those of no events until then.
    pub first: bool,
    /// Where it stands in the columns.
    pub at: usize,
}

/// Rows of one view, in no particular order.
pub struct ChangedRows<'a> {
    /// The view's place in the job.
    pub view: usize,
    /// The rows: of one entity and time either those of events, or one of none.
    pub rows: &'a [ChangedRow],
    /// Columns; [`crate::plan::FeaturePlan::column`] says which is which feature.
    pub columns: &'a [Column],
}

/// An entity at a time at which its features may change.
#[derive(Clone, Copy)]
pub(super) struct ChangePlace {
    time: EventTime,
    slot: u32,
    /// Where it was read as of the ms before; `None`: there is none.
    before: Option<usize>,
    /// Where it was read as of its time.
    at: usize,
    /// Whether events of the view at hand are there.
    has_event: bool,
}

impl ChangePlace {
    /// Not read yet.
    pub(super) fn new(time: EventTime, slot: u32) -> Self {
        ChangePlace { time, slot, before: None, at: 0, has_event: false }
    }
}

/// What is kept to follow changes, and what a block of rows is read at.
pub(in crate::sealed) struct Changing {
    /// By window, the bits of rows that something of it is kept of.
    masks: Vec<Vec<Mask>>,
    /// By last-event state, the timers of the horizons it is read with.
    pub(super) timers: Vec<(usize, Expiry)>,
    /// For each view the columns of its features, and whether they have bytes.
    features: Vec<Vec<(usize, bool)>>,
    /// For each view its columns of no events, a row long; none: they have not been asked for.
    pub(super) empty: Vec<Vec<Column>>,
    pub(super) places: Vec<ChangePlace>,
    /// The slots that are read, and the end of those of each group.
    pub(super) reads: Vec<u32>,
    pub(super) read_ends: Vec<u32>,
    pub(super) rows: Vec<ChangedRow>,
}

impl Changing {
    pub(super) fn new(windows: &SealedWindows, entity: &EntityPlan) -> Self {
        let masks = |window: usize| {
            let over = entity.accumulators.iter().filter(|a| a.window == window);
            over.map(|a| a.mask).collect()
        };
        let mut timers = Vec::new();
        for (at, slot) in windows.lasts.iter().enumerate() {
            let mut horizons: Vec<_> = slot.readings.iter().map(|((_, h), _)| *h).collect();
            horizons.sort_unstable();
            horizons.dedup();
            timers.extend(horizons.into_iter().map(|horizon| (at, Expiry::new(horizon))));
        }
        let features = entity.views.iter().map(|view| {
            let of = view.features.iter();
            of.map(|feature| (feature.column, feature.ty.is_bytes())).collect()
        });
        Changing {
            masks: (0..entity.windows.len()).map(masks).collect(),
            timers,
            features: features.collect(),
            empty: Vec::new(),
            places: Vec::new(),
            reads: Vec::new(),
            read_ends: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// About how much memory the timers take, in bytes.
    pub(in crate::sealed) fn memory(&self) -> usize {
        self.timers.iter().map(|(_, timers)| timers.memory()).sum()
    }

    /// Adds one.
    pub(super) fn place(&mut self, time: EventTime, slot: u32) {
        self.places.push(ChangePlace::new(time, slot));
    }

    /// Adds what enters and leaves a window by the end of the block.
    pub(super) fn place_moves(&mut self, at: usize, moving: &WindowFold) {
        let Changing { masks, places, .. } = self;
        let Some(masks) = masks.get(at) else { return };
        let mut add = |lane: &Lane, edge: &dyn Fn(EventTime) -> EventTime| {
            for ((ts, slot), bits) in lane.times.iter().zip(&lane.slots).zip(&lane.bits) {
                if masks.iter().any(|mask| bits & mask == *mask) {
                    let (time, slot) = (edge(*ts), *slot);
                    places.push(ChangePlace::new(time, slot));
                }
            }
        };
        add(&moving.leave, &|ts| moving.window.leaves(ts));
        // Without a delay rows enter at their own times.
        if let Some((enter, _)) = moving.entering().filter(|_| moving.window.delay > 0) {
            add(enter, &|ts| moving.window.enters(ts));
        }
    }

    /// Orders the places, and groups what is read of them by time; the groups' times go to `times`.
    pub(super) fn group(&mut self, times: &mut Vec<EventTime>) {
        let Changing { places, reads, read_ends, .. } = self;
        places.sort_unstable_by_key(|place| (place.time, place.slot));
        places.dedup_by_key(|place| (place.time, place.slot));
        times.clear();
        reads.clear();
        read_ends.clear();
        let mut begin = |time: EventTime, reads: &[u32]| {
            if times.last() != Some(&time) {
                if !times.is_empty() {
                    read_ends.push(reads.len() as u32);
                }
                times.push(time);
            }
        };
        for group in places.chunk_by_mut(|one, other| one.time == other.time) {
            let Some(time) = group.first().map(|place| place.time) else { continue };
            if let Some(before) = time.checked_sub(1) {
                begin(before, reads);
                for place in &mut *group {
                    place.before = Some(reads.len());
                    reads.push(place.slot);
                }
            }
            begin(time, reads);
            for place in group {
                place.at = reads.len();
                reads.push(place.slot);
            }
        }
        // The last group's end stands for what comes after the groups too.
        let groups = times.len() + 1;
        read_ends.resize(groups, reads.len() as u32);
    }

    /// Gathers the rows of view `at`, whose events have all bits of `mask`, of what its columns hold.
    pub(super) fn gather(
        &mut self,
        at: usize,
        mask: Mask,
        rows: &Lane,
        origins: &[Origin],
        of: &[Column],
    ) {
        let Changing { places, features, empty, rows: gathered, .. } = self;
        gathered.clear();
        let (Some(features), Some(empty)) = (features.get(at), empty.get(at)) else { return };
        let was_empty = |place: &ChangePlace| {
            place.before.is_none_or(|before| is_same(features, (of, before), (empty, 0)))
        };
        let events = rows.times.iter().zip(&rows.slots).zip(&rows.bits).zip(origins);
        for (((time, slot), bits), origin) in events {
            if bits & mask != mask {
                continue;
            }
            let key = (*time, *slot);
            let found = places.binary_search_by_key(&key, |place| (place.time, place.slot));
            let Some(place) = found.ok().and_then(|at| places.get_mut(at)) else { continue };
            let first = !std::mem::replace(&mut place.has_event, true) && was_empty(place);
            let (origin, at) = (Some(*origin), place.at);
            gathered.push(ChangedRow { time: *time, slot: *slot, origin, first, at });
        }
        for place in places {
            if std::mem::take(&mut place.has_event) {
                continue;
            }
            let before = place.before.map_or((empty.as_slice(), 0), |before| (of, before));
            if !is_same(features, before, (of, place.at)) {
                let ChangePlace { time, slot, at, .. } = *place;
                let first = was_empty(place);
                gathered.push(ChangedRow { time, slot, origin: None, first, at });
            }
        }
    }
}

/// Whether two rows have the same features.
fn is_same(features: &[(usize, bool)], one: (&[Column], usize), other: (&[Column], usize)) -> bool {
    features.iter().all(|(column, has_bytes)| {
        let (Some(a), Some(b)) = (one.0.get(*column), other.0.get(*column)) else { return true };
        match has_bytes {
            true => a.bytes(one.1) == b.bytes(other.1),
            false => a.word(one.1) == b.word(other.1),
        }
    })
}
