//! Any text as a time of every unit is a time or none; what one unit reads, a looser one reads as the
//! same; and the event time is what a field of its unit is.
//!
//! `cargo fuzz run --fuzz-dir tests/fuzz times`

#![no_main]

#[path = "quoted.rs"]
mod quoted;

use libfuzzer_sys::fuzz_target;
use quoted::quoted;
use std::sync::Arc;
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::plan::{Arrival, FieldPlan, Invalid, ReadOptions, SourcePlan, TimeField, TimeForm, TimeUnit};
use tidemark_operators::time::{EARLIEST_DEFAULT, LATEST_DEFAULT};
use tidemark_operators::value::Type;
use tidemark_operators::zone::Zone;

const UNITS: [TimeUnit; 9] = [
    TimeUnit::Rfc3339,
    TimeUnit::Iso,
    TimeUnit::Auto,
    TimeUnit::Ms,
    TimeUnit::S,
    TimeUnit::Us,
    TimeUnit::Ns,
    TimeUnit::Date,
    TimeUnit::Days,
];
const DAY_MS: i64 = 86_400_000;

/// A time in `unit`; where it may be local, and days begin, in UTC.
fn form(unit: TimeUnit, local: bool) -> TimeForm {
    let days = matches!(unit, TimeUnit::Date | TimeUnit::Days);
    let zone = Zone::utc();
    let zone = (days || (local && unit.may_be_local())).then(|| Arc::new(zone));
    TimeForm { unit, zone, coerce: true }
}

/// A field for each of the units, and once more for local times; the event time in `unit`.
fn source(unit: TimeUnit) -> SourcePlan {
    let forms = UNITS.map(|unit| form(unit, false)).into_iter();
    let forms = forms.chain([form(TimeUnit::Iso, true), form(TimeUnit::Auto, true)]);
    let field = |(at, time): (usize, TimeForm)| FieldPlan { required: false, reading: ReadOptions { invalid: Invalid::Null, time, ..ReadOptions::default() }, ..FieldPlan::new(&format!("f{at}"), Type::Timestamp) };
    let mut time = TimeField::new(vec!["at".to_owned()], unit);
    time.form = form(unit, false);
    SourcePlan { strict_json: true, arrival: Arrival::Unknown, ..SourcePlan::new("fuzz", time, forms.enumerate().map(field).collect()) }
}

fuzz_target!(|text: &str| {
    let text = quoted(text);
    let fields: Vec<_> = (0..UNITS.len() + 2).map(|at| format!("\"f{at}\":{text}")).collect();
    let fields = fields.join(",");
    let mut into = Decoded::default();
    let record = format!("{{\"at\":\"2026-01-31T00:00:00Z\",{fields}}}");
    Decoder::new(&source(TimeUnit::Rfc3339)).decode(record.as_bytes(), &mut into).expect("a row");
    let read: Vec<_> = into.columns.iter().map(|column| column.int(0)).collect();
    let [rfc3339, iso, auto, _, _, _, _, date, days, local_iso, local_auto] = read[..] else {
        panic!("a column for each field")
    };
    if rfc3339.is_some() {
        assert_eq!([iso, auto, local_iso, local_auto], [rfc3339; 4]);
    }
    if iso.is_some() {
        assert_eq!(local_iso, iso);
    }
    assert!([date, days].into_iter().flatten().all(|ms| ms.rem_euclid(DAY_MS) == 0));
    for (unit, read) in UNITS.into_iter().zip(read) {
        let mut into = Decoded::default();
        let record = format!("{{\"at\":{text}}}");
        let event = Decoder::new(&source(unit)).decode(record.as_bytes(), &mut into);
        let within = |ms: i64| u64::try_from(ms).ok().filter(|ms| (EARLIEST_DEFAULT..LATEST_DEFAULT).contains(ms));
        assert_eq!(event.ok().map(|()| into.time[0]), read.and_then(within));
    }
});
