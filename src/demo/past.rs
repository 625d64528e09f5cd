//! The events of one entity that are in its windows, as its page shows them.

use super::story::facts;
use super::traffic::Traffic;
use crate::generator::live::Retelling;
use crate::screen::PageEvent;
use crate::text::duration_text;
use std::collections::VecDeque;
use tidemark_operators::plan::{EntityPlan, Window};
use tidemark_operators::time::{EventTime, Millis};

/// Events of a page at most.
const EVENTS_MAX: usize = 200;

/// The events of the entity whose page is open.
pub(super) struct OpenPast {
    id: String,
    /// `None`: nobody with this id is generated.
    retelling: Option<Retelling>,
    facts: &'static [&'static str],
    /// The newest, the oldest first.
    events: VecDeque<(EventTime, String)>,
}

impl OpenPast {
    /// Of the entity with this id.
    pub fn of(traffic: &Traffic, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            retelling: traffic.retell(id),
            facts: facts(traffic.profile()),
            events: VecDeque::new(),
        }
    }

    /// Whether it is of this one.
    pub fn is_of(&self, id: &str) -> bool {
        self.id == id
    }

    /// Its events as of `clock`, the newest first.
    pub fn events(&mut self, entity: &EntityPlan, clock: EventTime) -> Vec<PageEvent> {
        let (events, facts) = (&mut self.events, self.facts);
        if let Some(retelling) = &mut self.retelling {
            retelling.tell(clock, |time, line| {
                // They are a little out of order.
                let at =
                    events.iter().rposition(|(other, _)| *other <= time).map_or(0, |at| at + 1);
                events.insert(at, (time, told(line, facts)));
                if events.len() > EVENTS_MAX {
                    events.pop_front();
                }
            });
        }
        let spans = spans(entity);
        let session_ends = session_ends(entity, events, clock);
        let event = |(time, told): &(EventTime, String)| {
            let windows = spans.iter().map(|window| window.leaves(*time));
            let session = session_ends.map(|(from, ends)| if *time >= from { ends } else { 0 });
            let leaves: Vec<EventTime> = windows.chain(session).collect();
            let is_in = leaves.iter().any(|leaves| *leaves > clock);
            is_in.then(|| PageEvent { time: *time, told: told.clone(), leaves })
        };
        events.iter().rev().filter(|(time, _)| *time <= clock).filter_map(event).collect()
    }
}

/// The windows of an entity, the shortest first.
fn spans(entity: &EntityPlan) -> Vec<Window> {
    let mut windows = entity.windows.clone();
    windows.sort_unstable();
    windows
}

/// What they are called; the session comes last, if there is one.
pub(super) fn window_names(entity: &EntityPlan) -> Vec<String> {
    let windows = spans(entity).into_iter().map(|window| match window.delay {
        0 => duration_text(window.length),
        delay => format!("{}+{}", duration_text(window.length), duration_text(delay)),
    });
    windows.chain(session_gap(entity).map(|_| "session".to_owned())).collect()
}

/// The gap of the session that all events of the entity belong to.
fn session_gap(entity: &EntityPlan) -> Option<Millis> {
    entity.sessions.iter().find(|session| session.mask == 0).map(|session| session.gap)
}

/// The first event of the newest session, and when it is over.
fn session_ends(
    entity: &EntityPlan,
    events: &VecDeque<(EventTime, String)>,
    clock: EventTime,
) -> Option<(EventTime, EventTime)> {
    let gap = session_gap(entity)?;
    let mut times = events.iter().rev().map(|(time, _)| *time).filter(|time| *time <= clock);
    let Some(last) = times.next() else { return Some((EventTime::MAX, 0)) };
    let mut first = last;
    for time in times {
        if first - time > gap {
            break;
        }
        first = time;
    }
    // It is open through its last event's time plus the gap.
    Some((first, last + gap + 1))
}

/// What a record tells.
fn told(line: &[u8], facts: &[&str]) -> String {
    let Ok(record) = serde_json::from_slice::<serde_json::Value>(line) else {
        return String::new();
    };
    let told = facts.iter().filter_map(|path| match record.pointer(path)? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Null => None,
        other => Some(other.to_string()),
    });
    told.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_operators::time::MINUTE;

    #[test]
    fn an_event_leaves_its_windows_and_its_session_when_the_definition_says() {
        let plan = crate::job_file::load("personalization").unwrap().plan;
        let entity = &plan.entities[plan.views[0].entity];
        assert_eq!(window_names(entity), ["5m", "session"]);
        let at = |minutes: u64| (minutes * MINUTE, format!("at {minutes}"));
        let mut past = OpenPast {
            id: "user_1".to_owned(),
            retelling: None,
            facts: &[],
            events: [at(1), at(40), at(60), at(90)].into(),
        };
        let events = past.events(entity, 92 * MINUTE);
        let leaves: Vec<_> = events.iter().map(|e| (e.told.as_str(), e.leaves.clone())).collect();
        let ends = 120 * MINUTE + 1;
        let expected = [
            ("at 90", vec![95 * MINUTE, ends]),
            ("at 60", vec![65 * MINUTE, ends]),
            ("at 40", vec![45 * MINUTE, ends]),
        ];
        assert_eq!(leaves, expected);
        assert!(past.events(entity, ends).is_empty());
    }

    #[test]
    fn a_record_tells_its_facts_in_their_order_and_leaves_out_what_is_missing() {
        let line = br#"{"amount":1.25,"data":{"city":"Bonn"},"status":"declined","x":null}"#;
        assert_eq!(
            told(line, &["/status", "/amount", "/x", "/y", "/data/city"]),
            "declined 1.25 Bonn"
        );
    }
}
