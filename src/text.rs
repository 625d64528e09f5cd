//! Durations, sizes and counts as people write and read them.

use std::time::Duration;

/// Milliseconds by unit, the largest first.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Bytes by unit, the largest first.
const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// What a duration looks like, for error messages.
pub const DURATION_FORM: &str = "a duration with a unit: \"5ms\", \"10s\", \"5m\", \"1h\", \"2d\"";

/// What a size looks like, for error messages.
pub const SIZE_FORM: &str = "a size with a unit: \"512B\", \"64KiB\", \"256MiB\", \"2GiB\"";

/// Reads a duration: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
/// When the text is anything else, or too long for 64 bits of milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    scaled(text, &UNITS)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("\"{text}\" is not {DURATION_FORM}"))
}

/// Reads a size in bytes: a whole number and one of `B`, `KiB`, `MiB`, `GiB`, `TiB`.
///
/// # Errors
/// When the text is anything else, or does not fit 64 bits.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    scaled(text, &SIZES).ok_or_else(|| format!("\"{text}\" is not {SIZE_FORM}"))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A duration in ms in the largest unit that divides it: `5m`, `90s`, `0ms`.
pub fn duration_text(ms: u64) -> String {
    whole(ms, &UNITS)
}

/// A size in bytes in the largest unit that divides it: `64MiB`, `0B`.
pub fn bytes_text(bytes: u64) -> String {
    whole(bytes, &SIZES)
}

fn whole(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| value.is_multiple_of(*factor) && value > 0;
    let (unit, factor) = units.iter().find(fits).or(units.last()).copied().unwrap_or(("", 1));
    format!("{}{unit}", value / factor)
}

/// A duration in ms for reading at a glance, with two figures: `1.4 s`, `3 m 20 s`, `2 d 4 h`.
pub fn duration_short(ms: u64) -> String {
    let (s, m, h) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{s}.{} s", ms % 1_000 / 100),
        60_000..3_600_000 => format!("{m} m {} s", s % 60),
        3_600_000..86_400_000 => format!("{h} h {} m", m % 60),
        _ => format!("{} d {} h", h / 24, h % 24),
    }
}

/// A count with thin groups of three: `1,234,567`.
pub fn count_text(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        for ms in [0, 1, 999, 1_000, 1_500, 60_000, 300_000, 86_400_000, u64::MAX] {
            assert_eq!(parse_duration(&duration_text(ms)), Ok(Duration::from_millis(ms)));
        }
        for bytes in [0, 1, 1_024, 1_536, 1 << 28, u64::MAX] {
            assert_eq!(parse_bytes(&bytes_text(bytes)), Ok(bytes));
        }
        assert_eq!(duration_text(300_000), "5m");
        assert_eq!(bytes_text(64 << 20), "64MiB");
    }

    #[test]
    fn a_number_without_a_unit_is_refused() {
        for text in ["", "5", "5 min", "-5s", "1.5s", "s", "99999999999999999999s", "5mss"] {
            assert!(parse_duration(text).unwrap_err().contains("a duration with a unit"), "{text}");
        }
        for text in ["64", "64MB", "-1B", "17179869184GiB", "B"] {
            assert!(parse_bytes(text).unwrap_err().contains("a size with a unit"), "{text}");
        }
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count_text(count), text);
        }
    }

    #[test]
    fn short_durations_name_two_units_at_most() {
        let cases = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_450, "1.4 s"),
            (200_000, "3 m 20 s"),
            (7_260_000, "2 h 1 m"),
            (187_200_000, "2 d 4 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration_short(ms), text);
        }
    }
}
