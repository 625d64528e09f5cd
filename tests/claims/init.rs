//! `tidemark init`: a job for records that somebody has, which reads them as they are.

use crate::folder::Folder;
use serde_json::Value;
use std::fmt::Write as _;
use std::process::{Command, Output};

/// What a command ended with and printed.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub errors: String,
}

/// Runs `tidemark` in `folder`.
pub fn tidemark(folder: &Folder, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    let command = command.args(arguments).current_dir(folder.path());
    let command = command.env_remove("PARALLELISM").env_remove("LOG_LEVEL");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code().unwrap(), out: text(stdout), errors: text(stderr) }
}

/// Drafts a job for `records`, checks it and replays them by it: the job, and what replay counted.
fn drafted(what: &str, records: &str) -> (String, Value) {
    let folder = Folder::new("init");
    folder.write("tx.jsonl", records);
    let init = tidemark(&folder, &["init", "tx.jsonl", "--output", "job.toml"]);
    assert_eq!(init.code, 0, "{what}: {}", init.errors);
    let job = std::fs::read_to_string(folder.file("job.toml")).unwrap();
    let check = tidemark(&folder, &["check", "job.toml"]);
    assert_eq!(check.code, 0, "{what}: {}\n{job}", check.errors);
    let replay = tidemark(&folder, &["replay", "job.toml", "--source", "tx=tx.jsonl"]);
    assert_eq!(replay.code, 0, "{what}: {}\n{job}", replay.errors);
    (job, serde_json::from_str(&replay.out).unwrap())
}

/// The same, where every record becomes an event and no value is invalid.
fn reads_all(what: &str, records: &str) -> String {
    let (job, counted) = drafted(what, records);
    assert_eq!(counted["accepted"], records.lines().count(), "{what}: {counted}\n{job}");
    assert_eq!(counted["invalid_fields"], 0, "{what}: {counted}\n{job}");
    job
}

const PAYMENTS: &str = r#"{"transaction_id":"t1","card_id":"c1","amount":"12.50","created_at":"2026-01-04 00:02:35.5","approved":true,"client":{"ip":"192.0.2.7","id":17},"coupon":null,"items":[1]}
{"transaction_id":"t2","card_id":"c2","amount":"7","created_at":"2026-01-04 00:02:34","approved":false,"client":{"ip":"192.0.2.8","id":"18"},"coupon":"x"}
{"transaction_id":"t3","card_id":"c1","amount":3.25,"created_at":"2026-01-04 00:03:35","approved":true,"client":{"ip":"","id":19},"coupon":"y","agent":"z"}
"#;

#[test]
fn fields_have_the_type_that_reads_all_of_their_values_and_a_mark_where_one_may_be_missing() {
    let job = reads_all("payments", PAYMENTS);
    for line in [
        "time = { field = \"created_at\", unit = \"iso\", zone = \"UTC\" }",
        "out_of_orderness = \"5s\"",
        "transaction_id = \"string?\"",
        "card_id = \"string\"",
        "amount = \"decimal\"",
        "approved = \"bool?\"",
        "client_ip = { type = \"ip?\", path = \"client.ip\" }",
        "client_id = { type = \"string?\", path = \"client.id\" }",
        "coupon = \"string?\"",
        "agent = \"string?\"",
        "# - items: an array, or too deep",
        "[entities.card]",
        "[views.card_activity]",
    ] {
        assert!(job.lines().any(|it| it.trim_end().starts_with(line)), "{line}\n{job}");
    }
    // Nothing of what people did is in it.
    for value in ["c1", "192.0.2", "12.50", "t1"] {
        assert!(!job.contains(value), "{value}\n{job}");
    }
}

#[test]
fn one_record_is_enough() {
    let record = r#"{"ts":1767484955,"user":"u"}"#;
    let job = reads_all("one record", record);
    assert!(job.contains("time = { field = \"ts\", unit = \"s\" }"), "{job}");
    assert!(job.contains("[entities.user]"), "{job}");
    reads_all("numbers alone", r#"{"t":1,"time":1767484955000}"#);
    reads_all("an id that nothing calls one", r#"{"when":"2026-01-04T00:02:35+01:00","v":"x"}"#);
}

#[test]
fn values_of_several_kinds_get_the_widest_type_that_there_is() {
    let records = [
        r#"{"ts":1767484955000,"user_id":1,"a":1,"b":1,"c":"x","d":true,"e":1.5,"f":{"x":1},"g":0.123456789}"#,
        r#"{"ts":1767484955000000,"user_id":"u2","a":2.5,"b":"1","c":2,"d":"no","e":"n/a","f":7,"g":1}"#,
        r#"{"ts":"2026-01-04T00:02:35Z","user_id":"u2","a":"3","b":"","c":true,"d":1,"e":2.5,"f":{"x":3},"g":2}"#,
        r#"{"ts":"1767484955","user_id":"u2","b":"007"}"#,
    ];
    let (job, counted) = drafted("several kinds", &(records.join("\n") + "\n"));
    assert_eq!(counted["accepted"], 4, "{job}");
    for line in [
        "time = { field = \"ts\", unit = \"auto\" }",
        "user_id = \"string\"",
        "a = \"decimal?\"",
        "b = \"string?\"",
        "c = \"string?\"",
        "d = \"string?\"",
        "e = \"decimal?\"",
        "x = { type = \"int?\", path = \"f.x\" }",
        "g = \"decimal(9)?\"",
        "# - f: mostly an object",
    ] {
        assert!(job.lines().any(|it| it.trim_end().starts_with(line)), "{line}\n{job}");
    }
}

#[test]
fn keys_of_any_kind_are_read_or_said_to_be_left_out() {
    let words = [
        "and",
        "or",
        "not",
        "in",
        "if",
        "null",
        "true",
        "event_time",
        "invalid",
        "hour",
        "count",
        "sum",
        "is_null",
        "coalesce",
        "events_5m",
        "job",
        "fields",
        "source",
        "entity",
        "key",
        "x y",
        "a\\\"b",
        "a\\nb]",
        "ünïcode",
        "金額",
        "",
        " ",
        "$",
        "$.a",
        "a.b",
        "items[0]",
        "'",
        "#",
        "=",
        "\\u0000",
        "\\u202e",
        "-1",
        "1",
        "card_id",
        "cardId",
        "CARD_ID",
        "ts",
        "💳",
        "[x]",
    ];
    let mut record = String::from(r#"{"ts":1767484955000"#);
    for (at, word) in words.iter().enumerate().filter(|(_, word)| **word != "ts") {
        let _ = write!(record, ",\"{word}\":\"{at}\",\"in_{at}\":{{\"{word}\":\"{at}\"}}");
    }
    record.push('}');
    let job = reads_all("hostile names", &record);
    assert!(job.contains(": a key that no path can name"), "{job}");
    for path in ["[\"a.b\"]", "[\"items[0]\"]", "[\"$.a\"]"] {
        assert!(job.contains(&format!("path = {path}")), "{path}: {job}");
    }
    assert!(job.contains("path = \"a\\\"b\"") && job.contains("\\U0000202E"), "{job}");
}

#[test]
fn what_is_large_deep_or_there_twice_is_drafted_all_the_same() {
    let mut wide = String::from(r#"{"ts":1767484955000,"card_id":"c""#);
    for key in 0..10_000 {
        let _ = write!(wide, ",\"k{key}\":{key}");
    }
    let job = reads_all("10,000 keys", &format!("{wide}}}\n"));
    assert!(job.contains("# - 3,8") && job.lines().count() < 300, "{job}");
    let deep = format!("{}1{}", "{\"a\":".repeat(2_000), "}".repeat(2_000));
    reads_all("depth", &format!(r#"{{"ts":1767484955000,"card_id":"c","deep":{deep}}}"#));
    let job = reads_all("twice", r#"{"ts":1,"ts":1767484955000,"card_id":2.5,"card_id":"c"}"#);
    assert!(job.contains("card_id = \"string\""), "{job}");
    let long = "x".repeat(5_000);
    let job = reads_all("a long text", &format!(r#"{{"ts":1767484955000,"user":"{long}"}}"#));
    assert!(job.contains("text_bytes_max = \"8KiB\""), "{job}");
    // More than are looked at, out of order by an hour, and some that are no records.
    let mut many = String::new();
    for at in 0..12_000_u64 {
        let ts = 1_767_484_955_000 + at * 1_000 - if at % 100 == 7 { 3_000_000 } else { 0 };
        let _ = writeln!(many, r#"{{"ts":{ts},"user_id":{},"score":NaN}}"#, at % 50);
    }
    many.insert_str(0, "no record\n[1]\n");
    let (job, counted) = drafted("many", &many);
    assert!(job.contains("out_of_orderness = \"1h\""), "{job}");
    assert_eq!((&counted["accepted"], &counted["malformed"]), (&12_000.into(), &2.into()));
}

#[test]
fn records_without_a_time_or_anybody_are_no_job_and_it_is_said_what_is_missing() {
    let folder = Folder::new("init-none");
    for (records, why) in [
        ("", "tx.jsonl has no records to draft a job from"),
        ("\n\n", "has no records"),
        ("no\n[1]\n", "none of the 2 records of tx.jsonl is a JSON object; the first: line 1: "),
        ("{}\n", "a time between 1990 and 2100"),
        ("{\"user\":\"u\",\"time\":5}\n", "a time between 1990 and 2100"),
        (
            "{\"ts\":1767484955000,\"v\":1.5}\n",
            "nothing in the 1 records of tx.jsonl could be an id",
        ),
    ] {
        folder.write("tx.jsonl", records);
        let init = tidemark(&folder, &["init", "tx.jsonl", "--output", "job.toml"]);
        assert!(init.code == 2 && init.errors.contains(why), "{records}: {}", init.errors);
        assert!(init.errors.contains("hint: "), "{}", init.errors);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{records}");
    }
    let init = tidemark(&folder, &["init", "nowhere.jsonl"]);
    assert!(init.code == 2 && init.errors.contains("nowhere.jsonl"), "{}", init.errors);
}

#[test]
fn a_job_that_is_there_is_not_written_over() {
    let folder = Folder::new("init-over");
    folder.write("tx.jsonl", PAYMENTS);
    let first = tidemark(&folder, &["init", "tx.jsonl"]);
    assert_eq!(first.code, 0);
    assert!(first.errors.contains("time: created_at (ISO 8601"), "{}", first.errors);
    assert!(first.errors.contains("keys: card_id (2 different)"), "{}", first.errors);
    for name in ["job.toml", "tx.jsonl", "link.toml"] {
        if name != "tx.jsonl" {
            let _ = std::fs::remove_file(folder.file("job.toml"));
            folder.write("job.toml", "mine");
        }
        let _ = std::os::unix::fs::symlink("nothing", folder.file("link.toml"));
        let before = std::fs::read(folder.file(name)).ok();
        let again = tidemark(&folder, &["init", "tx.jsonl", "--output", name]);
        assert_eq!(again.code, 2, "{}", again.errors);
        assert!(
            again.errors.contains(name) && again.errors.contains("--output"),
            "{}",
            again.errors
        );
        assert_eq!(std::fs::read(folder.file(name)).ok(), before);
    }
    let nowhere = tidemark(&folder, &["init", "tx.jsonl", "--output", "no/such/job.toml"]);
    assert_eq!(nowhere.code, 1, "{}", nowhere.errors);
    // The same file gives the same job, wherever it goes.
    assert_eq!(tidemark(&folder, &["init", "tx.jsonl", "--output", "new.toml"]).code, 0);
    assert_eq!(std::fs::read_to_string(folder.file("new.toml")).unwrap(), first.out);
}

/// A row of a change log, in its envelope.
fn envelope(op: &str, row: &str, ms: u64) -> String {
    format!(
        r#"{{"before":null,"after":{row},"source":{{"lsn":7,"ts_ms":{ms}}},"op":"{op}","ts_ms":{ms}}}"#
    )
}

#[test]
fn rows_in_envelopes_become_a_job_that_reads_them_with_a_schema_beside_them_and_without() {
    let row = |n: u64| {
        format!(
            r#"{{"payment_id":{n},"card_id":"c{}","amount":"1.5","created_at":{}}}"#,
            n % 3,
            1_767_484_955_000 + n
        )
    };
    let bare = ["c", "r", "u", "d", "c", "r"];
    let bare = (0..6).zip(bare).map(|(n, op)| envelope(op, &row(n), 1_767_484_955_500));
    let bare: Vec<String> = bare.collect();
    let wrapped =
        bare.iter().map(|it| format!(r#"{{"schema":{{"type":"struct"}},"payload":{it}}}"#));
    let wrapped: Vec<String> = wrapped.collect();
    for (what, records) in [("bare", bare.join("\n")), ("wrapped", wrapped.join("\n"))] {
        let (job, counted) = drafted(what, &records);
        assert!(job.contains("envelope = \"debezium\""), "{job}");
        assert!(job.contains("time = { field = \"created_at\", unit = \"ms\" }"), "{job}");
        assert!(job.contains("\ncard_id = \"string\""), "{job}");
        assert_eq!((&counted["accepted"], &counted["skipped"]), (&4.into(), &2.into()), "{job}");
    }
    let timeless =
        (0..4).map(|n| envelope("c", r#"{"card_id":"c","amount":5}"#, 1_767_484_955_000 + n));
    let (job, counted) = drafted("timeless", &timeless.collect::<Vec<_>>().join("\n"));
    assert!(job.contains("time = { field = \"ts_ms\", unit = \"ms\", outer = true }"), "{job}");
    assert_eq!(counted["accepted"], 4, "{job}");
}
