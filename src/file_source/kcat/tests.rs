//! Dumps, as one should and as one should not write them.

use super::*;
use tidemark_operators::ingest::reader::RawHeader;

fn parse(line: &str) -> Result<DumpedRecord, String> {
    DumpedRecord::parse(line.as_bytes())
}

fn taken(lines: &[&str], partition: u32, headers: &[&str]) -> Result<RawBatch, String> {
    let text = lines.join("\n") + "\n";
    let mut reader = LineReader::new(text.as_bytes(), LINE_BYTES_MAX);
    let headers: Vec<String> = headers.iter().map(|name| (*name).to_owned()).collect();
    let lines = reader.next_batch().unwrap().unwrap();
    records(&lines, partition, &headers, &mut 0)
}

const FULL: &str = r#"{"topic":"t","partition":3,"offset":17,"tstype":"create","ts":1767484955000,"broker":1,"headers":["a","1","b",null,"a","2"],"key":"k\u0000\"","payload":"{\"x\":\"\\u00e9\"}\n"}"#;
const BARE: &str =
    r#"{"topic":"t","partition":3,"offset":19,"broker":-1,"key":null,"payload":null}"#;
const APPENDED: &str =
    r#"{"payload":"","key":"","ts":5,"tstype":"logappend","offset":20,"partition":3,"topic":"t"}"#;

#[test]
fn a_line_is_the_record_that_it_was() {
    let batch = taken(&[FULL, BARE, "", APPENDED], 3, &["a", "b", "c"]).unwrap();
    let [full, bare, appended] = batch.records.as_slice() else { panic!("{batch:?}") };
    assert_eq!(
        (full.offset, full.timestamp, full.broker_time),
        (17, Some(1_767_484_955_000), false)
    );
    assert_eq!(batch.key(full), Some(&b"k\0\""[..]));
    assert_eq!(batch.value(full), b"{\"x\":\"\\u00e9\"}\n");
    assert_eq!(batch.header(full, 0), Some(&b"2"[..]), "the last of a name");
    assert_eq!((batch.header(full, 1), batch.header(full, 2)), (None, None));
    assert!(matches!(batch.headers.as_slice(), [_, RawHeader { name: 1, value: None, .. }]));
    assert_eq!((bare.offset, bare.timestamp, &bare.key, &bare.value), (19, None, &None, &None));
    assert_eq!(batch.header(bare, 0), None);
    assert_eq!((appended.timestamp, appended.broker_time), (Some(5), true));
    assert_eq!((batch.key(appended), batch.value(appended)), (Some(&b""[..]), &b""[..]));
    assert!(appended.value.is_some(), "an empty value is no null");
}

#[test]
fn bytes_that_are_no_utf8_and_maps_of_headers_are_read() {
    let mut line =
        FULL.replace("[\"a\",\"1\",\"b\",null,\"a\",\"2\"]", "{\"a\":[\"1\",\"2\"],\"b\":[null]}");
    line = line.replace("\"k\\u0000\\\"\"", "\"?\"");
    let mut bytes = line.into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[at] = 0xff;
    let mut batch = RawBatch::default();
    DumpedRecord::parse(&bytes).unwrap().append(&mut batch, &["a".to_owned(), "b".to_owned()]);
    assert_eq!(batch.key(&batch.records[0]), Some(&[0xff][..]));
    assert_eq!(batch.header(&batch.records[0], 0), Some(&b"2"[..]));
}

#[test]
fn the_partition_is_told_by_the_first_bytes_or_not_at_all() {
    assert_eq!(quick(FULL.as_bytes()), Some((&b"t"[..], 3)));
    assert_eq!(quick(APPENDED.as_bytes()), None);
    assert_eq!(quick(br#"{"topic":"a\"b","partition":1,"#), None);
    assert_eq!(quick(b"{\"topic\":\"t\",\"partition\":"), None);
    assert!(taken(&[FULL, BARE], 4, &[]).unwrap().records.is_empty());
}

#[test]
fn what_kcat_cannot_have_written_names_its_line_and_what_to_do() {
    for line in [
        r#"{"topic":"t","partition":3,"offset":17,"payload":{"a":1}}"#,
        r#"{"topic":"t","partition":3,"payload":null}"#,
        r#"{"topic":"t","partition":-1,"offset":0,"payload":null}"#,
        r#"{"topic":"t","partition":3,"offset":0,"headers":["a"],"payload":null}"#,
        r#"{"topic":"t","partition":3,"offset":17,"payload":"cut"#,
        "{\"card_id\":\"c\"}",
    ] {
        let refused = parse(line).map(|_| ()).unwrap_err();
        assert!(refused.contains("kcat -J") && refused.contains("begins with"), "{refused}");
    }
    let twice = taken(&[BARE, BARE], 3, &[]).unwrap_err();
    let says = "line 2: offset 19 of partition 3 comes where 20 or a later one was due";
    assert!(twice.starts_with(says), "{twice}");
}

#[test]
fn a_dump_of_two_topics_and_one_from_a_pipe_are_refused() {
    let path = std::env::temp_dir().join(format!("tidemark-dump-{}.jsonl", std::process::id()));
    std::fs::write(&path, format!("{FULL}\n{BARE}\n")).unwrap();
    assert_eq!(survey(std::slice::from_ref(&path)).unwrap(), BTreeSet::from([3]));
    std::fs::write(&path, format!("{FULL}\n{}\n", BARE.replace("\"t\"", "\"u\""))).unwrap();
    let error = survey(std::slice::from_ref(&path)).unwrap_err().to_string();
    assert!(error.contains("line 2: it is of topic \"u\""), "{error}");
    std::fs::remove_file(&path).unwrap();
    for pipe in ["/dev/null", "-"] {
        let error = survey(&[PathBuf::from(pipe)]).unwrap_err().to_string();
        assert!(error.contains("no plain file"), "{pipe}: {error}");
    }
}
