//! The event time has one name in expressions, whatever it is in the records of a source.

use crate::memory::{Log, Output, Run, replay};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::fmt::Write as _;
use std::sync::Arc;
use tidemark_operators::plan::Plan;

/// 2026-01-04T00:02:35Z.
const T: u64 = 1_767_484_955_000;
const HOUR: u64 = 3_600_000;

/// A job with these sources (name, time, settings), all of cards with a view of them.
fn job(sources: &[(&str, &str, &str)], features: &str) -> Arc<Plan> {
    let mut text = "[job]\nname = \"case\"\n".to_owned();
    for (name, time, more) in sources {
        let _ = write!(
            text,
            "[sources.{name}]\ntopic = \"{name}\"\nout_of_orderness = \"30d\"\ntime = {time}\n{more}\n\
             [sources.{name}.fields]\ncard_id = \"string\"\n"
        );
        text.push_str(more_fields(more));
    }
    let names: Vec<String> = sources.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
    let _ = write!(
        text,
        "[entities.card]\nkey = \"card_id\"\n[views.v]\nentity = \"card\"\nsources = [{}]\n\
         [views.v.features]\n{features}\n",
        names.join(", ")
    );
    tidemark_jobs::load("case.toml", &text).unwrap_or_else(|e| panic!("{e}\n{text}")).plan
}

/// A source whose arrivals are known has what its records say as a field, too.
fn more_fields(settings: &str) -> &'static str {
    if settings.contains("arrival_field") {
        "said = { type = \"timestamp\", path = \"ts\" }\n"
    } else {
        ""
    }
}

fn log(partitions: &[&[String]]) -> Log {
    let records = |records: &&[String]| records.iter().map(|r| r.clone().into_bytes()).collect();
    partitions.iter().map(records).collect()
}

/// The same on one worker and on three.
fn run(plan: &Arc<Plan>, log: &Log) -> Output {
    let on = |workers| replay(plan, log, &Run { workers, ..Run::default() });
    let (one, three) = (on(1), on(3));
    assert_eq!((&one.sealed, &one.live), (&three.sealed, &three.live));
    one
}

fn iso(ts: u64) -> String {
    jiff::Timestamp::from_millisecond(ts as i64).unwrap().to_string()
}

const TWO: [(&str, &str, &str); 2] =
    [("a", "\"ts\"", ""), ("b", "{ field = \"when\", unit = \"rfc3339\" }", "")];

#[test]
fn a_filter_on_the_event_time_counts_the_events_of_every_source() {
    let plan = job(
        &TWO,
        "n = { aggregate = \"count\", where = 'hour(event_time) < 6', window = \"1d\" }\n\
         h = { expression = 'hour(event_time)' }\n\
         c = { aggregate = \"count\", window = \"1d\" }\n\
         last = { aggregate = \"latest\", of = \"event_time\" }\n\
         most = { aggregate = \"max\", of = \"event_time\", window = \"1d\" }\n\
         times = { aggregate = \"distinct\", of = \"event_time\", window = \"1d\" }",
    );
    let b = T + 5 * HOUR;
    let log = log(&[
        &[format!(r#"{{"ts":{T},"card_id":"c"}}"#)],
        &[format!(r#"{{"when":"{}","card_id":"c"}}"#, iso(b))],
    ]);
    let output = run(&plan, &log);
    let row = format!("{{\"n\":2,\"h\":5,\"c\":2,\"last\":{b},\"most\":{b},\"times\":2}}");
    assert_eq!(output.live["v/c"], row);
    let sealed: Vec<&str> = output.sealed.lines().collect();
    assert_eq!(sealed.len(), 2, "{}", output.sealed);
    assert!(sealed[1].contains(&row), "{}", output.sealed);
    let first = format!("{{\"n\":1,\"h\":0,\"c\":1,\"last\":{T},\"most\":{T},\"times\":1}}");
    assert!(sealed[0].contains(&first), "{}", output.sealed);
}

#[test]
fn counts_by_the_hour_over_two_sources_are_those_of_looking_at_every_event() {
    let plan = job(
        &TWO,
        "n = { aggregate = \"count\", where = 'hour(event_time) < 6 or weekday(event_time) > 4', \
         window = \"10d\" }",
    );
    let mut random = SmallRng::seed_from_u64(7);
    let (mut records, mut expected) = ([Vec::new(), Vec::new()], 0);
    for _ in 0..400 {
        let ts = T + random.random_range(0..9 * 24 * HOUR);
        let source = usize::from(random.random_bool(0.5));
        records[source].push(match source {
            0 => format!(r#"{{"ts":{ts},"card_id":"c"}}"#),
            _ => format!(r#"{{"when":"{}","card_id":"c"}}"#, iso(ts)),
        });
        // The epoch was a Thursday, the day 3.
        expected += u32::from(ts / HOUR % 24 < 6 || (ts / HOUR / 24 + 3) % 7 > 4);
    }
    assert!((100..300).contains(&expected), "{expected}");
    let output = run(&plan, &log(&[&records[0], &records[1]]));
    assert_eq!(output.verdicts, [400, 0, 0, 0]);
    assert_eq!(output.live["v/c"], format!("{{\"n\":{expected}}}"));
}

#[test]
fn the_event_time_is_named_whatever_its_unit_and_by_its_field_in_one_source() {
    let written = [
        ("ms", T.to_string()),
        ("s", (T / 1_000).to_string()),
        ("us", (T * 1_000).to_string()),
        ("ns", (T * 1_000_000).to_string()),
        ("rfc3339", format!("\"{}\"", iso(T))),
        ("iso", format!("\"{}\"", iso(T))),
        ("auto", (T / 1_000).to_string()),
    ];
    for (unit, time) in written {
        let source = format!("{{ field = \"meta.at\", unit = \"{unit}\" }}");
        let plan = job(
            &[("tx", &source, "[sources.tx.define]\nearly = 'hour(at) < 6'")],
            "night = { aggregate = \"count\", where = 'hour(at) < 6', window = \"1d\" }\n\
             same = { aggregate = \"count\", where = 'hour(event_time) < 6', window = \"1d\" }\n\
             defined = { aggregate = \"count\", where = 'early', window = \"1d\" }\n\
             latest = { expression = 'at - event_time' }",
        );
        let record = format!(r#"{{"meta":{{"at":{time}}},"card_id":"c"}}"#);
        let row = r#"{"night":1,"same":1,"defined":1,"latest":0}"#;
        assert_eq!(run(&plan, &log(&[&[record]])).live["v/c"], row, "{unit}");
        assert_eq!(plan.sources[0].fields.len(), 1, "it is decoded once");
    }
}

#[test]
fn the_event_time_is_the_corrected_one_and_a_field_of_its_path_what_the_record_says() {
    let plan = job(
        &[("a", "\"ts\"", "arrival_field = \"seen\"\nmax_ahead = \"1m\"")],
        "last = { aggregate = \"latest\", of = \"event_time\" }\n\
         said = { aggregate = \"latest\", of = \"said\" }\n\
         ahead = { expression = 'said - ts' }\n\
         night = { aggregate = \"count\", where = 'hour(event_time) < 1', window = \"1d\" }\n\
         day = { aggregate = \"count\", where = 'hour(said) >= 1', window = \"1d\" }",
    );
    let said = T + 3 * HOUR;
    let record = format!(r#"{{"ts":{said},"seen":{T},"card_id":"c"}}"#);
    let (time, ahead) = (T + 60_000, 3 * HOUR - 60_000);
    assert_eq!(
        run(&plan, &log(&[&[record]])).live["v/c"],
        format!("{{\"last\":{time},\"said\":{said},\"ahead\":{ahead},\"night\":1,\"day\":1}}")
    );
}

#[test]
fn a_field_may_have_the_name_of_the_times_field_and_is_meant_by_it() {
    let text = "[job]\nname = \"case\"\n[sources.tx]\ntopic = \"tx\"\nout_of_orderness = \"5s\"\n\
                time = { field = \"ts\", unit = \"s\" }\n[sources.tx.fields]\ncard_id = \"string\"\n\
                ts = \"int\"\n[entities.card]\nkey = \"card_id\"\n[views.v]\nentity = \"card\"\n\
                [views.v.features]\nraw = { aggregate = \"sum\", of = \"ts\", window = \"1d\" }\n\
                at = { expression = 'event_time' }\n";
    let plan = tidemark_jobs::load("case.toml", text).unwrap_or_else(|e| panic!("{e}")).plan;
    let seconds = T / 1_000;
    let output = run(&plan, &log(&[&[format!(r#"{{"ts":{seconds},"card_id":"c"}}"#)]]));
    assert_eq!(output.live["v/c"], format!("{{\"raw\":{seconds}.0,\"at\":{T}}}"));
}
