//! Durations, sizes and counts as people write and read them.

use std::borrow::Cow;
use std::time::Duration;
use tidemark_jobs::document::quantity;
use tidemark_operators::plan::Operation;

/// Reads a duration of a flag: `10s`, `1h30m`.
///
/// # Errors
/// When the text is anything else.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    quantity::duration(text)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("\"{text}\" is no duration; {}", quantity::DURATION_HINT))
}

/// A duration in ms as files write it: `5m`, `1m30s`, `0s`.
pub fn duration_text(ms: u64) -> String {
    quantity::show_duration(ms)
}

/// A size in bytes as files write it: `64MiB`.
pub fn bytes_text(bytes: u64) -> String {
    quantity::show_size(bytes)
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

/// A duration in ms to the last of them, for reading: `850 ms`, `7.2 s`, `1 h 2 m 48 s`.
pub fn duration_exact(ms: u64) -> String {
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    let (s, rest) = (ms / 1_000, ms % 1_000);
    let mut parts = Vec::new();
    for (count, unit) in [(s / 86_400, "d"), (s / 3_600 % 24, "h"), (s / 60 % 60, "m")] {
        if count > 0 {
            parts.push(format!("{count} {unit}"));
        }
    }
    match (s % 60, rest) {
        (0, 0) => {}
        (s, 0) => parts.push(format!("{s} s")),
        (s, rest) => parts.push(format!("{s}.{} s", format!("{rest:03}").trim_end_matches('0'))),
    }
    parts.join(" ")
}

/// Text from outside, for a terminal: control characters, and those that turn the direction of
/// writing round or hide, are escaped.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal would do something else than show it.
pub fn is_harmful(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A latency in ns for reading at a glance: `0.84 ms`, `12 ms`, `1.3 s`.
pub fn latency_short(ns: u64) -> String {
    match ns {
        0..10_000_000 => format!("{}.{:02} ms", ns / 1_000_000, ns % 1_000_000 / 10_000),
        10_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{}.{} s", ns / 1_000_000_000, ns % 1_000_000_000 / 100_000_000),
    }
}

/// Bytes with three figures: `1.23 GB`.
pub fn bytes_short(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    let (whole, part) = (bytes / unit, bytes % unit * 100 / unit);
    match whole {
        0..10 => format!("{whole}.{part:02} {name}"),
        10..100 => format!("{whole}.{} {name}", part / 10),
        _ => format!("{whole} {name}"),
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

/// What was counted by operation: `3 u, 1 d`.
pub fn by_operation(counts: impl IntoIterator<Item = (Operation, u64)>) -> String {
    let counts = counts.into_iter().map(|(op, count)| format!("{} {op}", count_text(count)));
    counts.collect::<Vec<_>>().join(", ")
}

/// A time as RFC 3339.
pub fn time_text(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| format!("{ms} ms"), |time| time.to_string())
}

/// Lines of cells as columns, each as wide as its widest cell; those that are `right` have theirs at the
/// right.
pub fn columns(lines: &[Vec<String>], right: &[bool]) -> Vec<String> {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let cell = |(at, (cell, width)): (usize, (&String, &usize))| match right.get(at) {
        Some(true) => format!("{cell:>width$}"),
        _ => format!("{cell:<width$}"),
    };
    let line = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).enumerate().map(cell);
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_a_unit_is_no_duration() {
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5_400)));
        for text in ["", "5", "5 min", "-5s", "1.5s"] {
            assert!(parse_duration(text).unwrap_err().contains("units d, h, m, s or ms"), "{text}");
        }
    }

    #[test]
    fn sizes_have_three_figures() {
        let shown = [999, 1_000, 12_345, 307_000_000, 14_250_000_000].map(bytes_short);
        assert_eq!(shown, ["999 B", "1.00 kB", "12.3 kB", "307 MB", "14.2 GB"]);
    }

    #[test]
    fn exact_durations_lose_no_millisecond() {
        let cases = [
            (0, "0 ms"),
            (7_200, "7.2 s"),
            (60_000, "1 m"),
            (61_005, "1 m 1.005 s"),
            (3_768_000, "1 h 2 m 48 s"),
            (90_000_000, "1 d 1 h"),
            (86_400_001, "1 d 0.001 s"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration_exact(ms), text);
        }
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        let harmful = "a\u{1b}[2Jb\u{202e}c\n\u{9b}\u{2066}";
        let shown = printable(harmful);
        assert_eq!(shown, "a\\u{1b}[2Jb\\u{202e}c\\n\\u{9b}\\u{2066}");
        assert!(matches!(printable("kösten: 5 €, \"x\""), Cow::Borrowed(_)));
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
