//! Times of cases: RFC 3339, or lengths from a start.

use crate::text::{duration_text, time_text};
use jiff::Timestamp;
use tidemark_jobs::document::quantity;
use tidemark_operators::time::EventTime;

/// What to write where a time is wrong.
pub(super) const HINT: &str = "write a length from the start such as \"+90s\", \"+5m-1ms\" or \
                               \"-1h\", or a time such as \"2026-03-02T12:00:00Z\"";

/// Reads `+90s`, `+5m-1ms`, `-1h` (from `start`) or an RFC 3339 time in whole ms.
pub(super) fn read(text: &str, start: EventTime) -> Option<EventTime> {
    if !text.starts_with(['+', '-']) {
        return absolute(text);
    }
    let (mut time, mut rest) = (start, text);
    while let Some(sign) = rest.chars().next() {
        let length = rest.get(1..)?;
        let end = length.find(['+', '-']).unwrap_or(length.len());
        let ms = quantity::duration(length.get(..end)?)?;
        time = if sign == '+' { time.checked_add(ms)? } else { time.checked_sub(ms)? };
        rest = length.get(end..)?;
    }
    Some(time)
}

/// Reads an RFC 3339 time, from 1970 on and in whole ms.
pub(super) fn absolute(text: &str) -> Option<EventTime> {
    let time: Timestamp = text.parse().ok()?;
    let whole = time.subsec_nanosecond() % 1_000_000 == 0;
    EventTime::try_from(time.as_millisecond()).ok().filter(|_| whole)
}

/// As a length from `start`, and as RFC 3339: `+1m30s (2026-03-02T12:01:30Z)`.
pub(super) fn both(time: EventTime, start: EventTime) -> String {
    let sign = if time < start { '-' } else { '+' };
    format!("{sign}{} ({})", duration_text(time.abs_diff(start)), time_text(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_add_up_from_the_start() {
        let start = absolute("2026-03-02T12:00:00Z").unwrap();
        assert_eq!(read("+90s", start), Some(start + 90_000));
        assert_eq!(read("+5m-1ms", start), Some(start + 299_999));
        assert_eq!(read("-1h30m", start), Some(start - 5_400_000));
        assert_eq!(read("2026-03-02T14:00:00.250+02:00", start), Some(start + 250));
        assert_eq!(both(start + 90_000, start), "+1m30s (2026-03-02T12:01:30Z)");
        assert_eq!(both(start - 1, start), "-1ms (2026-03-02T11:59:59.999Z)");
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in ["", "+", "90s", "+90", "+5m-", "++5m", "+ 5m", "2026-03-02", "-99999999d"] {
            assert_eq!(read(text, 1_000), None, "{text}");
        }
        assert_eq!(absolute("2026-03-02T12:00:00.0001Z"), None, "a fraction of a ms");
    }
}
