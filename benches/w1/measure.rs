//! Runs of the engine, each in a process of its own where memory or CPU is counted.

use crate::no_letters::NoLetters;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tidemark::engine::{self, Observer, Online, Parts, Settings};
use tidemark::file_source::{FilePartitions, Progress, share};
use tidemark::generator::{Options, Profile, write_files};
use tidemark::online::{Embedded, OnlineStore as _};
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::ingest::reader::{Partitions as _, Poll};
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;

const EVENTS: u64 = 1_000_000;

/// What a run cost.
pub struct Measured {
    pub ns_per_event: f64,
    pub peak_rss_bytes: u64,
    pub rows: u64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ns, rate) = (self.ns_per_event, 1e3 / self.ns_per_event);
        write!(
            f,
            "{ns:.0} ns CPU per event ({rate:.2} M events per CPU second), {} rows",
            self.rows
        )
    }
}

/// What W1 costs in plain Python, in ns of CPU an event.
pub struct PlainPython {
    pub parse: f64,
    pub deques: f64,
}

/// What `reference.py` says of the events in `path`; `None` where python3 has no orjson.
pub fn plain_python(path: &Path) -> Option<PlainPython> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/w1/reference.py");
    let told = Command::new("python3").arg(script).arg(path).output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let ns =
        |name: &str| told.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some(PlainPython { parse: ns("orjson")?, deques: ns("deques")? })
}

/// The inputs, made once under the temporary folder and removed at the end.
pub struct Files {
    folder: PathBuf,
    pub events: u64,
    pub bytes: u64,
    pub narrow: PathBuf,
    pub wide: PathBuf,
    pub sealed: PathBuf,
    pub job: PathBuf,
    pub fifth_job: PathBuf,
    pub unique_job: PathBuf,
}

impl Files {
    pub fn generate() -> Files {
        let folder = std::env::temp_dir().join(format!("tidemark-w1-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/w1.toml");
        let text = std::fs::read_to_string(&job).unwrap();
        let fifth = "txn_count_24h = { aggregate = \"count\", window = \"24h\" }\n";
        let with_fifth = text.replace(fifth, &format!("{fifth}{}", fifth.replace("24h", "12h")));
        let with_unique = [
            ("card_id = \"string\"\n", "transaction_id = \"string\"\n"),
            ("out_of_orderness", "id = \"transaction_id\"\nunique_within = \"10m\"\n"),
        ];
        let with_unique = with_unique.iter().fold(text.clone(), |text, (before, line)| {
            let (front, back) = text.split_once(before).unwrap();
            format!("{front}{line}{before}{back}")
        });
        assert_ne!(text, with_fifth);
        let mut files = Files {
            events: EVENTS,
            bytes: 0,
            narrow: folder.join("narrow.jsonl"),
            wide: folder.join("wide.jsonl"),
            sealed: folder.join("sealed.jsonl"),
            fifth_job: folder.join("fifth.toml"),
            unique_job: folder.join("unique.toml"),
            job,
            folder,
        };
        std::fs::write(&files.fifth_job, with_fifth).unwrap();
        std::fs::write(&files.unique_job, with_unique).unwrap();
        for (path, cards) in [(&files.narrow, 100_000), (&files.wide, 3_000_000)] {
            generate(path, EVENTS, cards, 48);
        }
        files.bytes = std::fs::metadata(&files.narrow).unwrap().len();
        files
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn generate(path: &Path, events: u64, cards: u32, hours: u32) {
    let profile = Profile::W1;
    let options = Options { profile, events, seed: 7, cards, hours, ..Options::default() };
    write_files(&options, path, &mut |_| {}).unwrap();
}

/// Live rows, every row that changed after each step of 1,000 events, into the embedded store; no
/// sealed windows; with what the operators do counted, where that is asked for.
pub fn live(file: &Path, job: &Path, watched: bool) -> Measured {
    let text = std::fs::read_to_string(job).unwrap();
    let plan = tidemark_jobs::load("w1.toml", &text).unwrap().plan;
    let before = tidemark::process::cpu_time();
    let settings = Settings {
        plan: Arc::clone(&plan),
        shape: Shape::default(),
        limits: Limits { records_step: 1_000, ..Limits::default() },
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::None,
        online: Online::EveryStep,
    };
    let (observer, store) = (Observer::new(&settings), Arc::new(Embedded::new(&plan, 1)));
    if watched {
        observer.watch_operators();
    }
    let (file, progress) = (file.to_owned(), Arc::new(Progress::default()));
    let make: engine::MakeParts = Arc::new(move |worker, waker| {
        let list = share(&[(0, vec![file.clone()])], worker, 1).map_err(|e| e.to_string())?;
        let partitions = FilePartitions::open(list, &waker, &progress);
        Ok(Parts {
            partitions: Box::new(partitions.map_err(|e| e.to_string())?),
            tables: Vec::new(),
            schemas: None,
            dead_letters: Box::new(NoLetters),
            online: Some(store.writer(worker)),
            lines: None,
            probes: Vec::new(),
            checkpoints: None,
        })
    });
    engine::run(&settings, &observer, &make).unwrap();
    let cpu = tidemark::process::cpu_time() - before;
    Measured {
        ns_per_event: cpu.as_nanos() as f64 / EVENTS as f64,
        peak_rss_bytes: 0,
        rows: observer.metrics[0].rows_live.get(),
    }
}

/// Peak memory of replays whose whole input lies inside the 24 h window, less that of a process
/// with next to no input.
pub fn memory(files: &Files) {
    let path = files.folder.join("memory.jsonl");
    generate(&path, 1_000, 1_000, 24);
    let base = replay(&path, &files.job, None).peak_rss_bytes;
    for (events, cards) in [(1_000_000, 100_000), (2_000_000, 100_000), (2_000_000, 1_000_000)] {
        generate(&path, events, cards, 24);
        let run = replay(&path, &files.job, None);
        let lines = std::fs::read_to_string(&path).unwrap();
        let ids = lines.lines().filter_map(|l| l.split("\"card_id\":\"").nth(1)?.split('"').next());
        let live = ids.collect::<std::collections::HashSet<_>>().len() as u64;
        let used = run.peak_rss_bytes.saturating_sub(base);
        let bar = events * 64 + live * 400;
        println!(
            "memory, {events} events of {live} cards inside 24 h: {:.1} MB, {:.1} bytes per event; \
             {:.2} times 64 bytes per event plus 400 per card (bar 1.0)",
            used as f64 / 1e6,
            used as f64 / events as f64,
            used as f64 / bar as f64
        );
    }
}

/// Reads and decodes, and does nothing else: the same reader, decoder and columns.
pub fn decode(file: &Path, job: &Path) -> Measured {
    let text = std::fs::read_to_string(job).unwrap();
    let plan = tidemark_jobs::load("w1.toml", &text).unwrap().plan;
    let before = tidemark::process::cpu_time();
    let list = share(&[(0, vec![file.to_owned()])], 0, 1).unwrap();
    let waker: tidemark::source::Waker = {
        let thread = std::thread::current();
        Arc::new(move || thread.unpark())
    };
    let mut partitions =
        FilePartitions::open(list, &waker, &Arc::new(Progress::default())).unwrap();
    let mut reader = partitions.appeared().remove(0);
    let (mut decoder, mut decoded) = (Decoder::new(&plan.sources[0]), Decoded::default());
    let mut rows = 0;
    loop {
        match reader.poll() {
            Poll::Records(raw) => {
                for records in raw.records.chunks(1024) {
                    decoded.clear();
                    for record in records {
                        decoder.decode(raw.value(record), &mut decoded).unwrap();
                    }
                    rows += std::hint::black_box(&decoded).rows() as u64;
                }
            }
            Poll::Pending { .. } => std::thread::park_timeout(std::time::Duration::from_millis(1)),
            Poll::Ended => break,
            Poll::Failed(failure) => panic!("{failure}"),
        }
    }
    let cpu = tidemark::process::cpu_time() - before;
    assert_eq!(rows, EVENTS);
    Measured { ns_per_event: cpu.as_nanos() as f64 / EVENTS as f64, peak_rss_bytes: 0, rows }
}

/// `tidemark replay`, as anyone would run it.
pub fn replay(file: &Path, job: &Path, sealed: Option<&Path>) -> Measured {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.arg("replay").arg(job).arg(format!("--source=transactions={}", file.display()));
    if let Some(path) = sealed {
        command.arg("--sealed").arg(path);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["accepted"], summary["events"]);
    Measured {
        ns_per_event: summary["cpu_s"].as_f64().unwrap() * 1e9
            / summary["events"].as_f64().unwrap(),
        peak_rss_bytes: summary["peak_rss_bytes"].as_u64().unwrap(),
        rows: summary["rows"].as_u64().unwrap(),
    }
}
