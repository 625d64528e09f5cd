//! What records come in: compressed files, CSV, arrays, names with dots.

use crate::files::{Ended, tidemark};
use crate::folder::Folder;
use crate::memory::{Run, replay};
use std::io::Write as _;

const T: u64 = 1_767_484_955_000;
const COUNT_AND_SUM: &str = "c = { aggregate = \"count\", window = \"5m\" }\n\
                             s = { aggregate = \"sum\", of = \"amount\", window = \"5m\" }";

/// A job that counts the records of a card and sums their amounts.
fn job(source: &str, amount: &str) -> String {
    format!(
        "[job]\nname = \"case\"\n[sources.tx]\ntopic = \"tx\"\ntime = \"timestamp\"\n\
         out_of_orderness = \"5s\"\n{source}\n[sources.tx.fields]\ncard_id = \"string\"\n\
         amount = {amount}\n[entities.card]\nkey = \"card_id\"\n[views.v]\nentity = \"card\"\n\
         [views.v.features]\n{COUNT_AND_SUM}\n"
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a replay of `file` gives, on so many workers: its sealed rows.
fn sealed(folder: &Folder, file: &str, workers: usize) -> String {
    let line = format!("replay job.toml --source tx={file} --sealed - --workers {workers}");
    let ended = tidemark(folder.path(), &line, b"");
    assert_eq!(ended.code, 0, "{file}: {}", ended.errors);
    ended.out
}

/// How a replay of `file` fails.
fn refused(folder: &Folder, file: &str) -> String {
    let line = format!("replay job.toml --source tx={file} --sealed rows.jsonl");
    let ended = tidemark(folder.path(), &line, b"");
    assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{file}: {}", ended.errors);
    assert!(!folder.path().join("rows.jsonl").exists());
    ended.errors
}

#[test]
fn a_compressed_file_is_read_as_it_is() {
    let folder = Folder::new("gzip");
    folder.write("job.toml", job("", "\"decimal\""));
    let record = format!("{{\"timestamp\":{T},\"card_id\":\"c\",\"amount\":10}}\n");
    folder.write("plain.jsonl", &record);
    folder.write("input.jsonl.gz", gzip(record.as_bytes()));
    folder.write("input.jsonl.zst", zstd::encode_all(record.as_bytes(), 3).unwrap());
    let rows = sealed(&folder, "plain.jsonl", 1);
    assert!(rows.contains("\"c\":1,\"s\":10.0"), "{rows}");
    for file in ["input.jsonl.gz", "input.jsonl.zst"] {
        assert_eq!(sealed(&folder, file, 1), rows, "{file}");
    }
}

/// Payments as CSV, and as JSON lines of the same texts.
fn payments(delimiter: char) -> (String, String) {
    let mut csv = ["amount", "note", "timestamp", "card_id"].join(&delimiter.to_string()) + "\r\n";
    let mut json = String::new();
    for n in 0..500_u64 {
        let (amount, card) = (format!("{}.{:02}", n * 7 % 90, n % 100), format!("c {}", n % 7));
        let time = T + n * 997;
        let amount = if n % 50 == 0 { String::new() } else { amount };
        let note = format!("\"{n}{delimiter} \"\"said\"\"\r\nhe\"");
        csv += &[&amount, &note, &time.to_string(), &card]
            .map(String::as_str)
            .join(&delimiter.to_string());
        csv += if n % 2 == 0 { "\r\n" } else { "\n" };
        let amount = if amount.is_empty() { "null".to_owned() } else { format!("\"{amount}\"") };
        json +=
            &format!("{{\"timestamp\":\"{time}\",\"card_id\":\"{card}\",\"amount\":{amount}}}\n");
    }
    (csv, json)
}

#[test]
fn csv_gives_the_rows_of_json_lines_with_the_same_texts_on_any_number_of_workers() {
    for (delimiter, said) in [(',', ""), (';', "delimiter = \";\""), ('\t', "delimiter = \"\\t\"")]
    {
        let folder = Folder::new("csv");
        let (csv, json) = payments(delimiter);
        folder.write("tx.csv", &csv);
        folder.write("marked.csv.gz", gzip(format!("\u{feff}{}", csv.trim_end()).as_bytes()));
        folder.write("tx.jsonl", json);
        folder.write("job.toml", job("", "\"decimal?\""));
        let rows = sealed(&folder, "tx.jsonl", 1);
        assert_eq!(rows.lines().count(), 500);
        folder.write("job.toml", job(&format!("format = \"csv\"\n{said}"), "\"decimal?\""));
        for workers in 1..=3 {
            assert_eq!(sealed(&folder, "tx.csv", workers), rows, "{workers}");
            assert_eq!(sealed(&folder, "marked.csv.gz", workers), rows, "{workers}");
        }
    }
}

#[test]
fn a_csv_file_needs_its_format_and_other_files_none_of_it() {
    let folder = Folder::new("csv");
    folder.write("input.csv", format!("timestamp,card_id,amount\n{T},c,10\n"));
    folder.write("input.jsonl", format!("{{\"timestamp\":{T},\"card_id\":\"c\",\"amount\":10}}\n"));
    folder.write("job.toml", job("", "\"decimal\""));
    let errors = refused(&folder, "input.csv");
    assert!(
        errors.contains("it is CSV") && errors.contains("`format = \"csv\"`; add it"),
        "{errors}"
    );
    folder.write("job.toml", job("format = \"csv\"", "\"decimal\""));
    let rows = sealed(&folder, "input.csv", 1);
    assert!(rows.contains("\"c\":1,\"s\":10.0"), "{rows}");
    let errors = refused(&folder, "input.jsonl");
    assert!(errors.contains("it begins with a JSON object"), "{errors}");
    folder.write("semicolons.csv", format!("timestamp;card_id;amount\n{T};c;10\n"));
    let line = "replay job.toml --source tx=semicolons.csv";
    let Ended { code, errors, .. } = tidemark(folder.path(), line, b"");
    assert_eq!(code, 1);
    assert!(errors.contains("it has no \"timestamp\", which is the event time"), "{errors}");
    assert!(errors.contains("`timestamp;card_id;amount`"), "{errors}");
    folder.write("open.csv", format!("timestamp,card_id,amount\n{T},c,10\n{T},\"c,10\n{T},c,10\n"));
    let errors = refused(&folder, "open.csv");
    assert!(errors.contains("cannot read file open.csv on after line 3"), "{errors}");
    assert!(errors.contains("the record that begins on line 3 is not closed"), "{errors}");
    folder.write("twice.csv", "timestamp,card_id,amount,amount\n");
    let errors = refused(&folder, "twice.csv");
    assert!(
        errors.contains("twice.csv on after its beginning: the header has the column"),
        "{errors}"
    );
}

#[test]
fn a_bad_line_of_csv_is_a_dead_letter_as_it_was() {
    let folder = Folder::new("csv");
    folder.write("job.toml", job("format = \"csv\"", "\"decimal\""));
    let good = format!("{T},c,10");
    let bad =
        ["1,2", &format!("{T},c,10,11"), &format!("{T},\"c\"\"\n\",x"), &format!("{T},c\0,1")];
    let lines = [vec!["timestamp,card_id,amount", &good], bad.to_vec(), vec![&good]].concat();
    folder.write("tx.csv", lines.join("\n"));
    let line = "replay job.toml --source tx=tx.csv --dlq dead.jsonl";
    let ended = tidemark(folder.path(), line, b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert!(ended.out.contains("\"events\":6,\"accepted\":2"), "{}", ended.out);
    let dead = std::fs::read_to_string(folder.path().join("dead.jsonl")).unwrap();
    let letters: Vec<_> =
        dead.lines().map(|line| tidemark::dead_letters::parse(line.as_bytes()).unwrap()).collect();
    let raw: Vec<_> = letters.iter().map(|letter| letter.value.clone().unwrap()).collect();
    assert_eq!(raw, bad.map(|text| text.as_bytes().to_vec()));
    let offsets: Vec<_> = letters.iter().map(|letter| letter.offset).collect();
    assert_eq!(offsets, [1, 2, 3, 4]);
}

#[test]
fn a_sample_of_csv_is_checked_by_its_columns() {
    let folder = Folder::new("csv");
    folder.write("job.toml", job("format = \"csv\"", "\"decimal?\""));
    folder.write("tx.csv", format!("timestamp,card_id,amount\n{T},c,\n{T},c,x\n{T},c,1.50\n"));
    let ended = tidemark(folder.path(), "check job.toml --sample tx.csv", b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let squeezed = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(squeezed.contains("topic tx, csv, from the earliest record"), "{squeezed}");
    assert!(squeezed.contains("amount decimal 1 1 1 0 1.5"), "{squeezed}");
}

#[test]
fn names_with_dots_and_elements_of_arrays_are_fields() {
    let record = format!(
        r#"{{"timestamp":{T},"card_id":"c","payment.amount":10,"items":[{{"price":3}},{{"price":4}}]}}"#
    );
    for (amount, sum) in [
        (r#"{ type = "decimal", path = ["payment.amount"] }"#, "10.0"),
        (r#"{ type = "decimal", path = "items[0].price" }"#, "3.0"),
        (r#"{ type = "decimal", path = "items[-1].price" }"#, "4.0"),
        (r#"{ type = "decimal", path = "amount", aliases = ["items[1].price"] }"#, "4.0"),
        (r#"{ type = "decimal", path = "items[2].price", default = 7 }"#, "7.0"),
    ] {
        let plan = tidemark_jobs::load("case.toml", &job("", amount)).unwrap().plan;
        let output = replay(&plan, &vec![vec![record.clone().into_bytes()]], &Run::default());
        assert_eq!(output.live["v/c"], format!(r#"{{"c":1,"s":{sum}}}"#), "{amount}");
    }
}

#[test]
fn a_case_of_a_job_may_have_elements_and_names_with_dots() {
    let folder = Folder::new("elements");
    let amount = r#"{ type = "decimal", path = ["data.v1", "items", "[-1]", "price"] }"#;
    folder.write("job.toml", job("json = \"strict\"", amount));
    folder.write(
        "cases.toml",
        "[[case]]\nname = \"last\"\nevents = [{ at = \"2026-01-04T00:02:35Z\", card_id = \"c\", amount = 5 }]\n\
         [[case.expect]]\nat = \"2026-01-04T00:02:35Z\"\nview = \"v\"\nid = \"c\"\nfeatures = { s = 5.0 }\n",
    );
    let ended = tidemark(folder.path(), "test job.toml cases.toml", b"");
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.errors);
    let page = tidemark(folder.path(), "docs job.toml", b"");
    assert!(page.code == 0 && page.out.contains("data.v1.items[-1].price"), "{}", page.errors);
}

#[test]
fn json_is_taken_by_the_letter_where_the_source_says_so() {
    let record = format!(r#"{{"timestamp":{T},"card_id":"c","amount":10,"score":NaN}}"#);
    for (source, verdicts) in [("", [1, 0, 0, 0]), ("json = \"strict\"", [0, 0, 0, 1])] {
        let plan = tidemark_jobs::load("case.toml", &job(source, "\"decimal\"")).unwrap().plan;
        let output = replay(&plan, &vec![vec![record.clone().into_bytes()]], &Run::default());
        assert_eq!(output.verdicts, verdicts, "{source}");
    }
}

#[test]
fn several_events_in_one_record_are_refused_in_words_that_say_so() {
    let events = format!(
        r#"[{{"timestamp":{T},"card_id":"c","amount":10}},{{"timestamp":{T},"card_id":"c","amount":5}}]"#
    );
    let folder = Folder::new("batch");
    folder.write("job.toml", job("", "\"decimal\""));
    folder.write("input.jsonl", format!("{events}\n"));
    let errors = refused(&folder, "input.jsonl");
    assert!(errors.contains("it is one JSON array"), "{errors}");
    let plan = tidemark_jobs::load("case.toml", &job("", "\"decimal\"")).unwrap().plan;
    let output = replay(&plan, &vec![vec![events.into_bytes()]], &Run::default());
    assert_eq!(output.verdicts, [0, 0, 0, 1]);
    let error = output.dead[0].error.clone().unwrap();
    assert!(error.contains("the record is an array, as of several events"), "{error}");
}

#[test]
fn a_record_that_is_too_long_is_a_dead_letter_of_its_beginning() {
    let folder = Folder::new("long");
    folder.write("job.toml", job("", "\"decimal\""));
    let good = format!(r#"{{"timestamp":{T},"card_id":"c","amount":10}}"#);
    let long = format!(r#"{{"note":"{}"}}"#, "x".repeat(3 << 20));
    folder.write("tx.jsonl", format!("{good}\n{long}\n{good}\n"));
    let line = "replay job.toml --source tx=tx.jsonl --dlq dead.jsonl";
    let ended = tidemark(folder.path(), line, b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert!(ended.out.contains("\"events\":3,\"accepted\":2"), "{}", ended.out);
    let dead = std::fs::read_to_string(folder.path().join("dead.jsonl")).unwrap();
    let letter = tidemark::dead_letters::parse(dead.trim_end().as_bytes()).unwrap();
    assert_eq!(letter.value.unwrap().len(), 1 << 20);
    let says = format!("the record has {} bytes, the limit is 1048576", long.len());
    assert_eq!(letter.error.as_deref(), Some(says.as_str()));
}
