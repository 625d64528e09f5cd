//! A story as it is told, to two systems at once.

use super::story::Story;
use super::system::System;
use rand::{Rng, rngs::SmallRng};

/// How far a story is told.
pub struct Telling {
    pub story: Story,
    pub rng: SmallRng,
    /// Arrivals told so far.
    pub told: usize,
    /// The live clock, and below what all is sealed.
    pub clock: u64,
    pub frontier: u64,
}

impl Telling {
    pub fn new(story: Story, rng: SmallRng) -> Self {
        Telling { story, rng, told: 0, clock: 0, frontier: 0 }
    }

    /// Whether all is told up to this part of so many.
    pub fn has_come_to(&self, part: usize, parts: usize) -> bool {
        let each = self.story.arrivals.len() / parts;
        self.told >= (each * part).min(self.story.arrivals.len())
    }

    /// Whether all is told.
    pub fn is_over(&self) -> bool {
        self.told >= self.story.arrivals.len()
    }

    /// Some more of the story, at most up to place `most`.
    pub fn tell(&mut self, most: usize, systems: [&mut System; 2]) {
        let to = self.told + self.rng.random_range(1..40);
        let to = to.min(self.story.arrivals.len()).min(most);
        let arrived = &self.story.arrivals[self.told..to];
        let said = arrived.iter().map(|arrival| arrival.clock).max().unwrap_or(0);
        let silence = if self.rng.random_bool(0.2) { self.rng.random_range(0..300) } else { 0 };
        self.clock = self.clock.max(said) + silence;
        for system in systems {
            system.advance(self.clock);
            system.arrive(&self.story, self.told..to);
        }
        self.told = to;
    }

    /// Some more is sealed: nothing older is to come.
    pub fn seal(&mut self, systems: [&mut System; 2]) {
        let most = self.story.least_to_come(self.told).min(self.clock + 1);
        if most <= self.frontier {
            return;
        }
        let back = if self.rng.random() { 0 } else { self.rng.random_range(0..100) };
        self.frontier = self.frontier.max(most.saturating_sub(back));
        for system in systems {
            system.seal(self.frontier, self.rng.random_range(1..200));
        }
    }

    /// A system that was made again as of `cut` comes to where the others are: what is at or after the cut is
    /// read again, the clock being anywhere from the cut on.
    pub fn catch_up(&mut self, again: &mut System, cut: u64) {
        let again_clock = self.rng.random_range(cut.saturating_sub(1)..=self.clock);
        again.advance(again_clock);
        again.arrive_from(&self.story, 0..self.told, cut);
        again.advance(self.clock);
        again.seal(self.frontier, self.rng.random_range(1..200));
        again.touch_all(self.rng.random_range(1..20));
    }

    /// All goes, and nothing is left.
    pub fn end(&mut self, systems: [&mut System; 2], what: &str) {
        self.clock = self.clock.max(self.story.newest()) + 1;
        self.frontier = self.clock + 40 * 24 * 3_600_000;
        for system in systems {
            system.advance(self.frontier - 1);
            system.seal(self.frontier, u64::MAX);
            system.live();
            // What is let go of follows what was given out.
            system.seal(self.frontier + 1, u64::MAX);
            assert_eq!(system.held(), (0, 0), "rows and names are left, {what}");
        }
    }
}
