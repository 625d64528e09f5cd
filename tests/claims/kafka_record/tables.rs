//! Tables that are topics, whose keys are what serializers make of them.

use super::{T, load};
use crate::memory::{Run, over};
use crate::run::kafka;
use std::sync::atomic::{AtomicU32, Ordering};
use tidemark::kafka::{create_topic, produce};
use tidemark::memory_partition::{GivenPartitions, MemoryPartition};
use tidemark::tables::{OpenTables, TablesConfig};
use tidemark_operators::ingest::reader::{RawBatch, RawRecord};
use tidemark_operators::origin::PartitionId;

const JOB: &str = r#"
[job]
name = "levels"
[sources.t]
files = ["memory"]
time = "ts"
out_of_orderness = "5s"
[sources.t.fields]
user = "string"
[sources.t.lookup]
level = { table = "levels", key = "user", column = "level", default = 0 }
[tables.levels]
topic = "TOPIC"
key = "user"
KEY_PATH
columns = { level = "int" }
time = "since"
out_of_orderness = "0s"
[entities.user]
key = "user"
[views.users]
entity = "user"
[views.users.features]
level = { aggregate = "latest", of = "level" }
"#;

/// The levels of the users a to e by a table with these keys and values, and how many of its records
/// were left out.
fn levels(key_path: &str, rows: &[(String, String)]) -> ([i64; 5], u64) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let topic = format!("levels-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    assert!(create_topic(&kafka(), &topic, 1, &[("cleanup.policy", "compact")]).unwrap());
    let records = rows.iter().map(|(key, value)| (0, Some(key), Some(value)));
    produce(&kafka(), &topic, records).unwrap();
    let plan = load(&JOB.replace("TOPIC", &topic).replace("KEY_PATH", key_path));
    let config = TablesConfig { kafka: Some(kafka()), ..TablesConfig::default() };
    let tables = OpenTables::open(&plan, &config, &|| true).ok().unwrap().unwrap();
    let users = ["a", "b", "c", "d", "e"];
    let partitions = move |_, waker| {
        let mut batch = RawBatch::default();
        for (offset, user) in (0..).zip(users) {
            let start = batch.bytes.len();
            batch.bytes.extend(format!("{{\"ts\":{T},\"user\":\"{user}\"}}").into_bytes());
            let value = Some(start..batch.bytes.len());
            batch.records.push(RawRecord { offset, value, ..RawRecord::default() });
        }
        let id = PartitionId { source: 0, partition: 0 };
        let reader = MemoryPartition::new(id, [Some(batch)], waker);
        Box::new(GivenPartitions(vec![Box::new(reader)])) as _
    };
    let (output, observer) = over(&plan, &Run::default(), tables, partitions);
    let level = |user: &str| {
        let row: serde_json::Value =
            serde_json::from_str(&output.live[&format!("users/{user}")]).unwrap();
        row["level"].as_i64().unwrap()
    };
    (users.map(level), observer.metrics[0].tables[0].failures.get())
}

fn value(level: i64) -> String {
    format!("{{\"since\":{},\"level\":{level}}}", T - 1_000)
}

/// As Connect's JSON converter writes it with `schemas.enable`.
fn with_schema(payload: &str) -> String {
    format!("{{\"schema\":{{\"type\":\"struct\",\"fields\":[]}},\"payload\":{payload}}}")
}

/// As a schema registry's JSON serializer writes it.
fn framed(json: &str) -> String {
    format!("\0\0\0\0\u{7}{json}")
}

#[test]
fn rows_are_found_by_what_is_at_the_key_path_of_their_records_keys() {
    let rows = [
        (with_schema(r#"{"id":"a"}"#), with_schema(&value(1))),
        (r#"{"id":"b","tenant":4}"#.to_owned(), value(2)),
        (framed(r#"{"id":"c"}"#), framed(&value(3))),
        (r#"{"ID":"d"}"#.to_owned(), value(4)),
        ("e".to_owned(), value(5)),
        (r#"{"id":null}"#.to_owned(), value(6)),
    ];
    assert_eq!(levels("key_path = \"id\"", &rows), ([1, 2, 3, 0, 0], 3));
}

#[test]
fn a_row_whose_key_is_in_no_object_is_found_as_it_was_and_objects_are_counted() {
    let rows = [
        ("a".to_owned(), value(1)),
        ("\"b\"".to_owned(), with_schema(&value(2))),
        (with_schema("\"c\""), value(3)),
        (r#"{"id":"d"}"#.to_owned(), value(4)),
        (with_schema(r#"{"id":"e"}"#), value(5)),
    ];
    assert_eq!(levels("", &rows), ([1, 2, 3, 0, 0], 2));
    let deleted = [
        ("a".to_owned(), value(1)),
        ("a".to_owned(), with_schema("null")),
        ("b".to_owned(), value(2)),
    ];
    assert_eq!(levels("", &deleted).0[1], 2);
}
