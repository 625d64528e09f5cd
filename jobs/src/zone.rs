//! Time zones as tables of offsets, from the tz database that is built in, so that a plan means the
//! same on every machine.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use tidemark_operators::time::LATEST_DEFAULT;
use tidemark_operators::zone::Zone;

/// The zone of this IANA name from 1970 up to 2100; after that its last offset holds.
pub(crate) fn named(name: &str) -> Option<Zone> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    let name = zone.iana_name().unwrap_or(name).to_owned();
    Some(Zone { name, offsets: offsets(&zone) })
}

/// The names of all zones.
pub(crate) fn names() -> Vec<String> {
    TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
}

fn offsets(zone: &TimeZone) -> Vec<(i64, i64)> {
    let first = zone.to_offset(Timestamp::UNIX_EPOCH);
    let mut offsets = vec![(i64::MIN, i64::from(first.seconds()) * 1_000)];
    let end = i64::try_from(LATEST_DEFAULT).unwrap_or(i64::MAX);
    for transition in zone.following(Timestamp::UNIX_EPOCH) {
        let from = transition.timestamp().as_millisecond();
        if from >= end {
            break;
        }
        let offset = i64::from(transition.offset().seconds()) * 1_000;
        if offsets.last().is_some_and(|(_, last)| *last != offset) {
            offsets.push((from, offset));
        }
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::{Zone, named, names};

    fn offset_hours(zone: &str, time: &str) -> i64 {
        let zone = named(zone).expect("a zone");
        let time: jiff::Timestamp = time.parse().expect("a time");
        let at = zone.offsets.partition_point(|(from, _)| *from <= time.as_millisecond());
        zone.offsets[at - 1].1 / 3_600_000
    }

    #[test]
    fn utc_never_moves() {
        assert_eq!(named("UTC"), Some(Zone::utc()));
    }

    #[test]
    fn berlin_changes_at_one_oclock_utc_on_the_last_sundays_of_march_and_october() {
        assert_eq!(offset_hours("Europe/Berlin", "2026-03-29T00:59:59.999Z"), 1);
        assert_eq!(offset_hours("Europe/Berlin", "2026-03-29T01:00:00Z"), 2);
        assert_eq!(offset_hours("Europe/Berlin", "2026-10-25T00:59:59.999Z"), 2);
        assert_eq!(offset_hours("Europe/Berlin", "2026-10-25T01:00:00Z"), 1);
        assert_eq!(offset_hours("Europe/Berlin", "2099-07-01T00:00:00Z"), 2);
    }

    #[test]
    fn offsets_ascend_from_the_beginning_of_time() {
        for name in names() {
            let zone = named(&name).expect("every name there is has a zone");
            assert_eq!(zone.offsets[0].0, i64::MIN, "{name}");
            assert!(zone.offsets.is_sorted_by(|a, b| a.0 < b.0 && a.1 != b.1), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_no_zone() {
        assert_eq!(named("Europe/Berlim"), None);
        assert_eq!(named(""), None);
    }
}
