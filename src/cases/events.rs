//! What the records of a case are by themselves: their times and their entities.

use super::case::{Case, Event};
use crate::online::text;
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;

/// A record that can be decoded.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The time of the event, should it be one.
    pub time: EventTime,
    /// When it arrived.
    pub arrived: EventTime,
    /// Its id in each entity of the job.
    ids: Vec<Option<String>>,
}

/// What is known of each event of a case; `None`: it cannot be decoded.
pub(super) fn known(case: &Case, plan: &Plan) -> Vec<Option<Known>> {
    case.events.iter().map(|event| decode(event, plan)).collect()
}

fn decode(event: &Event, plan: &Plan) -> Option<Known> {
    let source = plan.sources.get(event.source)?;
    let mut decoded = Decoded::default();
    Decoder::new(source).decode(&event.record, &mut decoded).ok()?;
    let id = |key: usize| {
        let (column, field) = (decoded.columns.get(key)?, source.fields.get(key)?);
        let mut id = Vec::new();
        text::bytes(field.ty, column.bytes(0)?, &mut id);
        String::from_utf8(id).ok()
    };
    let feeds = plan.entities.iter().map(|entity| entity.sources.get(event.source)?.as_ref());
    let ids = feeds.map(|feed| id(feed?.key)).collect();
    let (ts, field) = (*decoded.time.first()?, decoded.arrival.first().copied().flatten());
    let arrival = source.arrival_of(field, event.arrival());
    let time = source.time_bounds().event_time(ts, arrival);
    Some(Known { time, arrived: event.arrival().unwrap_or(time), ids })
}

impl Known {
    /// Its id in the entity at this place of the job.
    pub fn id(&self, entity: usize) -> Option<&str> {
        self.ids.get(entity)?.as_deref()
    }
}
