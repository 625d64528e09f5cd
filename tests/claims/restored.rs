//! Operators that are stopped at a cut and made again from what was saved, over another number of
//! workers, against the same operators that are never stopped.

mod damage;
mod forgotten;
mod merged;
mod story;
mod system;
mod telling;

use merged::merged;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::fmt::Debug;
use std::sync::Arc;
use story::Story;
use system::{Mode, System, parts};
use telling::Telling;

/// A story told to two systems: one that is never stopped, and one that is stopped and made again.
struct Trial {
    telling: Telling,
    steady: System,
    stopped: System,
    /// Chunks that have come back, of those that were stopped.
    back: u64,
    what: String,
}

impl Trial {
    fn new(story: Story, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0x5a7e);
        let mode = Mode::random(&mut rng);
        let steady = System::new(&story.changed, 1, Mode::ROWS);
        let stopped = System::new(&story.plan, rng.random_range(1..4), mode);
        let what = format!("seed {seed}, {mode:?}");
        Trial { telling: Telling::new(story, rng), steady, stopped, back: 0, what }
    }

    /// Some more of the story, some of which is sealed.
    fn go_on(&mut self) {
        self.tell();
        if self.telling.rng.random_bool(0.6) {
            self.seal();
        }
    }

    fn tell(&mut self) {
        self.telling.tell(usize::MAX, [&mut self.steady, &mut self.stopped]);
    }

    fn seal(&mut self) {
        self.telling.seal([&mut self.steady, &mut self.stopped]);
    }

    /// Saves at `S`, goes on to the cut `G`, stops there or after it, and makes all again.
    fn stop(&mut self) {
        let snapshot = self.telling.frontier;
        let mut saving = self.stopped.begin_save(snapshot);
        while self.stopped.save_more(&mut saving, self.telling.rng.random_range(1..20)) {
            // What is sealed waits for it; live windows do not.
            if self.telling.rng.random_bool(0.03) {
                self.tell();
            }
        }
        let saved = saving.saved;
        for _ in 0..self.telling.rng.random_range(0..4) {
            self.go_on();
        }
        let cut = self.telling.rng.random_range(snapshot..=self.telling.frontier);
        let mut rows = self.stopped.rows_before(cut);
        if self.telling.rng.random_bool(0.3) {
            rows = merged(rows, &mut self.telling.rng);
            self.what += ", merged";
        }
        let same = Arc::ptr_eq(&self.stopped.plan, &self.steady.plan);
        let own = self.stopped.mode.rows && same;
        let given = if own { &self.stopped } else { &self.steady };
        let sealed = given.sealed_before(cut);
        let workers = self.telling.rng.random_range(1..4);
        let mode = Mode::random(&mut self.telling.rng);
        let plans = (&self.telling.story.changed, &*self.stopped.plan);
        let budget = self.telling.rng.random_range(1..500);
        let mut again =
            System::restore(plans, workers, mode, &rows, (&saved, snapshot), cut, budget).unwrap();
        again.sealed = sealed;
        self.telling.catch_up(&mut again, cut);
        self.back += self.stopped.came_back();
        self.stopped = again;
        self.what += &format!(", stopped as of {snapshot} at {cut} for {workers}");
    }

    fn check(&mut self) {
        let what = &self.what;
        let live = [&mut self.steady, &mut self.stopped].map(System::live);
        same(&live[1], &live[0], &format!("live rows, {what}"));
        assert_eq!(self.stopped.windows(), self.steady.windows(), "rows inside windows, {what}");
        if self.stopped.mode.rows {
            self.steady.sealed.sort_unstable();
            self.stopped.sealed.sort_unstable();
            same(&self.stopped.sealed, &self.steady.sealed, &format!("sealed rows, {what}"));
        } else {
            self.stopped.sealed.clone_from(&self.steady.sealed);
        }
        if self.stopped.mode.rebuilt == 0 {
            let saved = [&mut self.steady, &mut self.stopped]
                .map(|s| parts(&s.save(self.telling.frontier, 7)));
            same(&saved[1], &saved[0], &format!("state as of {}, {what}", self.telling.frontier));
        }
    }

    /// All goes, and nothing is left.
    fn end(&mut self) {
        self.telling.end([&mut self.steady, &mut self.stopped], &self.what);
        assert!(self.stopped.live().is_empty(), "{}", self.what);
    }
}

/// That both are equal, or where they differ first.
fn same<T: PartialEq + Debug>(
    is: impl IntoIterator<Item = T>,
    should: impl IntoIterator<Item = T>,
    what: &str,
) {
    let (mut is, mut should) = (is.into_iter(), should.into_iter());
    loop {
        match (is.next(), should.next()) {
            (None, None) => return,
            (is, should) => assert_eq!(is, should, "{what}"),
        }
    }
}

/// How many chunks have come back.
fn play(story: Story, seed: u64, stops: usize) -> u64 {
    let mut trial = Trial::new(story, seed);
    for stop in 1..=stops + 1 {
        while !trial.telling.has_come_to(stop, stops + 1) {
            trial.go_on();
        }
        if stop <= stops {
            trial.stop();
        }
        trial.check();
    }
    while !trial.telling.is_over() {
        trial.go_on();
    }
    trial.check();
    trial.end();
    trial.back + trial.stopped.came_back()
}

#[test]
fn a_job_that_is_stopped_at_any_cut_goes_on_as_if_it_had_never_stopped() {
    let played = (0..150).map(|seed| play(Story::of_world(seed), seed, 1 + seed as usize % 3));
    let back = played.sum::<u64>();
    assert!(back > 100, "{back} chunks came back");
}

#[test]
fn every_kind_of_state_goes_on_after_ten_stops_in_a_row() {
    for seed in 0..40 {
        let _ = play(Story::of_all_kinds(seed), seed, 10);
    }
}

#[test]
fn a_changed_job_keeps_what_it_still_has_and_fills_what_is_added_from_the_rows() {
    for seed in 0..30 {
        let _ = play(Story::of_changed_job(seed), seed, 2);
    }
}
