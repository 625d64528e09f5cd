//! A history in many files: folders and patterns name them, and each is open while it is needed.

use crate::files::{Ended, pipe, tidemark};
use crate::folder::Folder;
use crate::run::command;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const START: u64 = 1_767_225_600_000;

const JOB: &str = r#"
[job]
name = "spread"

[sources.t]
topic = "t"
time = "ts"
out_of_orderness = "2m"

[sources.t.fields]
card = "string"
amount = "decimal"

[entities.card]
key = "card"

[views.spent]
entity = "card"

[views.spent.features]
count_1h = { aggregate = "count", window = "1h" }
sum_6h = { aggregate = "sum", of = "amount", window = "6h" }
"#;

/// A file of events from `from` on for `span` ms: most in order, some too late for their own file,
/// some no event at all.
fn records(rng: &mut SmallRng, from: u64, span: u64, count: u64) -> String {
    let mut text = String::new();
    for at in 0..count {
        let ts = from + span * at / count.max(1);
        let ts = match rng.random_range(0..20) {
            0 => ts - rng.random_range(0..10 * MINUTE),
            1..5 => ts - rng.random_range(0..2 * MINUTE),
            _ => ts,
        };
        let (card, amount) = (rng.random_range(0..40), rng.random_range(1..100));
        match rng.random_range(0..50) {
            0 => text.push_str("no event\n"),
            1 => text.push('\n'),
            _ => {
                let line = format!("{{\"ts\":{ts},\"card\":\"c{card}\",\"amount\":{amount}.5}}");
                writeln!(text, "{line}").unwrap();
            }
        }
    }
    text
}

fn number(text: &str, key: &str) -> u64 {
    let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    line[key].as_u64().unwrap()
}

/// What a replay made: its rows, its dead letters in some order, and its counts.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    rows: String,
    letters: BTreeSet<String>,
    counts: [u64; 4],
}

fn replay(folder: &Folder, names: &[String], workers: usize) -> Made {
    let (rows, letters) = (folder.path().join("rows.jsonl"), folder.path().join("dead.jsonl"));
    let line = format!(
        "replay job.toml --source t={} --workers {workers} --sealed rows.jsonl --dlq dead.jsonl",
        names.join(",")
    );
    let ended = tidemark(folder.path(), &line, b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let counts = ["accepted", "late", "malformed", "events"].map(|key| number(&ended.out, key));
    let letters = std::fs::read_to_string(letters).unwrap();
    let letters = letters.lines().map(str::to_owned).collect();
    Made { rows: std::fs::read_to_string(rows).unwrap(), letters, counts }
}

/// Pipes with the same in them. Nobody can open a pipe again, so all of them are read from the start.
fn pipes(folder: &Folder, files: &[(String, String)]) -> Vec<String> {
    let mut names = Vec::new();
    for (at, (_, text)) in files.iter().enumerate() {
        let path = pipe(folder, &format!("pipe-{at:04}"));
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        let text = text.clone();
        std::thread::spawn(move || std::fs::write(path, text));
    }
    names
}

/// Files that follow one another, files that overlap, and files whose names say nothing of their times.
fn histories() -> Vec<Vec<(String, String)>> {
    let mut rng = SmallRng::seed_from_u64(16);
    let mut of = |count: u64, place: &dyn Fn(u64, &mut SmallRng) -> (u64, u64)| {
        (0..count)
            .map(|at| {
                let (from, span) = place(at, &mut rng);
                let events = [0, 1, 3, 16, 17, 400, 900][rng.random_range(0..7)];
                (format!("f{at:03}.jsonl"), records(&mut rng, from, span, events))
            })
            .collect::<Vec<_>>()
    };
    let in_order = of(24, &|at, _| (START + at * HOUR, HOUR));
    let overlapping = of(24, &|at, _| (START + at * 10 * MINUTE, 5 * HOUR));
    let one_span = of(24, &|_, _| (START, 3 * HOUR));
    let mut shuffled = of(24, &|_, rng| (START + rng.random_range(0..20) * HOUR, 2 * HOUR));
    let mut rng = SmallRng::seed_from_u64(17);
    shuffled.shuffle(&mut rng);
    vec![in_order, overlapping, one_span, shuffled]
}

#[test]
fn files_that_are_opened_as_they_are_needed_make_what_open_ones_make() {
    for files in histories() {
        let folder = Folder::new("spread");
        folder.write("job.toml", JOB);
        let names: Vec<_> = files.iter().map(|(name, _)| name.clone()).collect();
        files.iter().for_each(|(name, text)| drop(folder.write(name, text)));
        let open = replay(&folder, &pipes(&folder, &files), 1);
        assert!(open.counts[0] > 1_000 && open.counts[1] > 20 && open.counts[2] > 20, "{open:?}");
        for workers in 1..=3 {
            let made = replay(&folder, &names, workers);
            assert!(made == open, "{workers} workers: {:?} and {:?}", made.counts, open.counts);
        }
    }
}

#[test]
fn every_form_of_a_file_is_opened_again_where_its_first_records_ended() {
    let folder = Folder::new("forms");
    folder.write("job.toml", JOB);
    let mut rng = SmallRng::seed_from_u64(3);
    let files: Vec<_> = (0..4)
        .map(|at| (format!("f{at}.jsonl"), records(&mut rng, START + at * HOUR, HOUR, 5_000)))
        .collect();
    files.iter().for_each(|(name, text)| drop(folder.write(name, text)));
    for (program, name) in [("gzip", "f1.jsonl"), ("zstd", "f2.jsonl")] {
        let arguments = ["-q", "-f", name];
        let done = Command::new(program).args(arguments).current_dir(folder.path()).status();
        assert!(done.unwrap().success());
    }
    let names = ["f0.jsonl", "f1.jsonl.gz", "f2.jsonl.zst", "f3.jsonl"].map(str::to_owned);
    let open = replay(&folder, &pipes(&folder, &files), 1);
    assert!(replay(&folder, &names, 1) == open && replay(&folder, &names, 2) == open);
}

/// Hours of a day, each a file in a folder for each half of it.
fn day(folder: &Folder) -> Vec<String> {
    folder.write("job.toml", JOB);
    let mut rng = SmallRng::seed_from_u64(5);
    let mut names = Vec::new();
    for at in 0..8 {
        let name = format!("in/half={}/h{at}.jsonl", at / 4);
        folder.write(&name, records(&mut rng, START + at * HOUR, HOUR, 200));
        names.push(name);
    }
    for unfinished in ["in/_SUCCESS", "in/half=1/.h9.jsonl.crc", "in/half=1/h8.jsonl.open"] {
        folder.write(unfinished, "no record\n");
    }
    names
}

#[test]
fn a_folder_and_a_pattern_are_their_files_in_the_order_of_names() {
    let folder = Folder::new("names");
    let names = day(&folder);
    let listed = replay(&folder, &names, 1);
    for name in
        ["in", "in/", "in/*", "in/half=?/h[0-9].jsonl", "in/**/*.jsonl", "in/half=0,in/half=1"]
    {
        assert!(replay(&folder, &[name.to_owned()], 1) == listed, "{name}");
    }
    let half = replay(&folder, &["in/half=1".to_owned()], 1);
    assert!(half == replay(&folder, &names[4..], 1) && half != listed);
    // A file of that very name is read, and not what it would stand for.
    std::fs::copy(folder.path().join(&names[0]), folder.path().join("in/half=*")).unwrap();
    assert!(replay(&folder, &["in/half=*".to_owned()], 1) == replay(&folder, &names[..1], 1));
}

#[test]
fn every_command_that_reads_files_takes_folders_and_patterns() {
    let folder = Folder::new("commands");
    let names = day(&folder);
    folder.write("labels.csv", "card,event_timestamp\nc1,2026-01-01T05:00:00Z\n");
    let job = JOB.replace("topic = \"t\"", "files = [\"in\"]");
    folder.write("files.toml", job);
    folder.write("mistake.toml", JOB.replace("topic = \"t\"", "files = [\"in/*.csv\"]"));
    let run = |line: &str| {
        let ended = tidemark(folder.path(), line, b"");
        assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
        ended.out
    };
    let historical = |source: &str| {
        run(&format!(
            "historical job.toml --source t={source} --entities labels.csv --out out.csv \
             --features spent:count_1h,spent:sum_6h"
        ));
        std::fs::read_to_string(folder.path().join("out.csv")).unwrap()
    };
    let listed = names.join(",");
    assert_eq!(historical(&listed), historical("in"));
    let explain = |line: &str| run(&format!("explain {line}"));
    let explained = explain(&format!("job.toml spent c1 --source t={listed}"));
    assert!(explained.contains("count_1h"), "{explained}");
    assert_eq!(explain("job.toml spent c1 --source t=in/half=*/*"), explained);
    assert_eq!(explain("files.toml spent c1"), explained);
    for line in ["run mistake.toml", "explain mistake.toml spent c1"] {
        refused(&tidemark(folder.path(), line, b""), "in/*.csv");
    }
}

fn refused(ended: &Ended, what: &str) {
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.errors);
    let said = ["source \"t\"", what, "names were looked at", "check the path"];
    assert!(said.iter().all(|said| ended.errors.contains(said)), "{}", ended.errors);
}

#[test]
fn a_name_that_stands_for_nothing_is_refused_with_what_was_looked_at() {
    let folder = Folder::new("nothing");
    day(&folder);
    folder.write("empty/_SUCCESS", "");
    for name in ["in/*.csv", "empty", "in/half=2*/*", "nowhere/*"] {
        let line = format!("replay job.toml --source t={name} --sealed rows.jsonl");
        refused(&tidemark(folder.path(), &line, b""), name);
        assert!(!folder.path().join("rows.jsonl").exists());
    }
    let line = "replay job.toml --source t=in,in/half=1 --sealed rows.jsonl";
    let twice = tidemark(folder.path(), line, b"");
    assert!(twice.code == 2 && twice.errors.contains("the same file twice"), "{}", twice.errors);
}

/// Forty files, an hour each and `span` behind one another, of more than is read ahead of a file.
fn hours(folder: &Folder, span: u64) -> usize {
    folder.write("job.toml", JOB);
    let mut rng = SmallRng::seed_from_u64(9);
    let more = format!("{{\"more\":\"{}\",", "x".repeat(1_200));
    for at in 0..40 {
        let name = format!("in/h{at:02}.jsonl");
        let text = records(&mut rng, START + at * span, HOUR, 1_000);
        folder.write(&name, text.replace('{', &more));
    }
    40
}

/// Of a process the files of `folder` that it has open, and the threads that read files.
fn held(process: u32, folder: &Path) -> (usize, usize) {
    let entries = |name: &str| {
        let entries = std::fs::read_dir(format!("/proc/{process}/{name}"));
        entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<PathBuf>>()
    };
    let open = entries("fd").into_iter().filter_map(|fd| std::fs::read_link(fd).ok());
    let open = open.filter(|file| file.starts_with(folder)).count();
    let names = entries("task").into_iter().map(|task| std::fs::read_to_string(task.join("comm")));
    (open, names.flatten().filter(|name| name.starts_with("file-")).count())
}

#[test]
fn files_that_follow_one_another_are_open_a_few_at_a_time() {
    let folder = Folder::new("open");
    let files = hours(&folder, HOUR);
    let mut process = command();
    process.args("replay job.toml --source t=in --sealed -".split(' ')).current_dir(folder.path());
    let mut process = process.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let input = folder.path().join("in").canonicalize().unwrap();
    let (mut rows, mut most, mut seen) = (process.stdout.take().unwrap(), (0, 0), 0);
    // It goes on no faster than its rows are taken.
    let mut block = vec![0; 1 << 14];
    while rows.read(&mut block).unwrap() > 0 {
        let (open, threads) = held(process.id(), &input);
        most = (most.0.max(open), most.1.max(threads));
        seen += usize::from(open > 0);
    }
    assert!(process.wait().unwrap().success());
    assert!(seen > 0 && files > 4 * most.0, "{seen} times, at most {most:?}");
    assert!(most.0 <= 5 && most.1 <= 5, "files and threads: {most:?}");
}

/// Runs a replay of `in` that may open so many files at a time.
fn bounded(folder: &Folder, open: usize) -> Ended {
    let tidemark = command().get_program().to_owned();
    let line =
        format!("ulimit -n {open}; exec \"$0\" replay job.toml --source t=in --dlq dead.jsonl");
    let mut bash = Command::new("bash");
    bash.args(["-c", &line]).arg(tidemark).current_dir(folder.path());
    bash.output().unwrap().into()
}

#[test]
fn a_limit_on_open_files_is_that_of_the_files_whose_times_overlap() {
    let folder = Folder::new("limit");
    hours(&folder, HOUR);
    let ended = bounded(&folder, 40);
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let folder = Folder::new("limit");
    hours(&folder, 1);
    // How many are open at once depends on how fast they are read: it has enough, or says what is to be done.
    let ended = bounded(&folder, 40);
    for said in ["cannot open file in/h", "files whose times overlap", "ulimit -n"] {
        assert!(ended.code == 0 || ended.errors.contains(said), "{}", ended.errors);
    }
    let whole = bounded(&folder, 256);
    assert_eq!(whole.code, 0, "{}", whole.errors);
    assert!(number(&whole.out, "accepted") > 30_000, "{}", whole.out);
}
