//! What says when a record arrived, and how far ahead of that its event may lie.

use super::{Root, time_field};
use crate::document::Table;
use std::sync::Arc;
use tidemark_operators::plan::{Arrival, Format, TimeForm};
use tidemark_operators::time::{DAY, Millis};
use tidemark_operators::zone::Zone;

/// What stands for "nothing".
const NONE: &str = "none";

/// `arrival` and `arrival_field`, which is written as the time is, in its unit unless it says
/// otherwise.
pub(super) fn arrival(
    table: &mut Table<'_>,
    format: Format,
    form: &TimeForm,
    zone: &Arc<Zone>,
    root: &Root,
) -> Arrival {
    let none = table.choice("arrival", &["timestamp", NONE]).is_some_and(|at| at.value == NONE);
    if none {
        table.refuse("arrival_field", "cannot stand beside arrival = \"none\"");
        table.refuse("max_future_skew", "is about arrivals, which arrival = \"none\" switches off");
        return Arrival::Unknown;
    }
    time_field(table, "arrival_field", format, form, zone, root)
        .map_or(Arrival::Timestamp, Arrival::Field)
}

/// `max_ahead`: a length, or `"none"`; unless it is set as much as an event may be out of order.
pub(super) fn max_ahead(
    table: &mut Table<'_>,
    arrival: &Arrival,
    out_of_orderness: Millis,
) -> Option<Millis> {
    if *arrival == Arrival::Unknown {
        table.refuse("max_ahead", "is about arrivals, which arrival = \"none\" switches off");
        return None;
    }
    match table.duration_or("max_ahead", 0..=366 * DAY, NONE) {
        Some(length) => length.value,
        None => Some(out_of_orderness),
    }
}
