//! Stash and log against a sorted vector.

use super::chunk::Chunk;
use super::cold::{BACK_A_PLACE, PUTS_MAX};
use super::lane::Lane;
use super::log::Log;
use super::stash::{Block, Stash, Stashed};
use crate::event_batch::NULL;
use crate::in_memory::{ColdInMemory, ColdTrials};
use crate::origin::Origin;
use crate::plan::{AttributePlan, Storage};
use crate::value::Type;
use rand::{Rng as _, SeedableRng, rngs::SmallRng};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Time, origin, slot, bits, a wide value and a symbol.
type Row = (u64, Origin, u32, u64, i64, i64);

/// A block of random rows with times around `now`, many of them equal.
fn block(rng: &mut SmallRng, now: u64, spread: u64, next: &mut u64) -> Block {
    let mut block = Block { attributes: vec![Vec::new(); 2], ..Block::default() };
    for _ in 0..rng.random_range(0..30) {
        *next += 1;
        let partition = rng.random_range(0..3);
        block.times.push(now + rng.random_range(0..=spread));
        block.origins.push(Origin { source: 0, partition, offset: *next });
        block.slots.push(rng.random_range(0..9));
        block.bits.push(rng.random_range(0..8).into());
        let number = if rng.random_bool(0.2) { NULL } else { rng.random() };
        block.attributes[0].push(number.into());
        let symbol = if rng.random_bool(0.2) { NULL } else { rng.random_range(1..99) };
        block.attributes[1].push(symbol.into());
    }
    block
}

fn row(block: &Block, at: usize) -> Row {
    let value = |attribute: usize| block.attributes[attribute][at].get();
    (block.times[at], block.origins[at], block.slots[at], block.bits[at].get(), value(0), value(1))
}

fn rows(lane: &Lane) -> Vec<(u64, u32, u64, i64, i64)> {
    let value = |attribute, at: usize| lane.values(Some(attribute))[at];
    let row = |at| (lane.times[at], lane.slots[at], lane.bits[at], value(0, at), value(1, at));
    (0..lane.len()).map(row).collect()
}

fn without_origin(row: &Row) -> (u64, u32, u64, i64, i64) {
    (row.0, row.2, row.3, row.4, row.5)
}

#[test]
fn the_stash_gives_out_and_copies_what_a_sorted_vector_does() {
    for seed in 0..300 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut stash = Stash::new(rng.random_range(0..40));
        let spread = [0, 5, 100, 2_000][rng.random_range(0..4)];
        let (mut twin, mut now, mut next) = (Vec::<Row>::new(), 1_000, 0);
        for _ in 0..40 {
            let arrived = Rc::new(block(&mut rng, now, spread, &mut next));
            twin.extend((0..arrived.len()).map(|at| row(&arrived, at)));
            twin.sort_unstable();
            stash.insert(arrived);
            assert!(stash.floor().is_none_or(|floor| floor <= twin[0].0));
            assert_eq!(stash.floor().is_none(), twin.is_empty());

            let lo = now.saturating_sub(10) + rng.random_range(0..=spread);
            let hi = lo + rng.random_range(0..=spread);
            let mut lane = Lane::new(&[true, true]);
            stash.copy(lo, hi, &mut lane);
            let mut copied = rows(&lane);
            copied.sort_unstable();
            let inside = |lo: u64, hi: u64| twin.iter().filter(move |r| lo <= r.0 && r.0 < hi);
            let mut should: Vec<_> = inside(lo, hi).map(without_origin).collect();
            should.sort_unstable();
            assert_eq!(copied, should, "seed {seed}");

            let budget = rng.random_range(0..20);
            let reached = stash.reach(lo, hi, budget);
            if let Some(reach) = reached {
                assert!(lo < reach && reach < hi, "seed {seed}");
            }
            // It stops in the bucket in which the budget is spent.
            let upto = reached.unwrap_or(hi);
            let before = upto.saturating_sub(40).max(lo);
            assert!(inside(lo, before).count() as u64 <= budget, "seed {seed}");

            let hi = rng.random_bool(0.95).then(|| now + rng.random_range(0..=spread));
            let mut taken: Vec<Stashed> = Vec::new();
            stash.take(hi, &mut taken);
            let stay = twin.partition_point(|r| hi.is_none_or(|hi| r.0 < hi));
            let gone: Vec<Row> = twin.drain(..stay).collect();
            let gave = taken.iter().map(|e| row(stash.block(e), e.row as usize));
            assert_eq!(gave.collect::<Vec<_>>(), gone, "seed {seed}");
            taken.iter().for_each(|entry| stash.release(entry));
            assert_eq!((stash.len(), stash.is_empty()), (twin.len(), twin.is_empty()));
            now = now.max(hi.unwrap_or(now)) + rng.random_range(0..30);
        }
    }
}

fn attribute(storage: Storage) -> AttributePlan {
    AttributePlan::sent("", Type::Int, storage)
}

#[test]
fn the_log_finds_copies_and_lets_go_as_a_vector_does_whatever_has_left_memory() {
    let (mut went, mut came) = (0, 0);
    for seed in 0..300 {
        let mut rng = SmallRng::seed_from_u64(seed);
        // As many filter bits as each of the widths holds.
        let filters = [0, 8, 9, 64][rng.random_range(0..4)];
        let span = [1, 20, 1_000_000][rng.random_range(0..3)];
        let attributes = vec![attribute(Storage::Wide), attribute(Storage::Symbol)];
        let chunk_rows = [4, 256][rng.random_range(0..2)];
        let mut log = Log::new(chunk_rows, span, filters, &attributes);
        let trials = Arc::new(ColdTrials::default());
        let hot_window = [None, Some(0), Some(50)][rng.random_range(0..3)];
        if let Some(hot_window) = hot_window {
            log.keep_cold("card", hot_window, Box::new(ColdInMemory::new(&trials)));
        }
        let (mut twin, mut kept, mut now, mut next) = (Vec::<Row>::new(), 0usize, 0, 0);
        let mut readers: Vec<Rc<Chunk>> = Vec::new();
        for _ in 0..60 {
            let arrived = block(&mut rng, now, 0, &mut next);
            for at in 0..arrived.len() {
                log.push(&arrived, at);
                let mut row = row(&arrived, at);
                if filters == 0 {
                    row.3 = 0;
                }
                twin.push(row);
            }
            now += [0, 1, 7, 300][rng.random_range(0..4)];
            assert_eq!((log.start(), log.end()), (kept as u64, twin.len() as u64));
            for seq in 0..twin.len() + 2 {
                let should = twin.get(seq).filter(|_| seq >= kept).map(|r| r.0);
                assert_eq!(log.time(seq as u64), should, "seed {seed}");
            }
            let from = rng.random_range(kept..=twin.len());
            let bound = rng.random_range(0..=now + 1);
            let should = from + twin[from..].partition_point(|r| r.0 < bound);
            assert_eq!(log.partition(from as u64, |ts| ts < bound), should as u64, "seed {seed}");
            let to = rng.random_range(from..=twin.len());
            let mut lane = Lane::new(&[true, true]);
            log.copy(from as u64, to as u64, &mut lane);
            let should: Vec<_> = twin[from..to].iter().map(without_origin).collect();
            assert_eq!(rows(&lane), should, "seed {seed}");
            let covered = log.cover(from as u64, to as u64);
            let covers = covered.map(|c| c.len() as usize).sum::<usize>();
            assert!(covers >= to - from && (from < to || covers == 0), "seed {seed}");

            trials.full.store(rng.random_bool(0.1), Ordering::Relaxed);
            let places: Vec<u64> = (0..rng.random_range(0..3))
                .map(|_| rng.random_range(kept..=twin.len()) as u64)
                .collect();
            log.cool(now, rng.random_range(kept..=twin.len()) as u64, &places);
            let back = (BACK_A_PLACE * places.len().max(1)) as u64;
            assert!(log.cold().back <= back, "seed {seed}");
            went += log.cold().rows;

            if rng.random_bool(0.1) {
                readers.extend(log.chunks().nth(rng.random_range(0..3)).cloned());
            }
            if rng.random_bool(0.1) {
                readers.clear();
            }
            let below = rng.random_range(kept..=twin.len());
            while let Some(chunk) = log.retire(below as u64) {
                assert_eq!(chunk.base(), kept as u64, "the oldest goes first");
                assert!(chunk.end() <= below as u64, "all of it is below");
                assert!(readers.iter().all(|r| r.base() != chunk.base()), "nobody reads it");
                kept = chunk.end() as usize;
                assert_eq!(log.forgotten(), Some(twin[kept - 1].0));
            }
            let front = log.chunks().next();
            assert!(
                front.is_none_or(|c| {
                    c.end() > below as u64 || readers.iter().any(|r| r.base() == c.base())
                }),
                "seed {seed}: what may go has gone"
            );
        }
        came += trials.taken.load(Ordering::Relaxed);
        readers.clear();
        drop(log);
        assert_eq!(trials.held.load(Ordering::Relaxed), 0, "seed {seed}: nothing is left behind");
    }
    assert!(went > 10_000 && came > 1_000, "{went} rows went, {came} chunks came back");
}

#[test]
fn chunks_that_cannot_be_written_stay_and_go_later() {
    let mut rng = SmallRng::seed_from_u64(7);
    let (mut log, trials) = cold_log(&mut rng);
    trials.full.store(true, Ordering::Relaxed);
    let (before, end) = (log.bytes(), log.end());
    for now in 20_000..20_100 {
        log.cool(now, end, &[]);
    }
    assert_eq!((log.cold().rows, log.cold().failures), (0, PUTS_MAX as u64), "not tried at once");
    assert_eq!(log.bytes(), before);
    trials.full.store(false, Ordering::Relaxed);
    for step in 0..100 {
        log.cool(40_000 + step, end, &[]);
    }
    assert_eq!(log.cold().failures, PUTS_MAX as u64);
    assert!(log.cold().rows > 0 && log.bytes() < before / 4, "{} of {before}", log.bytes());
}

#[test]
fn a_log_whose_rows_cannot_be_read_back_has_none_of_them_and_says_so() {
    let mut rng = SmallRng::seed_from_u64(7);
    let (mut log, trials) = cold_log(&mut rng);
    for step in 0..100 {
        log.cool(20_000 + step, log.end(), &[]);
    }
    trials.broken.store(true, Ordering::Relaxed);
    let mut lane = Lane::new(&[true, true]);
    log.copy(0, 200, &mut lane);
    assert!(lane.is_empty() && lane.times.is_empty() && lane.bits.is_empty());
    assert_eq!((log.partition(1, |_| true), log.partition(1, |ts| ts < 5)), (log.end(), 1));
    assert_eq!(log.time(3), None);
    let why = log.lost().unwrap();
    assert!(why.contains("timeline of entity \"card\""), "{why}");
    assert!(
        why.contains("the memory is broken; look at the disk, and start the job again"),
        "{why}"
    );
    trials.broken.store(false, Ordering::Relaxed);
    assert_eq!(log.time(3), None, "what is lost stays so");
}

/// A log of some thousand rows that may leave memory.
fn cold_log(rng: &mut SmallRng) -> (Log, Arc<ColdTrials>) {
    let attributes = vec![attribute(Storage::Wide), attribute(Storage::Symbol)];
    let mut log = Log::new(64, 1_000_000, 9, &attributes);
    let trials = Arc::new(ColdTrials::default());
    log.keep_cold("card", 1_000, Box::new(ColdInMemory::new(&trials)));
    let mut next = 0;
    for now in 0..300 {
        let arrived = block(rng, 5 + now, 0, &mut next);
        (0..arrived.len()).for_each(|row| log.push(&arrived, row));
    }
    assert!(log.end() > 2_000);
    (log, trials)
}
