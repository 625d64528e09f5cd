//! Records as people have them: they get in as they are, and exactly.

use crate::memory::{Output, Run, replay};
use std::sync::Arc;
use tidemark_operators::plan::Plan;

const T: u64 = 1_767_484_955_000;

/// A job with one source `tx`, its keys before its fields, and the view `v` of the entity `card`.
fn job(source: &str, fields: &str, features: &str) -> Arc<Plan> {
    let source =
        if source.contains("time =") { source } else { &format!("time = \"timestamp\"\n{source}") };
    let text = format!(
        "[job]\nname = \"case\"\n[sources.tx]\ntopic = \"tx\"\nout_of_orderness = \"5s\"\n{source}\n\
         [sources.tx.fields]\n{fields}\n[entities.card]\nkey = \"card_id\"\n\
         [views.v]\nentity = \"card\"\n[views.v.features]\n{features}\n"
    );
    tidemark_jobs::load("case.toml", &text).unwrap_or_else(|e| panic!("{e}")).plan
}

/// One partition's records through `plan`.
fn read(plan: &Arc<Plan>, records: &[&str]) -> Output {
    let log = vec![records.iter().map(|record| record.as_bytes().to_vec()).collect()];
    replay(plan, &log, &Run::default())
}

const CARD: &str = "card_id = \"string\"\namount = \"decimal\"";
const COUNT_AND_SUM: &str = "c = { aggregate = \"count\", window = \"5m\" }\n\
                             s = { aggregate = \"sum\", of = \"amount\", window = \"5m\" }";

#[test]
fn amounts_that_are_written_as_texts_are_summed() {
    let output = read(
        &job("", CARD, COUNT_AND_SUM),
        &[
            r#"{"timestamp": 1767484955000, "card_id": "c", "amount": "12.50"}"#,
            r#"{"timestamp": 1767484955000, "card_id": "c", "amount": "1e2"}"#,
            r#"{"timestamp": 1767484955000, "card_id": "c", "amount": "-3"}"#,
        ],
    );
    assert_eq!((output.verdicts, output.newest), ([3, 0, 0, 0], T));
    assert_eq!(output.live["v/c"], r#"{"c":3,"s":109.5}"#);
}

#[test]
fn an_id_is_one_entity_as_number_as_text_and_as_double_whatever_its_type() {
    for ty in ["string", "int"] {
        let fields = format!("card_id = \"{ty}\"\namount = \"decimal\"");
        let output = read(
            &job("", &fields, COUNT_AND_SUM),
            &[
                r#"{"timestamp": 1767484955000, "card_id": 12345, "amount": 10}"#,
                r#"{"timestamp": 1767484955000, "card_id": "12345", "amount": 10}"#,
                r#"{"timestamp": 1767484955000, "card_id": 12345.0, "amount": 10}"#,
            ],
        );
        assert_eq!(output.verdicts, [3, 0, 0, 0], "{ty}");
        assert_eq!(output.live["v/12345"], r#"{"c":3,"s":30.0}"#, "{ty}");
    }
    let strict = job("coerce = \"none\"", CARD, COUNT_AND_SUM);
    let output = read(&strict, &[r#"{"timestamp": 1767484955000, "card_id": 1, "amount": 10}"#]);
    assert_eq!(output.verdicts, [0, 0, 0, 1]);
}

#[test]
fn an_empty_text_is_no_entity() {
    let output = read(
        &job("", "card_id = \"string?\"\namount = \"decimal\"", COUNT_AND_SUM),
        &[r#"{"timestamp": 1767484955000, "card_id": "", "amount": 10}"#],
    );
    assert_eq!(output.live.len(), 0);
    assert_eq!(output.sealed, "");
}

#[test]
fn epochs_in_nanoseconds_and_local_iso_times_are_event_times() {
    let ns = job("time = { field = \"timestamp\", unit = \"ns\" }", CARD, COUNT_AND_SUM);
    let record = r#"{"timestamp": 1767484955000000000, "card_id": "c", "amount": 10}"#;
    assert_eq!(read(&ns, &[record]).newest, T);
    let iso = "time = { field = \"timestamp\", unit = \"iso\", zone = \"UTC\" }";
    let output = read(
        &job(iso, CARD, COUNT_AND_SUM),
        &[
            r#"{"timestamp": "2026-01-04T00:02:35", "card_id": "c", "amount": 10}"#,
            r#"{"timestamp": "2026-01-04T00:02:35.123456", "card_id": "c", "amount": 10}"#,
            r#"{"timestamp": "2026-01-04 00:02:35", "card_id": "c", "amount": 10}"#,
            r#"{"timestamp": "2026-01-04T00:02:35+0000", "card_id": "c", "amount": 10}"#,
            r#"{"timestamp": "2026-01-04T00:02:34Z", "card_id": "c", "amount": 10}"#,
        ],
    );
    assert_eq!((output.verdicts, output.newest), ([5, 0, 0, 0], T + 123));
    let local = "time = { field = \"timestamp\", unit = \"iso\", zone = \"Europe/Berlin\" }";
    let record = r#"{"timestamp": "2026-01-04T01:02:35", "card_id": "c", "amount": 10}"#;
    assert_eq!(read(&job(local, CARD, COUNT_AND_SUM), &[record]).newest, T);
}

#[test]
fn a_timestamp_has_a_unit_and_a_range_of_its_own() {
    let opened = [
        ("ms", "1767398555000"),
        ("us", "1767398555000000"),
        ("s", "1767398555"),
        ("iso", "\"2026-01-03T00:02:35Z\""),
    ];
    let records = opened.map(|(id, opened)| {
        format!(r#"{{"timestamp": {T}, "card_id": "{id}", "amount": 10, "opened": {opened}}}"#)
    });
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let age = "age_ms = { expression = 'timestamp - opened' }\nh = { expression = 'hour(opened)' }";
    let auto = format!("{CARD}\nopened = {{ type = \"timestamp?\", unit = \"auto\" }}");
    let output = read(&job("", &auto, age), &records);
    for (id, _) in opened {
        assert_eq!(output.live[&format!("v/{id}")], r#"{"age_ms":86400000,"h":0}"#, "{id}");
    }
    let output = read(&job("", &format!("{CARD}\nopened = \"timestamp?\""), age), &records);
    assert_eq!(output.verdicts, [4, 0, 0, 0], "all are events");
    assert_eq!(output.live["v/ms"], r#"{"age_ms":86400000,"h":0}"#);
    for id in ["us", "s", "iso"] {
        assert_eq!(output.live[&format!("v/{id}")], r#"{"age_ms":null,"h":null}"#, "{id}");
    }
    let born =
        "born = { type = \"timestamp\", unit = \"date\", optional = true, min = \"1900-01-01\" }";
    let born = job("", &format!("{CARD}\n{born}"), "b = { expression = 'born' }");
    let record =
        r#"{"timestamp": 1767484955000, "card_id": "c", "amount": 1, "born": "1961-08-13"}"#;
    assert_eq!(read(&born, &[record]).live["v/c"], r#"{"b":-264643200000}"#);
}

#[test]
fn one_bad_optional_field_loses_nothing_but_itself() {
    let fields = format!("{CARD}\nip = \"ip?\"\nagent = \"string?\"\nitems = \"int?\"");
    let features = format!(
        "{COUNT_AND_SUM}\nips = {{ aggregate = \"distinct\", of = \"ip\", window = \"5m\" }}\n\
         la = {{ aggregate = \"latest\", of = \"agent\" }}\n\
         li = {{ aggregate = \"sum\", of = \"items\", window = \"5m\" }}"
    );
    let extra = [
        r#""ip": "192.0.2.7""#,
        r#""ip": "192.0.2.7:51034""#,
        r#""ip": "10.0.0.1, 192.0.2.7""#,
        r#""ip": "unknown""#,
        r#""ip": "fe80::1%eth0""#,
        r#""items": "6""#,
        r#""items": {"n": 6}"#,
        r#""agent": ["x"]"#,
        r#""agent": "x\ud83d""#,
    ];
    let records = extra
        .map(|extra| format!(r#"{{"timestamp": {T}, "card_id": "c", "amount": 10, {extra}}}"#));
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let output = read(&job("", &fields, &features), &records);
    assert_eq!(output.verdicts, [9, 0, 0, 0]);
    let expected = "{\"c\":9,\"s\":90.0,\"ips\":2,\"la\":\"x\u{fffd}\",\"li\":6.0}";
    assert_eq!(output.live["v/c"], expected);
}

#[test]
fn a_word_for_no_number_in_a_field_that_nobody_reads_hurts_nobody() {
    let record = r#"{"timestamp":1767484955000,"card_id":"c","amount":10,"score":NaN}"#;
    let output = read(&job("", CARD, COUNT_AND_SUM), &[record]);
    assert_eq!(output.live["v/c"], r#"{"c":1,"s":10.0}"#);
}

#[test]
fn a_list_of_addresses_is_the_one_that_the_job_believes() {
    let ip = "ip = { type = \"ip\", optional = true, pick = \"last_untrusted\" }";
    let plan = job("", &format!("{CARD}\n{ip}"), "l = { aggregate = \"latest\", of = \"ip\" }");
    let record = r#"{"timestamp":1767484955000,"card_id":"c","amount":1,"ip":"6.6.6.6, 192.0.2.9, 10.0.0.1"}"#;
    assert_eq!(read(&plan, &[record]).live["v/c"], r#"{"l":"192.0.2.9"}"#);
}

#[test]
fn a_record_without_any_optional_key_is_counted_and_no_dead_letter() {
    let fields = "card_id = \"string?\"\namount = \"decimal\"";
    let records = [
        r#"{"timestamp": 1767484955000, "amount": 10}"#,
        r#"{"timestamp": 1767484955000, "card_id": "", "amount": 10}"#,
        r#"{"timestamp": 1767484955000, "card_id": [], "amount": 10}"#,
    ];
    let output = read(&job("", fields, COUNT_AND_SUM), &records);
    assert_eq!((output.verdicts, output.dead.len()), ([0; 4], 0));
    let output = read(&job("keyless = \"dead\"", fields, COUNT_AND_SUM), &records);
    assert_eq!((output.verdicts, output.dead.len()), ([0, 0, 0, 3], 3));
    // A required one has to be there.
    assert_eq!(read(&job("", CARD, COUNT_AND_SUM), &records).verdicts, [0, 0, 0, 3]);
}

/// What nobody should send for a field.
fn hostile() -> Vec<String> {
    let long = format!("\"{}\"", "x".repeat(4_000));
    let deep = format!("{}1{}", "[".repeat(3_000), "]".repeat(3_000));
    let mut values: Vec<String> = [
        "[]",
        "[1]",
        "[null]",
        "{}",
        r#"{"a":1}"#,
        r#"{"a":{"b":[{}]}}"#,
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "1e-999",
        "1.5e300",
        "0.1",
        "-0.5",
        "1e1000000000",
        "123456789012345678901234567890123456789012345678901234567890123456789",
        "99999999999999999999.5",
        r#"["192.0.2.7"]"#,
        r#"[["x"]]"#,
        r#"{"$numberDecimal":"x"}"#,
        "[NaN]",
        "[1e999]",
        r#"["\ud800"]"#,
        r#"{"\ud800":1}"#,
        r#"{"a":"\udfff"}"#,
        "[[],[],{}]",
        "[true]",
        r#"{"":{}}"#,
        r#"[{"a":[1,2,3]}]"#,
        "[-0]",
        "[\"\"]",
        r#"[" "]"#,
        "-1.5",
        "3.25",
        "17.75",
        "-1e-7",
        "2.5e-3",
    ]
    .map(str::to_owned)
    .to_vec();
    values.extend([long, deep]);
    values
}

/// A record of a shipped job with `value` at `path`.
fn shipped_record(name: &str, ts: u64, path: &[String], value: &str) -> String {
    let rest: &[(&str, &str)] = match name {
        "fraud" => &[("card_id", "\"c\""), ("amount", "900"), ("status", "\"declined\"")],
        "personalization" => &[("user_id", "\"u\""), ("event_type", "\"click\"")],
        _ => &[("user_id", "\"u\""), ("event_type", "\"login\"")],
    };
    let mut members = vec![format!("\"timestamp\":{ts}")];
    members.extend(
        rest.iter().filter(|(key, _)| *key != path[0]).map(|(key, v)| format!("\"{key}\":{v}")),
    );
    let (first, inner) = path.split_first().unwrap();
    let nested = inner.iter().rev().fold(value.to_owned(), |v, key| format!("{{\"{key}\":{v}}}"));
    members.push(format!("\"{first}\":{nested}"));
    format!("{{{}}}", members.join(","))
}

#[test]
fn no_value_of_an_optional_field_of_a_shipped_job_does_more_than_a_null() {
    let values = hostile();
    assert!(values.len() >= 40, "{}", values.len());
    let mut fields = 0;
    for name in tidemark_jobs::SHIPPED {
        let (file, text) = tidemark_jobs::shipped(name).unwrap();
        let text = text.replace(
            "ip_reputation.csv",
            concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/ip_reputation.csv"),
        );
        let plan = tidemark_jobs::load(file, &text).unwrap_or_else(|e| panic!("{e}")).plan;
        for field in plan.sources[0].fields.iter().filter(|field| !field.required) {
            let values: Vec<&String> = match field.ty.is_numeric() {
                // What is a number may be one of this field.
                true => {
                    values.iter().filter(|v| v.starts_with(['[', '{', '"', 'N', 'I'])).collect()
                }
                false => values.iter().collect(),
            };
            let log = |value: &dyn Fn(usize) -> String| {
                let at = |at: usize| shipped_record(name, T + at as u64, &field.path, &value(at));
                (0..values.len()).map(at).collect::<Vec<_>>()
            };
            let hostile = log(&|at| values[at].clone());
            let null = log(&|_| "null".to_owned());
            let run = |log: &[String]| {
                let records: Vec<&str> = log.iter().map(String::as_str).collect();
                let output = read(&plan, &records);
                assert_eq!(
                    output.verdicts,
                    [values.len() as u64, 0, 0, 0],
                    "{name}.{}",
                    field.name
                );
                (output.sealed, output.live)
            };
            assert_eq!(run(&hostile), run(&null), "{name}.{}", field.name);
            fields += 1;
        }
    }
    assert!(fields > 20, "{fields}");
}
