//! Calendar features in the job's time zone, across changes of the clock.

use super::Subject;
use super::comparison::{Seen, assert_sealed};
use super::histories::{Shape, random};
use super::live::{expected, play};
use super::oracle::{HOUR, MINUTE, calendar};
use super::{behavior, fraud, histories};
use crate::memory::{Run, replay};
use jiff::tz::TimeZoneDatabase;
use tidemark_operators::shared::Limits;

/// Zones, and the moments at which their clocks jump (or nearly a weekend begins).
const JUMPS: [(&str, &str); 10] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    // Half an hour there and back.
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    // Never; but midnight is at half past.
    ("Asia/Kolkata", "2026-06-05T18:30:00Z"),
    ("Asia/Kolkata", "2026-06-07T18:30:00Z"),
    // A day that did not exist: the zone moved over the date line at its end.
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("UTC", "2026-12-31T23:59:59.999Z"),
];

fn ms(time: &str) -> u64 {
    time.parse::<jiff::Timestamp>().unwrap().as_millisecond() as u64
}

/// The job around every jump of the clock.
fn rows_are_the_oracles(subject: impl Fn(&str) -> Subject) {
    for (seed, (zone, jump)) in JUMPS.into_iter().enumerate() {
        let subject = subject(zone);
        let (jump, write) = (ms(jump), subject.write);
        // From half a day before on; then all around the jump, on a partition of their own.
        let shape = Shape { start: jump - 12 * HOUR, ..subject.shape(3_000 + seed as u64, 120) };
        let mut history = random(shape, write);
        let around = [24 * HOUR, 2 * HOUR, HOUR, 30 * MINUTE, 15 * MINUTE, 1, 0];
        let before = around.iter().map(|by| jump - by);
        let after = around.iter().rev().map(|by| jump + by);
        let mut rng = rand::SeedableRng::seed_from_u64(seed as u64);
        let mut record =
            |(at, ts)| write(&mut rng, ts, histories::Who::Entity(at % 2)).into_bytes();
        history.log.push(before.chain(after).enumerate().map(&mut record).collect());
        let judged = subject.judge(&history);
        let what = format!("{} in {zone} around {jump}", subject.job.name);
        let output = replay(&subject.plan, &history.log, &Run::default());
        let with = (subject.job, &subject.around);
        assert_sealed(&what, with, &judged, &output.sealed, &mut Seen::new());

        let history = random(Shape { ticks: true, events: 80, ..shape }, write);
        let judged = subject.judge(&history);
        let expected = expected(with, &history, &judged);
        play(&what, &subject.plan, &history, expected, Limits::default());
    }
}

#[test]
fn fraud_rows_are_the_oracles_in_other_zones_and_across_changes_of_the_clock() {
    rows_are_the_oracles(|zone| Subject::new(&fraud::FRAUD, histories::fraud::write, zone));
}

#[test]
fn behavior_rows_are_the_oracles_in_other_zones_and_across_changes_of_the_clock() {
    rows_are_the_oracles(|zone| {
        Subject::new(&behavior::BEHAVIOR, histories::behavior::write, zone)
    });
}

#[test]
fn the_oracles_calendar_is_that_on_the_wall() {
    for (zone, time, hour, weekday) in [
        ("Europe/Berlin", "2026-03-29T00:59:59.999Z", 1, 6),
        ("Europe/Berlin", "2026-03-29T01:00:00Z", 3, 6),
        ("Europe/Berlin", "2026-10-25T00:59:59.999Z", 2, 6),
        ("Europe/Berlin", "2026-10-25T01:00:00Z", 2, 6),
        ("Europe/Berlin", "2026-10-25T23:00:00Z", 0, 0),
        ("America/New_York", "2026-03-08T06:59:59.999Z", 1, 6),
        ("America/New_York", "2026-03-08T07:00:00Z", 3, 6),
        ("America/New_York", "2026-11-01T05:59:59.999Z", 1, 6),
        ("America/New_York", "2026-11-01T06:00:00Z", 1, 6),
        ("Australia/Lord_Howe", "2026-04-04T14:59:59.999Z", 1, 6),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", 1, 6),
        ("Australia/Lord_Howe", "2026-04-04T15:30:00Z", 2, 6),
        ("Australia/Lord_Howe", "2026-10-03T15:29:59.999Z", 1, 6),
        ("Australia/Lord_Howe", "2026-10-03T15:30:00Z", 2, 6),
        ("Asia/Kolkata", "2026-06-05T18:29:59.999Z", 23, 4),
        ("Asia/Kolkata", "2026-06-05T18:30:00Z", 0, 5),
        ("Pacific/Apia", "2011-12-30T09:59:59.999Z", 23, 3),
        ("Pacific/Apia", "2011-12-30T10:00:00Z", 0, 5),
    ] {
        let in_zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        assert_eq!(calendar(&in_zone, ms(time)), (hour, weekday), "{zone} {time}");
    }
}
