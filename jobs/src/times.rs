//! Times as job files and reports write them: RFC 3339.

use jiff::Timestamp;
use tidemark_operators::time::EventTime;

/// Milliseconds since the epoch of an RFC 3339 time, fractions of a millisecond dropped. `None` for
/// anything else, and before 1970.
pub(crate) fn event_time(text: &str) -> Option<EventTime> {
    let time: Timestamp = text.parse().ok()?;
    EventTime::try_from(time.as_millisecond()).ok()
}

/// As RFC 3339.
pub(crate) fn show(time: EventTime) -> String {
    let millis = i64::try_from(time).ok();
    match millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()) {
        Some(time) => time.to_string(),
        None => format!("{time} ms"),
    }
}
