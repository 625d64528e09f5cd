//! Sealed and live windows against brute force.

use crate::memory::{Run, came_back, replay, watched};
use crate::twin::World;
use std::collections::BTreeSet;
use tidemark::engine::Online;
use tidemark_operators::shared::Limits;

/// Every card is seen once, ten a millisecond, and no millisecond is without.
const ONCE: &str = r#"
[job]
name = "once"
[sources.t]
files = ["memory"]
time = "ts"
out_of_orderness = "0ms"
event_time_min = "1970-01-01T00:00:00Z"
[sources.t.fields]
card = "string"
[entities.card]
key = "card"
[views.cards]
entity = "card"
[views.cards.features]
last = { aggregate = "last", session = "20ms" }
"#;

#[test]
fn what_is_beyond_its_horizon_is_let_go_of_however_dense_the_events_are() {
    const EVENTS: u64 = 200_000;
    let plan = tidemark_jobs::load("once.toml", ONCE).unwrap_or_else(|e| panic!("{e}")).plan;
    let event = |n: u64| format!("{{\"ts\":{},\"card\":\"c{n}\"}}", 10_000 + n / 10).into_bytes();
    let log = vec![(0..EVENTS).map(event).collect()];
    let (output, observer) = watched(&plan, &log, &Run::default());
    assert_eq!((output.verdicts[0], output.live.len()), (EVENTS, 210));
    // Some 200 are still in their sessions; the others are let go of in slices.
    let entities = observer.metrics[0].entities[0].entities.get();
    assert!(entities < 20_000, "{entities} entities of 210 that are in a session");
}

const SEEDS: u64 = 300;

fn plan(world: &World) -> std::sync::Arc<tidemark_operators::plan::Plan> {
    tidemark_jobs::load("twin.toml", &world.job()).unwrap_or_else(|e| panic!("{e}")).plan
}

#[test]
fn sealed_rows_equal_brute_force_on_random_histories() {
    for seed in 0..SEEDS {
        let world = World::of_sources(seed, 1 + seed as usize % 2);
        let (accepted, late) = world.judge();
        let output = replay(&plan(&world), &world.log, &Run { seed, ..Run::default() });
        assert_eq!(output.sealed, world.sealed(&accepted), "seed {seed}: {}", world.job());
        let dead = output.dead.iter();
        let dead: Vec<(usize, usize, u64)> = dead
            .map(|d| {
                let (source, within) = (usize::from(d.partition.source), d.partition.partition);
                let partition = within as usize * world.sources + source;
                (partition, d.offset as usize, d.late_by.unwrap())
            })
            .collect();
        let dead: BTreeSet<_> = dead.into_iter().collect();
        assert_eq!(dead, late.iter().copied().collect(), "seed {seed}");
        assert_eq!(output.verdicts, [accepted.len() as u64, late.len() as u64, 0, 0]);
    }
}

#[test]
fn final_live_rows_equal_brute_force_at_the_live_clock() {
    for seed in 0..SEEDS {
        let world = World::of_sources(seed, 1 + seed as usize % 2);
        let (accepted, _) = world.judge();
        for online in [Online::AtEnd, Online::EveryStep] {
            let run = Run { seed, online, ..Run::default() };
            let output = replay(&plan(&world), &world.log, &run);
            let expected = world.live(&accepted, output.newest);
            assert_eq!(output.live, expected, "seed {seed} {online:?}: {}", world.job());
        }
    }
}

#[test]
fn output_is_the_same_bytes_for_any_workers_interleaving_and_slice() {
    for seed in 0..SEEDS / 2 {
        let world = World::of_sources(seed, 1 + seed as usize % 2);
        let plan = plan(&world);
        let first = replay(&plan, &world.log, &Run::default());
        let limits =
            Limits { slice_rows: 7, records_step: 11, chunk_rows: 256, ..Limits::default() };
        for workers in [1, 2, 3] {
            for (seed, limits) in [(seed, Limits::default()), (seed + 77, limits)] {
                let online = Online::EveryStep;
                let run = Run { workers, seed, limits, online, ..Run::default() };
                let output = replay(&plan, &world.log, &run);
                assert_eq!(output, first, "seed {seed}, {workers} workers: {}", world.job());
            }
        }
    }
}

#[test]
fn output_is_the_same_bytes_when_events_leave_memory_at_once() {
    let mut back = 0;
    for seed in 0..SEEDS {
        let world = World::of_sources(seed, 1 + seed as usize % 2);
        let plan = plan(&world);
        let limits = Limits { slice_rows: 7, records_step: 11, chunk_rows: 4, ..Limits::default() };
        let online = if seed % 3 == 0 { Online::AtEnd } else { Online::EveryStep };
        let run = Run { seed, limits, online, workers: 1 + seed as usize % 3, ..Run::default() };
        let hot = replay(&plan, &world.log, &run);
        let hot_window = Some([0, 1, 40][seed as usize % 3]);
        let (cold, observer) = watched(&plan, &world.log, &Run { hot_window, ..run });
        assert_eq!(cold, hot, "seed {seed}: {}", world.job());
        back += came_back(&observer);
    }
    assert!(back > SEEDS, "{back} chunks came back");
}
