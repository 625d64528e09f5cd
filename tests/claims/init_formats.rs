//! `tidemark init` of files that are no JSON: CSV and containers of Avro, told by what they begin with.

use crate::folder::Folder;
use crate::init::tidemark;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;

const CSV: &str = "\
transaction_id,card_id,amount,created at,ip,approved,country.code,note,score,zip
t1,c1,12.50,2026-01-04 00:02:35.5,192.0.2.7,true,DE,\"says \"\"no, no\"\"\",0.123456789,01234
t2,c2,7,2026-01-04 00:02:34,2001:db8::1,false,,\"two
lines\",1.5,98765
t3,c1,3.25,2026-01-04 00:03:35,,true,FR,,0.25,00001
";

/// Drafts a job for the file `name` with `arguments`, checks it on the file and replays that: the job,
/// what was told, the sample's document and what replay counted.
fn drafted(folder: &Folder, name: &str, arguments: &[&str]) -> (String, String, Value, Value) {
    let _ = std::fs::remove_file(folder.file("job.toml"));
    let all = [&["init", name, "--output", "job.toml"], arguments].concat();
    let init = tidemark(folder, &all);
    assert_eq!(init.code, 0, "{name}: {}", init.errors);
    let job = std::fs::read_to_string(folder.file("job.toml")).unwrap();
    let check = tidemark(folder, &["check", "job.toml", "--sample", name, "--format", "json"]);
    assert_eq!(check.code, 0, "{name}: {}\n{job}", check.errors);
    let check: Value = serde_json::from_str(&check.out).unwrap();
    let source = check["samples"][0]["source"].as_str().unwrap();
    let from = format!("{source}={name}");
    let replay = tidemark(folder, &["replay", "job.toml", "--source", &from]);
    assert_eq!(replay.code, 0, "{name}: {}\n{job}", replay.errors);
    let counted = serde_json::from_str(&replay.out).unwrap();
    (job, init.errors, check["samples"][0].clone(), counted)
}

/// The same, where every one of so many records becomes an event and no value is invalid.
fn reads_all(folder: &Folder, name: &str, arguments: &[&str], records: u64) -> (String, String) {
    let (job, told, sample, counted) = drafted(folder, name, arguments);
    assert_eq!(counted["accepted"], records, "{name}: {counted}\n{job}");
    assert_eq!(counted["invalid_fields"], 0, "{name}: {counted}\n{job}");
    assert_eq!((&sample["records"], &sample["accepted"]), (&records.into(), &records.into()));
    for field in sample["fields"].as_array().unwrap() {
        assert_eq!((&field["invalid"], &field["rounded"]), (&0.into(), &0.into()), "{field}");
        assert!(field["present"].as_u64().unwrap() > 0, "{field}");
    }
    (job, told)
}

/// How `init` refuses a file.
fn refused(name: &str, contents: impl AsRef<[u8]>, arguments: &[&str]) -> String {
    let folder = Folder::new("init-refused");
    folder.write(name, contents);
    let all = [&["init", name, "--output", "job.toml"], arguments].concat();
    let init = tidemark(&folder, &all);
    assert_eq!(init.code, 2, "{name}: {}", init.errors);
    assert!(!Path::new(&folder.file("job.toml")).exists());
    init.errors
}

fn has_lines(job: &str, lines: &[&str]) {
    for line in lines {
        assert!(job.lines().any(|it| it.trim_end().starts_with(line)), "{line}\n{job}");
    }
}

#[test]
fn a_file_of_csv_becomes_a_job_with_the_types_of_its_texts() {
    let folder = Folder::new("init-csv");
    folder.write("tx.csv", CSV);
    let (job, told) = reads_all(&folder, "tx.csv", &[], 3);
    has_lines(
        &job,
        &[
            "files = [\"tx.csv\"]",
            "format = \"csv\"",
            "time = { field = \"created at\", unit = \"iso\", zone = \"UTC\" }",
            "transaction_id = \"string?\"",
            "card_id = \"string\"",
            "amount = \"decimal\"",
            "ip = \"ip?\"",
            "approved = \"bool?\"",
            "country_code = { type = \"string?\", path = [\"country.code\"] }",
            "note = \"string?\"",
            "score = \"decimal(9)?\"",
            "zip = \"string?\"",
            "[entities.card]",
            "[views.card_activity]",
        ],
    );
    assert!(!job.contains("delimiter"), "{job}");
    assert!(told.contains("read: 3 records of tx.csv, CSV with `,` between cells"), "{told}");
    // Of those that may be missing only what is.
    assert!(told.contains("fields: 9, 3 of them missing or something else"), "{told}");
}

#[test]
fn a_day_is_a_timestamp_and_no_event_time() {
    let folder = Folder::new("init-days");
    folder.write("tx.csv", "user_id,born,at\nu1,1991-01-04,1767484955\nu2,1992-02-29,1767484956\n");
    let (job, _) = reads_all(&folder, "tx.csv", &[], 2);
    has_lines(
        &job,
        &[
            "time = { field = \"at\", unit = \"s\" }",
            "born = { type = \"timestamp?\", unit = \"date\", zone = \"UTC\" }",
        ],
    );
    let errors = refused("tx.csv", "user_id,day\nu1,2026-01-04\n", &[]);
    assert!(errors.contains("a date alone is none"), "{errors}");
}

#[test]
fn what_lies_between_cells_and_what_a_file_is_compressed_by_is_seen_or_said() {
    let plain = |delimiter: &str| {
        let cells = ["card_id", "ts", "amount"].join(delimiter);
        let record = |n: u64| {
            let ts = (1_767_484_955 + n).to_string();
            [format!("c{}", n % 3).as_str(), &ts, &format!("\"{n},5;1|2\t3\"")].join(delimiter)
        };
        let records = (0..40).map(record).collect::<Vec<_>>();
        format!("\u{feff}{cells}\r\n{}", records.join("\r\n"))
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    for (delimiter, said) in [
        (",", ""),
        (";", "delimiter = \";\""),
        ("\t", "delimiter = \"\\t\""),
        ("|", "delimiter = \"|\""),
    ] {
        let folder = Folder::new("init-delimiter");
        let text = plain(delimiter);
        folder.write("plain.txt", &text);
        folder.write("tx.csv.gz", gzip(text.as_bytes()));
        folder.write("tx.zst", zstd::encode_all(text.as_bytes(), 3).unwrap());
        for name in ["plain.txt", "tx.csv.gz", "tx.zst"] {
            let (job, _) = reads_all(&folder, name, &[], 40);
            assert!(job.contains(said), "{delimiter:?} {name}: {job}");
            has_lines(&job, &["time = { field = \"ts\", unit = \"s\" }", "[entities.card]"]);
            let written = if delimiter == "\t" { "\\t" } else { delimiter };
            let asked = ["--format", "csv", "--delimiter", written];
            assert_eq!(reads_all(&folder, name, &asked, 40).0, job, "{name}");
        }
    }
    // A delimiter that is none of the usual.
    let folder = Folder::new("init-delimiter");
    folder.write("tx.csv", plain("~"));
    let (job, told) = reads_all(&folder, "tx.csv", &["--delimiter", "~"], 40);
    assert!(job.contains("delimiter = \"~\"") && told.contains("`~` between cells"), "{told}{job}");
}

#[test]
fn the_same_texts_as_json_lines_give_the_same_fields_and_features() {
    let folder = Folder::new("init-same");
    let names = ["card_id", "ts", "amount", "empty", "id"];
    let (mut csv, mut json) = (names.join(",") + "\n", String::new());
    for n in 0..100_u64 {
        let ts = 1_767_484_955_000 + n * 1_000;
        let cells = [
            format!("c{}", n % 7),
            ts.to_string(),
            format!("{}.{:02}", n, n % 100),
            if n % 3 == 0 { String::new() } else { format!("e{n}") },
            format!("{n:04}"),
        ];
        csv += &(cells.join(",") + "\n");
        let members = names.iter().zip(&cells).map(|(name, cell)| match cell.as_str() {
            "" => format!("\"{name}\":null"),
            cell => format!("\"{name}\":\"{cell}\""),
        });
        json += &format!("{{{}}}\n", members.collect::<Vec<_>>().join(","));
    }
    folder.write("tx.csv", csv);
    folder.write("tx.jsonl", json);
    let below = |job: String| job.split_once("[sources.tx.fields]").unwrap().1.to_owned();
    let (from_csv, _) = reads_all(&folder, "tx.csv", &[], 100);
    let (from_json, _) = reads_all(&folder, "tx.jsonl", &[], 100);
    assert_eq!(below(from_csv), below(from_json));
}

#[test]
fn csv_that_is_no_job_is_refused_with_what_is_wrong_and_what_to_do() {
    for (contents, arguments, why, hint) in [
        ("card_id,ts,amount\n", &[][..], "has no records to draft a job from", "names the columns"),
        (
            "card_id;ts;amount\r\n",
            &[],
            "has no records to draft a job from",
            "one line behind that",
        ),
        ("a,ts,a\nc,1767484955,2\n", &[], "the header has the column \"a\" twice", "rename one"),
        (
            "c1,1767484955000\nc2,1767484956000\n",
            &[],
            "\"1767484955000\" is a value",
            "line of names",
        ),
        ("c1,2026-01-04\nc2,2026-01-05\n", &[], "does not name the columns", "--format csv"),
        (
            "card_id\nc1\nc2\n",
            &[],
            "none of the 3 records of tx.csv is a JSON object",
            "--format csv",
        ),
        (
            "card_id\nc1\nc2\n",
            &["--format", "csv"],
            "is a time between 1990 and 2100",
            "these have card_id",
        ),
        ("ts\n1767484955\n", &["--format", "csv"], "could be an id", "these have ts"),
        (
            "card_id,ts\n\"c,1767484955\n",
            &["--format", "csv"],
            "is not closed before the file ends",
            "",
        ),
        ("", &["--format", "csv"], "CSV begins with a line of names", ""),
        ("card_id;ts\nc;1767484955\n", &["--delimiter", ","], "is a time between", "card_id;ts"),
        (
            "card_id,ts\nc;1\nd;2\n",
            &["--format", "csv"],
            "none of the 2 records of tx.csv is a record of CSV",
            "--delimiter",
        ),
        ("{\"ts\":1}\n", &["--format", "csv"], "it begins with a JSON object", "leave that out"),
        (
            "card_id,ts\nc,1\n",
            &["--format", "avro"],
            "is no Avro object container",
            "leave that out",
        ),
        (
            "card_id,ts\nc,1\n",
            &["--format", "json", "--delimiter", ","],
            "--delimiter is for --format csv",
            "",
        ),
        ("card_id,ts\nc,1\n", &["--delimiter", ",,"], "write one character of ASCII", ""),
    ] {
        let errors = refused("tx.csv", contents, arguments);
        assert!(
            errors.contains(why) && errors.contains(hint),
            "{contents:?} {arguments:?}: {errors}"
        );
    }
    // UTF-16 is told, and said how it becomes UTF-8.
    let utf16: Vec<u8> = "\u{feff}a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refused("tx.csv", utf16, &[]).contains("iconv -f UTF-16"));
}

#[test]
fn columns_of_any_name_are_read_or_said_to_be_left_out() {
    let folder = Folder::new("init-columns");
    let names = [
        "",
        "a.b",
        "\"x \"\"y\"\"\"",
        "金額",
        "größe",
        "[0]",
        "items[0]",
        "$.a",
        "and",
        "#",
        "'",
        " ts ",
        "\"two\nlines\"",
        "card_id",
        "CARD_ID",
        "amount (EUR)",
    ];
    let cells = (0..names.len()).map(|n| format!("v{n}")).collect::<Vec<_>>().join(",");
    folder.write("tx.csv", format!("when,{}\n2026-01-04T00:02:35Z,{cells}\n", names.join(",")));
    let (job, _) = reads_all(&folder, "tx.csv", &[], 1);
    assert!(job.contains("# - : a key that no path can name"), "{job}");
    assert!(job.contains("# - [0]: a key that no path can name"), "{job}");
    for path in
        ["[\"a.b\"]", "\"x \\\"y\\\"\"", "\"金額\"", "[\"items[0]\"]", "[\"$.a\"]", "\" ts \""]
    {
        assert!(job.contains(&format!("path = {path}")), "{path}: {job}");
    }
}

#[test]
fn a_large_file_of_csv_is_looked_at_in_part_and_bad_lines_are_counted() {
    let folder = Folder::new("init-large");
    let mut csv = String::from("card_id,ts\n");
    for n in 0..12_000_u64 {
        csv += &format!("c{},{}\n", n % 50, 1_767_484_955_000 + n * 1_000);
    }
    csv += "one cell\n";
    csv.insert_str("card_id,ts\n".len(), "a,b,c\n");
    folder.write("tx.csv", csv);
    let (_, told, sample, counted) = drafted(&folder, "tx.csv", &[]);
    assert!(told.contains("read: 9,999 records of tx.csv, CSV"), "{told}");
    assert!(told.contains("the first of more"), "{told}");
    assert!(
        told.contains("not read: 1 that are no records of CSV, the first: record 1: "),
        "{told}"
    );
    assert_eq!((&counted["accepted"], &counted["malformed"]), (&12_000.into(), &2.into()));
    assert_eq!((&sample["records"], &sample["whole"]), (&10_000.into(), &false.into()));
}

#[test]
fn a_container_of_avro_becomes_a_job_that_reads_it() {
    for codec in ["null", "deflate", "snappy", "zstandard"] {
        let folder = Folder::new("init-avro");
        let from = format!("tests/data/avro/first-{codec}.avro");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
        std::fs::copy(from, folder.file("tx.avro")).unwrap();
        let records = include_str!("../data/avro/first.jsonl").lines().count() as u64;
        let (job, told, sample, counted) = drafted(&folder, "tx.avro", &[]);
        assert_eq!(
            (&counted["accepted"], &counted["invalid_fields"]),
            (&records.into(), &0.into())
        );
        // It is a number, a text or an array.
        let wrong = |field: &&Value| field["invalid"] != 0 || field["rounded"] != 0;
        let wrong = sample["fields"].as_array().unwrap().iter().filter(wrong);
        assert_eq!(wrong.map(|field| &field["name"]).collect::<Vec<_>>(), ["extra"]);
        has_lines(&job, &["topic = \"tx\"", "format = \"avro\""]);
        assert!(told.contains("records of tx.avro, Avro"), "{told}");
    }
}

#[test]
fn a_record_of_a_topic_of_avro_is_said_to_need_its_schema() {
    let mut record = vec![0, 0, 0, 0, 7];
    record.extend(b"\x04c1\x02\x80\x01\n");
    let errors = refused("tx.bin", &record, &[]);
    assert!(errors.contains("its schema is in a schema registry"), "{errors}");
    assert!(
        errors.contains("format = \\\"avro\\\"") || errors.contains("format = \"avro\""),
        "{errors}"
    );
    assert!(!errors.contains("JSON"), "{errors}");
}

#[test]
fn decimals_keep_up_to_twelve_digits_and_large_numbers_all_of_theirs() {
    let folder = Folder::new("init-digits");
    folder.write(
        "tx.jsonl",
        r#"{"ts":1767484955000,"card_id":"c","rate":0.1234567,"price":"12.123456789012","tiny":1.5e-9,"long":0.12345678901234567,"large":900000000000.123456,"larger":9000000000000.25,"big":123456789012345678901234567890,"wide":[1],"lat":52.5200066}
{"ts":1767484956000,"card_id":"c","rate":-7,"price":3,"tiny":2,"long":0.5,"large":1.5,"larger":1,"big":1,"lat":-13.4049540}
"#,
    );
    let (job, _) = reads_all(&folder, "tx.jsonl", &[], 2);
    has_lines(
        &job,
        &[
            "rate = \"decimal(7)?\"",
            "price = \"decimal(12)\"",
            "tiny = \"decimal(10)?\"",
            "long = \"double?\"",
            "large = \"decimal?\"",
            "larger = \"decimal(5)?\"",
            "big = \"string?\"",
            "lat = \"decimal(7)?\"",
        ],
    );
    // Where a decimal cannot have all digits it has as many as there is room for, and it is said.
    let record = r#"{"ts":1767484955000,"card_id":"c","x":12345678901.123456789}"#;
    folder.write("tx.jsonl", record);
    let (job, _, sample, _) = drafted(&folder, "tx.jsonl", &[]);
    has_lines(&job, &["x = \"decimal(7)\""]);
    assert!(job.contains("rounded to 7 digits after the point"), "{job}");
    assert_eq!(sample["fields"][1]["rounded"], 1, "{sample}");
}
