//! Debezium's envelopes in Avro: the same events as in JSON.

use super::Folder;
use super::invalid::{bytes, container, long};
use std::process::Command;

/// As Debezium's converter writes it: the row's type is named once, and both sides may be null.
const SCHEMA: &str = r#"{"type":"record","name":"Envelope","namespace":"shop.public.payment","fields":[
    {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"card_id","type":"string"},
        {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}}]}]},
    {"name":"after","type":["null","Value"]},
    {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"lsn","type":"long"}]}},
    {"name":"op","type":"string"},
    {"name":"ts_ms","type":["null","long"]}]}"#;

const JOB: &str = r#"
[job]
name = "case"
[sources.tx]
topic = "shop.public.payment"
FORMAT
envelope = "debezium"
time = { field = "ts_ms", outer = true }
out_of_orderness = "5s"
[sources.tx.fields]
card_id = "string"
amount = AMOUNT
lsn = { type = "int", path = "source.lsn", outer = true }
[entities.card]
key = "card_id"
[views.v]
entity = "card"
[views.v.features]
c = { aggregate = "count", window = "1h" }
s = { aggregate = "sum", of = "amount", window = "1h" }
l = { aggregate = "latest", of = "lsn" }
"#;

/// The operation, and the amounts before and after in cents.
const CHANGES: [(&str, Option<i8>, Option<i8>); 6] = [
    ("c", None, Some(5)),
    ("u", Some(5), Some(9)),
    ("r", None, Some(-7)),
    ("d", Some(9), None),
    ("t", None, None),
    ("c", None, Some(0)),
];

fn datum(at: usize) -> Vec<u8> {
    let (op, before, after) = CHANGES[at];
    let mut datum = Vec::new();
    for row in [before, after] {
        long(i64::from(row.is_some()), &mut datum);
        if let Some(cents) = row {
            bytes(b"c", &mut datum);
            bytes(&cents.to_be_bytes(), &mut datum);
        }
    }
    long(at as i64, &mut datum);
    bytes(op.as_bytes(), &mut datum);
    long(1, &mut datum);
    long(1_767_484_955_000 + at as i64, &mut datum);
    datum
}

fn json(at: usize) -> String {
    use base64::Engine as _;
    let (op, before, after) = CHANGES[at];
    let row = |row: Option<i8>| {
        row.map_or("null".to_owned(), |cents| {
            let amount = base64::engine::general_purpose::STANDARD.encode(cents.to_be_bytes());
            format!(r#"{{"card_id":"c","amount":"{amount}"}}"#)
        })
    };
    format!(
        r#"{{"before":{},"after":{},"source":{{"lsn":{at}}},"op":"{op}","ts_ms":{}}}"#,
        row(before),
        row(after),
        1_767_484_955_000 + at
    )
}

/// What a replay writes of the rows, and what it says.
fn replayed(folder: &Folder, job: &str, file: &str) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .current_dir(folder.path())
        .args(["replay", job, "--source", &format!("tx={file}"), "--sealed", "sealed.jsonl"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let rows = std::fs::read_to_string(folder.path().join("sealed.jsonl")).unwrap();
    (rows, errors)
}

#[test]
fn an_envelope_in_avro_gives_the_rows_of_the_same_one_in_json() {
    let folder = Folder::new("avro-envelope");
    let changes = 0..CHANGES.len();
    let lines: Vec<String> = changes.clone().map(json).collect();
    folder.write("tx.jsonl", lines.join("\n"));
    let datums: Vec<Vec<u8>> = changes.map(datum).collect();
    folder.write("tx.avro", container(SCHEMA, &datums));
    let amount = "{ type = \"decimal(2)\", encoding = \"base64\", unscaled = 2 }";
    folder.write("json.toml", JOB.replace("FORMAT", "").replace("AMOUNT", amount));
    let avro = JOB.replace("FORMAT", "format = \"avro\"").replace("AMOUNT", "\"decimal(2)\"");
    folder.write("avro.toml", &avro);
    let (rows, said) = replayed(&folder, "json.toml", "tx.jsonl");
    assert!(rows.lines().last().unwrap().contains(r#"{"c":3,"s":-0.02,"l":5}"#), "{rows}");
    assert!(said.contains("skipped: tx, by operation: 1 u, 1 d, 1 t"), "{said}");
    assert_eq!(replayed(&folder, "avro.toml", "tx.avro"), (rows, said));
}

#[test]
fn a_schema_that_is_no_envelope_is_refused_once_with_what_it_lacks() {
    let folder = Folder::new("avro-no-envelope");
    let schema = r#"{"type":"record","name":"row","fields":[{"name":"ts_ms","type":"long"},
        {"name":"after","type":{"type":"record","name":"Value","fields":[
            {"name":"card_id","type":"string"},{"name":"amount","type":"double"}]}},
        {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"lsn","type":"long"}]}}]}"#;
    folder.write("tx.avro", container(schema, &[vec![0; 11]]));
    let avro = JOB.replace("FORMAT", "format = \"avro\"").replace("AMOUNT", "\"decimal(2)\"");
    folder.write("avro.toml", &avro);
    let output = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .current_dir(folder.path())
        .args(["replay", "avro.toml", "--source", "tx=tx.avro", "--sealed", "sealed.jsonl"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("it has no \"op\", so its records are in no envelope"), "{errors}");
}
