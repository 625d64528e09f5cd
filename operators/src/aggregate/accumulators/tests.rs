//! Accumulators side by side, against each of them alone.

use super::{Accumulators, RowReading, Step, WindowStep};
use crate::aggregate::Reading;
use crate::event_batch::NULL;
use crate::in_memory::plan;
use crate::plan::{AccumulatorPlan, AttributePlan, EntityPlan, Kind, Plan, Storage, Window};
use crate::slab::PROBED;
use crate::time::HOUR;
use crate::timeline::lane::Lane;
use crate::value::{Column, Type};
use rand::prelude::*;
use rand::rngs::SmallRng;

const SLOTS: u32 = 5;

/// Every kind, and what is read of it.
fn kinds() -> Vec<(Kind, Vec<Reading>)> {
    let entropy = |normalised| Reading::Entropy { normalised };
    vec![
        (Kind::Count, vec![Reading::Count]),
        (Kind::Sum, vec![Reading::Sum, Reading::Avg, Reading::Count]),
        (Kind::Moments, vec![Reading::Stddev, Reading::Sum]),
        (Kind::Max, vec![Reading::Extreme]),
        (Kind::Min, vec![Reading::Extreme]),
        (Kind::Hours, vec![Reading::HourShare]),
        (Kind::Distinct, vec![Reading::Distinct]),
        (Kind::Entropy, vec![entropy(true), Reading::Distinct, entropy(false)]),
    ]
}

/// An entity with these windows and accumulators over a sum, a symbol and a derived number.
fn entity(windows: Vec<Window>, accumulators: Vec<AccumulatorPlan>) -> EntityPlan {
    EntityPlan {
        attributes: vec![
            AttributePlan::sent("amount", Type::DECIMAL, Storage::Wide),
            AttributePlan::sent("country", Type::Text, Storage::Symbol),
            AttributePlan::derived("gap", Type::Int, Storage::Wide, None),
        ],
        filters: 2,
        windows,
        accumulators,
        ..plan().entities[0].clone()
    }
}

fn random_accumulators(rng: &mut SmallRng, windows: usize) -> Vec<AccumulatorPlan> {
    let kinds = kinds();
    let accumulator = |rng: &mut SmallRng| {
        let kind = kinds.choose(rng).map_or(Kind::Count, |(kind, _)| *kind);
        let attribute = match kind {
            Kind::Count | Kind::Hours => None,
            Kind::Distinct | Kind::Entropy => Some(1),
            _ => Some(if rng.random() { 0 } else { 2 }),
        };
        let (mask, window) = (rng.random_range(0..4), rng.random_range(0..windows));
        AccumulatorPlan { kind, attribute, mask, window }
    };
    (0..rng.random_range(0..12)).map(|_| accumulator(rng)).collect()
}

/// Rows in time order, many of them of one time.
fn random_rows(rng: &mut SmallRng, rows: usize) -> Lane {
    let mut lane = Lane::new(&[true; 3]);
    let mut ts = 50 * HOUR;
    for _ in 0..rows {
        ts += [0, 0, 1, 3, HOUR].choose(rng).unwrap();
        lane.times.push(ts);
        lane.slots.push(rng.random_range(0..SLOTS));
        lane.bits.push(rng.random_range(0..4));
        for (attribute, values) in lane.values.iter_mut().flatten().enumerate() {
            let value = rng.random_range(1..if attribute == 1 { 30 } else { 9 });
            values.push(if rng.random_bool(0.1) { NULL } else { value });
        }
    }
    lane
}

/// Those rows of `all` whose `at` is after `after` and not after `to`.
fn moved(all: &Lane, at: impl Fn(u64) -> u64, (after, to): (u64, u64)) -> Lane {
    let mut lane = Lane::new(&[true; 3]);
    for row in 0..all.len() {
        let at = at(all.times[row]);
        if after < at && at <= to {
            all.copy(row, &mut lane);
        }
    }
    lane
}

/// For each group the end of the rows whose `at` is not after its time, and that of all.
fn ends(lane: &Lane, at: impl Fn(u64) -> u64, groups: &[u64]) -> Vec<u32> {
    let end = |to: &u64| lane.times.iter().filter(|ts| at(**ts) <= *to).count() as u32;
    groups.iter().map(end).chain([lane.len() as u32]).collect()
}

fn job(entity: &EntityPlan) -> Plan {
    Plan { entities: vec![entity.clone()], ..plan() }
}

/// Replays blocks of `rows` with all accumulators at once; and moves time on after that.
fn replayed(
    entity: &EntityPlan,
    readings: &[RowReading],
    rows: &Lane,
    block: usize,
) -> Vec<Column> {
    let mut all = Accumulators::new(&job(entity), entity);
    all.grow(SLOTS as usize);
    let mut outs = vec![Column::default(); readings.len()];
    let (mut from, mut clock) = (0, 0);
    while from < rows.len() {
        let mut to = (from + block).min(rows.len());
        while to < rows.len() && rows.times[to] == rows.times[to - 1] {
            to += 1;
        }
        let mut own = Lane::new(&[true; 3]);
        (from..to).for_each(|row| rows.copy(row, &mut own));
        let mut groups = own.times.clone();
        groups.dedup();
        // Some blocks end after their last row.
        let end = own.times[own.len() - 1] + if from % 2 == 0 { 0 } else { 2 };
        let end = rows.times.get(to).map_or(end, |next| end.min(next - 1));
        let moves: Vec<_> = entity
            .windows
            .iter()
            .map(|window| {
                let enter = moved(rows, |ts| window.enters(ts), (clock, end));
                let leave = moved(rows, |ts| window.leaves(ts), (clock, end));
                let entered = ends(&enter, |ts| window.enters(ts), &groups);
                let left = ends(&leave, |ts| window.leaves(ts), &groups);
                (window.delay > 0, enter, entered, leave, left)
            })
            .collect();
        let windows: Vec<_> = moves
            .iter()
            .map(|(delayed, enter, entered, leave, left)| WindowStep {
                enter: delayed.then_some((enter, &entered[..])),
                leave,
                leave_ends: left,
            })
            .collect();
        let group_ends = ends(&own, |ts| ts, &groups);
        let mut block = vec![Column::default(); readings.len()];
        let reads = &own.slots[..];
        let read_ends = &group_ends[..];
        let step =
            Step { rows: &own, group_ends: &group_ends, reads, read_ends, windows: &windows };
        all.replay(&step, readings, &mut block);
        for (out, block) in outs.iter_mut().zip(&block) {
            block.words.iter().zip(&block.valid).for_each(|(w, v)| out.push(v.then_some(*w)));
        }
        (from, clock) = (to, end);
    }
    outs
}

/// One reading of one accumulator, alone: what moves by the time of each row is applied, then read.
fn alone(entity: &EntityPlan, reading: &RowReading, rows: &Lane) -> Column {
    let own = entity.accumulators[reading.accumulator];
    let entity = EntityPlan { accumulators: vec![own], ..entity.clone() };
    let mut one = Accumulators::new(&job(&entity), &entity);
    one.grow(SLOTS as usize);
    let window = entity.windows[own.window];
    let (mut out, mut clock) = (Column::default(), 0);
    for row in 0..rows.len() {
        let ts = rows.times[row];
        let enter = moved(rows, |ts| window.enters(ts), (clock, ts));
        let leave = moved(rows, |ts| window.leaves(ts), (clock, ts));
        one.apply(own.window, &enter, &leave);
        one.read(0, reading.reading, &rows.slots[row..=row], &mut out);
        assert!(one.holds(0, rows.slots[row]) || out.words[row] == 0, "nothing is read of nothing");
        clock = ts;
    }
    out
}

#[test]
fn accumulators_side_by_side_are_each_as_it_is_alone() {
    for seed in 0..150 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let window = |rng: &mut SmallRng| Window {
            length: rng.random_range(1..4 * HOUR),
            delay: if rng.random_bool(0.4) { rng.random_range(1..HOUR) } else { 0 },
        };
        let windows: Vec<Window> = (0..rng.random_range(1..5)).map(|_| window(&mut rng)).collect();
        let accumulators = random_accumulators(&mut rng, windows.len());
        let entity = entity(windows, accumulators);
        let mut readings = Vec::new();
        for (accumulator, plan) in entity.accumulators.iter().enumerate() {
            let of = kinds().into_iter().filter(|(kind, _)| *kind == plan.kind);
            readings.extend(of.flat_map(|(_, of)| of).map(|reading| (accumulator, reading)));
        }
        readings.shuffle(&mut rng);
        let readings: Vec<RowReading> = readings
            .into_iter()
            .enumerate()
            .map(|(out, (accumulator, reading))| RowReading { accumulator, reading, out })
            .collect();
        let count = rng.random_range(1..120);
        let rows = random_rows(&mut rng, count);
        let block = rng.random_range(1..40);
        let outs = replayed(&entity, &readings, &rows, block);
        for reading in &readings {
            let own = entity.accumulators[reading.accumulator];
            assert_eq!(
                outs[reading.out],
                alone(&entity, reading, &rows),
                "seed {seed}: {own:?} {reading:?}"
            );
        }
    }
}

#[test]
fn a_slot_takes_the_words_of_its_accumulators_and_no_more() {
    let of = |kind, attribute| AccumulatorPlan { kind, attribute, mask: 0, window: 0 };
    let all = vec![
        of(Kind::Hours, None),
        of(Kind::Count, None),
        of(Kind::Sum, Some(0)),
        of(Kind::Moments, Some(0)),
        of(Kind::Max, Some(0)),
        // Of what may be revised.
        of(Kind::Min, Some(2)),
        of(Kind::Distinct, Some(1)),
        of(Kind::Entropy, Some(1)),
    ];
    let entity = entity(vec![Window { length: HOUR, delay: 0 }], all);
    let mut all = Accumulators::new(&job(&entity), &entity);
    let bytes = all.slot_bytes();
    assert_eq!(bytes, [288, 4, 16, 36, 8, 4, 4, 20]);
    let before = all.memory();
    all.grow(PROBED);
    let each = (all.memory() - before) / PROBED;
    assert_eq!(each as u64, bytes.iter().sum::<u64>());
}
