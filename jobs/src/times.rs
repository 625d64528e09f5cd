//! Times as job files and reports write them: RFC 3339.

use jiff::Timestamp;
use tidemark_operators::time::EventTime;

/// Milliseconds since the epoch of an RFC 3339 time, fractions of a millisecond dropped. `None` for
/// anything else, and before 1970.
pub(crate) fn event_time(text: &str) -> Option<EventTime> {
    let time: Timestamp = text.parse().ok()?;
    EventTime::try_from(time.as_millisecond()).ok()
}

/// Milliseconds since the epoch of an RFC 3339 time or of a date's midnight in UTC, before 1970 too.
pub(crate) fn instant(text: &str) -> Option<i64> {
    let time = text.parse::<Timestamp>().ok().or_else(|| {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    });
    time.map(|time| time.as_millisecond())
}

/// As RFC 3339.
pub(crate) fn show(time: EventTime) -> String {
    let millis = i64::try_from(time).ok();
    match millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()) {
        Some(time) => time.to_string(),
        None => format!("{time} ms"),
    }
}
