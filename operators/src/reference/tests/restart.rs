//! Files whose versions are kept, over restarts.

use super::{Drive, Line, Script, TEXT, line, random_version, rows, scan};
use crate::reference::input::above;
use crate::time::EventTime;
use rand::{Rng as _, SeedableRng, rngs::SmallRng};

#[test]
fn nothing_from_a_versions_time_on_is_settled_before_that_time_is_kept() {
    timely::execute_directly(|worker| {
        let mut drive = Drive::new(worker, TEXT);
        drive.load(worker, rows(&[line("a", 0, 1)], TEXT));
        drive.advance(worker, 10_500);
        drive.script.borrow_mut().unkept = u32::MAX;
        drive.script.borrow_mut().versions.push_back(rows(&[line("a", 0, 2)], TEXT));
        for frontier in [10_500, 20_000, 30_000] {
            drive.advance(worker, frontier);
            assert_eq!(drive.frontier(), Some(11_000), "at {frontier}");
            assert_eq!(drive.lookup(b"a", 40_000), Some(1), "nobody has seen it");
            assert_eq!(drive.script.borrow().effects.len(), 1);
        }
        drive.script.borrow_mut().unkept = 0;
        drive.settle(worker);
        assert_eq!(drive.script.borrow().effects.last().map(|effect| effect.from), Some(11_000));
        assert_eq!((drive.lookup(b"a", 10_999), drive.lookup(b"a", 11_000)), (Some(1), Some(2)));
        assert_eq!(drive.frontier(), Some(31_000));
    });
}

#[test]
fn versions_that_were_kept_are_seen_from_their_times_on_and_new_ones_behind_them() {
    timely::execute_directly(|worker| {
        let version = |value| rows(&[line("a", 0, value)], TEXT);
        let script = Script {
            kept: [(version(1), 0), (version(2), 50_000)].into(),
            not_before: 60_000,
            ..Script::default()
        };
        let mut drive = Drive::begin(worker, TEXT, script);
        drive.advance(worker, 40_000);
        assert_eq!(drive.frontier(), Some(41_000));
        let at = |drive: &Drive, ts| drive.lookup(b"a", ts);
        assert_eq!((at(&drive, 49_999), at(&drive, 50_000)), (Some(1), Some(2)));
        assert_eq!(
            drive.load(worker, version(3)).from,
            60_000,
            "a run before may have gone so far"
        );
        assert_eq!(drive.load(worker, version(4)).from, 60_000);
        drive.advance(worker, 70_000);
        assert_eq!((at(&drive, 59_999), at(&drive, 60_000)), (Some(2), Some(4)));
        assert_eq!(drive.load(worker, version(5)).from, 71_000);
    });
}

/// What one run has said: the versions with their times, how far it has sealed, and the cut of its newest
/// checkpoint.
#[derive(Clone, Default)]
struct Said {
    versions: Vec<(EventTime, Vec<Line>)>,
    sealed: EventTime,
    cut: EventTime,
}

/// A run that begins with what was said before it, against a list of rows that is scanned.
fn run(seed: u64, before: Said) -> Said {
    let (sender, receiver) = std::sync::mpsc::channel();
    timely::execute_directly(move |worker| {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut said = before;
        let kept = said.versions.iter().map(|(from, lines)| (rows(lines, TEXT), *from));
        let script = Script {
            kept: kept.collect(),
            not_before: if said.versions.is_empty() { 0 } else { above(said.sealed) },
            ..Script::default()
        };
        let mut drive = Drive::begin(worker, TEXT, script);
        drive.settle(worker);
        let mut now = said.cut;
        for step in 0..25 {
            if said.versions.is_empty() || rng.random_bool(0.3) {
                let last = said.versions.last().map_or(&[][..], |(_, lines)| lines);
                let lines = random_version(&mut rng, last, now, false);
                drive.script.borrow_mut().unkept = rng.random_range(0..15);
                let from = drive.load(worker, rows(&lines, TEXT)).from;
                assert!(said.versions.is_empty() || from > said.sealed, "seed {seed}");
                said.versions.push((from, lines));
            }
            for _ in 0..30 {
                let ts = said.cut + rng.random_range(0..9_000);
                let key = format!("k{}", rng.random_range(0..14));
                let found = drive.lookup(key.as_bytes(), ts);
                let expected = scan(&said.versions, ts, |own| (own == key).then_some(0));
                assert_eq!(found, expected, "seed {seed}, step {step}, {key} at {ts}");
            }
            now += rng.random_range(0..2_000);
            drive.advance(worker, now);
            said.sealed = said.sealed.max(drive.frontier().unwrap_or(now).min(now));
            if rng.random_bool(0.2) {
                said.cut = said.cut.max(said.sealed / 1_000 * 1_000);
                drive.seal(said.cut);
            }
        }
        sender.send(said).unwrap();
    });
    receiver.recv().unwrap()
}

#[test]
fn over_restarts_every_event_sees_the_version_that_it_saw_before() {
    for seed in 0..25 {
        let mut said = Said::default();
        for part in 0..4 {
            said = run(seed * 4 + part, said);
        }
        assert!(said.versions.len() > 4, "seed {seed}");
    }
}
