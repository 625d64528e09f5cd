//! Events that leave memory, through the binary and with real files: rows are what they are without, a disk
//! that is full costs memory, and what cannot be read back ends a job before a wrong value is seen.

use crate::deployment::image::is_root;
use crate::files::{Ended, tidemark};
use crate::folder::Folder;
use crate::memory::{self, Run};
use crate::run::{command, refuses};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidemark::cold_file::ColdFolder;
use tidemark::engine::{self, Observer};
use tidemark_operators::shared::Limits;

/// A job with windows of a minute, an hour and a day, one of them delayed, and a session.
const JOB: &str = r#"
[job]
name = "cold"
[sources.transactions]
topic = "transactions"
time = "timestamp"
out_of_orderness = "5s"
[sources.transactions.fields]
card_id = "string"
amount = "decimal"
ip_address = "ip?"
status = "string?"
[entities.card]
key = "card_id"
[views.spending]
entity = "card"
[views.spending.features]
count_1m = { aggregate = "count", window = "1m" }
amount_1h = { aggregate = "sum", of = "amount", window = "1h" }
largest_24h = { aggregate = "max", of = "amount", window = "24h" }
addresses_24h = { aggregate = "distinct", of = "ip_address", window = "24h" }
declined_delayed = { aggregate = "count", where = 'status = "declined"', window = "6h", delay = "3h" }
session = { aggregate = "last", session = "10m" }
"#;

/// The job, and three days of events for it.
fn traffic(events: u32) -> Folder {
    let folder = Folder::new("cold");
    folder.write("job.toml", JOB);
    let line = format!(
        "generate --profile fraud --events {events} --cards 500 --hours 72 --seed 5 --late 0.01 --out tx.jsonl"
    );
    assert_eq!(tidemark(folder.path(), &line, b"").code, 0);
    folder
}

/// Replays into files of this name.
fn replay(folder: &Folder, name: &str, more: &str) -> Ended {
    let line = format!(
        "replay job.toml --source transactions=tx.jsonl --sealed {name}.jsonl --online {name}.online \
         --dlq {name}.dlq{more}"
    );
    tidemark(folder.path(), &line, b"")
}

/// That the files of both names are the same bytes.
fn same(folder: &Folder, one: &str, other: &str) {
    for kind in ["jsonl", "online", "dlq"] {
        let bytes = |name: &str| std::fs::read(folder.file(&format!("{name}.{kind}"))).unwrap();
        assert!(!bytes(one).is_empty() && bytes(one) == bytes(other), "{kind} of {other}");
    }
}

#[test]
fn rows_are_the_same_bytes_whether_events_leave_memory_or_not_and_nothing_is_left_behind() {
    let folder = traffic(60_000);
    let hot = replay(&folder, "hot", "");
    assert_eq!(hot.code, 0, "{}", hot.errors);
    for workers in 1..=3 {
        for (hot_window, rows) in [("1s", "events"), ("2h", "events")] {
            let name = format!("cold-{hot_window}-{workers}");
            let more =
                format!(" --hot-window {hot_window} --cold away --workers {workers} --rows {rows}");
            let cold = replay(&folder, &name, &more);
            assert_eq!(cold.code, 0, "{}", cold.errors);
            assert!(!cold.errors.contains("stayed in memory"), "{}", cold.errors);
            same(&folder, "hot", &name);
        }
    }
    assert_eq!(std::fs::read_dir(folder.file("away")).unwrap().count(), 0);
    // Rows at decay edges too.
    let changes = replay(&folder, "changes", " --rows changes");
    let cold = " --rows changes --hot-window 1m --cold away";
    assert_eq!((changes.code, replay(&folder, "changes-cold", cold).code), (0, 0));
    same(&folder, "changes", "changes-cold");
}

#[test]
fn a_full_disk_costs_memory_and_is_told_and_no_row_is_another() {
    let folder = traffic(60_000);
    assert_eq!(replay(&folder, "hot", "").code, 0);
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mut program = Command::new("unshare");
    program
        .args(["--map-root-user"].iter().filter(|_| !is_root()))
        .args(["--mount", "--propagation", "private", "bash", "-c"])
        .arg("mount -t tmpfs -o size=64k tmpfs \"$0\" && exec \"$@\"")
        .arg(&disk)
        .arg(command().get_program());
    let line = "replay job.toml --source transactions=tx.jsonl --sealed full.jsonl --online full.online \
                --dlq full.dlq --hot-window 10m --cold disk";
    let output = program
        .args(line.split(' '))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let ended = Ended::from(output);
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let said = "times events stayed in memory for longer than they should have";
    assert!(ended.errors.contains(said), "{}", ended.errors);
    assert!(ended.errors.contains("No space left on device"), "{}", ended.errors);
    same(&folder, "hot", "full");
}

/// The files in `folder` that this process has open; they have no names.
fn nameless(folder: &Path) -> Vec<PathBuf> {
    let begins = format!("{}/", folder.display());
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with(&begins))
        })
        .collect()
}

/// Flips a bit in each 4 KiB of each file in `folder`.
fn flip(folder: &Path) {
    for path in nameless(folder) {
        let Ok(file) = std::fs::File::options().read(true).write(true).open(path) else { continue };
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        for at in (0..len).step_by(4_096) {
            let mut byte = [0];
            if file.read_exact_at(&mut byte, at).is_ok() {
                let _ = file.write_all_at(&[byte[0] ^ 1], at);
            }
        }
    }
}

#[test]
fn a_bit_that_flips_on_the_disk_ends_the_job_with_what_was_read_and_where() {
    let folder = traffic(20_000);
    let plan = tidemark_jobs::load("job.toml", JOB).unwrap_or_else(|e| panic!("{e}")).plan;
    let text = std::fs::read_to_string(folder.file("tx.jsonl")).unwrap();
    let log = vec![text.lines().map(|line| line.as_bytes().to_vec()).collect()];
    let run = Run { limits: Limits { chunk_rows: 256, ..Limits::default() }, ..Run::default() };
    let away = folder.path().join("away");
    let cold = ColdFolder::open(&away, false).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let flips = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(Ordering::Relaxed) {
                flip(&away);
            }
        }
    });
    let keep = move |observer: &Observer| {
        observer.keep_cold(60_000, move |metrics| cold.worker(metrics));
    };
    let (outcome, rows) = memory::tried(&plan, &log, &run, keep);
    over.store(true, Ordering::Relaxed);
    flips.join().unwrap();
    let Err(engine::EngineError::Failed(why)) = outcome else { panic!("{outcome:?}") };
    assert!(why.starts_with("reading back"), "{why}");
    assert!(why.contains("events of the timeline of entity \"card\""), "{why}");
    assert!(why.contains(&format!("a file without a name in {}", folder.file("away"))), "{why}");
    assert!(why.contains("checksum is another"), "{why}");
    assert!(why.contains("goes on from its last checkpoint"), "{why}");
    // What was given out before that is right.
    let whole = memory::replay(&plan, &log, &run).sealed;
    assert!(whole.starts_with(&rows), "no wrong row was given out");
}

#[test]
fn settings_that_say_no_place_for_events_are_refused_by_name() {
    let folder = Folder::new("cold");
    refuses(&folder, "[state]\nhot_window = \"1h\"\n", "name one by \"cold\"");
    refuses(&folder, "[state]\ncold = \"away\"\n", "\"cold\" in [state] needs \"hot_window\"");
    let bucket = "[state]\nurl = \"s3://bucket/job\"\nhot_window = \"1h\"\n";
    refuses(&folder, bucket, "name one by \"cold\"");
    let refused =
        tidemark(folder.path(), "replay fraud --source transactions=- --hot-window 1h", b"");
    assert_eq!(refused.code, 2);
    assert!(refused.errors.contains("--cold <FOLDER>"), "{}", refused.errors);
}
