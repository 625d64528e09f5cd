//! Sealed and live windows against brute force.

use crate::memory::{Run, replay};
use crate::twin::World;
use tidemark::engine::Online;
use tidemark_operators::shared::Limits;

const SEEDS: u64 = 300;

fn plan(world: &World) -> std::sync::Arc<tidemark_operators::plan::Plan> {
    tidemark_jobs::load("twin.toml", &world.job()).unwrap_or_else(|e| panic!("{e}")).plan
}

#[test]
fn sealed_rows_equal_brute_force_on_random_histories() {
    for seed in 0..SEEDS {
        let world = World::random(seed);
        let (accepted, late) = world.judge();
        let output = replay(&plan(&world), &world.log, &Run { seed, ..Run::default() });
        assert_eq!(output.sealed, world.sealed(&accepted), "seed {seed}: {}", world.job());
        let dead = output.dead.iter();
        let dead: Vec<_> = dead
            .map(|d| (d.partition.partition as usize, d.offset as usize, d.late_by.unwrap()))
            .collect();
        assert_eq!(dead, late, "seed {seed}");
        assert_eq!(output.verdicts, [accepted.len() as u64, late.len() as u64, 0, 0]);
    }
}

#[test]
fn final_live_rows_equal_brute_force_at_the_live_clock() {
    for seed in 0..SEEDS {
        let world = World::random(seed);
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
        let world = World::random(seed);
        let plan = plan(&world);
        let first = replay(&plan, &world.log, &Run::default());
        let limits =
            Limits { slice_rows: 7, records_step: 11, chunk_rows: 256, ..Limits::default() };
        for workers in [1, 2, 3] {
            for (seed, limits) in [(seed, Limits::default()), (seed + 77, limits)] {
                let run = Run { workers, seed, limits, online: Online::EveryStep };
                let output = replay(&plan, &world.log, &run);
                assert_eq!(output, first, "seed {seed}, {workers} workers: {}", world.job());
            }
        }
    }
}
