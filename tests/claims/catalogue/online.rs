//! Every online row is the oracle's at the live clock: after each arrival, one ms before an edge and
//! at it, in silence until the rows are gone; and the sealed rows of the same runs are right too.

use super::comparison::{Seen, assert_sealed};
use super::histories::random;
use super::live::play;
use super::{Shape, Subject};
use tidemark_operators::shared::Limits;

const SEEDS: u64 = 6;
const EVENTS: usize = 200;

fn rows_are_the_oracles_after_every_step(subject: &Subject) {
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
        let outcome = play(&what, with, &subject.plan, (&history, &judged), limits);
        assert_sealed(&what, with, &judged, &outcome.sealed, &mut Seen::new());
    }
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
