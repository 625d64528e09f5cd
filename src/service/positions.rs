//! A row with the events that it shows.

use super::Service;
use crate::http::{RowAnswer, ShownPositions};
use crate::online::{AppliedRow, Row};
use tidemark_operators::online::AppliedEvents;
use tidemark_operators::plan::ViewPlan;

impl Service {
    /// The newest row of an entity of this process, and which events it shows. While the job has not caught
    /// up nothing is told: what was restored reaches further than what has been read again.
    pub(super) fn positioned_row(
        &self,
        (index, found): (usize, &ViewPlan),
        id: String,
    ) -> RowAnswer {
        if !self.caught_up() {
            let why =
                "the job has not caught up, and until then rows do not show all events before any";
            return RowAnswer::Unavailable(why.to_owned());
        }
        let Some(AppliedRow { values, events }) = self.store.applied(index, id.as_bytes()) else {
            let why = "its rows are being written, or its worker has given none yet; ask again";
            return RowAnswer::Unavailable(why.to_owned());
        };
        let (as_of, positions) = (events.clock, Some(self.named(&events)));
        match values {
            None => RowAnswer::NoRow { as_of, positions },
            Some(values) => {
                let row = self.row_of((index, found), id, Row { as_of, values });
                RowAnswer::Row(crate::http::FeatureRow { positions, ..row })
            }
        }
    }

    /// The offsets by the names of the sources. A partition that none of these events has come from is not
    /// among them.
    fn named(&self, events: &AppliedEvents) -> ShownPositions {
        let mut positions = ShownPositions::new();
        for (id, offset) in &events.offsets {
            if let Some(source) = self.plan.sources.get(usize::from(id.source)) {
                positions.entry(source.name.clone()).or_default().insert(id.partition, *offset);
            }
        }
        positions
    }
}
