//! Every online row is the oracle's at the live clock: after each arrival, one ms before an edge and
//! at it, in silence until the rows are gone; and the sealed rows of the same runs are right too.

use super::comparison::{Seen, assert_sealed};
use super::histories::random;
use super::live::{Expected, expected, play};
use super::{Shape, Subject};
use std::collections::BTreeSet;
use tidemark_operators::shared::Limits;

const SEEDS: u64 = 32;
const EVENTS: usize = 250;

fn rows_are_the_oracles_after_every_step(subject: &Subject) {
    let mut ended = BTreeSet::new();
    for seed in 0..SEEDS {
        let what = format!("{}, live, seed {seed}", subject.job.name);
        let shape = Shape { ticks: true, ..subject.shape(1_000 + seed, EVENTS) };
        let history = random(shape, subject.write);
        let judged = subject.judge(&history);
        let limits = match seed % 2 {
            0 => Limits { slice_rows: 7, chunk_rows: 256, ..Limits::default() },
            _ => Limits::default(),
        };
        let with = (subject.job, &subject.around);
        let expected = expected(with, &history, &judged);
        ended.extend(ends(&expected).map(|row| row.split_once('/').unwrap().0.to_owned()));
        let outcome = play(&what, &subject.plan, &history, expected, limits);
        assert_sealed(&what, with, &judged, &outcome.sealed, &mut Seen::new());
    }
    assert_eq!(ended.len(), subject.job.views.len(), "{ended:?}");
}

/// Rows that are there at one ms and not at the next.
fn ends(expected: &Expected) -> impl Iterator<Item = &String> {
    let next = expected.windows(2).filter(|steps| steps[0].0 + 1 == steps[1].0);
    next.flat_map(|steps| steps[0].1.keys().filter(|row| !steps[1].1.contains_key(*row)))
}

#[test]
fn fraud_rows_are_the_oracles_after_every_step() {
    rows_are_the_oracles_after_every_step(&Subject::fraud());
}

#[test]
fn personalization_rows_are_the_oracles_after_every_step() {
    rows_are_the_oracles_after_every_step(&Subject::personalization());
}

#[test]
fn behavior_rows_are_the_oracles_after_every_step() {
    rows_are_the_oracles_after_every_step(&Subject::behavior());
}
