//! The machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};
use tidemark_operators::time::EventTime;

/// Milliseconds since the epoch; `None` when the clock stands before it.
pub(crate) fn wall_ms() -> Option<EventTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    EventTime::try_from(since.as_millis()).ok()
}
