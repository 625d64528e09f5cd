//! Fields and times that are beside a record's value.

use super::{T, load};
use crate::memory::{Output, Run, over, tables};
use std::sync::Arc;
use tidemark::memory_partition::{GivenPartitions, MemoryPartition};
use tidemark_operators::ingest::reader::{RawBatch, RawHeader, RawRecord};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;

/// A record beside its value: all of it may be missing.
#[derive(Clone, Copy, Default)]
struct Beside<'a> {
    timestamp: Option<u64>,
    key: Option<&'a [u8]>,
    /// By the names of the headers that the job reads, in their order.
    headers: &'a [(usize, Option<&'a [u8]>)],
}

/// Runs records of partition 2 through `plan`; the first has the offset 40.
fn read(plan: &Arc<Plan>, records: &[(Beside<'_>, &str)]) -> Output {
    let mut batch = RawBatch::default();
    for (offset, (beside, value)) in (40..).zip(records) {
        for (name, value) in beside.headers {
            let value = value.map(|value| batch.keep(value));
            batch.headers.push(RawHeader { offset, name: *name, value });
        }
        let key = beside.key.map(|key| batch.keep(key));
        let value = Some(batch.keep(value.as_bytes()));
        batch.records.push(RawRecord {
            offset,
            key,
            value,
            timestamp: beside.timestamp,
            ..RawRecord::default()
        });
    }
    let partitions = move |_, waker| {
        let id = PartitionId { source: 0, partition: 2 };
        let reader = MemoryPartition::new(id, [Some(batch.clone())], waker);
        Box::new(GivenPartitions(vec![Box::new(reader)])) as _
    };
    over(plan, &Run::default(), tables(plan, None), partitions).0
}

fn job(time: &str, fields: &str, features: &str) -> Arc<Plan> {
    load(&format!(
        "[job]\nname = \"case\"\n[sources.tx]\ntopic = \"tx\"\ntime = {time}\n\
         out_of_orderness = \"5s\"\n[sources.tx.fields]\n{fields}\n[entities.card]\n\
         key = \"card\"\n[views.v]\nentity = \"card\"\n[views.v.features]\n{features}\n"
    ))
}

fn latest(names: &[&str]) -> String {
    let feature =
        |name: &&str| format!("f_{name} = {{ aggregate = \"latest\", of = \"{name}\" }}\n");
    names.iter().map(feature).collect()
}

#[test]
fn whatever_a_record_has_is_a_field_of_any_type_and_the_event_time() {
    let fields = r#"
        card = { type = "string", key = "card.id" }
        seq = { type = "int?", key = "seq" }
        key = { type = "string?", key = true }
        device = { type = "string?", header = "x-device" }
        addr = { type = "ip", optional = true, header = "x-forwarded-for", pick = "last" }
        amount = { type = "decimal?", header = "amount" }
        sent = { type = "timestamp?", header = "sent", unit = "iso" }
        at = { type = "timestamp?", record = "timestamp" }
        partition = { type = "int", record = "partition" }
        offset = { type = "string", record = "offset" }
        topic = { type = "string", record = "topic" }
        note = "string?""#;
    let names = [
        "seq",
        "key",
        "device",
        "addr",
        "amount",
        "sent",
        "at",
        "partition",
        "offset",
        "topic",
        "note",
    ];
    let plan = job("{ record = \"timestamp\" }", fields, &latest(&names));
    assert_eq!(plan.sources[0].headers(), ["amount", "sent", "x-device", "x-forwarded-for"]);
    let key = br#"{"card":{"id":"c"},"seq":9007199254740993}"#;
    let headers: &[(usize, Option<&[u8]>)] = &[
        (0, Some(b"12.50")),
        (1, Some(b"2026-01-04T00:02:35Z")),
        (2, Some(b"phone")),
        (3, Some(b"6.6.6.6, 192.0.2.9")),
    ];
    let full = Beside { timestamp: Some(T + 7), key: Some(key), headers };
    let output = read(&plan, &[(full, r#"{"note":"n"}"#)]);
    assert_eq!((output.verdicts, output.newest), ([1, 0, 0, 0], T + 7));
    let row: serde_json::Value = serde_json::from_str(&output.live["v/c"]).unwrap();
    let expected = serde_json::json!({
        "f_seq": 9_007_199_254_740_993_i64, "f_key": std::str::from_utf8(key).unwrap(),
        "f_device": "phone", "f_addr": "192.0.2.9", "f_amount": 12.5, "f_sent": T, "f_at": T + 7,
        "f_partition": 2, "f_offset": "40", "f_topic": "tx", "f_note": "n",
    });
    assert_eq!(row, expected);
}

#[test]
fn a_header_or_a_key_that_is_missing_is_null_and_one_that_is_wrong_is_as_any_field() {
    let fields = r#"
        card = { type = "string?", key = "id" }
        n = { type = "int", header = "n", default = 7 }
        m = { type = "int?", header = "m" }"#;
    let plan = job("\"ts\"", fields, &latest(&["n", "m"]));
    let value = format!("{{\"ts\":{T}}}");
    let keyed = |key: &'static [u8], headers| Beside { timestamp: None, key: Some(key), headers };
    let records = [
        (keyed(br#"{"id":"absent"}"#, &[]), value.as_str()),
        (
            keyed(
                br#"{"schema":{},"payload":{"id":"wrapped"}}"#,
                &[(1, Some(b"5")), (0, Some(b"x"))],
            ),
            &value,
        ),
        (keyed(b"\0\0\0\0\x07{\"id\":\"framed\"}", &[(1, Some(b"5"))]), &value),
        (keyed(br#"{"id":"null"}"#, &[(0, None), (1, Some(b"6"))]), &value),
        (Beside::default(), &value),
        (keyed(b"not an object", &[]), &value),
        (keyed(b"{\"id\":\xff}", &[]), &value),
    ];
    // Header 0 is "m" and 1 is "n".
    let output = read(&plan, &records);
    assert_eq!(output.live["v/absent"], r#"{"f_n":7,"f_m":null}"#);
    assert_eq!(output.live["v/wrapped"], r#"{"f_n":5,"f_m":null}"#, "m is invalid, so null");
    assert_eq!(output.live["v/framed"], r#"{"f_n":5,"f_m":null}"#);
    assert_eq!(output.live["v/null"], r#"{"f_n":6,"f_m":null}"#);
    assert_eq!((output.live.len(), output.verdicts), (4, [4, 0, 0, 0]), "the others are keyless");
    let strict = fields.replace("string?", "string");
    let plan = job("{ header = \"at\", unit = \"s\" }", &strict, &latest(&["n", "m"]));
    let at: &[(usize, Option<&[u8]>)] = &[(0, Some(b"1767484955"))];
    let output = read(
        &plan,
        &[
            (keyed(br#"{"id":"c"}"#, at), "{}"),
            (keyed(br#"{"id":"c"}"#, &[]), "{}"),
            (keyed(b"c", at), "{}"),
            (Beside { key: None, timestamp: Some(T), headers: at }, "{}"),
        ],
    );
    assert_eq!((output.verdicts, output.newest), ([1, 0, 0, 3], T));
    let errors: Vec<_> = output.dead.iter().filter_map(|letter| letter.error.as_deref()).collect();
    let [no_time, no_object, no_key] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!(*no_time, "event time (the header at): required, but missing or null");
    assert_eq!(*no_object, "the record's key: expected a JSON object, found c");
    assert_eq!(*no_key, "field \"card\" (id of the record's key): required, but missing or null");
}
