//! Entities that are forgotten at random places, over random stops at random cuts and other numbers of
//! workers, against a system to which their events before those places were never told.

use super::same;
use super::story::Story;
use super::system::{Mode, System, Unseen, parts};
use super::telling::Telling;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::BTreeMap;
use tidemark_operators::cut::Forgotten;

/// A story told to two systems: one that was never told what the other one forgets.
struct Trial {
    telling: Telling,
    untold: System,
    forgets: System,
    /// By the place in the story.
    due: BTreeMap<usize, Vec<(usize, String)>>,
    /// What is forgotten by now, as the newest manifest has it.
    forgotten: Vec<(usize, Forgotten)>,
    what: String,
}

/// The ids of each entity type of the story.
fn ids(story: &Story) -> Vec<(usize, String)> {
    let mut system = System::new(&story.plan, 1, Mode::ROWS);
    system.advance(story.newest());
    system.arrive(story, 0..story.arrivals.len());
    system.seal(story.newest() + 1, u64::MAX);
    let of = |(view, _, _, id, _): &(usize, u64, String, String, String)| {
        (story.plan.views[*view].entity, id.clone())
    };
    let mut ids: Vec<_> = system.sealed.iter().map(of).collect();
    ids.sort();
    ids.dedup();
    ids
}

impl Trial {
    fn new(story: Story, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0xf0f0);
        let (mode, ids) = (Mode::random(&mut rng), ids(&story));
        let mut due = BTreeMap::<usize, Vec<(usize, String)>>::new();
        let mut untold = System::new(&story.plan, 1, Mode::ROWS);
        for _ in 0..rng.random_range(1..6) {
            // A story may be of nobody.
            let Some((entity, id)) = ids.choose(&mut rng).cloned() else { break };
            let place = rng.random_range(0..story.arrivals.len());
            untold.unseen.push(Unseen { entity, id: id.clone(), until: place });
            due.entry(place).or_default().push((entity, id));
        }
        let forgets = System::new(&story.plan, rng.random_range(1..4), mode);
        let what = format!("seed {seed}, {mode:?}, {due:?}");
        let telling = Telling::new(story, rng);
        Trial { telling, untold, forgets, due, forgotten: Vec::new(), what }
    }

    fn go_on(&mut self) {
        for (entity, id) in self.due.remove(&self.telling.told).unwrap_or_default() {
            let new = self.forgets.forget(entity, &id);
            let known =
                self.forgotten.iter_mut().find(|(of, one)| *of == entity && one.id == new.id);
            match known {
                Some((_, one)) => one.join(&new),
                None => self.forgotten.push((entity, new)),
            }
        }
        self.tell();
        if self.telling.rng.random_bool(0.6) {
            self.seal();
        }
    }

    /// Some more of the story, up to where something is forgotten.
    fn tell(&mut self) {
        let next = self.due.keys().next().copied().unwrap_or(usize::MAX);
        self.telling.tell(next, [&mut self.untold, &mut self.forgets]);
    }

    fn seal(&mut self) {
        self.telling.seal([&mut self.untold, &mut self.forgets]);
    }

    /// Saves, goes on and forgets more, stops, and makes all again from a cut before or behind that.
    fn stop(&mut self) {
        let snapshot = self.telling.frontier;
        let mut saving = self.forgets.begin_save(snapshot);
        while self.forgets.save_more(&mut saving, self.telling.rng.random_range(1..20)) {
            if self.telling.rng.random_bool(0.03) {
                self.tell();
            }
        }
        for _ in 0..self.telling.rng.random_range(0..8) {
            self.go_on();
        }
        let cut = self.telling.rng.random_range(snapshot..=self.telling.frontier);
        let rows = self.forgets.rows_before(cut);
        let given = if self.forgets.mode.rows { &self.forgets } else { &self.untold };
        let sealed = given.sealed_before(cut);
        let workers = self.telling.rng.random_range(1..4);
        let mode = Mode::random(&mut self.telling.rng);
        let plans = (&self.telling.story.plan, &*self.telling.story.plan);
        let (saved, end) =
            ((&saving.saved, snapshot), (cut, self.telling.rng.random_range(1..500)));
        let forgotten = &self.forgotten;
        let again = System::restore_but(plans, workers, mode, &rows, saved, end, forgotten);
        let mut again = again.unwrap();
        again.sealed = sealed;
        self.telling.catch_up(&mut again, cut);
        self.forgets = again;
        self.what += &format!(", stopped as of {snapshot} at {cut} for {workers}");
    }

    /// Whether the entity `id` of the view's type is to be forgotten later: until then it is there.
    fn waits(&self, entity: usize, id: &str) -> bool {
        self.due.values().flatten().any(|(of, due)| *of == entity && due == id)
    }

    fn check(&mut self) {
        let (what, plan) = (self.what.clone(), self.telling.story.plan.clone());
        let live = [&mut self.untold, &mut self.forgets].map(System::live);
        let entity = |key: &str| {
            let name = key.split('/').next().unwrap_or_default();
            let view = (0..plan.views.len()).find(|at| plan.view(*at).unwrap().name == name);
            plan.views[view.unwrap()].entity
        };
        let due = |(key, _): &(String, String)| {
            let (_, id) = key.split_once('/').unwrap();
            !self.waits(entity(key), id)
        };
        let [untold, forgets] = live.map(|rows| rows.into_iter().filter(due).collect::<Vec<_>>());
        same(forgets, untold, &format!("live rows, {what}"));
        if self.forgets.mode.rows {
            self.check_sealed(&what);
        } else {
            self.forgets.sealed.clone_from(&self.untold.sealed);
        }
        if self.forgets.mode.rebuilt == 0 && self.due.is_empty() {
            let (untold, forgets) = (
                self.untold.save(self.telling.frontier, 7),
                self.forgets.save(self.telling.frontier, 7),
            );
            let what = format!("state as of {}, {what}", self.telling.frontier);
            same(parts(&forgets), parts(&untold), &what);
        }
    }

    /// Rows that were given out before an entity was forgotten are out.
    fn check_sealed(&mut self, what: &str) {
        let untold: std::collections::BTreeSet<_> = self.untold.sealed.iter().cloned().collect();
        let views = &self.telling.story.plan.views;
        let is_forgotten = |view: usize, id: &str| {
            let entity = views[view].entity;
            let all = &self.untold.unseen;
            all.iter().any(|unseen| unseen.entity == entity && unseen.id == id)
        };
        let given: std::collections::BTreeSet<_> = self.forgets.sealed.iter().cloned().collect();
        let of_others = |row: &&(usize, u64, String, String, String)| !is_forgotten(row.0, &row.3);
        same(given.iter().filter(of_others), untold.iter().filter(of_others), what);
        // Of the forgotten ones each row that is right is there once they are forgotten; before, others too.
        let missing =
            untold.difference(&given).filter(|row| !self.waits(views[row.0].entity, &row.3));
        assert_eq!(missing.count(), 0, "sealed rows, {what}");
    }

    fn end(&mut self) {
        self.telling.end([&mut self.untold, &mut self.forgets], &self.what);
        assert!(self.forgets.live().is_empty(), "{}", self.what);
    }
}

/// How many entities were forgotten of which rows were there.
fn play(story: Story, seed: u64, stops: usize) -> usize {
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
    let held = |(_, one): &&(usize, Forgotten)| !one.read.is_empty();
    trial.forgotten.iter().filter(held).count()
}

#[test]
fn a_forgotten_entity_is_as_if_it_had_not_been_before_and_no_other_is_touched() {
    let worlds = (0..150).map(|seed| play(Story::of_world(seed), seed, 1 + seed as usize % 3));
    let kinds = (0..60).map(|seed| play(Story::of_all_kinds(seed), seed, 4));
    let forgotten: usize = worlds.chain(kinds).sum();
    assert!(forgotten > 200, "{forgotten} entities were forgotten");
}
