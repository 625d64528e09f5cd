//! Values as the table shows them.

use std::cmp::Ordering;
use tidemark_operators::time::{EventTime, Millis};
use tidemark_operators::value::Value;

/// A value in few characters.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Int(int) => grouped(*int),
        Value::Decimal(..) | Value::Double(_) => number(value).map_or_else(String::new, decimals),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Text(text) => text.clone(),
        Value::Timestamp(ms) => u64::try_from(*ms).map_or_else(|_| ms.to_string(), clock),
        Value::Ip(address) => address.to_string(),
    }
}

fn grouped(int: i64) -> String {
    let digits = crate::text::count_text(int.unsigned_abs());
    if int < 0 { format!("-{digits}") } else { digits }
}

fn decimals(number: f64) -> String {
    match number.abs() {
        0.0..10_000.0 => format!("{number:.2}"),
        _ => format!("{number:.0}"),
    }
}

/// Whether there is nothing to see: null, 0, false.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) => true,
        _ => number(value).is_some_and(|number| number == 0.0),
    }
}

/// How a value moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// It rose, appeared, or became another text.
    Up,
    /// It fell or went away.
    Down,
}

/// How a value moved from `before` to `after`; `None` when it did not.
pub(super) fn moved(before: &Value, after: &Value) -> Option<Moved> {
    if before == after {
        return None;
    }
    match (number(before), number(after)) {
        (Some(before), Some(after)) => match after.partial_cmp(&before) {
            Some(Ordering::Less) => Some(Moved::Down),
            Some(Ordering::Greater) => Some(Moved::Up),
            _ => None,
        },
        _ if *after == Value::Null => Some(Moved::Down),
        _ => Some(Moved::Up),
    }
}

/// A value as a number, for comparing and showing only; none of a text, an address or null.
#[expect(clippy::cast_precision_loss, reason = "only shown, never computed with")]
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(int) | Value::Timestamp(int) => Some(*int as f64),
        Value::Decimal(units, scale) => Some(Value::decimal_as_double(*units, *scale)),
        Value::Double(double) => Some(*double),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Null | Value::Text(_) | Value::Ip(_) => None,
    }
}

/// The time of day in UTC: `14:03:22.120`.
pub(super) fn clock(time: EventTime) -> String {
    let (h, m, s) = (time / 3_600_000 % 24, time / 60_000 % 60, time / 1_000 % 60);
    format!("{h:02}:{m:02}:{s:02}.{:03}", time % 1_000)
}

/// The time of day in UTC, to the second: `14:03:22`.
pub(super) fn time_of_day(time: EventTime) -> String {
    let (h, m, s) = (time / 3_600_000 % 24, time / 60_000 % 60, time / 1_000 % 60);
    format!("{h:02}:{m:02}:{s:02}")
}

/// The time until an event leaves a window: `0:42`, `1 h 05`, `29 d 04h`.
pub(super) fn until(ms: Millis) -> String {
    let s = ms.div_ceil(1_000);
    let (m, h, d) = (s / 60, s / 3_600, s / 86_400);
    match d {
        0 if h == 0 => format!("{m}:{:02}", s % 60),
        0 => format!("{h} h {:02}", m % 60),
        _ => format!("{d} d {:02}h", h % 24),
    }
}

/// How two values compare for sorting: null below everything, texts by their letters.
pub(super) fn order(one: &Value, other: &Value) -> Ordering {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => match (*one == Value::Null, *other == Value::Null) {
            (false, false) => shown(one).cmp(&shown(other)),
            (one, other) => other.cmp(&one),
        },
    }
}

/// A lag in few characters: `5.0 s`.
pub(super) fn lag(ms: Millis) -> String {
    crate::text::duration_short(ms)
}
