//! Two processes on one store: every point where one may crash, and orders in which their calls may
//! reach the store.
//!
//! A process takes over, reads what is listed, and then writes segments and manifests and collects. A
//! snapshot that it begins is listed two manifests later. Whatever happens:
//!
//! - no two processes are told that they wrote the same manifest;
//! - what a process was told is committed is part of what the next one goes on from;
//! - what the newest manifest lists is there;
//! - what is left over goes.

use super::super::manifest::{Position, Snapshot};
use super::super::{ListedStates, StoredObject};
use super::*;
use crate::objects::memory::{CallFault, MemoryObjects};
use crate::objects::{ListedObject, ObjectError};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use std::cell::Cell;
use std::sync::{Condvar, Mutex};

const ROUNDS: u64 = 4;

thread_local! {
    /// Which of the two processes this thread is; 2: neither.
    static PROCESS: Cell<usize> = const { Cell::new(2) };
    /// The manifest that this thread has just created.
    static CREATED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A bug in a store or in what uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    /// What exists is replaced.
    Overwrites,
    /// After a manifest was created nobody looks for later ones.
    LooksNotForLater,
    /// Two starts of a process call themselves the same.
    OneWriter,
    /// What is still being written is not spared.
    SparesNothing,
}

/// How a run goes: after how many calls it is the other's turn, and which call of which process fails
/// how.
#[derive(Clone, Debug, Default)]
struct Course {
    turns: Vec<u64>,
    crashes: [Option<(u64, bool)>; 2],
}

#[derive(Default)]
struct TurnState {
    /// Whose turn it is.
    whose: usize,
    /// How many turns are over.
    over: usize,
    /// Calls in this turn.
    calls: u64,
    /// All calls of each.
    made: [u64; 2],
    /// Who has ended.
    ended: [bool; 2],
}

impl TurnState {
    fn hand_to(&mut self, other: usize) {
        (self.whose, self.over, self.calls) = (other, self.over + 1, 0);
    }
}

struct Turns {
    course: Course,
    state: Mutex<TurnState>,
    changed: Condvar,
}

impl Turns {
    fn new(course: Course) -> Self {
        Turns { course, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits for this thread's turn; whether its call fails.
    fn call(&self) -> CallFault {
        let me = PROCESS.get();
        if me == 2 {
            return CallFault::None;
        }
        let mut state = self.state.lock().unwrap();
        loop {
            let length = self.course.turns.get(state.over).copied().unwrap_or(u64::MAX);
            if state.whose != me {
                state = self.changed.wait(state).unwrap();
            } else if state.calls >= length {
                let next = if state.ended[1 - me] { me } else { 1 - me };
                state.hand_to(next);
                self.changed.notify_all();
            } else {
                break;
            }
        }
        state.calls += 1;
        state.made[me] += 1;
        match self.course.crashes[me] {
            Some((at, false)) if at == state.made[me] => CallFault::Before,
            Some((at, true)) if at == state.made[me] => CallFault::After,
            _ => CallFault::None,
        }
    }

    fn end(&self) {
        let me = PROCESS.get();
        let mut state = self.state.lock().unwrap();
        state.ended[me] = true;
        state.hand_to(1 - me);
        self.changed.notify_all();
    }
}

/// A store with a bug.
struct Buggy<'a> {
    objects: &'a dyn Objects,
    mutant: Mutant,
}

impl Objects for Buggy<'_> {
    fn url(&self) -> &str {
        "memory"
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Creation, ObjectError> {
        if self.mutant == Mutant::Overwrites {
            return self.objects.put(name, bytes).map(|()| Creation::Created);
        }
        CREATED.set(manifest_sequence(name));
        self.objects.put_new(name, bytes)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ObjectError> {
        self.objects.put(name, bytes)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ObjectError> {
        self.objects.get(name)
    }

    fn get_range(&self, name: &str, from: u64, to: u64) -> Result<Option<Vec<u8>>, ObjectError> {
        self.objects.get_range(name, from, to)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, ObjectError> {
        let mut listed = self.objects.list(prefix)?;
        if let Some(created) = CREATED.take()
            && self.mutant == Mutant::LooksNotForLater
        {
            listed.retain(|listed| listed.name <= manifest_name(created));
        }
        Ok(listed)
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        self.objects.delete(name)
    }
}

/// What a process was told is committed.
type Acknowledged = Mutex<Vec<Manifest>>;

/// A process from its start to its end; what it must never see is the error.
fn process(
    objects: &Buggy<'_>,
    writer: &str,
    acknowledged: &Acknowledged,
) -> Result<(), Result<CheckpointError, String>> {
    let told = |manifest: &Manifest| acknowledged.lock().unwrap().push(manifest.clone());
    let mut leader =
        Manifests::new(objects).take_over(&Manifest::default(), writer, 0).map_err(Ok)?;
    told(leader.manifest());
    if let Some(missing) = missing(objects, leader.manifest()).map_err(Ok)? {
        // Only when another one has gone on meanwhile.
        let last = Manifests::new(objects).sequences().map_err(Ok)?.pop();
        if last == Some(leader.manifest().sequence) {
            return Err(Err(format!("{missing} is missing")));
        }
    }
    let mut begun: Vec<ListedStates> = Vec::new();
    for round in 0..ROUNDS {
        let Manifest { generation, sequence, cut, .. } = *leader.manifest();
        let written = WrittenBy { generation, sequence: sequence + 1, worker: 0, number: 0 };
        let put = |kind| -> Result<(String, u64), CheckpointError> {
            let name = object_name(kind, written);
            let bytes = format!("{writer} {round}").into_bytes();
            store(objects, &StoredObject { name: name.clone(), bytes })?;
            Ok((name, sequence + 1))
        };
        let mut next = leader.manifest().clone();
        let (name, _) = put(ListedKind::Segment).map_err(Ok)?;
        next.cut = cut + 1;
        next.segments.push(ListedSegment {
            name,
            entity: "card".to_owned(),
            rows: 1,
            from: cut,
            to: cut + 1,
            bytes: 1,
            crc32c: 0,
            merged: false,
        });
        next.retire((cut + 1).saturating_sub(2));
        let (name, _) = put(ListedKind::States).map_err(Ok)?;
        begun.push(ListedStates {
            name,
            entity: "card".to_owned(),
            as_of: cut,
            entities: 1,
            bytes: 1,
            crc32c: 0,
        });
        if begun.len() > 2 {
            next.snapshot = Some(Snapshot { as_of: begun[0].as_of, states: vec![begun.remove(0)] });
        }
        next.outbox.insert(format!("{writer} {round}"), Position::Number(round));
        leader.append(next).map_err(Ok)?;
        told(leader.manifest());
        let oldest =
            begun.iter().filter_map(|states| written_in(&states.name)).map(|(_, at)| at).min();
        let writing_from = match objects.mutant {
            Mutant::SparesNothing => u64::MAX,
            _ => oldest.unwrap_or(u64::MAX),
        };
        leader.collect(writing_from).map_err(Ok)?;
    }
    Ok(())
}

/// An object that a manifest lists and that is not there.
fn missing(objects: &dyn Objects, manifest: &Manifest) -> Result<Option<String>, CheckpointError> {
    let mut names = Manifests::new(objects)
        .segments(manifest)?
        .into_iter()
        .map(|one| one.name)
        .collect::<Vec<_>>();
    let states = manifest.snapshot.iter().flat_map(|snapshot| &snapshot.states);
    names.extend(states.map(|one| one.name.clone()));
    for name in names {
        if objects.get(&name)?.is_none() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// A run of both processes and of a third one after them; how many calls each made, or what is wrong.
fn run(mutant: Mutant, course: Course) -> Result<[u64; 2], String> {
    let turns = Turns::new(course);
    let objects = MemoryObjects::asking(|_: &str| turns.call());
    let buggy = Buggy { objects: &objects, mutant };
    let acknowledged = Acknowledged::default();
    let writers = if mutant == Mutant::OneWriter { ["a", "a"] } else { ["a", "b"] };
    let ends = std::thread::scope(|scope| {
        let start = |me: usize| {
            let (buggy, acknowledged, turns) = (&buggy, &acknowledged, &turns);
            move || {
                PROCESS.set(me);
                let ended = process(buggy, writers[me], acknowledged);
                turns.end();
                ended
            }
        };
        let both = [0, 1].map(|me| scope.spawn(start(me)));
        both.map(|one| one.join().unwrap())
    });
    for end in ends {
        if let Err(Err(what)) = end {
            return Err(what);
        }
    }
    let calls = turns.state.lock().unwrap().made;
    let wrong = |error: CheckpointError| error.to_string();
    process(&buggy, "c", &acknowledged).map_err(|error| match error {
        Ok(error) => error.to_string(),
        Err(what) => what,
    })?;
    let acknowledged = acknowledged.into_inner().unwrap();
    let newest = Manifests::new(&buggy).newest().map_err(wrong)?.ok_or("there is no manifest")?;
    let newest = newest.manifest;
    for (at, one) in acknowledged.iter().enumerate() {
        if acknowledged[..at].iter().any(|other| other.sequence == one.sequence) {
            return Err(format!("two were told that they wrote manifest {}", one.sequence));
        }
        if let Some((lost, _)) =
            one.outbox.iter().find(|(name, _)| !newest.outbox.contains_key(*name))
        {
            return Err(format!("what {lost} committed is lost"));
        }
    }
    if let Some(missing) = missing(&buggy, &newest).map_err(wrong)? {
        return Err(format!("{missing} is missing in the end"));
    }
    leftovers(&buggy, &newest).map_or(Ok(calls), Err)
}

/// What is in the store at the end of a process that has collected, and should not be.
fn leftovers(objects: &dyn Objects, newest: &Manifest) -> Option<String> {
    let manifests = Manifests::new(objects);
    let sequences = manifests.sequences().unwrap();
    if sequences.len() > MANIFESTS_KEPT {
        return Some(format!("manifests {sequences:?} are left"));
    }
    let mut listed = BTreeSet::new();
    for sequence in sequences {
        let manifest = manifests.read(sequence).unwrap().unwrap();
        listed.extend(manifest.segments.iter().map(|one| one.name.clone()));
        let states = manifest.snapshot.iter().flat_map(|snapshot| &snapshot.states);
        listed.extend(states.map(|one| one.name.clone()));
    }
    let all = LISTED.iter().flat_map(|folder| objects.list(folder).unwrap());
    let left = |name: &String| {
        let (generation, _) = written_in(name).unwrap();
        generation < newest.generation && !listed.contains(name)
    };
    all.map(|object| object.name).find(left).map(|name| format!("{name} is left"))
}

/// The first course of many that shows that something is wrong.
fn found(mutant: Mutant, courses: impl Iterator<Item = Course>) -> Option<String> {
    courses.into_iter().find_map(|course| {
        run(mutant, course.clone()).err().map(|what| format!("{what}; {course:?}"))
    })
}

/// Every pair of turns, the first of either process.
fn pairs(calls: u64) -> impl Iterator<Item = Course> {
    (0..=calls).flat_map(move |first| {
        (0..=calls).map(move |second| Course { turns: vec![first, second], ..Course::default() })
    })
}

fn random(seeds: std::ops::Range<u64>, calls: u64) -> impl Iterator<Item = Course> {
    seeds.map(move |seed| {
        let mut random = SmallRng::seed_from_u64(seed);
        let turns =
            (0..random.random_range(1..12)).map(|_| random.random_range(0..calls / 3)).collect();
        let mut crash = || {
            let at = (random.random_range(1..=calls), random.random());
            random.random_bool(0.5).then_some(at)
        };
        Course { turns, crashes: [crash(), crash()] }
    })
}

/// Calls of a process that nothing disturbs.
fn calls() -> u64 {
    let [calls, _] = run(Mutant::None, Course::default()).unwrap();
    assert!((40..90).contains(&calls), "{calls}");
    calls
}

#[test]
fn a_process_may_crash_before_or_after_every_call() {
    for at in 1..=calls() + 1 {
        for after in [false, true] {
            let course = Course { crashes: [Some((at, after)), None], ..Course::default() };
            assert_eq!(run(Mutant::None, course).err(), None, "call {at}, after: {after}");
        }
    }
}

#[test]
fn two_processes_may_hold_one_another_up_at_every_call() {
    assert_eq!(found(Mutant::None, pairs(calls())), None);
}

#[test]
fn two_processes_may_take_turns_and_crash_anyhow() {
    assert_eq!(found(Mutant::None, random(0..2_000, calls())), None);
}

#[test]
fn each_bug_that_breaks_the_chain_is_found_by_the_same_courses() {
    for (mutant, expected) in [
        (Mutant::Overwrites, ["two were told", "is lost"]),
        (Mutant::LooksNotForLater, ["two were told", "is lost"]),
        (Mutant::OneWriter, ["two were told", "is lost"]),
        (Mutant::SparesNothing, ["is missing", "is missing"]),
    ] {
        let courses = pairs(calls()).chain(random(0..2_000, calls()));
        let what = found(mutant, courses).unwrap_or_else(|| panic!("{mutant:?} is not found"));
        assert!(expected.iter().any(|expected| what.contains(expected)), "{mutant:?}: {what}");
    }
}
