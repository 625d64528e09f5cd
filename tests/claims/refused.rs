//! Records and files that are refused, through the binary: never in silence.

use crate::files::{job_over, table_job, tidemark, traffic};
use crate::folder::Folder;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tidemark::dead_letters::encode;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::verdict::Reason;

const REPLAY: &str = "replay fraud --source transactions=tx.jsonl";

#[test]
fn refused_records_are_told_of_in_a_line_for_each_reason() {
    let folder = Folder::new("refused");
    let records = traffic(&folder, " --late 0.05 --malformed 0.05");
    let lines = std::str::from_utf8(records.split(|b| *b == b'\n').next().unwrap()).unwrap();
    assert!(lines.contains("\"amount\":"), "{lines}");
    let ended = tidemark(folder.path(), REPLAY, b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let summary: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let kept = tidemark(folder.path(), &format!("{REPLAY} --dlq dead.jsonl"), b"");
    let dead = std::fs::read(folder.path().join("dead.jsonl")).unwrap();
    let letters: Vec<_> = dead.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    let letters: Vec<_> =
        letters.into_iter().map(|l| tidemark::dead_letters::parse(l).unwrap()).collect();
    assert_eq!(ended.errors.lines().count(), 2, "{}", ended.errors);
    for reason in [Reason::Late, Reason::Malformed] {
        let count = summary[reason.name()].as_u64().unwrap();
        let first = letters.iter().find(|letter| letter.reason == reason).unwrap();
        let begins = format!(
            "warning: {count} of 300 records refused, {reason}; the first: tx.jsonl line {}: ",
            first.offset + 1
        );
        let line = ended.errors.lines().find(|line| line.starts_with(&begins));
        let line = line.unwrap_or_else(|| panic!("{begins} in\n{}", ended.errors));
        assert!(line.ends_with("; --dlq FILE keeps them"), "{line}");
        let said = match &first.error {
            Some(error) => error.clone(),
            None => "event time \"timestamp\": expected no earlier than the watermark".to_owned(),
        };
        assert!(line.contains(&said), "{said} in {line}");
        let line = kept.errors.lines().find(|line| line.starts_with(&begins)).unwrap();
        assert!(line.ends_with("; they are in dead.jsonl"), "{line}");
    }
}

#[test]
fn a_replay_that_accepts_nothing_fails_and_one_without_records_does_not() {
    let folder = Folder::new("refused");
    let records = String::from_utf8(traffic(&folder, "")).unwrap();
    folder.write("tx.jsonl", records.replace("\"amount\"", "\"sum\""));
    folder.write("rows.jsonl", "rows of yesterday\n");
    let outputs = "--dlq dead.jsonl --sealed rows.jsonl --online live.jsonl";
    let ended = tidemark(folder.path(), &format!("{REPLAY} {outputs}"), b"");
    assert_eq!(ended.code, 1, "{}", ended.errors);
    let rows = std::fs::read_to_string(folder.path().join("rows.jsonl")).unwrap();
    assert_eq!(rows, "rows of yesterday\n", "no rows replace those from before");
    assert!(!folder.path().join("live.jsonl").exists());
    assert!(
        ended.errors.contains("error: every record was refused: 300 of 300"),
        "{}",
        ended.errors
    );
    assert!(ended.errors.contains("\"amount\""), "{}", ended.errors);
    let dead = std::fs::read_to_string(folder.path().join("dead.jsonl")).unwrap();
    assert_eq!(dead.lines().count(), 300, "they are kept all the same");
    folder.write("tx.jsonl", "");
    let ended = tidemark(folder.path(), REPLAY, b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert_eq!(
        ended.errors,
        "warning: not one record of source transactions was read: features of it are empty in every row\n"
    );
}

#[test]
fn a_replay_whose_dead_letters_cannot_be_written_fails_at_once_and_says_where() {
    let folder = Folder::new("refused");
    traffic(&folder, " --malformed 0.5");
    let ended = tidemark(folder.path(), &format!("{REPLAY} --dlq /dev/full"), b"");
    assert_eq!(ended.code, 1, "{}", ended.errors);
    assert!(ended.errors.contains("writing dead letters to /dev/full: "), "{}", ended.errors);
}

#[test]
fn a_file_that_is_named_twice_for_a_source_is_refused() {
    let folder = Folder::new("refused");
    traffic(&folder, "");
    std::fs::hard_link(folder.path().join("tx.jsonl"), folder.path().join("same.jsonl")).unwrap();
    for files in ["tx.jsonl,tx.jsonl", "tx.jsonl,./tx.jsonl", "tx.jsonl,same.jsonl"] {
        let line = format!("replay fraud --source transactions={files}");
        let ended = tidemark(folder.path(), &line, b"");
        assert_eq!(ended.code, 2, "{}", ended.errors);
        assert!(ended.errors.contains("same file twice"), "{}", ended.errors);
    }
}

/// UTF-16 with a byte order mark.
fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn a_source_file_of_another_form_is_told_by_its_first_bytes() {
    let folder = Folder::new("form");
    let records = traffic(&folder, "");
    let text = std::str::from_utf8(&records).unwrap();
    let array = format!("[\n{}\n]\n", text.trim_end().replace('\n', ",\n"));
    let one_line = format!("[{}]", text.trim_end().replace('\n', ","));
    for (bytes, what, way) in [
        (gzip(&gzip(&records)), "compressed by gzip", "gzip -dc tx.jsonl"),
        (b"card_id,amount\nc1,10\n".to_vec(), "CSV", "`format = \"csv\"`"),
        (utf16(text), "UTF-16", "iconv -f UTF-16"),
        (array.clone().into_bytes(), "one JSON array", "jq -c '.[]' tx.jsonl"),
        (one_line.into_bytes(), "one JSON array", "jq -c"),
        (zstd(array.as_bytes()), "one JSON array", "jq -c"),
    ] {
        folder.write("tx.jsonl", &bytes);
        let ended = tidemark(folder.path(), &format!("{REPLAY} --sealed rows"), b"");
        assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{what}: {}", ended.errors);
        let says = format!("cannot read source file tx.jsonl: it is {what}");
        assert!(ended.errors.contains(&says), "{what}: {}", ended.errors);
        assert!(ended.errors.contains(way), "{way}: {}", ended.errors);
        assert!(!folder.path().join("rows").exists());
    }
}

#[test]
fn a_byte_order_mark_is_skipped_in_compressed_files_too() {
    let folder = Folder::new("mark");
    let records = traffic(&folder, "");
    let rows = || {
        let ended = tidemark(folder.path(), &format!("{REPLAY} --sealed -"), b"");
        assert!(ended.code == 0 && !ended.errors.contains("warning"), "{}", ended.errors);
        ended.out
    };
    let plain = rows();
    let marked = [&b"\xef\xbb\xbf"[..], &records].concat();
    for bytes in [marked.clone(), zstd(&marked), gzip(&marked)] {
        folder.write("tx.jsonl", bytes);
        assert!(rows() == plain);
    }
}

#[test]
fn a_table_of_another_form_is_told_and_its_byte_order_mark_is_skipped() {
    let folder = Folder::new("form");
    table_job(&folder);
    let csv = "card,score\nc,7\n";
    let line = "replay scored.toml --source t=in.jsonl";
    for (bytes, what) in [
        (gzip(csv.as_bytes()), "compressed by gzip"),
        (zstd(csv.as_bytes()), "compressed by zstd"),
        (utf16(csv), "UTF-16"),
        (b"PAR1\x15".to_vec(), "Parquet"),
        (b"[\n{\"card\":\"c\"}]".to_vec(), "one JSON array"),
    ] {
        folder.write("scores.csv", bytes);
        let ended = tidemark(folder.path(), line, b"");
        assert_eq!(ended.code, 1, "{what}: {}", ended.errors);
        assert!(ended.errors.contains(&format!("it is {what}")), "{what}: {}", ended.errors);
        assert!(ended.errors.contains("scores.csv"), "{}", ended.errors);
    }
    folder.write("scores.csv", format!("\u{feff}{csv}"));
    assert_eq!(tidemark(folder.path(), line, b"").code, 0);
}

/// Runs a job over `tx.jsonl` with rows in the process.
fn run(folder: &Folder) -> crate::files::Ended {
    job_over(folder, tidemark_jobs::FRAUD, "tx.jsonl");
    tidemark(folder.path(), "run job.toml", b"")
}

#[test]
fn a_run_warns_once_of_each_reason_and_fails_when_it_accepted_nothing() {
    let folder = Folder::new("warned");
    let records = String::from_utf8(traffic(&folder, " --late 0.05 --malformed 0.05")).unwrap();
    let ended = run(&folder);
    assert_eq!(ended.code, 0, "{}", ended.errors);
    for reason in ["late", "malformed"] {
        let says = format!("of 300 records refused, {reason}; the first: tx.jsonl line ");
        let lines: Vec<_> = ended.errors.lines().filter(|line| line.contains(&says)).collect();
        assert_eq!(lines.len(), 1, "{says}: {}", ended.errors);
        let line = lines[0];
        assert!(line.contains("WARN") && line.contains("kept in dead_letters.jsonl"), "{line}");
    }
    folder.write("tx.jsonl", records.replace("\"amount\"", "\"sum\""));
    let ended = run(&folder);
    assert_eq!(ended.code, 1, "{}", ended.errors);
    assert!(ended.errors.contains("error: every record was refused"), "{}", ended.errors);
    let warned = ended.errors.lines().filter(|line| line.contains("refused, malformed")).count();
    assert_eq!(warned, 1, "{}", ended.errors);
}

#[test]
fn exit_codes_are_one_scheme_and_stand_in_the_help() {
    let folder = Folder::new("codes");
    let help = tidemark(folder.path(), "--help", b"").out;
    for part in ["0 done;", "1 failed", "2 the command line", "3 the answer is no", "70 to 79"] {
        assert!(help.contains(part), "{part} in {help}");
    }
    folder.write(
        "wrong.toml",
        "[[case]]\nname = \"no\"\nevents = []\n[[case.expect]]\nat = \"+1s\"\n\
         view = \"transaction_stats_5m\"\nid = \"c\"\nfeatures = { txn_count_5m = 1 }\n",
    );
    let ended = tidemark(folder.path(), "test fraud wrong.toml --workers 1", b"");
    assert!(ended.code == 3 && ended.out.contains("1 FAILED"), "{}{}", ended.out, ended.errors);
    for (line, code) in [
        ("check fraud", 0),
        ("check frod", 2),
        ("nonsense", 2),
        ("replay fraud --source transactions=none.jsonl", 1),
        ("run fraud --cluster none.toml", 2),
    ] {
        assert_eq!(tidemark(folder.path(), line, b"").code, code, "{line}");
    }
    for (name, contents) in [("empty", ""), ("other", "{\"a\":1}\nno letter\n")] {
        folder.write(name, contents);
        let ended = tidemark(folder.path(), &format!("dlq ls {name}"), b"");
        assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{name}");
        assert!(ended.errors.contains(&format!("no dead letters in {name}")), "{}", ended.errors);
    }
}

#[test]
fn dead_letters_are_shown_without_acting_on_the_terminal() {
    let folder = Folder::new("shown");
    let letter = DeadLetter {
        source: "transactions".to_owned(),
        topic: Some("t\u{1b}]0;x\u{7}".to_owned()),
        partition: PartitionId { source: 0, partition: 0 },
        offset: 1,
        key: Some("k\u{202e}\r".into()),
        value: Some("{\"a\":\"\u{1b}[2J\u{2066}\"}".into()),
        reason: Reason::Late,
        event_time: Some(1_700_000_000_000),
        field_time: None,
        arrival: None,
        watermark: 1_700_003_768_000,
        late_by: Some(3_768_000),
        idle_floor: false,
        error: None,
    };
    let first = DeadLetter {
        offset: 0,
        reason: Reason::Malformed,
        watermark: 0,
        event_time: None,
        late_by: None,
        error: Some("found \u{1b}[31m\u{202e}".to_owned()),
        ..letter.clone()
    };
    let mut bytes = Vec::new();
    [&first, &letter].into_iter().for_each(|letter| encode(letter, &mut bytes));
    folder.write("dead", bytes);
    for line in ["dlq ls dead", "dlq show dead"] {
        let ended = tidemark(folder.path(), line, b"");
        assert_eq!(ended.code, 0, "{}", ended.errors);
        let shown = ended.out;
        let harmful = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2066}".contains(c);
        assert!(!shown.contains(harmful), "{shown:?}");
        for part in ["k\\u{202e}\\r", "found \\u{1b}[31m\\u{202e}", "1 h 2 m 48 s"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(!shown.contains("1970"), "{shown}");
        assert!(line.contains("ls") || shown.contains("watermark   none yet"), "{shown}");
    }
}

/// The port the job says that it listens on.
fn port(log: &Path) -> String {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        if let Some((_, rest)) = text.split_once("http=127.0.0.1:") {
            return rest.chars().take_while(char::is_ascii_digit).collect();
        }
        assert!(start.elapsed() < Duration::from_secs(120), "{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn entities_whose_ids_hold_a_slash_can_be_asked_for() {
    let folder = Folder::new("ids");
    let records = String::from_utf8(traffic(&folder, "")).unwrap();
    let line = records.lines().next().unwrap();
    let (_, rest) = line.split_once("\"card_id\":\"").unwrap();
    let card = rest.split('"').next().unwrap();
    job_over(&folder, tidemark_jobs::FRAUD, "-");
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut run = crate::run::command();
    run.args(["run", "job.toml"]).current_dir(folder.path()).env("HEALTH_CHECK_PORT", "0");
    run.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).stderr(log);
    let mut run = run.spawn().unwrap();
    let ids = ["a/b?c=d&e", "..", "+ %2F"];
    let mut input = run.stdin.take().unwrap();
    for id in ids {
        writeln!(input, "{}", line.replace(card, id)).unwrap();
    }
    // As much as is read at once.
    for _ in 0..2_000 {
        writeln!(input, "{line}").unwrap();
    }
    let port = port(&folder.path().join("log"));
    for id in ids {
        crate::run::until("the row", || {
            let mut get = crate::run::command();
            get.args(["get", "job.toml", "transaction_stats_5m", id]);
            get.current_dir(folder.path()).env("HEALTH_CHECK_PORT", &port);
            let got = get.output().unwrap();
            let text = String::from_utf8(got.stdout).unwrap();
            text.lines().any(|l| l.split_whitespace().eq(["txn_count_5m", "1"]))
        });
    }
    let pid = run.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = run.wait().unwrap();
    drop(input);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
}
