//! The oracle: what a view shows of an entity as of a time, from the entity's whole history.
//!
//! Nothing is kept between two questions. Definitions are typed from the catalogue's text, a few
//! lines a feature, in `fraud`, `personalization` and `behavior`.

use super::record::Event;
use super::reputation::Reputation;
use crate::memory::Record;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::collections::{BTreeMap, BTreeSet};

pub const SECOND: u64 = 1_000;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;
/// The default horizon, and the profile horizon.
pub const MONTH: u64 = 30 * DAY;

/// A feature's value.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    Int(i64),
    Double(f64),
    Bool(bool),
    Null,
}

impl PartialEq for Value {
    /// Doubles by their bits.
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Null, Value::Null) => true,
            _ => false,
        }
    }
}

impl From<usize> for Value {
    fn from(n: usize) -> Value {
        Value::Int(n as i64)
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Value {
        Value::Int(n as i64)
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Value {
        Value::Double(x)
    }
}

impl From<bool> for Value {
    fn from(x: bool) -> Value {
        Value::Bool(x)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(x: Option<T>) -> Value {
        x.map_or(Value::Null, Into::into)
    }
}

/// Feature names and values, in the catalogue's order.
pub type Row = Vec<(&'static str, Value)>;

/// A view of the catalogue.
pub struct View {
    pub name: &'static str,
    pub entity: &'static str,
    /// Where the entity's id stands in an event.
    pub key: &'static str,
    /// How long the longest of its windows, sessions and horizons holds an event.
    pub keeps: u64,
    pub row: fn(&AsOf<'_>) -> Row,
}

/// A job of the catalogue.
pub struct Job {
    pub name: &'static str,
    pub source: &'static str,
    pub views: &'static [View],
    /// Whether an event has what it must have.
    pub complete: fn(&Event) -> bool,
}

/// What calendar features and looked-up values depend on besides the events.
pub struct Surroundings {
    pub zone: TimeZone,
    pub reputation: Reputation,
}

impl Surroundings {
    pub fn new(job: &Job, zone: &str) -> Surroundings {
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        let reputation = match job.name {
            "behavior" => Reputation::shipped(),
            _ => Reputation::default(),
        };
        Surroundings { zone, reputation }
    }
}

/// An entity's history as one time sees it.
pub struct AsOf<'a> {
    pub t: u64,
    /// All its events with `ts <= t`, in order.
    pub events: &'a [&'a Event],
    pub around: &'a Surroundings,
}

impl<'a> AsOf<'a> {
    /// Events with `t - length < ts <= t`.
    pub fn within(&self, length: u64) -> Vec<&'a Event> {
        self.events.iter().copied().filter(|e| self.t < e.ts + length).collect()
    }

    /// How many of those match.
    pub fn count(&self, length: u64, matches: impl Fn(&Event) -> bool) -> usize {
        self.within(length).into_iter().filter(|e| matches(e)).count()
    }

    /// The latest event, until it is `horizon` old, and those before it.
    pub fn latest(&self, horizon: u64) -> Option<(&'a Event, &'a [&'a Event])> {
        let (latest, before) = self.events.split_last()?;
        (self.t < latest.ts + horizon).then_some((*latest, before))
    }

    /// Milliseconds between the latest event and the one before it, looking `horizon` back.
    pub fn gap(&self, horizon: u64) -> Option<u64> {
        let (latest, before) = self.latest(horizon)?;
        let previous = before.last()?;
        (latest.ts < previous.ts + horizon).then_some(latest.ts - previous.ts)
    }

    /// Hour (0-23) and weekday (0 = Monday) of an event where the job is.
    pub fn calendar(&self, event: &Event) -> (i64, i64) {
        calendar(&self.around.zone, event.ts)
    }

    /// The open session's events: gaps of at most 30 minutes, open for 30 minutes after its last.
    pub fn session(&self) -> Vec<&'a Event> {
        let mut session: Vec<&Event> = Vec::new();
        for event in self.events {
            if session.last().is_some_and(|last| event.ts - last.ts > 30 * MINUTE) {
                session.clear();
            }
            session.push(event);
        }
        let open = session.last().is_some_and(|last| self.t <= last.ts + 30 * MINUTE);
        if open { session } else { Vec::new() }
    }

    /// Minutes from the open session's first event to its last.
    pub fn session_minutes(&self) -> f64 {
        let session = self.session();
        match (session.first(), session.last()) {
            (Some(first), Some(last)) => (last.ts - first.ts) as f64 / 60_000.0,
            _ => 0.0,
        }
    }
}

/// Hour (0-23) and weekday (0 = Monday) of a time.
pub fn calendar(zone: &TimeZone, ts: u64) -> (i64, i64) {
    let time = jiff::Timestamp::from_millisecond(ts as i64).unwrap().to_zoned(zone.clone());
    (time.hour().into(), time.weekday().to_monday_zero_offset().into())
}

/// The numbers at `path` in micro-units, where there are any.
pub fn micros(events: &[&Event], path: &str) -> Vec<i128> {
    events.iter().filter_map(|e| e.micros(path)).collect()
}

/// The texts at `path`, where there are any.
pub fn texts<'a>(events: &[&'a Event], path: &str) -> Vec<&'a str> {
    events.iter().filter_map(|e| e.text(path)).collect()
}

/// What becomes of the records of each partition.
#[derive(Default)]
pub struct Judged {
    /// In the order of the catalogue.
    pub accepted: Vec<Event>,
    /// Partition and offset.
    pub late: BTreeSet<(usize, usize)>,
    /// Partition and offset.
    pub malformed: BTreeSet<(usize, usize)>,
}

/// The verdicts on all records.
pub fn judge(job: &Job, log: &[Vec<Record>], out_of_orderness: u64) -> Judged {
    let mut judged = Judged::default();
    for (partition, records) in log.iter().enumerate() {
        let mut newest = 0;
        for (offset, record) in records.iter().enumerate() {
            let event = Event::read(record, partition, offset).filter(job.complete);
            let Some(event) = event else {
                judged.malformed.insert((partition, offset));
                continue;
            };
            if event.ts + out_of_orderness < newest {
                judged.late.insert((partition, offset));
                continue;
            }
            newest = newest.max(event.ts);
            judged.accepted.push(event);
        }
    }
    judged.accepted.sort_by_key(|e| (e.ts, e.partition, e.offset));
    judged
}

impl Job {
    /// The rows of all views and entities at `t` over `accepted` (in order), by `view/id`; those
    /// that hold nothing are missing.
    pub fn rows(
        &self,
        accepted: &[&Event],
        t: u64,
        around: &Surroundings,
    ) -> BTreeMap<String, Row> {
        let mut rows = BTreeMap::new();
        for view in self.views {
            let mut histories = BTreeMap::<&str, Vec<&Event>>::new();
            for event in accepted.iter().filter(|e| e.ts <= t) {
                if let Some(id) = event.text(view.key) {
                    histories.entry(id).or_default().push(event);
                }
            }
            for (id, events) in histories {
                let as_of = AsOf { t, events: &events, around };
                if as_of.latest(view.keeps).is_some() {
                    rows.insert(format!("{}/{id}", view.name), (view.row)(&as_of));
                }
            }
        }
        rows
    }
}
