//! What commands answer with `--format json`, and what they say about settings that are none.

use crate::folder::Folder;
use crate::run::command;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use tidemark::dead_letters::encode;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::verdict::Reason;

/// The exit code, standard output and standard error.
fn ended(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let output = command().args(arguments).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The one document a command prints, and its exit code; nothing is on standard error.
fn document<T: for<'a> Deserialize<'a>>(arguments: &[&str]) -> (i32, T) {
    let arguments = [arguments, &["--format", "json"]].concat();
    let (code, out, said) = ended(&arguments, &[]);
    assert_eq!(said, "", "{arguments:?}");
    assert_eq!(out.matches('\n').count(), 1, "{out}");
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}")))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    error: ErrorDocument,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorDocument {
    code: i32,
    message: String,
    hint: Option<String>,
    places: Vec<Place>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    file: String,
    line: usize,
    column: usize,
    key: Option<String>,
    message: String,
    hint: Option<String>,
}

#[test]
fn check_gives_a_job_as_a_document_with_every_feature() {
    let (code, job): (_, Value) = document(&["check", "fraud"]);
    assert_eq!((code, &job["job"], &job["file"]), (0, &"fraud".into(), &"fraud.toml".into()));
    let view = &job["views"][0];
    assert_eq!((&view["name"], &view["entity"]), (&"transaction_stats_5m".into(), &"card".into()));
    let features = view["features"].as_array().unwrap();
    assert_eq!(features.len(), 15);
    let max = features.iter().find(|feature| feature["name"] == "amount_max_5m").unwrap();
    assert_eq!(
        (&max["type"], &max["nullable"], &max["over"]),
        (&"double".into(), &true.into(), &"5m".into())
    );
    assert_eq!(job["services"][0]["features"].as_array().unwrap().len(), 19);
    assert_eq!(job["sources"][0]["out_of_orderness_ms"], 5_000);
    let memory = &job["memory"];
    assert_eq!(memory["load"]["entities"], 1_000_000);
    let entities = memory["entities"].as_array().unwrap().iter();
    let sum = entities.map(|entity| entity["total_bytes"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(memory["total_bytes"], sum);
    assert_eq!(memory["views"][0]["features"].as_array().unwrap().len(), 15);
    let few = ["check", "fraud", "--entities", "1000", "--text-bytes", "400"];
    let (_, few): (_, Value) = document(&few);
    assert!(few["memory"]["total_bytes"].as_u64().unwrap() < sum / 100);
    let (_, behavior): (_, Value) = document(&["check", "behavior"]);
    assert_eq!(behavior["tables"][0]["match"], "prefix");
    assert_eq!(behavior["tables"][0]["columns"][0]["type"], "decimal");
}

#[test]
fn check_gives_every_mistake_and_every_note_with_its_place() {
    let folder = Folder::new("json");
    let job = include_str!("../../jobs/fraud.toml");
    let file = folder.file("job.toml");
    let bad = job.replacen("window = \"5m\"", "window = \"5 minutes\"", 1).replacen(
        "field = \"timestamp\"",
        "feld = \"timestamp\"",
        1,
    );
    folder.write("job.toml", &bad);
    let line = |part: &str| bad.lines().position(|line| line.contains(part)).unwrap() + 1;
    let (code, Failed { error }) = document(&["check", &file]);
    assert_eq!((code, error.code), (2, 2));
    assert!(error.message.starts_with("the job is wrong\n") && error.hint.is_none(), "{error:?}");
    for (part, key) in [("5 minutes", "window"), ("feld", "field")] {
        let at = error.places.iter().find(|place| place.line == line(part)).unwrap();
        assert_eq!((&at.file, at.key.as_deref()), (&file, Some(key)), "{at:?}");
        assert!(at.column > 1 && !at.message.is_empty() && at.hint.is_some(), "{at:?}");
    }

    let expression = "others = { expression = 'amount_sum_5m - amount' }\n";
    let noted = job.replacen(
        "[views.transaction_stats_5m.features]\n",
        &format!("[views.transaction_stats_5m.features]\n{expression}"),
        1,
    );
    assert_ne!(noted, job);
    folder.write("job.toml", &noted);
    let (code, job): (_, Value) = document(&["check", &file]);
    let notes: Vec<Place> = serde_json::from_value(job["notes"].clone()).unwrap();
    let note = notes.iter().find(|note| note.message.contains("feature \"others\"")).unwrap();
    assert!(code == 0 && note.message.contains("takes the latest event out"), "{note:?}");
    let (code, report, _) = ended(&["check", &file], &[]);
    let place = format!("note {file}:{}:{}: ", note.line, note.column);
    assert!(code == 0 && report.contains(&place), "{report}");
}

#[test]
fn what_cannot_be_read_is_a_document_with_the_exit_code_of_the_text() {
    let commands: [&[&str]; 4] = [
        &["check", "frad"],
        &["test", "frad"],
        &["get", "frad", "v", "id"],
        &["dlq", "ls", "/no/such/dead.jsonl"],
    ];
    for arguments in commands {
        let (plain, _, text) = ended(arguments, &[]);
        let (code, Failed { error }) = document(arguments);
        assert_eq!((code, error.code), (plain, plain), "{arguments:?}");
        assert!(code == 2 && text.contains(&error.message), "{text}: {error:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tested {
    job: String,
    workers: Vec<usize>,
    passed: usize,
    failed: usize,
    cases: Vec<CaseDocument>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseDocument {
    file: String,
    line: usize,
    name: String,
    passed: bool,
    faults: Vec<FaultDocument>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultDocument {
    kind: String,
    file: String,
    line: usize,
    message: String,
    view: Option<String>,
    id: Option<String>,
    at_ms: Option<u64>,
    features: Option<Vec<FeatureDocument>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureDocument {
    name: String,
    expected: Value,
    got: Value,
}

#[test]
fn a_test_gives_every_case_and_what_is_wrong_with_its_rows() {
    let folder = Folder::new("json");
    let cases = folder.file("a.toml");
    folder.write(
        "a.toml",
        "[[case]]\nname = \"right\"\nevents = [{ at = \"+0s\", card_id = \"c\", amount = 1 }]\n\
         [[case.expect]]\nat = \"+0s\"\nview = \"transaction_stats_5m\"\nid = \"c\"\n\
         features = { txn_count_5m = 1 }\n\
         [[case]]\nname = \"wrong\"\nevents = [{ at = \"+0s\", card_id = \"c\", amount = 1 }]\n\
         [[case.expect]]\nat = \"+1s\"\nview = \"transaction_stats_5m\"\nid = \"c\"\n\
         features = { txn_count_5m = 2, amount_sum_5m = 1.5 }\n",
    );
    let (code, tested): (_, Tested) = document(&["test", "fraud", &cases, "--workers", "1"]);
    let (plain, ..) = ended(&["test", "fraud", &cases, "--workers", "1"], &[]);
    assert_eq!(code, plain);
    assert_eq!((tested.job.as_str(), tested.workers), ("fraud", vec![1]));
    assert_eq!((tested.passed, tested.failed), (1, 1));
    let [right, wrong] = &tested.cases[..] else { panic!("two cases") };
    assert!(right.passed && right.faults.is_empty() && right.name == "right", "{right:?}");
    assert!(!wrong.passed && wrong.file == cases && wrong.line == 9, "{wrong:?}");
    let [fault] = &wrong.faults[..] else { panic!("one fault") };
    assert_eq!((fault.kind.as_str(), &fault.file, fault.line), ("row", &cases, 12));
    assert_eq!(fault.view.as_deref(), Some("transaction_stats_5m"));
    assert_eq!(fault.id.as_deref(), Some("c"));
    assert!(fault.at_ms.is_some() && fault.message.contains("expected 2, got 1"), "{fault:?}");
    let features = fault.features.as_deref().unwrap();
    assert_eq!(features[0].name, "txn_count_5m");
    assert_eq!((&features[0].expected, &features[0].got), (&Value::from(2), &Value::from(1)));
    assert_eq!((&features[1].expected, &features[1].got), (&Value::from(1.5), &Value::from(1.0)));
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Letters {
    letters: Vec<Value>,
    more: u64,
    total: u64,
    by_reason: BTreeMap<String, u64>,
    partitions: Vec<PartitionDocument>,
    late_by: Vec<Bucket>,
    idle_floor: u64,
    not_letters: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartitionDocument {
    source: String,
    partition: u32,
    total: u64,
    by_reason: BTreeMap<String, u64>,
    event_times: Option<(u64, u64)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    below_ms: Option<u64>,
    count: u64,
}

#[test]
fn dead_letters_are_a_document_with_the_lines_of_the_file() {
    let folder = Folder::new("json");
    let mut bytes = Vec::new();
    for offset in 0..30 {
        let letter = DeadLetter {
            source: "transactions".to_owned(),
            topic: None,
            partition: PartitionId { source: 0, partition: 3 },
            offset,
            key: Some(vec![0xff, b'"']),
            value: Some(b"{\"card_id\":\"card_1\"}".to_vec()),
            reason: Reason::Late,
            event_time: Some(1_700_000_000_000 + offset),
            field_time: None,
            arrival: None,
            watermark: 1_700_000_007_200,
            late_by: Some(7_200),
            idle_floor: offset == 0,
            error: None,
        };
        encode(&letter, &mut bytes);
    }
    let first: Value =
        serde_json::from_slice(bytes.split(|b| *b == b'\n').next().unwrap()).unwrap();
    bytes.extend_from_slice(b"cut off by a cra\n");
    folder.write("dead.jsonl", &bytes);
    let file = folder.file("dead.jsonl");
    let (code, listed): (_, Letters) = document(&["dlq", "ls", &file, "--limit", "2"]);
    assert_eq!(code, 0);
    assert_eq!((listed.letters.len(), &listed.letters[0]), (2, &first));
    assert_eq!((listed.more, listed.total, listed.not_letters, listed.idle_floor), (28, 30, 1, 1));
    assert_eq!((listed.by_reason["late"], listed.by_reason["malformed"]), (30, 0));
    let [partition] = &listed.partitions[..] else { panic!("one partition") };
    assert_eq!((partition.source.as_str(), partition.partition), ("transactions", 3));
    assert_eq!((partition.total, partition.by_reason["late"]), (30, 30));
    assert_eq!(partition.event_times, Some((1_700_000_000_000, 1_700_000_000_029)));
    let below_10_s = listed.late_by.iter().find(|bucket| bucket.below_ms == Some(10_000)).unwrap();
    assert_eq!(below_10_s.count, 30);
    assert_eq!(listed.late_by.last().unwrap().below_ms, None);
}

#[test]
fn variables_that_nothing_reads_are_answered_and_their_values_never_shown() {
    let folder = Folder::new("json");
    folder.write("cluster.toml", "[online]\nkind = \"embedded\"\n[http]\nport = 1\n");
    let cluster = folder.file("cluster.toml");
    let get = ["get", "fraud", "transaction_stats_5m", "c", "--cluster", &cluster];
    let (_, _, said) = ended(
        &get,
        &[
            ("KAFKA_BOOTSTRAP_SERVER", "hunter2"),
            ("REDIS_PASWORD", "hunter2"),
            ("WINDOW_SIZE_MINUTES", "hunter2"),
            ("POSTGRES_URL", "postgres://me:hunter2@db/x"),
            ("KAFKA_SERVERS", "broker:9092"),
        ],
    );
    for part in [
        "note: environment: nothing reads \"KAFKA_BOOTSTRAP_SERVER\": did you mean \
         \"KAFKA_BOOTSTRAP_SERVERS\"?\n",
        "nothing reads \"REDIS_PASWORD\": did you mean \"REDIS_PASSWORD\"?\n",
        "nothing reads \"WINDOW_SIZE_MINUTES\": windows stand in the job",
    ] {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
    assert!(!said.contains("hunter2") && !said.contains("\"KAFKA_SERVERS\""), "{said}");
}

#[test]
fn the_page_of_settings_has_every_key_of_the_shipped_file() {
    let (code, page, _) = ended(&["docs", "--settings"], &[]);
    assert_eq!(code, 0);
    let mut keys = 0;
    for line in include_str!("../../cluster.toml").lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let Some((key, _)) = line.split_once(" = ") else { continue };
        if key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            assert!(page.contains(&format!("\n| `{key}` | ")), "no {key}");
            keys += 1;
        }
    }
    assert!(keys > 70, "{keys}");
}
