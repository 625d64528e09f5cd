//! A job run live over a history, a step at a time: after every arrival all rows that were ever shown
//! are compared with the oracle's at the live clock.

use super::comparison::difference;
use super::histories::History;
use super::oracle::{Job, Judged, Row, Surroundings};
use super::record::Event;
use crate::scripted::{self, Outcome, Shown};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidemark_operators::plan::Plan;
use tidemark_operators::shared::Limits;

/// Rows that are still wrong after this long stay so; right ones are waited for no longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What should be shown after each step: the live clock and the rows.
pub type Expected = Vec<(u64, BTreeMap<String, Row>)>;

/// The oracle's rows after each step of `history`.
pub fn expected(
    (job, around): (&Job, &Surroundings),
    history: &History,
    judged: &Judged,
) -> Expected {
    let mut read = vec![0; history.log.len()];
    let mut clock = 0;
    let after = history.steps.iter().map(|step| {
        read[step.partition] = step.to;
        let arrived = |e: &&Event| e.offset < read[e.partition];
        let events: Vec<&Event> = judged.accepted.iter().filter(arrived).collect();
        clock = events.last().map_or(clock, |e| e.ts.max(clock));
        (clock, job.rows(&events, clock, around))
    });
    after.collect()
}

/// The first thing that is wrong with what is shown.
fn wrong(shown: &Shown, expected: &BTreeMap<String, Row>) -> Option<String> {
    let newest = |row: &str| shown.get(row).and_then(|rows| rows.last()?.as_deref());
    let missing = expected.iter().find_map(|(name, row)| match newest(name) {
        Some(text) => difference(row, text).map(|wrong| format!("{name}: {wrong} in {text}")),
        None => Some(format!("{name} is not there and should be {row:?}")),
    });
    let mut shown = shown.keys();
    let mut stays = || shown.find(|row| newest(row).is_some() && !expected.contains_key(*row));
    missing.or_else(|| stays().map(|row| format!("{row} should be gone: {:?}", newest(row))))
}

/// Runs `plan` over `history`, comparing with `expected` after every step.
///
/// # Panics
///
/// When what is shown does not become what the oracle says; `what` says where.
pub fn play(
    what: &str,
    plan: &Arc<Plan>,
    history: &History,
    expected: Expected,
    limits: Limits,
) -> Outcome {
    let expected = Arc::new(expected);
    let (turn, failure) = (Arc::new(AtomicUsize::new(0)), Arc::<Mutex<Option<String>>>::default());
    let mut scripts: Vec<Vec<scripted::Step>> = history.log.iter().map(|_| Vec::new()).collect();
    for (at, step) in history.steps.iter().enumerate() {
        let script = &mut scripts[step.partition];
        let before = Arc::clone(&turn);
        script.push(scripted::watch("its turn has come", move |_, _| {
            before.load(Ordering::SeqCst) >= at
        }));
        let records = &history.log[step.partition][step.from..step.to];
        script.push(scripted::records(step.from as u64, records));
        let (expected, turn, failure) =
            (Arc::clone(&expected), Arc::clone(&turn), Arc::clone(&failure));
        let waiting = Mutex::new(None);
        script.push(scripted::watch("the rows are right", move |_, shown| {
            let (clock, rows) = &expected[at];
            let mut failure = failure.lock().unwrap();
            if failure.is_none()
                && let Some(wrong) = wrong(shown, rows)
            {
                let since = *waiting.lock().unwrap().get_or_insert_with(Instant::now);
                if since.elapsed() < PATIENCE {
                    return false;
                }
                *failure = Some(format!("step {at}, clock {clock}: {wrong}"));
            }
            turn.store(at + 1, Ordering::SeqCst);
            true
        }));
    }
    let outcome = scripted::run(plan, limits, None, scripts);
    if let Some(failure) = &*failure.lock().unwrap() {
        panic!("{what}: {failure}");
    }
    outcome
}
