//! Every sealed row of every view is the oracle's as of its time.

use super::comparison::{Seen, assert_sealed};
use super::histories::random;
use super::oracle::Job;
use super::{Subject, oracle};
use crate::memory::{Output, Run, replay};
use tidemark_operators::shared::Limits;

/// Histories of each job.
pub const SEEDS: u64 = 60;
/// Records of each history.
pub const EVENTS: usize = 600;

/// The verdicts of a run are the oracle's too.
pub fn assert_verdicts(what: &str, judged: &oracle::Judged, output: &Output) {
    let (mut late, mut malformed) = (judged.late.clone(), judged.malformed.clone());
    for letter in &output.dead {
        let at = (letter.partition.partition as usize, letter.offset as usize);
        let known = if letter.late_by.is_some() { late.remove(&at) } else { malformed.remove(&at) };
        assert!(known, "{what}: {letter:?}");
    }
    assert_eq!((late.len(), malformed.len()), (0, 0), "{what}");
}

/// A feature that is always the same would be compared for nothing.
fn assert_varied(job: &Job, seen: &Seen) {
    for view in job.views {
        let own = seen.iter().filter(|(name, _)| name.starts_with(&format!("{}.", view.name)));
        let dull: Vec<_> = own.filter(|(_, values)| values.len() < 2).collect();
        assert!(dull.is_empty(), "{dull:?}");
    }
    assert!(job.views.iter().all(|v| seen.keys().any(|name| name.starts_with(v.name))));
}

fn rows_are_the_oracles(subject: &Subject) {
    let mut seen = Seen::new();
    for seed in 0..SEEDS {
        let what = format!("{}, seed {seed}", subject.job.name);
        let history = random(subject.shape(seed, EVENTS), subject.write);
        let judged = subject.judge(&history);
        let limits = match seed % 3 {
            0 => Limits { slice_rows: 7, records_step: 11, chunk_rows: 8, ..Limits::default() },
            _ => Limits::default(),
        };
        // Of those with small chunks, events leave memory at once.
        let hot_window = (seed % 3 == 0).then_some(0);
        let workers = 1 + seed as usize % 3;
        let run = Run { seed, limits, workers, hot_window, ..Run::default() };
        let output = replay(&subject.plan, &history.log, &run);
        assert_verdicts(&what, &judged, &output);
        let with = (subject.job, &subject.around);
        assert_sealed(&what, with, &judged, &output.sealed, &mut seen);
    }
    assert_varied(subject.job, &seen);
}

#[test]
fn fraud_rows_are_the_oracles() {
    rows_are_the_oracles(&Subject::fraud());
}

#[test]
fn personalization_rows_are_the_oracles() {
    rows_are_the_oracles(&Subject::personalization());
}

#[test]
fn behavior_rows_are_the_oracles() {
    rows_are_the_oracles(&Subject::behavior());
}

#[test]
fn addresses_in_and_beside_every_network_have_the_oracles_score() {
    let subject = Subject::behavior();
    let addresses = subject.around.reputation.addresses();
    let record = |(at, address): (usize, &String)| {
        let ts = super::START + 1_000 * at as u64;
        format!(
            "{{\"timestamp\":{ts},\"user_id\":\"u{}\",\"event_type\":\"login\",\"source\":\"web\",\
             \"data\":{{\"source_ip\":\"{address}\"}}}}",
            at % 3
        )
        .into_bytes()
    };
    let log = vec![addresses.iter().enumerate().map(record).collect()];
    let judged = oracle::judge(subject.job, &log, subject.out_of_orderness());
    let output = replay(&subject.plan, &log, &Run::default());
    let mut seen = Seen::new();
    let with = (subject.job, &subject.around);
    assert_sealed("reputation", with, &judged, &output.sealed, &mut seen);
    assert!(seen["behavior_categorical.ip_reputation_score"].len() > 2, "{seen:?}");
}
