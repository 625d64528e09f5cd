//! What the engine shows beside what the oracle says.

use super::oracle::{AsOf, Job, Judged, Row, Surroundings, Value};
use super::record::Event;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// How a row shown as JSON differs from `expected`: names, types, or a bit.
pub fn difference(expected: &Row, shown: &str) -> Option<String> {
    let shown: BTreeMap<String, Box<RawValue>> = serde_json::from_str(shown).unwrap();
    let names: BTreeSet<&str> = expected.iter().map(|(name, _)| *name).collect();
    let shown_names: BTreeSet<&str> = shown.keys().map(String::as_str).collect();
    if names != shown_names {
        return Some(format!("it has the features {shown_names:?} and should have {names:?}"));
    }
    expected.iter().find_map(|(name, expected)| {
        let shown = shown[*name].get();
        (read(expected, shown) != Some(*expected))
            .then(|| format!("{name} is {shown} and should be {expected:?}"))
    })
}

/// A value of the same type as `like`, or null.
fn read(like: &Value, shown: &str) -> Option<Value> {
    if shown == "null" {
        return Some(Value::Null);
    }
    Some(match like {
        Value::Int(_) => Value::Int(shown.parse().ok()?),
        // An integer is no double.
        Value::Double(_) if !shown.contains(['.', 'e']) => return None,
        Value::Double(_) => Value::Double(shown.parse().ok()?),
        Value::Bool(_) => Value::Bool(shown.parse().ok()?),
        Value::Null => return None,
    })
}

#[derive(Deserialize)]
struct Line<'a> {
    view: &'a str,
    entity_type: &'a str,
    entity_id: String,
    as_of: u64,
    source: &'a str,
    partition: usize,
    offset: usize,
    #[serde(borrow)]
    features: &'a RawValue,
}

/// What has been seen of each `view.feature`.
pub type Seen = BTreeMap<String, BTreeSet<String>>;

/// Compares every sealed line with the oracle.
///
/// # Panics
///
/// When a line is wrong, missing or too many; `what` says where.
pub fn assert_sealed(
    what: &str,
    (job, around): (&Job, &Surroundings),
    judged: &Judged,
    sealed: &str,
    seen: &mut Seen,
) {
    let mut histories = BTreeMap::<(&str, &str), Vec<&Event>>::new();
    let mut missing = BTreeSet::new();
    for event in &judged.accepted {
        for view in job.views {
            if let Some(id) = event.text(view.key) {
                histories.entry((view.name, id)).or_default().push(event);
                missing.insert((event.partition, event.offset, view.name));
            }
        }
    }
    for text in sealed.lines() {
        let line: Line<'_> = serde_json::from_str(text).unwrap();
        let found = missing.remove(&(line.partition, line.offset, line.view));
        assert!(found, "{what}: a line of no event, or a second one: {text}");
        let view = job.views.iter().find(|v| v.name == line.view).unwrap();
        assert_eq!((line.entity_type, line.source), (view.entity, job.source), "{what}: {text}");
        let history = &histories[&(line.view, line.entity_id.as_str())];
        let own = (line.as_of, line.partition, line.offset);
        let at = history.binary_search_by_key(&own, |e| (e.ts, e.partition, e.offset));
        assert!(at.is_ok(), "{what}: not its entity's event: {text}");
        let events = &history[..history.partition_point(|e| e.ts <= line.as_of)];
        let expected = (view.row)(&AsOf { t: line.as_of, events, around });
        if let Some(wrong) = difference(&expected, line.features.get()) {
            panic!("{what}: {wrong}\n{text}\n{}", told(events));
        }
        for (name, value) in expected {
            let values = seen.entry(format!("{}.{name}", view.name)).or_default();
            if values.len() < 3 {
                values.insert(format!("{value:?}"));
            }
        }
    }
    assert!(missing.is_empty(), "{what}: no line of {:?}", missing.first());
}

/// The last events of a history, for somebody who looks for what went wrong.
pub fn told(events: &[&Event]) -> String {
    let last = events.iter().rev().take(12).rev();
    last.map(|e| format!("  {e:?}\n")).collect()
}
