//! Operators that are stopped at a cut and made again from what was saved, over another number of
//! workers, against the same operators that are never stopped.

mod damage;
mod forgotten;
mod merged;
mod story;
mod system;

use merged::merged;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::fmt::Debug;
use std::sync::Arc;
use story::Story;
use system::{Mode, System, parts};

/// A story told to two systems: one that is never stopped, and one that is stopped and made again.
struct Trial {
    story: Story,
    rng: SmallRng,
    /// Arrivals told so far.
    told: usize,
    /// The live clock, and below what all is sealed.
    clock: u64,
    frontier: u64,
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
        Trial { story, rng, told: 0, clock: 0, frontier: 0, steady, stopped, back: 0, what }
    }

    /// Some more of the story, some of which is sealed.
    fn go_on(&mut self) {
        self.tell();
        if self.rng.random_bool(0.6) {
            self.seal();
        }
    }

    /// Some more of the story.
    fn tell(&mut self) {
        let to = (self.told + self.rng.random_range(1..40)).min(self.story.arrivals.len());
        let arrived = &self.story.arrivals[self.told..to];
        let said = arrived.iter().map(|arrival| arrival.clock).max().unwrap_or(0);
        let silence = if self.rng.random_bool(0.2) { self.rng.random_range(0..300) } else { 0 };
        self.clock = self.clock.max(said) + silence;
        for system in [&mut self.steady, &mut self.stopped] {
            system.advance(self.clock);
            system.arrive(&self.story, self.told..to);
        }
        self.told = to;
    }

    /// Some more is sealed: nothing older is to come.
    fn seal(&mut self) {
        let most = self.story.least_to_come(self.told).min(self.clock + 1);
        if most <= self.frontier {
            return;
        }
        let back = if self.rng.random() { 0 } else { self.rng.random_range(0..100) };
        self.frontier = self.frontier.max(most.saturating_sub(back));
        for system in [&mut self.steady, &mut self.stopped] {
            system.seal(self.frontier, self.rng.random_range(1..200));
        }
    }

    /// Saves at `S`, goes on to the cut `G`, stops there or after it, and makes all again.
    fn stop(&mut self) {
        let snapshot = self.frontier;
        let mut saving = self.stopped.begin_save(snapshot);
        while self.stopped.save_more(&mut saving, self.rng.random_range(1..20)) {
            // What is sealed waits for it; live windows do not.
            if self.rng.random_bool(0.03) {
                self.tell();
            }
        }
        let saved = saving.saved;
        for _ in 0..self.rng.random_range(0..4) {
            self.go_on();
        }
        let cut = self.rng.random_range(snapshot..=self.frontier);
        let mut rows = self.stopped.rows_before(cut);
        if self.rng.random_bool(0.3) {
            rows = merged(rows, &mut self.rng);
            self.what += ", merged";
        }
        let same = Arc::ptr_eq(&self.stopped.plan, &self.steady.plan);
        let own = self.stopped.mode.rows && same;
        let given = if own { &self.stopped } else { &self.steady };
        let sealed = given.sealed_before(cut);
        let workers = self.rng.random_range(1..4);
        let mode = Mode::random(&mut self.rng);
        let plans = (&self.story.changed, &*self.stopped.plan);
        let budget = self.rng.random_range(1..500);
        let mut again =
            System::restore(plans, workers, mode, &rows, (&saved, snapshot), cut, budget).unwrap();
        again.sealed = sealed;
        // What is at or after the cut is read again, the clock being anywhere from the cut on.
        let again_clock = self.rng.random_range(cut.saturating_sub(1)..=self.clock);
        again.advance(again_clock);
        again.arrive_from(&self.story, 0..self.told, cut);
        again.advance(self.clock);
        again.seal(self.frontier, self.rng.random_range(1..200));
        again.touch_all(self.rng.random_range(1..20));
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
            let saved =
                [&mut self.steady, &mut self.stopped].map(|s| parts(&s.save(self.frontier, 7)));
            same(&saved[1], &saved[0], &format!("state as of {}, {what}", self.frontier));
        }
    }

    /// All goes, and nothing is left.
    fn end(&mut self) {
        self.clock = self.clock.max(self.story.newest()) + 1;
        self.frontier = self.clock + 40 * 24 * 3_600_000;
        for system in [&mut self.steady, &mut self.stopped] {
            system.advance(self.frontier - 1);
            system.seal(self.frontier, u64::MAX);
            system.live();
            // What is let go of follows what was given out.
            system.seal(self.frontier + 1, u64::MAX);
            assert_eq!(system.held(), (0, 0), "rows and names are left, {}", self.what);
        }
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
    let each = trial.story.arrivals.len() / (stops + 1);
    for stop in 1..=stops + 1 {
        while trial.told < (each * stop).min(trial.story.arrivals.len()) {
            trial.go_on();
        }
        if stop <= stops {
            trial.stop();
        }
        trial.check();
    }
    while trial.told < trial.story.arrivals.len() {
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
