//! Random histories, and how they reach a log.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::sync::Arc;
use tidemark_operators::event_batch::EventBatch;
use tidemark_operators::interner::stable_hash;
use tidemark_operators::origin::Origin;
use tidemark_operators::plan::{
    AccumulatorPlan, AttributePlan, EntityPlan, Kind, Plan, Storage, Window,
};
use tidemark_operators::value::Type;
use tidemark_operators::zone::Zone;

/// What an event says.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Fact {
    pub ts: u64,
    pub id: i64,
    pub value: i64,
    pub word: i64,
}

/// An event, what the changing collection does at that moment, and where the frontier goes then
/// (0: nowhere).
#[derive(Clone, Debug)]
pub struct Arrival {
    pub entity: u32,
    pub fact: Fact,
    pub note: Option<(u32, u64, isize)>,
    pub frontier: u64,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub workers: usize,
    pub chunk_rows: usize,
    pub windows: Vec<Window>,
    /// Attached half way.
    pub extra: Window,
    pub events: usize,
    pub entities: u32,
    pub span: u64,
    pub disorder: u64,
    /// Frontiers step often.
    pub dense: bool,
    pub import_at: Option<usize>,
    /// Readers keep all of history.
    pub hold: bool,
    /// Entities keep their slots.
    pub pinned: bool,
    /// In differential's own spine.
    pub spine: bool,
    /// The rows are wanted by sealed windows too.
    pub sealing: bool,
    /// The plan's own windows are read, not attached ones.
    pub planned: bool,
}

impl Case {
    pub fn random(seed: u64) -> Case {
        let mut rng = SmallRng::seed_from_u64(seed);
        let window = |rng: &mut SmallRng| Window {
            length: *[1, 2, 3, 7, 10, 37, 100, 1_000].choose(rng).unwrap(),
            delay: if rng.random_bool(0.4) { rng.random_range(1..60) } else { 0 },
        };
        let windows: Vec<Window> = (0..rng.random_range(1..=3)).map(|_| window(&mut rng)).collect();
        let events = if rng.random_bool(0.3) { 900 } else { rng.random_range(0..150) };
        let sealing = rng.random_bool(0.6);
        Case {
            seed,
            workers: if sealing { *[1, 1, 2].choose(&mut rng).unwrap() } else { 1 },
            chunk_rows: match *[256, 1 << 16].choose(&mut rng).unwrap() {
                256 if seed.is_multiple_of(3) => 4,
                chunk_rows => chunk_rows,
            },
            extra: window(&mut rng),
            windows,
            events,
            entities: rng.random_range(1..9),
            span: *[20, 100, 400].choose(&mut rng).unwrap(),
            disorder: rng.random_range(0..8),
            dense: rng.random(),
            import_at: rng.random_bool(0.7).then(|| rng.random_range(0..150)),
            hold: rng.random(),
            pinned: rng.random(),
            spine: rng.random_bool(0.4),
            sealing,
            planned: seed % 2 == 1,
        }
    }

    /// One entity with the columns of a [`Fact`].
    pub fn plan(&self) -> Plan {
        let wide = |name: &str| AttributePlan::sent(name, Type::Int, Storage::Wide);
        let word = AttributePlan::sent("word", Type::Text, Storage::Symbol);
        let windows: Vec<Window> = self.windows.iter().copied().chain([self.extra]).collect();
        let count =
            |window| AccumulatorPlan { kind: Kind::Count, attribute: None, mask: 0, window };
        Plan {
            name: "arrangement".to_owned(),
            sources: Vec::new(),
            tables: Vec::new(),
            entities: vec![EntityPlan {
                name: "card".to_owned(),
                sources: Vec::new(),
                attributes: vec![wide("entity"), wide("id"), wide("value"), word],
                filters: 0,
                lookups: Vec::new(),
                late: Vec::new(),
                sequences: Vec::new(),
                sessions: Vec::new(),
                accumulators: (0..windows.len()).map(count).collect(),
                windows,
                lasts: Vec::new(),
                views: Vec::new(),
            }],
            views: Vec::new(),
            zone: Arc::new(Zone::utc()),
            distinct_max: None,
        }
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        let mut rng = SmallRng::seed_from_u64(self.seed ^ 77);
        let mut arrivals: Vec<(u64, Arrival)> = (0..self.events)
            .map(|id| {
                let ts = rng.random_range(0..self.span);
                let fact = Fact {
                    ts,
                    id: id as i64,
                    value: rng.random_range(0..20),
                    word: rng.random_range(0..4),
                };
                let entity = rng.random_range(0..self.entities);
                let at = ts + rng.random_range(0..=self.disorder);
                (at, Arrival { entity, fact, note: None, frontier: 0 })
            })
            .collect();
        arrivals.sort_by_key(|(at, _)| *at);
        let often = if self.dense { 0.9 } else { 0.15 };
        let mut finish = |(at, mut arrival): (u64, Arrival)| {
            if rng.random_bool(often) {
                arrival.frontier = at.saturating_sub(self.disorder + rng.random_range(0..3));
            }
            if rng.random_bool(0.2) {
                let diff = if rng.random_bool(0.8) { 1 } else { -1 };
                let (entity, note) = (rng.random_range(0..self.entities), rng.random_range(0..4));
                arrival.note = Some((entity, note, diff));
            }
            arrival
        };
        arrivals.into_iter().map(&mut finish).collect()
    }

    /// Times of the events of worker `index` below `frontier`, in order.
    pub fn sealed(&self, index: usize, frontier: u64) -> Vec<u64> {
        let mut frontiers = 0;
        let mut times = Vec::new();
        for arrival in self.arrivals() {
            if arrival.entity as usize % self.workers == index && arrival.fact.ts < frontier {
                times.push(arrival.fact.ts);
            }
            frontiers = arrival.frontier.max(frontiers);
            if frontiers >= frontier {
                break;
            }
        }
        times.sort_unstable();
        times
    }
}

pub fn id(entity: u32) -> String {
    format!("entity-{entity}")
}

/// `rows` as the source sends them.
pub fn batch(rows: &[Arrival], target: u32) -> EventBatch {
    let mut batch = EventBatch::new(target, 3, 1);
    let keep = |arena: &mut Vec<u8>, bytes: &[u8]| {
        let start = arena.len() as u64;
        arena.extend_from_slice(bytes);
        start << 32 | arena.len() as u64
    };
    for row in rows {
        let (id, fact) = (id(row.entity), &row.fact);
        batch.clock = batch.clock.max(fact.ts);
        batch.times.push(fact.ts);
        batch.origins.push(Origin { source: 0, partition: 0, offset: fact.id as u64 });
        batch.hashes.push(stable_hash(id.as_bytes()));
        batch.bits.push(0);
        batch.ids.push(keep(&mut batch.arena, id.as_bytes()));
        batch.wide[0].push(i64::from(row.entity));
        batch.wide[1].push(fact.id);
        batch.wide[2].push(fact.value);
        let word = format!("word {}", fact.word);
        batch.spans[0].push(keep(&mut batch.arena, word.as_bytes()));
    }
    batch
}
