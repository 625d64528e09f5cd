//! Durations and sizes as files write them: `"90s"`, `"1h30m"`, `"64MiB"`.

use tidemark_operators::time::{DAY, HOUR, MINUTE, Millis, SECOND};

/// Units of time, longest first, as files write them.
const TIMES: [(&str, Millis); 5] =
    [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)];

/// Units of size, largest first, as files write them.
const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// What to write where a duration is wrong.
pub const DURATION_HINT: &str =
    "write whole numbers with units d, h, m, s or ms, as in \"90s\" or \"1h30m\"";

/// What to write where a size is wrong.
pub const SIZE_HINT: &str =
    "write a whole number with a unit B, KiB, MiB, GiB or TiB, as in \"64MiB\"";

/// Milliseconds of a duration such as `"90s"` or `"1h30m"`: whole numbers with units, longer units
/// first, each at most once. `None` for anything else, and beyond 64 bits.
pub fn duration(text: &str) -> Option<Millis> {
    let mut rest = text;
    let mut total: Millis = 0;
    let mut units = TIMES.iter();
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let (_, millis) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.checked_mul(*millis)?)?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

/// Bytes of a size such as `"64MiB"`. `None` for anything else, and beyond 64 bits.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*bytes)
}

/// A duration as a file would write it, in as few units as possible: `5m`, `1h30m`, `0s`.
pub fn show_duration(millis: Millis) -> String {
    if millis == 0 {
        return "0s".into();
    }
    // Windows are spoken of in hours up to two days: 24h, not 1d.
    let days = if millis < 2 * DAY { 0 } else { millis / DAY };
    let mut rest = millis - days * DAY;
    let mut shown = if days > 0 { format!("{days}d") } else { String::new() };
    for (unit, length) in TIMES.iter().skip(1) {
        let number = rest / length;
        rest %= length;
        if number > 0 {
            shown.push_str(&format!("{number}{unit}"));
        }
    }
    shown
}

/// A size as a file would write it when it is a whole number of a unit, else in bytes.
pub fn show_size(bytes: u64) -> String {
    let unit = SIZES.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match unit {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::{duration, show_duration, show_size, size};

    #[test]
    fn durations_are_whole_numbers_with_units_longer_units_first() {
        let good = [
            ("0s", 0),
            ("250ms", 250),
            ("60s", 60_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("24h", 86_400_000),
            ("30d", 2_592_000_000),
            ("1d2h3m4s5ms", 93_784_005),
        ];
        for (text, millis) in good {
            assert_eq!(duration(text), Some(millis), "{text}");
        }
        let bad = [
            "",
            "5",
            "m",
            "5 m",
            "5min",
            "-5m",
            "1.5h",
            "30m1h",
            "5m5m",
            "5M",
            "5m ",
            "٥m",
            "18446744073709551616ms",
            "18446744073709551615d",
            "5mm",
            "1h-30m",
        ];
        for text in bad {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_whole_numbers_with_binary_units() {
        let good = [("0B", 0), ("512B", 512), ("64MiB", 64 << 20), ("2TiB", 2 << 40)];
        for (text, bytes) in good {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "64", "64MB", "64mib", "1.5GiB", "-1B", "18446744073709551615KiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for millis in [0, 1, 999, 5_400_000, 86_400_000, 172_800_000, 2_592_000_001] {
            assert_eq!(duration(&show_duration(millis)), Some(millis));
        }
        assert_eq!(show_duration(86_400_000), "24h");
        assert_eq!(show_duration(2_592_000_000), "30d");
        for bytes in [0, 1, 1023, 1024, 1025, 64 << 20] {
            assert_eq!(size(&show_size(bytes)), Some(bytes));
        }
    }
}
