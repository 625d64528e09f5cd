//! Batches by themselves: random frontiers, merged in any shape while the compaction frontier
//! advances, read after the log is gone.

use super::history::{Arrival, Case, Fact, batch};
use differential_dataflow::trace::{Batch, BatchReader, Cursor, Merger, Navigable};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use tidemark_operators::entity_log::EntityLog;
use tidemark_operators::plan::Window;
use tidemark_operators::window::batch::{BatchSpan, WindowBatch};
use timely::progress::Antichain;

/// Slot, sequence number, time, difference.
type Updates = Vec<(u32, u64, u64, isize)>;

/// All updates, checking what a cursor promises about their order, and that seeking finds what
/// walking finds.
fn read(batch: &WindowBatch) -> Updates {
    let mut updates = Updates::new();
    let mut cursor = batch.cursor();
    let mut last_slot = None;
    while let Some(slot) = cursor.get_key(batch) {
        assert!(last_slot < Some(*slot), "slots ascend");
        last_slot = Some(*slot);
        let mut last = None;
        assert!(cursor.get_val(batch).is_some(), "a slot has an event");
        while let Some(event) = cursor.get_val(batch) {
            assert!(last < Some(event.seq()), "events ascend");
            last = Some(event.seq());
            let before = updates.len();
            let seq = event.seq();
            cursor.map_times(batch, |time, diff| updates.push((*slot, seq, *time, *diff)));
            assert!(updates.len() > before, "an event has an update");
            cursor.step_val(batch);
        }
        cursor.step_key(batch);
    }
    assert_eq!(updates.len(), batch.len(), "len counts updates");
    let mut slots: Vec<u32> = updates.iter().map(|u| u.0).collect();
    slots.dedup();
    let mut cursor = batch.cursor();
    for slot in slots.iter().step_by(2) {
        cursor.seek_key(batch, slot);
        assert_eq!(cursor.get_key(batch), Some(slot));
        let mut found = 0;
        while cursor.get_val(batch).is_some() {
            cursor.map_times(batch, |_, _| found += 1);
            cursor.step_val(batch);
        }
        assert_eq!(found, updates.iter().filter(|u| u.0 == *slot).count());
    }
    let beyond = slots.last().map_or(0, |s| s + 1);
    cursor.seek_key(batch, &beyond);
    assert!(cursor.get_key(batch).is_none());
    cursor.rewind_keys(batch);
    assert_eq!(cursor.get_key(batch), slots.first());
    updates
}

/// A log cut into batches at random frontiers.
fn cut(
    rng: &mut SmallRng,
    rows: &[(u64, u32)],
    window: Window,
    end: u64,
) -> (Vec<WindowBatch>, u64) {
    let case = Case { windows: vec![window], ..Case::random(0) };
    let mut plan = case.plan();
    // Chunks span a sixteenth of the longest window.
    plan.entities[0].windows =
        vec![Window { length: *[16, 200, 5_000].choose(rng).unwrap(), delay: 0 }];
    let mut log = EntityLog::new(&plan.entities[0], 256, 0);
    let (mut batches, mut fed, mut left, mut entered, mut lower) = (Vec::new(), 0, 0, 0, 0);
    while lower < end {
        let most = *[2u64, 10, 50].choose(rng).unwrap();
        let upper = lower + rng.random_range(1..=most);
        let from = fed;
        while fed < rows.len() && rows[fed].0 < upper {
            fed += 1;
        }
        let arrival = |(at, (ts, entity)): (usize, &(u64, u32))| Arrival {
            entity: *entity,
            fact: Fact { ts: *ts, id: (from + at) as i64, value: 0, word: 0 },
            note: None,
            frontier: 0,
        };
        let arrivals: Vec<Arrival> = rows[from..fed].iter().enumerate().map(arrival).collect();
        log.receive(batch(&arrivals, 0));
        log.seal(Some(upper), &mut Vec::new());
        let log = &log.log;
        let (a0, d0) = (entered, left);
        entered = log.partition(a0, |ts| window.enters(ts) < upper);
        left = log.partition(d0, |ts| window.leaves(ts) < upper);
        let span = BatchSpan::new(a0, entered, d0, left);
        let bounds = (Antichain::from_elem(lower), Antichain::from_elem(upper));
        if span.is_empty() {
            batches.push(WindowBatch::empty(bounds.0, bounds.1));
        } else {
            let mut chunks: VecDeque<_> = log.cover(d0, left.min(a0)).cloned().collect();
            for chunk in log.cover(a0, entered) {
                if chunks.back().is_none_or(|last| last.base() < chunk.base()) {
                    chunks.push_back(Rc::clone(chunk));
                }
            }
            let batch = WindowBatch::new(window, bounds.0, bounds.1, span, chunks);
            for (_, _, time, _) in read(&batch) {
                assert!(lower <= time && time < upper, "{time} in [{lower}, {upper})");
            }
            batches.push(batch);
        }
        lower = upper;
    }
    (batches, lower)
}

#[test]
fn batches_merged_in_any_shape_are_exact_from_their_compaction_frontier_on() {
    let mut total = 0;
    for seed in 0..1_000 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let events =
            if rng.random_bool(0.4) { rng.random_range(0..700) } else { rng.random_range(0..90) };
        let (span, entities) =
            (*[10u64, 60, 300].choose(&mut rng).unwrap(), rng.random_range(1..12));
        let delay = if rng.random() { 0 } else { rng.random_range(1..40) };
        let window = Window { length: *[1, 5, 20, 100].choose(&mut rng).unwrap(), delay };
        let mut rows: Vec<(u64, u32)> = (0..events)
            .map(|_| (rng.random_range(0..span), rng.random_range(0..entities)))
            .collect();
        rows.sort_by_key(|row| row.0);
        let (mut batches, end) = cut(&mut rng, &rows, window, span + window.leaves(0) + 2);
        // The log is gone by now.
        let mut since = 0;
        for _ in 0..rng.random_range(0..batches.len() * 2) {
            if batches.len() < 2 {
                break;
            }
            let at = rng.random_range(0..batches.len() - 1);
            if rng.random() {
                since = (since + rng.random_range(0..20)).min(end);
            }
            let frontier = Antichain::from_elem(since);
            let next = batches.remove(at + 1);
            let mut merger = batches[at].begin_merge(&next, frontier.borrow());
            let mut fuel = 1;
            merger.work(&batches[at], &next, &mut fuel);
            assert!(fuel > 0, "merging is done at once");
            batches[at] = merger.done();
        }
        let updates: Updates = batches.iter().flat_map(read).collect();
        total += updates.len();
        // Slots are given in the order of first appearance.
        let mut slots = Vec::new();
        for (_, entity) in &rows {
            if !slots.contains(entity) {
                slots.push(*entity);
            }
        }
        let slot = |entity| slots.iter().position(|e| *e == entity).unwrap() as u32;
        for clock in since..end {
            let mut have = BTreeMap::<(u32, u64), isize>::new();
            for (slot, seq, time, diff) in updates.iter().filter(|u| u.2 <= clock) {
                assert!(*time < end);
                *have.entry((*slot, *seq)).or_default() += diff;
            }
            have.retain(|_, diff| *diff != 0);
            let inside = |(_, (ts, _)): &(usize, &(u64, u32))| {
                window.enters(*ts) <= clock && clock < window.leaves(*ts)
            };
            let want = rows.iter().enumerate().filter(inside);
            let want = want.map(|(seq, (_, entity))| ((slot(*entity), seq as u64), 1)).collect();
            assert_eq!(have, want, "seed {seed} at {clock}, compacted to {since}");
        }
    }
    assert!(total > 50_000, "{total}");
}
