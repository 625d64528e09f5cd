//! What is derived, against scanning the whole history of the entity.

use crate::entity_log::EntityLog;
use crate::event_batch::{EventBatch, NO_SPAN, NULL};
use crate::interner::stable_hash;
use crate::origin::Origin;
use crate::plan::{
    AttributePlan, EntityPlan, Sequence, SequencePlan, SessionPlan, SessionSum, Storage,
};
use crate::timeline::chunk::symbol_of;
use crate::timeline::names::Names;
use crate::timeline::stash::Block;
use crate::value::{Column, Type};
use rand::prelude::*;
use rand::rngs::SmallRng;
use std::rc::Rc;

/// An event, and everything that came with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    ts: u64,
    offset: u64,
    entity: u8,
    bits: u64,
    value: i64,
    word: Option<u8>,
}

/// What is derived of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Derived {
    bits: u64,
    new: Option<bool>,
    previous_word: Option<u8>,
    previous_value: Option<i64>,
    start: Option<i64>,
    first_word: Option<u8>,
    counts: [Option<i64>; 2],
    sum: Option<i128>,
}

const CHANGED: usize = 2;
const CHANGED_MATCHING: usize = 3;
/// Far beyond 64 bits in a few events.
const LARGE: i64 = i64::MAX - 3;

fn plan(horizon: u64, gap: u64) -> EntityPlan {
    let wide = |ty| AttributePlan::derived("", ty, Storage::Wide, None);
    let word = || AttributePlan::derived("", Type::Text, Storage::Symbol, Some(1));
    let of = |mask, attribute, what| SequencePlan { mask, attribute, horizon, what };
    EntityPlan {
        name: "user".to_owned(),
        sources: Vec::new(),
        attributes: vec![
            AttributePlan::sent("value", Type::Int, Storage::Wide),
            AttributePlan::sent("word", Type::Text, Storage::Symbol),
            wide(Type::Bool),
            word(),
            wide(Type::Int),
            wide(Type::Timestamp),
            word(),
            wide(Type::Int),
            wide(Type::Int),
            wide(Type::Int),
            wide(Type::Int),
        ],
        filters: 4,
        lookups: Vec::new(),
        late: Vec::new(),
        sequences: vec![
            of(0, 1, Sequence::Changed { bit: CHANGED }),
            of(1, 1, Sequence::Changed { bit: CHANGED_MATCHING }),
            of(0, 1, Sequence::New { target: 2 }),
            of(1, 1, Sequence::Previous { target: 3 }),
            of(0, 0, Sequence::Previous { target: 4 }),
        ],
        sessions: vec![SessionPlan {
            mask: 0b10,
            gap,
            start: Some(5),
            firsts: vec![(1, 6)],
            counts: vec![(0b10, 7), (0b11, 8)],
            sums: vec![SessionSum { mask: 0b11, attribute: 0, high: 9, low: 10 }],
        }],
        windows: Vec::new(),
        accumulators: Vec::new(),
        lasts: Vec::new(),
        views: Vec::new(),
    }
}

/// Straight from what the plan's documentation says.
fn naive(known: &[Event], event: &Event, horizon: u64, gap: u64) -> Derived {
    let mut before: Vec<&Event> =
        known.iter().filter(|e| e.entity == event.entity && *e < event).collect();
    before.sort();
    let recent = |e: &&&Event| e.ts + horizon > event.ts;
    let changed = |mask: u64| {
        let matching = before.iter().filter(|e| e.bits & mask == mask && e.word.is_some());
        let nearest = matching.max().into_iter().find(recent);
        event.bits & mask == mask
            && event.word.is_some()
            && nearest.is_some_and(|e| e.word != event.word)
    };
    let mut derived = Derived {
        bits: event.bits
            | u64::from(changed(0)) << CHANGED
            | u64::from(changed(1)) << CHANGED_MATCHING,
        new: event.word.map(|_| !before.iter().filter(recent).any(|e| e.word == event.word)),
        previous_value: before.iter().max().into_iter().find(recent).map(|e| e.value),
        ..Derived::default()
    };
    if event.bits & 1 == 1 {
        let matching = before.iter().filter(|e| e.bits & 1 == 1).max();
        derived.previous_word = matching.into_iter().find(recent).and_then(|e| e.word);
    }
    if event.bits & 2 == 2 {
        let mut session: Vec<&Event> = vec![event];
        for earlier in before.iter().rev().filter(|e| e.bits & 2 == 2) {
            if session.last().unwrap().ts - earlier.ts > gap {
                break;
            }
            session.push(earlier);
        }
        let first = session.last().unwrap();
        derived.start = Some(first.ts as i64);
        derived.first_word = first.word;
        let both = session.iter().filter(|e| e.bits & 3 == 3);
        derived.counts = [Some(session.len() as i64), Some(both.clone().count() as i64)];
        derived.sum = Some(both.map(|e| i128::from(e.value)).sum());
    }
    derived
}

fn batch(events: &[Event]) -> EventBatch {
    let mut batch = EventBatch::new(0, 1, 1);
    for event in events {
        let id = [b'u', event.entity];
        let span = batch.keep(&id);
        batch.ids.push(span);
        batch.hashes.push(stable_hash(&id));
        batch.times.push(event.ts);
        batch.origins.push(Origin { source: 0, partition: 0, offset: event.offset });
        batch.bits.push(event.bits);
        batch.wide[0].push(event.value);
        let word = event.word.map_or(NO_SPAN, |word| batch.keep(&[b'w', word]));
        batch.spans[0].push(word);
    }
    batch
}

fn word(names: &Names, attribute: usize, value: i64) -> Option<u8> {
    let mut out = Column::default();
    names.push_symbol(attribute, symbol_of(value), &mut out);
    // The symbol of a row that is gone may be nobody's.
    out.bytes(0).and_then(|bytes| bytes.get(1).copied())
}

/// What was derived, read from a row's bits and attributes.
fn derived(names: &Names, bits: u64, value: impl Fn(usize) -> i64) -> Derived {
    let wide = |attribute: usize| Some(value(attribute)).filter(|v| *v != NULL);
    Derived {
        bits,
        new: wide(2).map(|new| new != 0),
        previous_word: word(names, 3, value(3)),
        previous_value: wide(4),
        start: wide(5),
        first_word: word(names, 6, value(6)),
        counts: [wide(7), wide(8)],
        sum: wide(9).zip(wide(10)).map(|(high, low)| (i128::from(high) << 62) + i128::from(low)),
    }
}

fn of_block(names: &Names, block: &Block, row: usize) -> Derived {
    derived(names, block.bits[row].get(), |a| block.attributes[a][row].get())
}

struct World {
    horizon: u64,
    gap: u64,
    rng: SmallRng,
    known: Vec<Event>,
    log: EntityLog,
    blocks: Vec<(Rc<Block>, Vec<Event>)>,
    sealed: usize,
    frontier: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (horizon, gap) = (rng.random_range(1..40), rng.random_range(0..12));
        let log = EntityLog::new(&plan(horizon, gap), 64, 10);
        let log = if seed.is_multiple_of(4) { log.sealed_only() } else { log };
        let (known, blocks) = (Vec::new(), Vec::new());
        World { horizon, gap, rng, known, log, blocks, sealed: 0, frontier: 0 }
    }

    fn arrive(&mut self) {
        let rng = &mut self.rng;
        let (from, spread) = (self.frontier, *[1u64, 8, 40].choose(rng).unwrap());
        let events: Vec<Event> = (0..rng.random_range(0..12))
            .map(|at| Event {
                ts: from + rng.random_range(0..spread),
                offset: (self.known.len() + at) as u64,
                entity: rng.random_range(0..3),
                bits: rng.random_range(0..4),
                value: if rng.random_bool(0.2) { LARGE } else { rng.random_range(-5..5) },
                word: rng.random_bool(0.8).then(|| rng.random_range(0..3)),
            })
            .collect();
        self.known.extend(events.iter().cloned());
        let block = self.log.receive(batch(&events));
        self.blocks.push((block, events));
    }

    /// Every unsealed row carries what the events known so far say, and rows that others have seen
    /// before are listed when they change.
    fn check_unsealed(&mut self, before: &[Vec<Derived>]) {
        let mut changed = 0;
        for (at, (block, events)) in self.blocks.iter().enumerate() {
            for (row, event) in events.iter().enumerate() {
                if event.ts < self.frontier {
                    continue;
                }
                let is = of_block(&self.log.names, block, row);
                let should = naive(&self.known, event, self.horizon, self.gap);
                assert_eq!(is, should, "{event:?}");
                if let Some(was) = before.get(at) {
                    changed += usize::from(was[row] != is);
                }
            }
        }
        assert_eq!(self.log.revised.origins.len(), changed, "rows that changed are listed");
        self.log.revised.clear();
    }

    fn derived(&self) -> Vec<Vec<Derived>> {
        let rows = self.blocks.iter().map(|(block, events)| {
            (0..events.len()).map(|row| of_block(&self.log.names, block, row)).collect()
        });
        rows.collect()
    }

    /// What was looked up of the unsealed rows from some time on is another value now.
    fn look_up_again(&mut self) {
        let from = self.frontier + self.rng.random_range(0..10);
        self.log.revise(from, |block, row, _| {
            let value = &block.attributes[0][row];
            value.set(-(value.get() / 2));
        });
        let frontier = self.frontier;
        let of_blocks = self.blocks.iter_mut().flat_map(|(_, events)| events);
        for event in of_blocks.chain(&mut self.known) {
            if event.ts >= from.max(frontier) {
                event.value = -(event.value / 2);
            }
        }
    }

    fn seal(&mut self) {
        self.frontier += self.rng.random_range(0..30);
        let from = self.log.log.end();
        self.log.seal(Some(self.frontier), &mut Vec::new());
        let mut sorted = self.known.clone();
        sorted.sort();
        for chunk in self.log.log.cover(from, self.log.log.end()) {
            for row in (from.max(chunk.base()) - chunk.base()) as u32..chunk.len() {
                let event = &sorted[self.sealed];
                self.sealed += 1;
                let is = derived(&self.log.names, chunk.bits(row), |a| chunk.value(a, row));
                assert_eq!(is, naive(&self.known, event, self.horizon, self.gap), "{event:?}");
            }
        }
        let end = self.log.log.end();
        self.log.retire(end.saturating_sub(self.rng.random_range(0..200)), u64::MAX);
        self.log.forget(self.frontier, self.rng.random_range(0..4));
    }
}

#[test]
fn what_is_derived_is_what_scanning_the_history_says_before_and_after_sealing() {
    let mut revised = 0;
    for seed in 0..400 {
        let mut world = World::new(seed);
        for _ in 0..30 {
            let before = world.derived();
            world.arrive();
            revised += world.log.revised.origins.len();
            if !seed.is_multiple_of(4) {
                world.check_unsealed(&before);
            }
            if !seed.is_multiple_of(4) && world.rng.random_bool(0.2) {
                let before = world.derived();
                world.look_up_again();
                // Rows whose looked-up value is all that has changed are listed too.
                let changed = world.derived() != before;
                assert!(!changed || !world.log.revised.is_empty());
                world.log.revised.clear();
                world.check_unsealed(&world.derived());
            }
            if world.rng.random_bool(0.6) {
                world.seal();
            }
        }
    }
    assert!(revised > 1_000, "late arrivals change what was derived: {revised}");
}

#[test]
fn once_all_is_beyond_its_horizon_no_name_is_in_use() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        for _ in 0..20 {
            world.arrive();
            world.seal();
        }
        world.log.seal(None, &mut Vec::new());
        world.log.forget(u64::MAX, usize::MAX);
        world.log.retire(u64::MAX, u64::MAX);
        world.blocks.clear();
        let chunks = world.log.log.end() - world.log.log.start();
        assert_eq!((chunks, world.log.names.len()), (0, 0), "seed {seed}");
    }
}

fn at(ts: u64, offset: u64, entity: u8, word: u8) -> Event {
    Event { ts, offset, entity, bits: 3, value: 0, word: Some(word) }
}

#[test]
fn the_value_before_is_there_when_no_row_has_it_any_more() {
    let mut plan = plan(1_000, 10);
    // Nothing else keeps it.
    plan.sequences.retain(|s| s.what == Sequence::Previous { target: 3 });
    plan.sessions.clear();
    let mut log = EntityLog::new(&plan, 64, 10);
    log.receive(batch(&[at(0, 0, 0, 1)]));
    log.seal(Some(1), &mut Vec::new());
    log.retire(u64::MAX, u64::MAX);
    // What comes next must not get the number of the value that is carried along.
    log.receive(batch(&[at(100, 1, 0, 2), at(101, 2, 1, 3)]));
    log.seal(Some(101), &mut Vec::new());
    log.receive(batch(&[at(102, 3, 1, 4)]));
    let chunk = log.log.chunks().last().unwrap();
    let sealed = derived(&log.names, chunk.bits(0), |a| chunk.value(a, 0));
    assert_eq!(sealed.previous_word, Some(1));
    log.seal(None, &mut Vec::new());
    log.forget(u64::MAX, usize::MAX);
    log.retire(u64::MAX, u64::MAX);
    assert!(log.names.is_empty());
}

#[test]
fn an_entity_that_always_has_unsealed_events_keeps_only_what_those_have_shown() {
    let mut log = EntityLog::new(&plan(100, 10), 64, 10);
    for ts in 0..5_000 {
        log.receive(batch(&[at(ts, ts, 0, (ts % 251) as u8), at(ts, ts + 9_000, 0, 252)]));
        log.revised.clear();
        log.seal(Some(ts.saturating_sub(5)), &mut Vec::new());
        log.retire(u64::MAX, u64::MAX);
        log.forget(ts.saturating_sub(5), usize::MAX);
        assert!(log.shown_unsealed(0) <= 12, "{} at {ts}", log.shown_unsealed(0));
    }
}
