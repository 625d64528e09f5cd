//! Which value of a record says when it happened.

use super::names;
use super::path_survey::{PathSurvey, Readings, RecordSurvey};
use super::time_form::{self, FORMS, WrittenTime};
use crate::sample_file::{MemberReader, SampleFile};
use tidemark_operators::ingest::decode::{MemberValue, Scalar};
use tidemark_operators::plan::TimeUnit;
use tidemark_operators::plan::path::{PARTS_MAX, element};

/// Words of names that times have.
pub(super) const WORDS: [&str; 14] = [
    "time",
    "timestamp",
    "ts",
    "tstamp",
    "date",
    "datetime",
    "at",
    "when",
    "created",
    "published",
    "occurred",
    "updated",
    "expires",
    "epoch",
];
/// Names of what happened then, the surest first.
const EVENT: [&[&str]; 3] = [
    &[
        "timestamp",
        "event_time",
        "event_timestamp",
        "ts",
        "time",
        "occurred_at",
        "event_date",
        "transaction_time",
        "transaction_timestamp",
        "datetime",
        "date_time",
        "published",
    ],
    &["created_at", "created", "created_date_time", "time_generated", "date", "when", "_time"],
    &["time", "timestamp", "tstamp", "datetime", "ts", "at", "date"],
];
/// Words of names that another time has.
const OTHER: [&str; 13] = [
    "expires",
    "expiry",
    "expiration",
    "birth",
    "born",
    "dob",
    "updated",
    "modified",
    "until",
    "valid",
    "received",
    "sent",
    "opened",
];
/// What an event may be out of order, in ms and as a job says it.
const OUT_OF_ORDERNESS: [(i64, &str); 8] = [
    (5_000, "5s"),
    (60_000, "1m"),
    (300_000, "5m"),
    (3_600_000, "1h"),
    (21_600_000, "6h"),
    (86_400_000, "1d"),
    (604_800_000, "7d"),
    (2_592_000_000, "30d"),
];

/// The event time of a job.
#[derive(Debug)]
pub(super) struct TimeDraft {
    pub path: Vec<String>,
    pub form: WrittenTime,
    /// Whether it is the envelope's, and not the row's.
    pub outer: bool,
    /// How many records have it.
    pub read: u64,
    /// Other paths that are a time in as many records.
    pub others: Vec<Vec<String>>,
    /// The least and the greatest, in ms since 1970.
    pub span: (i64, i64),
    /// How far behind an earlier record's a time lies at most, in ms.
    pub behind: i64,
    /// Whether most records lie before the one that precedes them.
    pub newest_first: bool,
}

/// Whether a job's path can lead there.
pub(super) fn is_path(path: &[String]) -> bool {
    path.len() <= PARTS_MAX && path.iter().all(|part| !part.is_empty() && element(part).is_none())
}

/// The time of the records of `survey`; `None` when most of them have none. What it is like in
/// each of them is still to be [looked at](TimeDraft::look).
pub(super) fn time(survey: &RecordSurvey) -> Option<TimeDraft> {
    let half = survey.records.div_ceil(2).max(1);
    let mut found: Vec<_> = survey.paths.iter().filter_map(|path| candidate(path, half)).collect();
    // Of equal ones the first in the record.
    found.sort_by_key(|candidate| {
        let whole = candidate.read * 100 >= survey.records * 99;
        (!whole, candidate.rank, candidate.path.path.len())
    });
    let mut found = found.into_iter();
    let Candidate { path, form, read, .. } = found.next()?;
    let others = found.filter(|other| other.read >= read && other.rank < EVENT.len());
    Some(TimeDraft {
        path: path.path.clone(),
        form,
        outer: false,
        read,
        others: others.map(|other| other.path.path.clone()).collect(),
        span: (0, 0),
        behind: 0,
        newest_first: false,
    })
}

struct Candidate<'s> {
    path: &'s PathSurvey,
    form: WrittenTime,
    read: u64,
    /// Less is surer.
    rank: usize,
}

fn candidate(path: &PathSurvey, least: u64) -> Option<Candidate<'_>> {
    // A day says in no window when it was.
    let times = FORMS.iter().zip(&path.times).filter(|(form, _)| form.unit != TimeUnit::Date);
    let (form, read) = times.rev().max_by_key(|(_, times)| **times)?;
    let form = *form;
    let name = path.path.last().map(|last| names::identifier(last)).unwrap_or_default();
    let words: Vec<&str> = name.split('_').collect();
    let other = words.iter().any(|word| OTHER.contains(word));
    let rank = EVENT.iter().enumerate().position(|(at, known)| match at {
        2 => words.iter().any(|word| known.contains(word)),
        _ => known.contains(&name.as_str()),
    });
    // A number that nothing calls a time may be anything.
    let counted = form.unit.is_number() && !form.unit.is_text() && path.told_times == 0;
    let rank = match (rank, other) {
        (Some(rank), false) => rank,
        (None, false) if !counted => EVENT.len(),
        (Some(_), true) => EVENT.len() + 1,
        _ => return None,
    };
    (*read >= least && is_path(&path.path)).then_some(Candidate { path, form, read: *read, rank })
}

impl TimeDraft {
    /// What expressions call it.
    pub fn name(&self) -> String {
        self.path.last().cloned().unwrap_or_default()
    }

    /// Looks at the times of the records, in the order of the file.
    pub fn look(&mut self, sample: &SampleFile, members: &mut MemberReader, readings: &Readings) {
        let place = FORMS.iter().position(|form| *form == self.form);
        let Some(reading) = place.and_then(|place| readings.time(place)) else { return };
        let mut newest: Option<i64> = None;
        let (mut before, mut later, mut earlier) = (None, 0_u64, 0_u64);
        for record in sample.each() {
            let mut time = None;
            let mut visit = |path: &[String], found: MemberValue<'_>| {
                if path == self.path.as_slice() {
                    time = match found {
                        MemberValue::Scalar(scalar) => time_form::of(scalar, reading),
                        MemberValue::Time(text) => time_form::of(Scalar::Number(text), reading),
                        _ => None,
                    };
                }
            };
            if members.each(record, &mut visit).is_err() {
                continue;
            }
            let Some(time) = time else { continue };
            later += u64::from(before.is_some_and(|before| time > before));
            earlier += u64::from(before.is_some_and(|before| time < before));
            before = Some(time);
            let newest = newest.get_or_insert(time);
            self.behind = self.behind.max(*newest - time);
            *newest = (*newest).max(time);
            self.span = match self.span {
                (0, 0) => (time, time),
                (first, last) => (first.min(time), last.max(time)),
            };
        }
        self.newest_first = earlier > later;
    }

    /// How far out of order an event may be, so that none of these is late where that can be said.
    pub fn out_of_orderness(&self) -> &'static str {
        let enough = OUT_OF_ORDERNESS.iter().find(|(ms, _)| *ms >= self.behind);
        enough.or(OUT_OF_ORDERNESS.last()).map_or("5s", |(_, text)| text)
    }

    /// Whether some events are late all the same.
    pub fn some_are_late(&self) -> bool {
        OUT_OF_ORDERNESS.last().is_some_and(|(most, _)| self.behind > *most)
    }
}
