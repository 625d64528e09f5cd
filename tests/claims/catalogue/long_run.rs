//! Adding and taking away for sixty days leaves nothing behind: the last rows of a long run are, to
//! the bit, those of a fresh run over the events that are still inside, and the oracle's.

use super::Subject;
use super::comparison::{difference, told};
use super::histories::{History, steady};
use super::oracle::{DAY, MINUTE, MONTH};
use super::record::Event;
use crate::memory::{Run, replay};
use std::collections::BTreeMap;

/// The features of the sealed rows as of `end`, by view and entity.
fn last_rows(sealed: &str, end: u64) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for line in sealed.lines().filter(|l| l.contains(&format!("\"as_of\":{end},"))) {
        let (head, rest) = line.split_once(",\"as_of\":").unwrap();
        let features = rest.split_once(",\"features\":").unwrap().1.strip_suffix('}').unwrap();
        let before = rows.insert(head.to_owned(), features.to_owned());
        assert!(before.is_none_or(|before| before == features), "rows of one time differ: {line}");
    }
    rows
}

/// `reach` ms before the end nothing matters any more to rows as of the end.
fn equals_a_fresh_run(subject: &Subject, events: usize, entities: usize, reach: u64) {
    let pace = 60 * DAY / events as u64;
    let shape = subject.shape(7, events);
    let (history, end) = steady(shape, pace, entities, subject.write);
    assert!(end > shape.start + 55 * DAY);
    let judged = subject.judge(&history);
    let output = replay(&subject.plan, &history.log, &Run::default());
    let long = last_rows(&output.sealed, end);

    let mut inside = History { log: vec![Vec::new(); history.log.len()], steps: Vec::new() };
    let mut recent: Vec<&Event> = judged.accepted.iter().filter(|e| e.ts + reach > end).collect();
    // As they came.
    recent.sort_by_key(|e| (e.partition, e.offset));
    for event in &recent {
        inside.log[event.partition].push(history.log[event.partition][event.offset].clone());
    }
    assert!(recent.len() * 3 < judged.accepted.len() * 2, "most has left by the end");
    let fresh = replay(&subject.plan, &inside.log, &Run::default());
    assert_eq!(fresh.verdicts, [recent.len() as u64, 0, 0, 0]);
    let fresh = last_rows(&fresh.sealed, end);
    assert!(fresh.len() >= entities, "{fresh:?}");
    for (row, features) in &fresh {
        assert_eq!(long.get(row), Some(features), "{row}");
    }
    assert_eq!(long.len(), fresh.len());

    let accepted: Vec<&Event> = judged.accepted.iter().collect();
    for (row, expected) in subject.job.rows(&accepted, end, &subject.around) {
        let (view, id) = row.split_once('/').unwrap();
        let entity = subject.job.views.iter().find(|v| v.name == view).unwrap().entity;
        let id = serde_json::Value::from(id);
        let head = format!("{{\"view\":\"{view}\",\"entity_type\":\"{entity}\",\"entity_id\":{id}");
        // Only those who have a last word have a row as of the end.
        let Some(shown) = long.get(&head) else { continue };
        if let Some(wrong) = difference(&expected, shown) {
            panic!("{row} at {end}: {wrong}\n{}", told(&accepted));
        }
    }
}

#[test]
fn fraud_after_sixty_days_equals_a_fresh_run_over_what_is_still_inside() {
    equals_a_fresh_run(&Subject::fraud(), 20_000, 5, MONTH);
}

#[test]
fn personalization_after_sixty_days_equals_a_fresh_run_over_what_is_still_inside() {
    // No session is that long: there is no way to tell from outside where the last one began.
    equals_a_fresh_run(&Subject::personalization(), 20_000, 5, 20 * DAY + 30 * MINUTE);
}

#[test]
fn behavior_after_sixty_days_equals_a_fresh_run_over_what_is_still_inside() {
    // An event of the last day is compared with one up to a month before it.
    equals_a_fresh_run(&Subject::behavior(), 20_000, 5, MONTH + DAY);
}
