//! ISO 8601 as producers write it: `2026-01-31T23:59:59.5+02:00`, and with a space for the `T`, a
//! comma for the point, without seconds, with an offset as `+0200`, `+02`, ` UTC` or ` GMT`, or with
//! none: a local time, which takes a zone to tell it. Names of other zones are not read: several are
//! called by the same letters.

use super::rfc3339::{days, days_in, offset, two};
use crate::zone::Zone;

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the epoch, floored; `None` when `text` is no such time, or a local one and
/// there is no zone.
pub(super) fn time(text: &str, zone: Option<&Zone>) -> Option<i64> {
    let (date, rest) = date_of(text.as_bytes())?;
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, rest @ ..] = rest else { return None };
    let (hour, minute) = (two(*h1, *h2)?, two(*m1, *m2)?);
    let (second, millis, tail) = seconds(rest)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // A leap second is the start of the next one: nothing is a second early, and order is kept.
    let local = date * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000 + millis;
    if tail.is_empty() {
        return zone.map(|zone| zone.to_utc(local));
    }
    Some(local - offset_of(tail)? * 60_000)
}

/// The midnight of a date; in UTC without a zone.
pub(super) fn date(text: &str, zone: Option<&Zone>) -> Option<i64> {
    let (date, rest) = date_of(text.as_bytes())?;
    rest.is_empty().then(|| midnight(date, zone)).flatten()
}

/// The midnight of a day since the epoch.
pub(super) fn midnight(day: i64, zone: Option<&Zone>) -> Option<i64> {
    let local = day.checked_mul(DAY_MS)?;
    Some(zone.map_or(local, |zone| zone.to_utc(local)))
}

/// Days since the epoch, and what follows.
fn date_of(text: &[u8]) -> Option<(i64, &[u8])> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = text else { return None };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    let (month, day) = (two(*m1, *m2)?, two(*d1, *d2)?);
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    Some((days(year, month, day), rest))
}

/// Seconds and milliseconds where they are, and what follows.
fn seconds(text: &[u8]) -> Option<(i64, i64, &[u8])> {
    let [b':', s1, s2, rest @ ..] = text else { return Some((0, 0, text)) };
    let second = two(*s1, *s2)?;
    let [b'.' | b',', digits @ ..] = rest else { return Some((second, 0, rest)) };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, tail) = digits.split_at_checked(count)?;
    let places = [100, 10, 1];
    let millis = digits.iter().zip(places).map(|(d, place)| i64::from(d - b'0') * place).sum();
    (count > 0).then_some((second, millis, tail))
}

/// Minutes east of UTC.
fn offset_of(zone: &[u8]) -> Option<i64> {
    match *zone {
        [sign @ (b'+' | b'-'), h1, h2] => offset(&[sign, h1, h2, b':', b'0', b'0']),
        [b' ', b'U', b'T', b'C'] | [b' ', b'G', b'M', b'T'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, m1, m2] => offset(&[sign, h1, h2, b':', m1, m2]),
        _ => offset(zone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-01-04T00:02:35Z
    const T: i64 = 1_767_484_955_000;

    fn berlin() -> Zone {
        Zone { name: "Test/Berlin".to_owned(), offsets: vec![(i64::MIN, 3_600_000)] }
    }

    #[test]
    fn times_are_read_as_producers_write_them() {
        for (text, ms) in [
            ("2026-01-04T00:02:35Z", T),
            ("2026-01-04t00:02:35z", T),
            ("2026-01-04 00:02:35+00", T),
            ("2026-01-04T00:02:35+0000", T),
            ("2026-01-04T01:02:35+01:00", T),
            ("2026-01-03T20:32:35-03:30", T),
            ("2026-01-03T20:32:35-0330", T),
            ("2026-01-04T00:02:35.123456Z", T + 123),
            ("2026-01-04T00:02:35,9999999999Z", T + 999),
            ("2026-01-04 00:02:35.5 UTC", T + 500),
            ("2026-01-04 00:02:35 GMT", T),
            ("2026-01-04T00:02Z", T - 35_000),
            ("2026-01-04T00:02:60Z", T + 25_000),
            ("2026-01-03T23:59:60.1Z", T - 154_900),
        ] {
            assert_eq!(time(text, None), Some(ms), "{text}");
            assert_eq!(time(text, Some(&berlin())), Some(ms), "{text}: it says its offset");
        }
        for text in ["2026-01-04T01:02:35", "2026-01-04 01:02:35.0"] {
            assert_eq!(time(text, None), None, "{text}");
            assert_eq!(time(text, Some(&berlin())), Some(T), "{text}");
        }
        assert_eq!(date("2026-01-04", None), Some(T - 155_000));
        assert_eq!(date("2026-01-04", Some(&berlin())), Some(T - 155_000 - 3_600_000));
        assert_eq!(midnight(20_457, None), Some(T - 155_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2026-01-04",
            "2026-1-4T00:02:35Z",
            "2026-02-29T00:00:00Z",
            "2026-01-04T24:00:00Z",
            "2026-01-04T00:60:00Z",
            "2026-01-04T00:02:61Z",
            "2026-01-04T00:02:35.Z",
            "2026-01-04T00:02:35+24",
            "2026-01-04T00:02:35+1",
            "2026-01-04T00:02:35 +01:00",
            "2026-01-04T00:02.5Z",
            "2026-01-04T00Z",
            "20260104T000235Z",
            "04/01/2026 00:02",
            "2026-01-04T00:02:35ZZ",
            "\u{ff12}026-01-04T00:02:35Z",
        ] {
            assert_eq!(time(text, Some(&berlin())), None, "{text}");
        }
        assert_eq!(date("2026-01-04T00:00:00Z", None), None);
        assert_eq!(date("2026-13-04", None), None);
    }

    proptest! {
        #[test]
        fn local_times_are_what_jiff_takes_them_for(
            ms in 0_i64..4_102_444_800_000,
            zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
        ) {
            let tz = jiff::tz::TimeZone::get(zone).unwrap();
            let mut offsets = vec![(i64::MIN, i64::from(tz.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds()) * 1_000)];
            offsets.extend(tz.following(jiff::Timestamp::UNIX_EPOCH)
                .take_while(|t| t.timestamp().as_millisecond() < 4_102_444_800_000)
                .map(|t| (t.timestamp().as_millisecond(), i64::from(t.offset().seconds()) * 1_000)));
            let table = Zone { name: zone.to_owned(), offsets };
            let civil = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::from_millisecond(ms).unwrap());
            let twin = tz.to_zoned(civil).unwrap().timestamp().as_millisecond();
            prop_assert_eq!(time(&civil.to_string(), Some(&table)), Some(twin), "{} in {}", civil, zone);
        }
    }
}
