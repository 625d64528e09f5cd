//! What the state of a job takes in memory, for a load that is assumed.
//!
//! Why this way: figures that are written down fall behind the code. So each structure that grows
//! with entities is made, grown by a page, and asked for its bytes; tables that grow by doubling say
//! themselves what they take for so many entries. What is assumed stands in [`Load`], and nowhere
//! else; a test holds the sum against what a run allocates.

use crate::aggregate::extreme::NODE_BYTES;
use crate::aggregate::multisets::Multisets;
use crate::aggregate::sorted::LEAF_BYTES;
use crate::expiry::Expiry;
use crate::history::fold::Fold;
use crate::history::sealed::SealedHistory;
use crate::history::unsealed::Unsealed;
use crate::interner::Interner;
use crate::live::LiveWindows;
use crate::plan::{EntityPlan, Feed, Kind, Plan, Sequence, Storage};
use crate::slab::{doubled_bytes, slots_made};
use crate::timeline::chunk::Chunk;
use crate::value::Type;

/// What is assumed to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Live entities of each type.
    pub entities: u64,
    /// Events of each entity in its longest window, evenly spread over it.
    pub events: u64,
    /// Different values of a field that each entity has, when it has so many events.
    pub values: u64,
    /// Different texts of each field, over all entities.
    pub texts: u64,
    /// Bytes of each text and of each id.
    pub text_bytes: u64,
}

/// Bytes that one entity type keeps under a [`Load`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// The ids, and where their state is.
    pub ids: u64,
    /// Texts and other values that are kept once each.
    pub dictionaries: u64,
    /// The events inside the longest window.
    pub events: u64,
    /// Each of the plan's accumulators.
    pub accumulators: Vec<u64>,
    /// Each of the plan's last-event states.
    pub lasts: Vec<u64>,
    /// What only tells whether rows are alive, and which have changed.
    pub alive: u64,
    /// What is kept of the events before an event.
    pub history: u64,
}

impl Footprint {
    /// All of it.
    pub fn total(&self) -> u64 {
        let Footprint { ids, dictionaries, events, accumulators, lasts, alive, history } = self;
        let shared = ids + dictionaries + events + alive + history;
        shared + accumulators.iter().sum::<u64>() + lasts.iter().sum::<u64>()
    }
}

/// What entity type `entity` of `plan` keeps with live rows and without sealed ones; nothing when
/// there is no such type.
///
/// ```
/// use tidemark_operators::footprint::{Load, footprint};
/// use tidemark_operators::in_memory::plan;
///
/// let load = Load { entities: 10_000, events: 3, values: 2, texts: 100, text_bytes: 12 };
/// let (few, many) = (footprint(&plan(), 0, &load), footprint(&plan(), 0, &Load { events: 30, ..load }));
/// assert_eq!(few.ids, many.ids);
/// assert!(few.events < many.events && few.total() < many.total());
/// ```
pub fn footprint(plan: &Plan, entity: usize, load: &Load) -> Footprint {
    let Some(entity) = plan.entities.get(entity) else { return Footprint::default() };
    let longest = entity.windows.iter().map(|window| window.leaves(0)).max().unwrap_or(0);
    let rows = if longest == 0 { 0 } else { load.entities * load.events };
    let live = LiveWindows::new(plan, entity).slot_bytes();
    let slots = slots_made(load.entities);
    let timers = |timers: u64| timers * doubled_bytes(load.entities, Expiry::TIMER_BYTES);
    let lasts: Vec<u64> =
        live.lasts.iter().map(|(bytes, count)| slots * bytes + timers(*count)).collect();
    let (own, alive) = lasts.split_at(entity.lasts.len().min(lasts.len()));
    let accumulators = entity.accumulators.iter().zip(&live.accumulators);
    let accumulators = accumulators.map(|(accumulator, slot)| {
        let length = entity.windows.get(accumulator.window).map_or(0, |window| window.length);
        let inside =
            u64::try_from(u128::from(rows) * u128::from(length) / u128::from(longest.max(1)));
        let kind = accumulator.kind;
        let revisable = entity.is_revisable(accumulator);
        slots * slot + of_events(kind, revisable, inside.unwrap_or(u64::MAX), load)
    });
    Footprint {
        ids: Interner::bytes_for(load.entities, load.text_bytes),
        dictionaries: dictionaries(entity, load),
        events: rows * row_bytes(entity),
        accumulators: accumulators.collect(),
        lasts: own.to_vec(),
        alive: alive.iter().sum::<u64>() + slots * live.marks,
        history: history(entity, slots, load),
    }
}

/// What an accumulator keeps of `inside` events of all entities, beside each entity's state.
fn of_events(kind: Kind, revisable: bool, inside: u64, load: &Load) -> u64 {
    let Load { entities, values, .. } = *load;
    match kind {
        Kind::Distinct | Kind::Entropy => {
            Multisets::bytes_for(entities, inside.min(entities * values))
        }
        // Of values in any order a monotone queue of n keeps 1 + 1/2 + .. + 1/n.
        Kind::Max | Kind::Min if !revisable => {
            let each = inside / entities.max(1);
            let kept = (1..=each).map(|n| entities / n).sum::<u64>().max(inside.min(entities));
            slots_made(kept) * NODE_BYTES
        }
        // A tree of one leaf or more for each entity that has events.
        Kind::Max | Kind::Min => {
            inside.min(entities) * LEAF_BYTES as u64 + slots_made(inside.min(entities)) * 24
        }
        Kind::Count | Kind::Sum | Kind::Moments | Kind::Hours => 0,
    }
}

/// The bytes of an event, with its place in its chunk's order by entity; chunks are made a sixteenth
/// larger than they have been full.
fn row_bytes(entity: &EntityPlan) -> u64 {
    let row = Chunk::new(0, 0, 1, entity.filters, &entity.attributes).row_bytes() as u64;
    row + row / 16
}

fn dictionaries(entity: &EntityPlan, load: &Load) -> u64 {
    let own = entity.attributes.iter().enumerate().filter(|(_, attribute)| {
        attribute.storage == Storage::Symbol && attribute.dictionary.is_none()
    });
    let texts = load.texts.min(load.entities * load.events);
    own.map(|(at, attribute)| {
        let fields = entity.sources.iter().flatten().filter_map(|source| source.attributes.get(at));
        let parts = fields.map(|feed| match feed {
            Feed::Tuple(fields) => fields.len() as u64,
            Feed::Field(_) | Feed::Absent => 1,
        });
        let bytes = match (attribute.ty, parts.max().unwrap_or(1)) {
            (Type::Text, 1) => load.text_bytes,
            (Type::Text, parts) => parts * (load.text_bytes + 2),
            (Type::Ip, _) => 16,
            _ => 8,
        };
        Interner::bytes_for(texts, bytes)
    })
    .sum()
}

fn history(entity: &EntityPlan, slots: u64, load: &Load) -> u64 {
    let Some(fold) = Fold::new(entity) else { return 0 };
    let new = entity.sequences.iter().filter(|it| matches!(it.what, Sequence::New { .. })).count();
    let seen = load.entities * load.values.min(load.events) * new as u64;
    let timers = doubled_bytes(load.entities, Expiry::TIMER_BYTES);
    slots * (SealedHistory::slot_bytes(fold) + Unsealed::SLOT_BYTES)
        + SealedHistory::seen_bytes(seen)
        + timers
}
