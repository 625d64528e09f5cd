//! Event time: milliseconds since the Unix epoch, UTC, as read from the records.
//!
//! It is the product's one timely timestamp. A frontier `F` means that the event-time clock stands
//! at `F - 1`: every accepted event with `ts < F` is known.

/// Milliseconds since the Unix epoch, UTC. Records before 1970 are malformed, so it is unsigned.
pub type EventTime = u64;

/// A length of event time (or, where the text says so, of wall time) in milliseconds.
pub type Millis = u64;

/// One second.
pub const SECOND: Millis = 1_000;
/// One minute.
pub const MINUTE: Millis = 60 * SECOND;
/// One hour.
pub const HOUR: Millis = 60 * MINUTE;
/// One day of 24 hours.
pub const DAY: Millis = 24 * HOUR;

/// 1990-01-01T00:00:00Z: the default least event time that is not malformed.
pub const EARLIEST_DEFAULT: EventTime = 631_152_000_000;
/// 2100-01-01T00:00:00Z: the default first event time that is malformed again.
pub const LATEST_DEFAULT: EventTime = 4_102_444_800_000;
