//! What an Avro datum has for a field and cannot be read, as seen by `invalid(x)`.

use super::Folder;
use std::process::Command;

const SYNC: [u8; 16] = [7; 16];

pub(super) fn long(value: i64, into: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        into.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    into.push(rest as u8);
}

pub(super) fn bytes(value: &[u8], into: &mut Vec<u8>) {
    long(value.len() as i64, into);
    into.extend_from_slice(value);
}

/// An object container of these datums, uncompressed.
pub(super) fn container(schema: &str, datums: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"Obj\x01".to_vec();
    long(1, &mut file);
    bytes(b"avro.schema", &mut file);
    bytes(schema.as_bytes(), &mut file);
    long(0, &mut file);
    file.extend_from_slice(&SYNC);
    long(datums.len() as i64, &mut file);
    bytes(&datums.concat(), &mut file);
    file.extend_from_slice(&SYNC);
    file
}

#[test]
fn a_field_that_a_datum_has_and_that_cannot_be_read_is_invalid_and_a_null_is_not() {
    let schema = r#"{"type":"record","name":"t","fields":[{"name":"ts","type":"long"},
        {"name":"card_id","type":"string"},{"name":"ip","type":["null","string"]},
        {"name":"n","type":["string","double","long"]}]}"#;
    let datum = |at: i64, ip: Option<&str>, n: &dyn Fn(&mut Vec<u8>)| {
        let mut datum = Vec::new();
        long(1_767_484_955_000 + at, &mut datum);
        bytes(b"c", &mut datum);
        long(i64::from(ip.is_some()), &mut datum);
        if let Some(ip) = ip {
            bytes(ip.as_bytes(), &mut datum);
        }
        n(&mut datum);
        datum
    };
    let text = |text: &'static str| {
        move |into: &mut Vec<u8>| {
            long(0, into);
            bytes(text.as_bytes(), into);
        }
    };
    let double = |into: &mut Vec<u8>| {
        long(1, into);
        into.extend_from_slice(&5.5_f64.to_le_bytes());
    };
    let whole = |into: &mut Vec<u8>| {
        long(2, into);
        long(5, into);
    };
    let datums = [
        datum(0, Some("192.0.2.7"), &text("5")),
        datum(1, Some("192.0.2.7, 10.0.0.1"), &text("five")),
        datum(2, None, &double),
        datum(3, Some("unknown"), &whole),
        datum(4, Some("nobody"), &text("")),
    ];
    let folder = Folder::new("invalid");
    let file = folder.write("t.avro", container(schema, &datums));
    let job = folder.write(
        "job.toml",
        "[job]\nname = \"case\"\n[sources.t]\ntopic = \"t\"\nformat = \"avro\"\ntime = \"ts\"\n\
         out_of_orderness = \"5s\"\n[sources.t.fields]\ncard_id = \"string\"\nip = \"ip?\"\nn = \"int?\"\n\
         [entities.card]\nkey = \"card_id\"\n[views.v]\nentity = \"card\"\n[views.v.features]\n\
         ips = { aggregate = \"count\", where = 'invalid(ip)', window = \"5m\" }\n\
         hidden = { aggregate = \"count\", where = 'invalid(ip) or is_null(ip)', window = \"5m\" }\n\
         ns = { aggregate = \"count\", where = 'invalid(n)', window = \"5m\" }\n\
         odd = { expression = 'invalid(ip)' }\n",
    );
    let sealed = folder.write("sealed.jsonl", "");
    let output = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .arg("replay")
        .arg(job)
        .args(["--source", &format!("t={}", file.display())])
        .arg("--sealed")
        .arg(&sealed)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = std::fs::read_to_string(sealed).unwrap();
    let last = rows.lines().last().unwrap_or_default();
    assert!(last.contains(r#"{"ips":2,"hidden":4,"ns":2,"odd":true}"#), "{rows}");
}
