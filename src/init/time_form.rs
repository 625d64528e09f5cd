//! How a time may be written: what is tried on values that could be one.

use std::sync::Arc;
use tidemark_operators::ingest::decode::{Conversion, Scalar, conversion};
use tidemark_operators::plan::{ReadOptions, TimeForm, TimeUnit};
use tidemark_operators::time::{EARLIEST_DEFAULT, LATEST_DEFAULT};
use tidemark_operators::value::{Type, Value};
use tidemark_operators::zone::Zone;

/// A way to write times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrittenTime {
    pub unit: TimeUnit,
    /// Whether there are some without an offset, which take a zone.
    pub local: bool,
}

const fn written(unit: TimeUnit, local: bool) -> WrittenTime {
    WrittenTime { unit, local }
}

/// All of them: of two that read the same values, the one that says more stands first.
pub(super) const FORMS: [WrittenTime; 10] = [
    written(TimeUnit::Ms, false),
    written(TimeUnit::S, false),
    written(TimeUnit::Us, false),
    written(TimeUnit::Ns, false),
    written(TimeUnit::Rfc3339, false),
    written(TimeUnit::Date, true),
    written(TimeUnit::Iso, false),
    written(TimeUnit::Iso, true),
    written(TimeUnit::Auto, false),
    written(TimeUnit::Auto, true),
];

impl WrittenTime {
    /// How such a time is read: between 1990 and 2100, where a number tells its unit.
    pub fn reading(self) -> ReadOptions {
        let utc = || Arc::new(Zone::utc());
        let time = TimeForm { unit: self.unit, zone: self.local.then(utc), coerce: true };
        let ms = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        let times = (ms(EARLIEST_DEFAULT), ms(LATEST_DEFAULT) - 1);
        ReadOptions { time, times, ..ReadOptions::default() }
    }

    /// What it is called in a job, after `field = ".."` or `type = "timestamp"`.
    pub fn keys(self) -> String {
        let zone = if self.local { ", zone = \"UTC\"" } else { "" };
        format!("unit = \"{}\"{zone}", self.unit.name())
    }

    /// What it is in words.
    pub fn words(self) -> String {
        if self.unit == TimeUnit::Date {
            return "a date: its midnight in UTC".to_owned();
        }
        let offset = if self.local { ", some without an offset: taken for UTC" } else { "" };
        let unit = match self.unit {
            TimeUnit::Ms => "ms since 1970",
            TimeUnit::S => "seconds since 1970",
            TimeUnit::Us => "microseconds since 1970",
            TimeUnit::Ns => "nanoseconds since 1970",
            TimeUnit::Rfc3339 => "RFC 3339",
            TimeUnit::Iso => "ISO 8601",
            _ => "numbers and texts of several kinds",
        };
        format!("{unit}{offset}")
    }
}

/// The time that `scalar` is, in ms since 1970.
pub(super) fn of(scalar: Scalar<'_>, reading: &ReadOptions) -> Option<i64> {
    match conversion(Type::Timestamp, scalar, reading) {
        Conversion::Value(Value::Timestamp(ms)) => Some(ms),
        _ => None,
    }
}
