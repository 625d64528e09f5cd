//! When records arrive, and what that says of their times.

use super::source::{SourcePlan, TimeField};
use crate::time::{EventTime, Millis};

/// What says when a record arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing: no event's time is corrected, and no clock is bounded.
    Unknown,
    /// The record's timestamp in the topic; records of files have none.
    Timestamp,
    /// A field of the record; a record without it has its timestamp in the topic.
    Field(TimeField),
}

impl Arrival {
    /// The field, where there is one.
    pub(super) const fn field_mut(&mut self) -> Option<&mut TimeField> {
        match self {
            Arrival::Field(field) => Some(field),
            Arrival::Unknown | Arrival::Timestamp => None,
        }
    }

    /// The field, where there is one.
    pub const fn field(&self) -> Option<&TimeField> {
        match self {
            Arrival::Field(field) => Some(field),
            Arrival::Unknown | Arrival::Timestamp => None,
        }
    }
}

/// What a source says of the times of its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeBounds {
    /// How far behind its partition's clock an event may be, in ms.
    pub out_of_orderness: Millis,
    /// How far ahead of its arrival an event's time may be, in ms: what lies further ahead is
    /// corrected to that. `None`: the time is ts, however far ahead.
    pub max_ahead: Option<Millis>,
    /// How far ahead of its arrival a record's ts may be, in ms, before it is no event at all.
    /// `None`: any distance.
    pub max_future_skew: Option<Millis>,
}

impl TimeBounds {
    /// The time of an event of `ts` that arrived at `arrival` (where that is known).
    pub fn event_time(&self, ts: EventTime, arrival: Option<EventTime>) -> EventTime {
        match (arrival, self.max_ahead) {
            (Some(arrival), Some(ahead)) => ts.min(arrival.saturating_add(ahead)),
            _ => ts,
        }
    }
}

impl SourcePlan {
    /// What is said of the times of its records.
    pub const fn time_bounds(&self) -> TimeBounds {
        TimeBounds {
            out_of_orderness: self.out_of_orderness,
            max_ahead: self.max_ahead,
            max_future_skew: self.max_future_skew,
        }
    }

    /// When a record arrived whose own field says `field` and whose timestamp in the topic is
    /// `timestamp`; `None` when neither is a time that an event could have.
    #[inline]
    pub fn arrival_of(
        &self,
        field: Option<EventTime>,
        timestamp: Option<EventTime>,
    ) -> Option<EventTime> {
        let plausible = |at: &EventTime| (self.earliest..self.latest).contains(at);
        match self.arrival {
            Arrival::Unknown => None,
            Arrival::Timestamp => timestamp.filter(plausible),
            Arrival::Field(_) => field.filter(plausible).or(timestamp.filter(plausible)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::TimeUnit;

    #[test]
    fn an_arrival_that_no_event_could_have_is_none() {
        let time = TimeField::new(vec!["ts".to_owned()], TimeUnit::Ms);
        let mut plan = SourcePlan {
            topic: Some("t".to_owned()),
            earliest: 1_000,
            latest: 2_000,
            ..SourcePlan::new("t", time.clone(), Vec::new())
        };
        let of = |plan: &SourcePlan, field, timestamp| plan.arrival_of(field, timestamp);
        assert_eq!(of(&plan, None, Some(1_000)), Some(1_000));
        assert_eq!(of(&plan, None, Some(1_999)), Some(1_999));
        for implausible in [0, 999, 2_000, EventTime::MAX] {
            assert_eq!(of(&plan, None, Some(implausible)), None);
        }
        assert_eq!(of(&plan, Some(1_500), None), None, "no field is asked for");
        plan.arrival = Arrival::Field(time);
        assert_eq!(of(&plan, Some(1_500), Some(1_600)), Some(1_500));
        assert_eq!(of(&plan, Some(15), Some(1_600)), Some(1_600));
        assert_eq!(of(&plan, None, None), None);
        plan.arrival = Arrival::Unknown;
        assert_eq!(of(&plan, Some(1_500), Some(1_600)), None);
    }
}
