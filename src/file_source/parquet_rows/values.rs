//! The values of Parquet's columns as JSON.

use parquet::data_type::Decimal;
use parquet::record::Field;
use tidemark_operators::json::{push_int, push_json_text};
use tidemark_operators::plan::TimeUnit;

/// How the values of a column are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueForm {
    /// How its timestamps are.
    pub unit: TimeUnit,
    /// Whether its words are nanoseconds since 1970.
    pub nanoseconds: bool,
}

/// The text that a value is, if it is one.
pub(super) fn text(field: &Field) -> Option<&[u8]> {
    match field {
        Field::Str(text) => Some(text.as_bytes()),
        Field::Bytes(bytes) => Some(bytes.data()),
        _ => None,
    }
}

/// Appends a value as JSON.
pub(super) fn push(field: &Field, form: ValueForm, out: &mut Vec<u8>) -> Result<(), String> {
    match field {
        Field::Null => out.extend_from_slice(b"null"),
        Field::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Field::Byte(value) => push_int(*value, out),
        Field::Short(value) => push_int(*value, out),
        Field::Int(value) => push_int(*value, out),
        Field::Long(value) if form.nanoseconds => return time(i128::from(*value), form.unit, out),
        Field::Long(value) => push_int(*value, out),
        Field::UByte(value) => push_int(*value, out),
        Field::UShort(value) => push_int(*value, out),
        Field::UInt(value) => push_int(*value, out),
        Field::ULong(value) => push_int(*value, out),
        Field::Float(value) if value.is_finite() => {
            out.extend_from_slice(ryu::Buffer::new().format_finite(*value).as_bytes());
        }
        Field::Double(value) if value.is_finite() => {
            out.extend_from_slice(ryu::Buffer::new().format_finite(*value).as_bytes());
        }
        Field::Float(_) | Field::Double(_) => out.extend_from_slice(b"null"),
        Field::Decimal(value) => out.extend_from_slice(decimal(value)?.as_bytes()),
        Field::Str(text) => push_json_text(text.as_bytes(), out),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => push_json_text(text.as_bytes(), out),
            Err(_) => return Err("its bytes are no text in UTF-8".to_owned()),
        },
        Field::Date(days) => return date(*days, out),
        Field::TimestampMillis(ms) => return time(i128::from(*ms) * 1_000_000, form.unit, out),
        Field::TimestampMicros(us) => return time(i128::from(*us) * 1_000, form.unit, out),
        other => return Err(format!("{other} is no value of a record")),
    }
    Ok(())
}

/// A timestamp of so many nanoseconds.
fn time(ns: i128, unit: TimeUnit, out: &mut Vec<u8>) -> Result<(), String> {
    match unit {
        TimeUnit::Ns => push_int(ns, out),
        TimeUnit::Us => push_int(ns.div_euclid(1_000), out),
        TimeUnit::Ms => push_int(ns.div_euclid(1_000_000), out),
        TimeUnit::S => {
            out.extend_from_slice(digits(ns.div_euclid(1_000_000), 3).as_bytes());
        }
        TimeUnit::Days => push_int(ns.div_euclid(86_400_000_000_000), out),
        TimeUnit::Date => {
            let days = i32::try_from(ns.div_euclid(86_400_000_000_000));
            return date(days.map_err(|error| error.to_string())?, out);
        }
        TimeUnit::Auto | TimeUnit::Iso | TimeUnit::Rfc3339 => {
            let time = jiff::Timestamp::from_nanosecond(ns);
            let time = time.map_err(|error| format!("a timestamp is out of range: {error}"))?;
            push_json_text(time.to_string().as_bytes(), out);
        }
    }
    Ok(())
}

fn date(days: i32, out: &mut Vec<u8>) -> Result<(), String> {
    let time = jiff::Timestamp::from_second(i64::from(days) * 86_400);
    let time = time.map_err(|error| format!("a date is out of range: {error}"))?;
    let text = time.to_string();
    let day = text.split_once('T').map_or(text.as_str(), |(day, _)| day);
    push_json_text(day.as_bytes(), out);
    Ok(())
}

/// A decimal with its digits: its bytes are a number in two's complement, the highest first.
fn decimal(value: &Decimal) -> Result<String, String> {
    let bytes = value.data();
    let negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let mut units = if negative { -1_i128 } else { 0 };
    for byte in bytes {
        // At most 18 digits, whatever is before them are signs.
        units = (units << 8) | i128::from(*byte);
    }
    let scale = usize::try_from(value.scale()).map_err(|error| error.to_string())?;
    Ok(digits(units, scale))
}

/// A number of units of which the last `scale` digits are behind the point.
fn digits(units: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if units < 0 { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::data_type::ByteArray;

    #[test]
    fn a_timestamp_is_written_in_the_unit_that_the_job_reads() {
        let written = |ns, unit| {
            let mut out = Vec::new();
            time(ns, unit, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let of = |unit| written(1_767_528_000_123_456_789, unit);
        assert_eq!(written(-500_000_000, TimeUnit::S), "-0.500");
        assert_eq!(of(TimeUnit::Ms), "1767528000123");
        assert_eq!(of(TimeUnit::S), "1767528000.123");
        assert_eq!(of(TimeUnit::Us), "1767528000123456");
        assert_eq!(of(TimeUnit::Auto), "\"2026-01-04T12:00:00.123456789Z\"");
    }

    #[test]
    fn decimals_have_their_digits_whatever_they_are_kept_in() {
        let of = |value| decimal(&value).unwrap();
        assert_eq!(of(Decimal::from_i32(12_345, 9, 2)), "123.45");
        assert_eq!(of(Decimal::from_i64(-5, 18, 2)), "-0.05");
        assert_eq!(of(Decimal::from_i64(7, 18, 0)), "7");
        let bytes = ByteArray::from(vec![0xff, 0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(of(Decimal::from_bytes(bytes, 10, 1)), "-0.2");
    }
}
