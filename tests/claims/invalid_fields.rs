//! What was there and could not be read is no value, and no secret either: `invalid(x)`.

use crate::memory::{Log, Run, replay, watched};
use std::sync::Arc;
use tidemark_operators::plan::Plan;

const T: u64 = 1_767_484_955_000;

fn load(text: &str) -> Arc<Plan> {
    tidemark_jobs::load("case.toml", text).unwrap_or_else(|e| panic!("{e}\n{text}")).plan
}

/// A job with one source `tx`.
fn job(fields: &str, features: &str) -> Arc<Plan> {
    load(&format!(
        "[job]\nname = \"case\"\n[sources.tx]\ntopic = \"tx\"\nout_of_orderness = \"5s\"\n\
         time = \"timestamp\"\n[sources.tx.fields]\ncard_id = \"string\"\n{fields}\n\
         [sources.tx.define]\nhidden = 'invalid(ip_address) or is_null(ip_address)'\n\
         [entities.card]\nkey = \"card_id\"\n[views.v]\nentity = \"card\"\n\
         [views.v.features]\n{features}\n"
    ))
}

/// The live row of `v/c` and the sealed rows, the same on one worker and on three; all records are
/// events.
fn rows(plan: &Arc<Plan>, members: &[&str]) -> (String, String) {
    let record = |(at, more): (usize, &&str)| {
        let comma = if more.is_empty() { "" } else { "," };
        format!(r#"{{"timestamp":{},"card_id":"c"{comma}{more}}}"#, T + at as u64).into_bytes()
    };
    let log: Log = vec![members.iter().enumerate().map(record).collect()];
    let on = |workers| replay(plan, &log, &Run { workers, ..Run::default() });
    let (one, three) = (on(1), on(3));
    assert_eq!((&one.sealed, &one.live), (&three.sealed, &three.live));
    assert_eq!(one.verdicts, [members.len() as u64, 0, 0, 0]);
    (one.live["v/c"].clone(), one.sealed)
}

const IP: &str = "ip_address = \"ip?\"";
/// Addresses: two, two that are none, and four that are not there.
const ADDRESSES: [&str; 8] = [
    r#""ip_address":"192.0.2.7""#,
    r#""ip_address":"192.0.2.9, 10.0.0.1""#,
    r#""ip_address":{"v4":"192.0.2.7"}"#,
    r#""ip_address":null"#,
    "",
    r#""ip_address":"unknown""#,
    r#""ip_address":"""#,
    r#""ip_address":"2001:db8::1""#,
];

#[test]
fn a_card_that_hides_its_address_is_counted_however_it_hides_it() {
    let plan = job(
        IP,
        "hidden = { aggregate = \"count\", where = 'invalid(ip_address) or is_null(ip_address)', \
         window = \"5m\" }\n\
         defined = { aggregate = \"count\", where = 'hidden', window = \"5m\" }\n\
         invalid = { aggregate = \"count\", where = 'invalid(ip_address)', window = \"5m\" }\n\
         good = { aggregate = \"count\", where = 'not hidden', window = \"5m\" }\n\
         share = { aggregate = \"ratio\", where = 'not invalid(ip_address)', window = \"5m\" }\n\
         ips = { aggregate = \"distinct\", of = \"ip_address\", window = \"5m\" }",
    );
    let (live, _) = rows(&plan, &ADDRESSES);
    let row = r#"{"hidden":6,"defined":6,"invalid":2,"good":2,"share":0.75,"ips":2}"#;
    assert_eq!(live, row);
    let unnamed = job(IP, "c = { aggregate = \"count\", window = \"5m\" }");
    assert_eq!(plan.sources[0].computed.len(), 1);
    assert_eq!(unnamed.sources[0].computed.len(), 0, "nothing asks, nothing is computed");
}

#[test]
fn of_the_latest_event_it_is_known_too_and_never_null() {
    let plan = job(
        IP,
        "odd = { expression = 'invalid(ip_address)' }\n\
         score = { expression = 'if(invalid(ip_address), 1, 0) + if(hidden, 10, 0)' }",
    );
    let (live, sealed) = rows(&plan, &ADDRESSES);
    assert_eq!(live, r#"{"odd":false,"score":0}"#);
    let expected = [(false, 0), (true, 11), (true, 11), (false, 10), (false, 10), (false, 10)];
    let expected = expected.into_iter().chain([(false, 10), (false, 0)]);
    let lines: Vec<&str> = sealed.lines().collect();
    assert_eq!(lines.len(), 8);
    for (line, (odd, score)) in lines.iter().zip(expected) {
        assert!(line.contains(&format!("{{\"odd\":{odd},\"score\":{score}}}")), "{line}");
    }
}

#[test]
fn every_type_every_alias_and_a_default_that_stands_for_nothing_invalid() {
    let bad: [(&str, &str, &str); 7] = [
        ("int", "5", "5.5"),
        ("decimal", "\"1.5\"", "\"1,5\""),
        ("double", "1e3", "\"NaN\""),
        ("string", "7", "[7]"),
        ("bool", "\"True\"", "2"),
        ("timestamp", "1767398555000", "1767398555"),
        ("ip", "\"10.0.0.1:80\"", "\"10.0.0\""),
    ];
    for (ty, good, bad) in bad {
        let x = format!(
            "ip_address = \"ip?\"\nx = {{ type = \"{ty}\", optional = true, path = \"a.x\", aliases = \
             [\"b\", \"c\"] }}"
        );
        let plan = job(
            &x,
            "i = { aggregate = \"count\", where = 'invalid(x)', window = \"5m\" }\n\
             n = { aggregate = \"count\", where = 'is_null(x)', window = \"5m\" }",
        );
        let records = [
            format!("\"a\":{{\"x\":{good}}}"),
            format!("\"a\":{{\"x\":{bad}}}"),
            format!("\"b\":{bad}"),
            format!("\"c\":{bad}"),
            format!("\"c\":{good}"),
            // The first path that is there decides, and of a key that is there twice the last.
            format!("\"c\":{bad},\"b\":{good}"),
            format!("\"b\":{bad},\"c\":{good}"),
            format!("\"c\":{bad},\"c\":{good}"),
            format!("\"c\":{good},\"c\":{bad}"),
            "\"c\":null".to_owned(),
            String::new(),
        ];
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        assert_eq!(rows(&plan, &records).0, r#"{"i":5,"n":7}"#, "{ty}");
    }
    let default = format!("{IP}\nn = {{ type = \"int\", optional = true, default = 3 }}");
    let plan = job(
        &default,
        "i = { aggregate = \"count\", where = 'invalid(n)', window = \"5m\" }\n\
         s = { aggregate = \"sum\", of = \"n\", window = \"5m\" }",
    );
    let records = ["", "\"n\":4", "\"n\":\"four\"", "\"n\":null"];
    assert_eq!(rows(&plan, &records).0, r#"{"i":1,"s":7.0}"#);
}

#[test]
fn a_source_without_the_field_has_nothing_invalid() {
    let source = |name: &str, more: &str| {
        format!(
            "[sources.{name}]\ntopic = \"{name}\"\nout_of_orderness = \"5s\"\ntime = \"timestamp\"\n\
             [sources.{name}.fields]\ncard_id = \"string\"\n{more}\n"
        )
    };
    let plan = load(&format!(
        "[job]\nname = \"case\"\n{}{}[entities.card]\nkey = \"card_id\"\n[views.v]\nentity = \"card\"\n\
         sources = [\"a\", \"b\"]\n[views.v.features]\n\
         bad = {{ aggregate = \"count\", where = 'invalid(n)', window = \"5m\" }}\n\
         good = {{ aggregate = \"count\", where = 'not invalid(n)', window = \"5m\" }}\n\
         odd = {{ expression = 'invalid(n)' }}\n",
        source("a", "n = \"int?\""),
        source("b", "")
    ));
    let record = |more: &str| format!(r#"{{"timestamp":{T},"card_id":"c"{more}}}"#).into_bytes();
    let log = vec![vec![record(",\"n\":\"x\""), record(",\"n\":1")], vec![record(",\"n\":\"x\"")]];
    for workers in [1, 3] {
        let output = replay(&plan, &log, &Run { workers, ..Run::default() });
        assert_eq!(output.live["v/c"], r#"{"bad":1,"good":2,"odd":false}"#);
    }
}

#[test]
fn a_key_that_cannot_be_read_is_counted_although_its_record_is_no_event() {
    let plan = load(
        "[job]\nname = \"case\"\n[sources.tx]\ntopic = \"tx\"\nout_of_orderness = \"5s\"\n\
         time = \"timestamp\"\n[sources.tx.fields]\ncard_id = \"string?\"\namount = \"decimal?\"\n\
         [entities.card]\nkey = \"card_id\"\n[views.v]\nentity = \"card\"\n[views.v.features]\n\
         n = { aggregate = \"count\", window = \"5m\" }\n\
         invalid = { aggregate = \"count\", where = 'invalid(amount)', window = \"5m\" }\n",
    );
    let records = [
        r#""card_id":0.5,"amount":"many""#,
        r#""card_id":[],"amount":1"#,
        r#""amount":1"#,
        r#""card_id":"c","amount":1"#,
    ];
    let record = |members: &&str| format!(r#"{{"timestamp":{T},{members}}}"#).into_bytes();
    let log: Log = vec![records.iter().map(record).collect()];
    let (output, observer) = watched(&plan, &log, &Run::default());
    let counted = |at: usize| observer.metrics[0].invalid[0].count(at);
    assert_eq!([0, 1].map(counted), [2, 1]);
    assert_eq!(observer.metrics[0].verdicts[0].keyless.get(), 3);
    // What a record that is no event had is nothing of the next.
    assert_eq!(output.live["v/c"], r#"{"n":1,"invalid":0}"#);
}
