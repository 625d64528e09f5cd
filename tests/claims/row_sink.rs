//! Sealed rows of a running job in files of Parquet, on real servers: each once, whatever the process and the
//! store do.

use crate::files::tidemark;
use crate::folder::Folder;
use crate::half_log::HalfLog;
use crate::memory::Output;
use crate::row_files::{COMPARE, python};
use crate::run::{self, Process, refuses, settings, until};
use crate::s3::{self, service_with};
use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;
use tidemark::objects::{Objects as _, S3Objects};

/// Event time of a file, in ms: `roll` below.
const ROLL: u64 = 20 * 60_000;

/// A job whose rows go to files, in the folder `rows` unless they go elsewhere.
pub struct World {
    pub half: HalfLog,
    pub folder: Folder,
}

impl World {
    fn new(seed: u64) -> World {
        World::with(seed, "")
    }

    /// The same with more settings of the files.
    fn with(seed: u64, of_files: &str) -> World {
        World::at(seed, "rows", of_files)
    }

    /// The same whose files are at `rows`, a URL or a path in its folder.
    pub fn at(seed: u64, rows: &str, of_files: &str) -> World {
        let folder = Folder::new("rows");
        let [path, state] = ["sealed.jsonl", "state"].map(|name| folder.file(name));
        let rows = if rows.contains("://") { rows.to_owned() } else { folder.file(rows) };
        let more = format!(
            "[sealed]\npath = {path:?}\nkeep = false\n[offline.parquet]\nurl = {rows:?}\nroll = \"20m\"\n{of_files}\
             [state]\nurl = {state:?}\ncheckpoint_interval = \"100ms\"\n"
        );
        settings(folder.path(), &more);
        World { half: HalfLog::new(seed), folder }
    }

    fn start(&self, fault: &str) -> Process {
        self.half.start(self.folder.path(), &[("TIDEMARK_FAULT", fault)])
    }

    /// The time of the last row that files have; `None`: there are none.
    pub fn last(&self) -> Option<u64> {
        let rolls = std::fs::read_dir(self.folder.path().join("rows/_rolls")).ok()?;
        let names = rolls.map(|roll| roll.unwrap().path());
        let newest = names.filter(|path| path.extension().is_some_and(|e| e == "json")).max()?;
        let roll: Value = serde_json::from_slice(&std::fs::read(newest).unwrap()).unwrap();
        roll["last"].as_u64()
    }

    /// Compares the files with the rows that a replay has up to their last one: each is there once. All rolls
    /// are in files that are over when `sealed` bytes of rows are.
    pub fn compare(&self, expected: &Output, sealed: usize) {
        let last = self.last().expect("files");
        let time = |line: &str| {
            let row: Value = serde_json::from_str(line).unwrap();
            row["as_of"].as_u64().unwrap()
        };
        let over = expected.sealed[..sealed].lines().last().map(time).unwrap() / ROLL * ROLL;
        let lines: Vec<_> = expected.sealed.lines().map(|line| (time(line), line)).collect();
        let missing = lines.iter().find(|(time, _)| *time > last && *time < over);
        assert!(missing.is_none(), "no file has {missing:?}, files end at {last}");
        let there: Vec<_> = lines.iter().filter(|(time, _)| *time <= last).collect();
        assert!(there.len() > 10_000, "{} rows", there.len());
        let text: String = there.iter().map(|(_, line)| format!("{line}\n")).collect();
        self.folder.write("rows.jsonl", text);
        let rows = python(&self.folder, COMPARE, &["rows"]);
        assert_eq!(rows.trim().parse(), Ok(there.len()));
    }
}

#[test]
fn each_row_is_in_a_file_once_wherever_the_process_is_killed() {
    let world = World::new(71);
    let expected = run::expected(&world.half.log);
    for fault in
        ["publish.rows.file:3:KILL", "publish.rows.roll:2:KILL", "publish.rows.done:3:KILL"]
    {
        let mut process = world.start(fault);
        process.wait();
        assert!(process.log().contains("a test wants this signal"), "{}", process.log());
    }
    let mut process = world.start("");
    process.until_ready();
    world.half.rest(&expected);
    process.stop("TERM");
    let file = std::fs::metadata(world.folder.file("sealed.jsonl")).unwrap();
    let bytes = usize::try_from(file.len()).unwrap();
    world.compare(&expected, bytes);
    assert!(file.blocks() * 512 < file.len() / 2, "{} blocks of {bytes} bytes", file.blocks());
    // A state that begins anew writes none of them again.
    let last = world.last();
    std::fs::remove_dir_all(world.folder.file("state")).unwrap();
    std::fs::remove_file(world.folder.file("sealed.jsonl")).unwrap();
    let _: u64 = redis::cmd("DEL")
        .arg("tidemark:fraud:generation")
        .query(&mut world.half.redis.client())
        .unwrap();
    let mut process = world.start("");
    process.until_ready();
    until("the rows to be sealed again", || {
        let again = std::fs::metadata(world.folder.file("sealed.jsonl"));
        again.is_ok_and(|again| again.len() * 10 > file.len() * 9)
    });
    process.stop("TERM");
    assert!(world.last() >= last);
    let again = std::fs::metadata(world.folder.file("sealed.jsonl")).unwrap();
    world.compare(&expected, usize::try_from(again.len()).unwrap());
}

#[test]
fn rows_in_a_bucket_are_there_once_wherever_the_process_is_killed() {
    let service = service_with("rows");
    let world = World::at(74, "s3://rows/of/fraud", "");
    let expected = run::expected(&world.half.log);
    let start = |fault: &str| {
        let variables = [
            ("TIDEMARK_FAULT", fault),
            ("AWS_ENDPOINT_URL", service.value("URL")),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ];
        world.half.start(world.folder.path(), &variables)
    };
    let url = "s3://rows/of/fraud";
    let objects = S3Objects::open(url, &s3::settings(service.value("URL"))).unwrap();
    let names = |prefix: &str| -> Vec<String> {
        objects.list(prefix).unwrap().into_iter().map(|object| object.name).collect()
    };
    // In the middle of a roll: it is said what its files have, and only some of them are there.
    let mut process = start("publish.rows.file:2:KILL");
    process.wait();
    assert!(process.log().contains("a test wants this signal"), "{}", process.log());
    let files = names("").len() - names("_rolls/").len();
    assert_eq!((names("_rolls/").len(), files), (1, 2), "{:?}", names(""));
    for fault in ["publish.rows.roll:2:KILL", "publish.rows.file:9:KILL"] {
        let mut process = start(fault);
        process.wait();
        assert!(process.log().contains("a test wants this signal"), "{}", process.log());
    }
    let mut process = start("");
    process.until_ready();
    world.half.rest(&expected);
    process.stop("TERM");
    assert!(!process.log().contains("hunter2"), "{}", process.log());
    for name in names("") {
        world.folder.write(&format!("rows/{name}"), objects.get(&name).unwrap().unwrap());
    }
    let sealed = std::fs::metadata(world.folder.file("sealed.jsonl")).unwrap().len();
    world.compare(&expected, usize::try_from(sealed).unwrap());
}

/// Compares files in the folder `argv[2]` with those of `expected`, which have later rows too: up to the time of
/// `argv[1]` the same rows, each as often, and before the first of an entity that of 1970.
pub const SAME: &str = "\
import duckdb, glob, sys
duckdb.sql(\"set timezone = 'UTC'\")
last, total, changes, folder = int(sys.argv[1]), 0, 0, sys.argv[2]
for path in glob.glob('expected/*.parquet'):
    view = path.split('/')[-1][:-8]
    told = [c[0] for c in duckdb.sql(f\"describe select * from '{path}'\").fetchall()]
    columns = ', '.join(f'\"{c}\"' for c in told if c != 'created')
    def of(files, begin, end, what):
        at = 'epoch_ms(event_timestamp)'
        rows = f\"select {what} {columns} from '{files}' where {at} >= {begin} and {at} <= {end}\"
        return sorted(duckdb.sql(rows).fetchall(), key=repr)
    own, expected = (of(files, 1, last, '') for files in [f'{folder}/{view}/*.parquet', path])
    assert own == expected, (view, len(own), len(expected))
    births = of(f'{folder}/{view}/*.parquet', 0, 0, 'distinct')
    assert set(births) <= set(of(path, 0, 0, 'distinct')), view
    assert {row[0] for row in births} == {row[0] for row in own}, view
    total += len(own)
    changes += sum(row[-1] is None for row in own)
print(total, changes)
";

#[test]
fn rows_of_changes_are_those_of_a_replay_wherever_the_process_is_killed() {
    let world = World::with(73, "rows = \"changes\"\n");
    let expected = run::expected(&world.half.log);
    for fault in ["publish.rows.file:3:KILL", "publish.rows.done:2:KILL"] {
        let mut process = world.start(fault);
        process.wait();
        assert!(process.log().contains("a test wants this signal"), "{}", process.log());
    }
    let mut process = world.start("");
    process.until_ready();
    world.half.rest(&expected);
    let sealed = expected.sealed.lines().last().unwrap();
    let sealed: Value = serde_json::from_str(sealed).unwrap();
    let over = sealed["as_of"].as_u64().unwrap() / ROLL * ROLL;
    until("all rolls that are over to be in files", || {
        world.last().is_some_and(|last| last / ROLL + 2 >= over / ROLL)
    });
    process.stop("TERM");
    let mut files = Vec::new();
    for (partition, records) in world.half.log.iter().enumerate() {
        let mut lines =
            records.iter().map(|(_, line)| line.clone()).collect::<Vec<_>>().join(&b'\n');
        lines.push(b'\n');
        world.folder.write(&format!("p{partition}.jsonl"), lines);
        files.push(format!("p{partition}.jsonl"));
    }
    let line = format!(
        "replay fraud --source transactions={} --rows changes --sealed expected/{{view}}.parquet",
        files.join(",")
    );
    let ended = tidemark(world.folder.path(), &line, b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let last = world.last().unwrap();
    let told = python(&world.folder, SAME, &[&last.to_string(), "rows"]);
    let counts: Vec<u64> = told.split_whitespace().map(|count| count.parse().unwrap()).collect();
    assert!(counts[0] > 30_000 && counts[1] > 10_000, "{told}");
}

#[test]
fn a_store_that_takes_nothing_holds_nobody_up_and_gets_all_rows_later() {
    let world = World::new(72);
    let expected = run::expected(&world.half.log);
    // A file where a folder has to be.
    world.folder.write("rows/_rolls", "");
    let mut process = world.start("");
    process.until_ready();
    world.half.rest(&expected);
    until("health to name the sink", || {
        let (_, health) = process.get("/health").unwrap();
        health.contains("offline_parquet") && health.contains("_rolls/")
    });
    let (_, metrics) = process.get("/metrics").unwrap();
    assert!(metrics.contains("tidemark_sink_up{sink=\"offline_parquet\"} 0"), "{metrics}");
    assert!(metrics.contains("tidemark_sink_pending_bytes{sink=\"offline_parquet\"}"), "{metrics}");
    assert_eq!(world.last(), None);
    std::fs::remove_file(world.folder.file("rows/_rolls")).unwrap();
    until("the sink to be up again", || {
        let (_, metrics) = process.get("/metrics").unwrap();
        metrics.contains("tidemark_sink_up{sink=\"offline_parquet\"} 1")
    });
    process.stop("TERM");
    let sealed = std::fs::metadata(world.folder.file("sealed.jsonl")).unwrap().len();
    world.compare(&expected, usize::try_from(sealed).unwrap());
}

#[test]
fn settings_of_files_that_cannot_be_are_refused() {
    let folder = Folder::new("rows-refused");
    let refused = |text: &str, what: &str| refuses(&folder, text, what);
    let files = "[offline.parquet]\nurl = \"rows\"\n";
    refused(files, "needs \"path\" in [sealed]");
    refused(&format!("{files}[sealed]\npath = \"sealed\"\n"), "\"url\" in [state]");
    let stream = "[sealed]\npath = \"-\"\n[state]\nurl = \"state\"\n";
    refused(&format!("{files}{stream}"), "names the standard output");
    refused("[offline.parquet]\nrows = \"changes\"\n", "needs \"url\" there");
    let topic = "[sealed]\npath = \"sealed\"\ntopic = \"rows.{view}\"\n[state]\nurl = \"state\"\n";
    refused(&format!("{files}rows = \"changes\"\n{topic}"), "cannot be beside \"topic\"");
    assert!(!folder.path().join("rows").exists());
}
