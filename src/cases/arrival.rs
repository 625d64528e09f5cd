//! When the events of a case arrive, and in which order.

use super::case::{Case, Event};
use tidemark_operators::time::EventTime;

/// The places of the events in the order they arrive. An event that says when it arrived has its place
/// by that; any other comes after those of its source that stand before it in the file, and is as
/// far as its own time.
pub(super) fn order(case: &Case) -> Vec<usize> {
    let mut reached: Vec<EventTime> = Vec::new();
    let mut keyed = Vec::with_capacity(case.events.len());
    for (place, event) in case.events.iter().enumerate() {
        if reached.len() <= event.source {
            reached.resize(event.source + 1, 0);
        }
        let Some(reached) = reached.get_mut(event.source) else { continue };
        let before = *reached;
        let key = event.arrived.unwrap_or_else(|| before.max(event.at.unwrap_or(0)));
        *reached = before.max(key);
        keyed.push((key, place));
    }
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, place)| place).collect()
}

impl Event {
    /// When it arrived: at its own time, unless it says so; `None` for a raw record that does not.
    pub fn arrival(&self) -> Option<EventTime> {
        self.arrived.or(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(source: usize, at: u64, arrived: Option<u64>) -> Event {
        Event { source, record: Vec::new(), at: Some(at), arrived }
    }

    fn ordered(events: Vec<Event>) -> Vec<usize> {
        let (expect, dead) = (Vec::new(), Vec::new());
        order(&Case { name: String::new(), line: 1, start: 0, events, expect, dead })
    }

    #[test]
    fn events_arrive_as_they_stand_in_the_file() {
        assert_eq!(
            ordered(vec![event(0, 10, None), event(0, 6, None), event(0, 12, None)]),
            [0, 1, 2]
        );
        // Those of another source are in no order with them.
        let mut other = ordered(vec![event(0, 10, None), event(1, 3, None), event(1, 2, None)]);
        other.retain(|place| *place > 0);
        assert_eq!(other, [1, 2]);
    }

    #[test]
    fn an_event_that_says_when_it_arrived_has_its_place_by_that() {
        let ahead = event(0, 540, Some(2));
        assert_eq!(ordered(vec![event(0, 1, None), event(0, 3, None), ahead]), [0, 2, 1]);
        let late = event(0, 1, Some(9));
        assert_eq!(ordered(vec![late, event(0, 3, None), event(0, 9, None)]), [0, 1, 2]);
        let first = event(0, 1, Some(9));
        assert_eq!(ordered(vec![event(0, 3, None), first, event(0, 8, None)]), [0, 1, 2]);
    }
}
