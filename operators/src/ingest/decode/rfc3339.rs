//! RFC 3339 date-times, strictly: `2026-01-31T23:59:59.5Z`, `2026-01-31t23:59:59+02:00`.
//!
//! The date and time may be parted by `T`, `t` or a space, an offset must be there, any number of
//! fraction digits is read and floored to ms. Second 60 is the
//! start of the next one, plus its fraction.

/// Milliseconds since the epoch, negative before it; `None` when `text` is not a date-time.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (head, tail) = text.as_bytes().split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T' | b't' | b' ', rest @ ..] = *head
    else {
        return None;
    };
    let [h1, h2, b':', mi1, mi2, b':', s1, s2] = rest else { return None };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(mo1, mo2)?, two(d1, d2)?);
    let (hour, minute, second) = (two(h1, h2)?, two(mi1, mi2)?, two(s1, s2)?);
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (millis, zone) = fraction(tail)?;
    let minutes = days(year, month, day) * 1440 + hour * 60 + minute - offset(zone)?;
    Some((minutes * 60 + second) * 1000 + millis)
}

pub(super) fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// The milliseconds after an optional point, and what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', digits @ ..] = text else { return Some((0, text)) };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, zone) = digits.split_at_checked(count)?;
    let places = [100, 10, 1];
    let millis = digits.iter().zip(places).map(|(d, place)| i64::from(d - b'0') * place).sum();
    (count > 0).then_some((millis, zone))
}

/// Minutes east of UTC.
pub(super) fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            let offset = hours * 60 + minutes;
            (hours < 24 && minutes < 60).then_some(if sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

pub(super) fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar; years begin in March, so that leap days end
/// them.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month < 3);
    let month = if month < 3 { month + 9 } else { month - 3 };
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 719_469
}

/// A time as people read it, in UTC; its number where it is before the year 0 or after 9999.
pub(super) fn show(ms: i64) -> String {
    let (day, second) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) / 1_000);
    // The year a day is in is the last one that does not begin after it.
    let year = (1970 + day.div_euclid(365)).clamp(0, 9_999);
    let year = (year - 8..=year + 8).rev().find(|year| days(*year, 1, 1) <= day);
    let found = year.and_then(|year| {
        let month = (1..=12).rev().find(|month| days(year, *month, 1) <= day)?;
        Some((year, month, day - days(year, month, 1) + 1))
    });
    let Some((year, month, day)) =
        found.filter(|(year, month, day)| *day <= days_in(*year, *month))
    else {
        return format!("{ms} ms");
    };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_a_date_time_is_none() {
        for text in [
            "",
            "2026-01-31",
            "2026-01-31T23:59:59",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T23:60:00Z",
            "2026-01-31T23:59:61Z",
            "2026-01-31T23:59:59.Z",
            "2026-01-31T23:59:59+0200",
            "2026-01-31T23:59:59+24:00",
            "2026-01-31T23:59:59Zx",
            "+026-01-31T23:59:59Z",
            "2026-1-31T23:59:59Z0",
            "2026-01-31T23:59:59.5",
            "99999-01-31T23:59:59Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("1969-12-31T23:59:59.9996Z"), Some(-1));
        assert_eq!(parse("2016-12-31T23:59:60.25Z"), Some(1_483_228_800_250));
    }

    fn civil_year(ms: i64) -> i16 {
        jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_millisecond(ms).unwrap()).year()
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(ms in -62_135_596_800_000_i64..253_402_207_199_999, offset in -1439_i64..1440) {
            let at = jiff::Timestamp::from_millisecond(ms).unwrap();
            prop_assert_eq!(parse(&at.to_string()), Some(ms), "{}", at);
            let second = ms.div_euclid(1_000) * 1_000;
            if civil_year(ms) > 0 && ms.abs() < 9_000_000_000_000 {
                prop_assert_eq!(parse(&show(ms)), Some(second), "{}", at);
            }
            let zone = jiff::tz::Offset::from_seconds(i32::try_from(offset * 60).unwrap()).unwrap();
            let civil = zone.to_datetime(at);
            let (sign, size) = (if offset < 0 { '-' } else { '+' }, offset.abs());
            let text = format!("{civil}{sign}{:02}:{:02}", size / 60, size % 60);
            let twin = text.parse::<jiff::Timestamp>().map(|t| t.as_millisecond());
            if civil.year() > 0 {
                prop_assert_eq!(parse(&text), twin.ok(), "{}", text);
            }
        }
    }
}
