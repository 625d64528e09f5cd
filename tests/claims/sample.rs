//! `tidemark check --sample`: what a job makes of records, before it runs.

use crate::folder::Folder;
use crate::init::{Ended, tidemark};
use serde_json::Value;

const JOB: &str = r#"
[job]
name = "payments"
[sources.tx]
topic = "tx"
time = "ts"
out_of_orderness = "5s"
[sources.tx.fields]
card_id = "string?"
amount = "decimal(2)"
items = "int?"
plan = { type = "string?", path = "billing.plan" }
unused = "bool?"
[entities.card]
key = "card_id"
[views.v]
entity = "card"
[views.v.features]
n = { aggregate = "count", window = "5m" }
"#;

const RECORDS: &str = r#"{"ts":1767484955000,"card_id":"c\u001b[31m1","amount":"12.505","items":2,"billing.plan":"x","other":{"a":1}}
{"ts":1767484955000,"card_id":null,"amount":1,"items":"many","unused":"yes"}
{"ts":1767484955,"card_id":"c2","amount":2}
{"ts":1767484900000,"card_id":"c2","amount":2}
{"ts":1767484955000,"card_id":"c3","amount":"none"}
no record
"#;

fn checked(arguments: &[&str]) -> Ended {
    let folder = Folder::new("sample");
    folder.write("job.toml", JOB);
    folder.write("tx.jsonl", RECORDS);
    tidemark(&folder, &[&["check", "job.toml"], arguments].concat())
}

#[test]
fn a_sample_says_what_becomes_of_its_records_and_what_each_field_has() {
    let Ended { code, out, errors } = checked(&["--sample", "tx.jsonl"]);
    assert_eq!((code, errors.as_str()), (0, ""), "the job is right, whatever the records are");
    let sample = out.split("\nsample ").nth(1).unwrap();
    let squeezed = sample.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "tx.jsonl, 6 records of source tx accepted 1 keyless 1 no key of any entity: left out, ",
        "late 1 the first: tx.jsonl line 4: event time ",
        "malformed 3 the first: tx.jsonl line 3: event time (at \"ts\"): 1767484955 ms is outside",
        "event time ts (ms): in 4 records, not in 1 with unit = \"s\" 1 of 1 of these would be",
        "card_id string 4 1 0 0 \"c\\u{1b}[31m1\"",
        "amount decimal(2) 4 0 1 1 12.5",
        "items int 1 3 1 0 2 invalid: field \"items\" (at \"items\"): expected ",
        "plan string 0 5 0 0 in no record the records have the key \"billing.plan\", with dots in it: write path = [\"billing.plan\"]",
        "unused bool 0 4 1 0 invalid: field \"unused\"",
        "keys that no field reads: billing.plan, other.a",
    ] {
        assert!(squeezed.contains(said), "{said}\n{squeezed}\n{sample}");
    }
    assert!(!out.contains('\u{1b}'), "nothing that a terminal would act on");
}

#[test]
fn a_sample_is_told_as_json_too() {
    let Ended { code, out, .. } = checked(&["--sample", "tx=tx.jsonl", "--format", "json"]);
    assert_eq!(code, 0);
    let document: Value = serde_json::from_str(&out).unwrap();
    let sample = &document["samples"][0];
    assert_eq!((&sample["records"], &sample["accepted"]), (&6.into(), &1.into()), "{sample}");
    assert_eq!((&sample["keyless"], &sample["whole"]), (&1.into(), &true.into()));
    assert_eq!(sample["refused"]["malformed"]["count"], 3);
    assert_eq!(sample["time"]["fitting"], "s");
    let field = |name: &str| {
        let fields = sample["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).unwrap().clone()
    };
    let amount = field("amount");
    let counts = ["present", "null", "invalid", "rounded"].map(|count| amount[count].as_u64());
    assert_eq!(counts, [Some(4), Some(0), Some(1), Some(1)], "{amount}");
    assert!(field("plan")["hint"].as_str().unwrap().contains("billing.plan"));
    // Every record that can be read is counted once in each field.
    for field in sample["fields"].as_array().unwrap() {
        let counts = ["present", "null", "invalid"].map(|count| field[count].as_u64().unwrap());
        assert_eq!(counts.iter().sum::<u64>(), 5, "{field}");
    }
}

#[test]
fn a_sample_of_nobody_or_of_nothing_is_refused() {
    for (sample, why) in [
        ("payments=tx.jsonl", "has no source \"payments\""),
        ("nowhere.jsonl", "nowhere.jsonl"),
        ("tx=", "write FILE or NAME=FILE"),
    ] {
        let Ended { code, errors, .. } = checked(&["--sample", sample]);
        assert!(code == 2 && errors.contains(why), "{sample}: {errors}");
    }
    let folder = Folder::new("sample-two");
    let second =
        JOB.replace("entity = \"card\"", "entity = \"card\"\nsources = [\"tx\", \"b\"]").replace(
            "[entities",
            "[sources.b]\ntopic = \"b\"\ntime = \"ts\"\n\
        out_of_orderness = \"5s\"\n[sources.b.fields]\ncard_id = \"string?\"\n[entities",
        );
    folder.write("job.toml", second);
    folder.write("tx.jsonl", RECORDS);
    let Ended { code, errors, .. } =
        tidemark(&folder, &["check", "job.toml", "--sample", "tx.jsonl"]);
    assert!(code == 2 && errors.contains("--sample NAME=tx.jsonl"), "{errors}");
}

#[test]
fn an_empty_sample_is_no_mistake_and_a_large_one_is_looked_at_in_part() {
    let folder = Folder::new("sample-size");
    folder.write("job.toml", JOB);
    folder.write("tx.jsonl", "");
    let Ended { code, out, .. } = tidemark(&folder, &["check", "job.toml", "--sample", "tx.jsonl"]);
    assert!(code == 0 && out.contains("sample tx.jsonl, 0 records of source tx"), "{out}");
    folder.write(
        "tx.jsonl",
        "{\"ts\":1767484955000,\"card_id\":\"c\",\"amount\":1}\n".repeat(10_050),
    );
    let Ended { code, out, .. } = tidemark(&folder, &["check", "job.toml", "--sample", "tx.jsonl"]);
    assert_eq!(code, 0);
    assert!(out.contains("10,000 records of source tx, the first of more"), "{out}");
    assert!(out.contains("accepted     10,000"), "{out}");
}

#[test]
fn a_record_that_comes_twice_in_a_sample_is_told_as_a_duplicate() {
    let folder = Folder::new("sample-twice");
    let record = "{\"ts\":1767484955000,\"card_id\":\"c\",\"amount\":1,\"id\":\"t\"}\n";
    folder.write("tx.jsonl", record.repeat(3));
    for (duplicates, left_out, dead, said) in [
        ("", 2, 0, "duplicate 2 the id of an event before it: left out, no dead letter"),
        ("duplicates = \"dead\"\n", 0, 2, "duplicate 2 the first: tx.jsonl line 2"),
    ] {
        let source = format!("topic = \"tx\"\nid = \"id\"\nunique_within = \"10m\"\n{duplicates}");
        let job = JOB.replace("topic = \"tx\"\n", &source);
        folder.write(
            "job.toml",
            job.replace("[sources.tx.fields]\n", "[sources.tx.fields]\nid = \"string\"\n"),
        );
        let arguments = ["check", "job.toml", "--sample", "tx.jsonl"];
        let Ended { out, errors, .. } = tidemark(&folder, &arguments);
        let squeezed = out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed.contains(said), "{squeezed}{errors}");
        let Ended { out, .. } =
            tidemark(&folder, &[&arguments[..], &["--format", "json"]].concat());
        let document: Value = serde_json::from_str(&out).unwrap();
        let sample = &document["samples"][0];
        assert_eq!(sample["accepted"], 1);
        assert_eq!(sample["duplicate"], left_out, "{sample}");
        assert_eq!(sample["refused"]["duplicate"]["count"], dead, "{sample}");
    }
}
