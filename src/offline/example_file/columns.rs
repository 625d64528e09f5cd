//! Examples as columns of Parquet.

use super::FeatureColumn;
use crate::offline::parquet_file::{ParquetKind, ParquetValue};
use crate::offline::spine::{ColumnType, ExampleColumn, ExampleValue};
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use tidemark_operators::ingest::decode::{Conversion, Scalar, conversion};
use tidemark_operators::plan::{ReadOptions, TimeForm, TimeUnit};
use tidemark_operators::value::{Column, Type, Value};
use tidemark_operators::zone::Zone;

/// The kind of each column: of the spine, whose times are in `time`, then of the features.
pub(super) fn kinds<'a>(
    columns: &'a [ExampleColumn],
    time: &str,
    features: &'a [FeatureColumn],
) -> Vec<(&'a str, ParquetKind)> {
    let of_spine = columns.iter().map(|column| (column.name.as_str(), kind(column, time)));
    let features = features.iter().map(|feature| {
        let kind = match feature.ty {
            Type::Int => ParquetKind::Int,
            Type::Decimal(_) | Type::Double => ParquetKind::Double,
            Type::Bool => ParquetKind::Bool,
            Type::Text | Type::Ip => ParquetKind::Text,
            Type::Timestamp => ParquetKind::Time,
        };
        (feature.name.as_str(), kind)
    });
    of_spine.chain(features).collect()
}

/// Texts of times are times, as `event_timestamp` has to be for whoever joins by it.
fn kind(column: &ExampleColumn, time: &str) -> ParquetKind {
    match column.ty {
        ColumnType::Text if column.name == time => ParquetKind::Time,
        ColumnType::Text => ParquetKind::Text,
        ColumnType::Int => ParquetKind::Int,
        ColumnType::Double => ParquetKind::Double,
        ColumnType::Bool => ParquetKind::Bool,
    }
}

/// The value of an example in `column`.
///
/// # Errors
/// When it is not what the column was found to have.
pub(super) fn value<'v>(
    value: Option<&'v ExampleValue<'_>>,
    column: &ExampleColumn,
    time: &str,
) -> io::Result<ParquetValue<'v>> {
    let text: Cow<'v, str> = match value {
        None | Some(ExampleValue::Null) => return Ok(ParquetValue::Null),
        Some(ExampleValue::Bool(value)) if column.ty == ColumnType::Bool => {
            return Ok(ParquetValue::Bool(*value));
        }
        Some(ExampleValue::Bool(value)) => Cow::Owned(value.to_string()),
        Some(ExampleValue::Number(text) | ExampleValue::Nested(text)) => Cow::Borrowed(*text),
        Some(ExampleValue::Text(text)) => Cow::Borrowed(&**text),
    };
    let wrong = || {
        let (name, kind) = (&column.name, kind(column, time));
        io::Error::other(format!("column \"{name}\": \"{text}\" is no value of {kind:?}"))
    };
    match kind(column, time) {
        ParquetKind::Int => text.parse().map(ParquetValue::Int).map_err(|_| wrong()),
        ParquetKind::Double => text.parse().map(ParquetValue::Double).map_err(|_| wrong()),
        ParquetKind::Bool => text.parse().map(ParquetValue::Bool).map_err(|_| wrong()),
        ParquetKind::Time => microseconds(&text).map(ParquetValue::Int).ok_or_else(wrong),
        ParquetKind::Text => Ok(ParquetValue::Text(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })),
    }
}

/// Microseconds since 1970; without an offset it is UTC. A number among texts is one by its size.
fn microseconds(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
        return match digits {
            0..=11 => number.checked_mul(1_000_000),
            12..=14 => number.checked_mul(1_000),
            15..=17 => Some(number),
            _ => Some(number / 1_000),
        };
    }
    // It is the time that was asked for, with what the text says beyond milliseconds.
    let time = TimeForm { unit: TimeUnit::Auto, zone: Some(Arc::new(Zone::utc())), coerce: true };
    let reading = ReadOptions { time, ..ReadOptions::default() };
    let asked = match conversion(Type::Timestamp, Scalar::Text(text), &reading) {
        Conversion::Value(Value::Timestamp(ms)) => Some(ms),
        _ => None,
    };
    match (asked, exact(text)) {
        (Some(ms), Some(micros)) if micros.div_euclid(1_000) == ms => Some(micros),
        (Some(ms), _) => ms.checked_mul(1_000),
        (None, micros) => micros,
    }
}

/// The same of a text of ISO 8601. A leap second is the last one before it.
fn exact(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_microsecond());
    }
    let local = text.parse::<jiff::civil::DateTime>().ok()?;
    let time = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(time.timestamp().as_microsecond())
}

/// A feature in row `at` of its column.
pub(super) fn feature<'v>(column: &'v Column, ty: Type, at: usize) -> ParquetValue<'v> {
    let (Some(word), Some(int)) = (column.word(at), column.int(at)) else {
        return ParquetValue::Null;
    };
    match ty {
        Type::Int => ParquetValue::Int(int),
        // Milliseconds.
        Type::Timestamp => ParquetValue::Int(int.saturating_mul(1_000)),
        Type::Double | Type::Decimal(_) => ParquetValue::Double(f64::from_bits(word)),
        Type::Bool => ParquetValue::Bool(word != 0),
        Type::Text => ParquetValue::Text(Cow::Borrowed(column.bytes(at).unwrap_or_default())),
        Type::Ip => {
            let mut text = Vec::new();
            crate::online::text::bytes(Type::Ip, column.bytes(at).unwrap_or_default(), &mut text);
            ParquetValue::Text(Cow::Owned(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_microseconds_in_utc_whether_they_say_so_or_not() {
        assert_eq!(microseconds("1970-01-01T00:00:01.5Z"), Some(1_500_000));
        assert_eq!(microseconds("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(microseconds("1970-01-01 00:00:02.000001"), Some(2_000_001));
        assert_eq!(microseconds("1767528000"), Some(1_767_528_000_000_000));
        assert_eq!(microseconds("1767528000000"), Some(1_767_528_000_000_000));
        assert_eq!(microseconds("1970-01-01 00:00:02.5 UTC"), Some(2_500_000));
        assert_eq!(microseconds("1767528000.25"), Some(1_767_528_000_250_000));
        // As it was asked for: the second behind the last one, and none twice.
        assert_eq!(microseconds("1970-01-01T23:59:60Z"), Some(86_400_000_000));
        assert_eq!(microseconds("1970-01-01 23:59:60"), Some(86_400_000_000));
        assert_eq!(microseconds("soon"), None);
    }

    #[test]
    fn a_value_is_of_the_type_that_its_column_was_found_to_have() {
        let column = |ty| ExampleColumn { name: "x".to_owned(), ty };
        let text = ExampleValue::Text(Cow::Borrowed("7"));
        let of = |ty| value(Some(&text), &column(ty), "t").unwrap();
        assert_eq!(of(ColumnType::Int), ParquetValue::Int(7));
        assert_eq!(of(ColumnType::Double), ParquetValue::Double(7.0));
        assert_eq!(of(ColumnType::Text), ParquetValue::Text(Cow::Borrowed(b"7")));
        let wrong = value(Some(&text), &column(ColumnType::Bool), "t").unwrap_err();
        assert!(wrong.to_string().contains("column \"x\": \"7\""), "{wrong}");
    }
}
