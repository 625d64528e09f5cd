//! `tidemark backfill`: a history from files and a topic that goes on make what one whole topic makes.

use crate::folder::Folder;
use crate::memory::{self, Output, Record, Run};
use crate::redis_server::Redis;
use crate::run::{
    Process, command, generated, hashes_of, kafka, settings, stored, topic, until, until_stored,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output as Ended, Stdio};
use std::sync::Arc;
use tidemark::generator::{Options, Profile};
use tidemark_operators::ingest::reader::RawBatch;
use tidemark_operators::ingest::source::RecordTimes;
use tidemark_operators::plan::Plan;

const MINUTE: u64 = 60_000;

type Log = Vec<Vec<(Record, Record)>>;

/// A log of which the older part is in files, and the younger in a topic; the files repeat some of it.
struct SplitLog {
    plan: Arc<Plan>,
    source: String,
    /// The files' records, by partition, and the topic's.
    files: Log,
    topic: Log,
    /// What the whole log makes.
    whole: Output,
    /// No record of the files is younger, and none that is older is missing.
    end: u64,
}

impl SplitLog {
    fn new(job: &str, profile: Profile, (seed, events): (u64, u64)) -> SplitLog {
        let mut rng = SmallRng::seed_from_u64(seed);
        let plan = tidemark::job_file::load(job).unwrap().plan;
        let options = Options {
            events,
            seed,
            partitions: 4,
            cards: 300,
            hours: 6,
            late: 0.02,
            malformed: 0.01,
            ..Options::of(profile)
        };
        let log = generated(options);
        let times = log.iter().map(|records| times(&plan, records)).collect::<Vec<_>>();
        let known = || times.iter().flatten().flatten().copied();
        let (first, last) = (known().min().unwrap(), known().max().unwrap());
        let end = first + (last - first) * rng.random_range(40..80) / 100;
        let begin = end - rng.random_range(45..90) * MINUTE;
        // The partition has told of a later time; what comes behind that and is older is late.
        let place = |times: &[Option<u64>], at: u64| {
            times.iter().position(|time| time.is_some_and(|time| time > at)).unwrap_or(times.len())
        };
        let part = |from: Option<u64>, to: Option<u64>| -> Log {
            let of = |(records, times): (&Vec<(Record, Record)>, &Vec<Option<u64>>)| {
                let from = from.map_or(0, |from| place(times, from));
                let to = to.map_or(records.len(), |to| place(times, to));
                records[from..to].to_vec()
            };
            log.iter().zip(&times).map(of).collect()
        };
        let values =
            |records: &Vec<(Record, Record)>| records.iter().map(|r| r.1.clone()).collect();
        let whole = memory::replay(&plan, &log.iter().map(values).collect(), &Run::default());
        let (files, topic) = (part(None, Some(end)), part(Some(begin), None));
        let source = plan.sources[0].name.clone();
        SplitLog { plan, source, files, topic, whole, end }
    }

    /// Writes the files, each the history of a partition, and says what names them.
    fn write_files(&self, folder: &Folder) -> String {
        let mut names = Vec::new();
        for (partition, records) in self.files.iter().enumerate() {
            let mut text = Vec::new();
            for (_, value) in records {
                text.extend_from_slice(value);
                text.push(b'\n');
            }
            let path = folder.write(&format!("history-{partition}.jsonl"), text);
            names.push(path.display().to_string());
        }
        format!("{}={}", self.source, names.join(","))
    }
}

/// The event times of records, where they have one.
fn times(plan: &Plan, records: &[(Record, Record)]) -> Vec<Option<u64>> {
    let mut times = RecordTimes::new(&plan.sources[0], 1 << 20);
    let time = |(_, value): &(Record, Record)| times.first(&RawBatch::of_values(0, [value]), 0);
    records.iter().map(time).collect()
}

/// A place for a job whose topic holds `topic`.
struct SplitPlace {
    folder: Folder,
    redis: Redis,
    brokers: String,
    topic: String,
    redis_url: String,
}

impl SplitPlace {
    fn new(log: &Log) -> SplitPlace {
        let (folder, redis) = (Folder::new("backfill"), Redis::start(&[]));
        let sealed = folder.file("sealed.jsonl");
        let state = folder.file("state");
        let more = format!(
            "[sealed]\npath = {sealed:?}\n[state]\nurl = {state:?}\ncheckpoint_interval = \"100ms\"\n\
             snapshot_interval = \"1s\"\n"
        );
        settings(folder.path(), &more);
        let redis_url = format!("redis://127.0.0.1:{}", redis.port);
        SplitPlace {
            folder,
            redis,
            brokers: kafka().bootstrap_servers,
            topic: topic(log),
            redis_url,
        }
    }

    fn variables<'a>(&'a self, workers: &'a str) -> [(&'a str, &'a str); 4] {
        [
            ("KAFKA_BOOTSTRAP_SERVERS", &self.brokers),
            ("KAFKA_TOPIC", &self.topic),
            ("REDIS_URL", &self.redis_url),
            ("PARALLELISM", workers),
        ]
    }

    fn backfill(&self, job: &str, workers: &str, more: &[&str]) -> Command {
        let mut command = command();
        command.args(["backfill", job, "--cluster"]).arg(self.folder.path().join("cluster.toml"));
        command.args(more).envs(self.variables(workers)).stdin(Stdio::null());
        command
    }
}

fn said(ended: &Ended) -> String {
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

/// Sealed lines without the places of their records, which differ where a topic does not have them all.
fn without_offsets(lines: &str) -> Vec<String> {
    let line = |line: &str| {
        let (before, after) = line.split_once("\"offset\":").unwrap();
        format!("{before}{}", after.split_once(',').unwrap().1)
    };
    lines.lines().map(line).collect()
}

/// Values of dead letters with their reasons.
fn letters(path: &Path) -> BTreeSet<(String, Vec<u8>)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let letter = |line: &str| {
        let letter: Value = serde_json::from_str(line).unwrap();
        // Bytes that are no text have a key of their own.
        let value = letter["value"].as_str().map(|text| text.as_bytes().to_vec());
        let bytes = || STANDARD.decode(letter["value_base64"].as_str().unwrap()).unwrap();
        (letter["reason"].as_str().unwrap().to_owned(), value.unwrap_or_else(bytes))
    };
    whole.lines().map(letter).collect()
}

/// How many manifests the state has had.
fn newest(folder: &Path) -> u64 {
    let manifests = std::fs::read_dir(folder.join("state/manifests")).into_iter().flatten();
    let numbers = manifests.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers.max().unwrap_or(0)
}

/// Kills backfills again and again while they read. Says whether the history is still not done then: a
/// machine may have done it before it was killed.
fn killed(place: &SplitPlace, job: &str, arguments: &[&str], rng: &mut SmallRng) -> bool {
    for _ in 0..rng.random_range(2..5) {
        let workers = rng.random_range(1..4_u32).to_string();
        let before = newest(place.folder.path());
        let mut backfill = place.backfill(job, &workers, arguments);
        let mut child = backfill.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let after = before + rng.random_range(1..3);
        until("some checkpoints", || {
            newest(place.folder.path()) >= after || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        // Half of a history is nothing that a job goes on from.
        let mut job = Process::start(place.folder.path(), job, &place.variables("1"));
        if job.gets_ready() {
            return false;
        }
        assert_eq!(job.wait().code(), Some(1), "{}", job.log());
        assert!(job.log().contains("`tidemark backfill` is not done with it"), "{}", job.log());
    }
    true
}

/// What is sealed, as far as it is whole, is the beginning of what the whole log seals.
fn sealed_is_the_beginning(place: &SplitPlace, story: &SplitLog, behind: u64) {
    let whole = without_offsets(&story.whole.sealed);
    let as_of = |line: &String| {
        let after = line.split_once("\"as_of\":").unwrap().1;
        after.split_once(',').unwrap().0.parse::<u64>().unwrap()
    };
    let path = place.folder.path().join("sealed.jsonl");
    let lines = || {
        let text = std::fs::read_to_string(&path).unwrap();
        without_offsets(text.rsplit_once('\n').map_or("", |(whole, _)| whole))
    };
    until("rows of the topic to be sealed", || {
        lines().last().is_some_and(|last| as_of(last) > behind)
    });
    let lines = lines();
    let differs = lines.iter().zip(&whole).position(|(is, should)| is != should);
    let at = |at: usize| format!("line {at} is\n{} and not\n{}", lines[at], whole[at]);
    assert_eq!(differs.map(at), None);
    assert!(lines.len() <= whole.len());
}

/// A history that is read, killed now and then where `kills`, and a run that goes on from it.
fn history_and_topic_make_the_whole(job: &str, profile: Profile, seed: u64, kills: bool) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let story = SplitLog::new(job, profile, (seed, if kills { 40_000 } else { 12_000 }));
    let at = story.end - 10 * MINUTE;
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at).unwrap()).unwrap().to_string();
    // Where the files end, or before that.
    let until = if rng.random() { vec!["--until", &at] } else { vec![] };
    let mut places = (0..20).map(|_| {
        let place = SplitPlace::new(&story.topic);
        let files = story.write_files(&place.folder);
        (place, files)
    });
    let (place, files) = places
        .find(|(place, files)| {
            let arguments = [&["--source", files][..], &until].concat();
            !kills || killed(place, job, &arguments, &mut rng)
        })
        .expect("a backfill that is killed before its end");
    let arguments = [&["--source", &files][..], &until].concat();
    let workers = rng.random_range(1..4_u32).to_string();
    let what = format!("seed {seed}, {workers} workers, {arguments:?}");
    let ended = place.backfill(job, &workers, &arguments).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{what}\n{}", said(&ended));
    let summary: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let cut = summary["until_ms"].as_u64().unwrap();
    assert!(cut <= story.end && cut + 11 * MINUTE > story.end, "{what}: {summary}");
    assert!(stored(&place.redis).is_empty(), "rows are written by who runs the job");
    assert_eq!(summary["partitions"], 4);

    let again = place.backfill(job, &workers, &arguments).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("it is not empty"), "{}", said(&again));

    let workers = rng.random_range(1..4_u32).to_string();
    let mut run = Process::start(place.folder.path(), job, &place.variables(&workers));
    run.until_ready();
    until_stored(&place.redis, &hashes_of(&story.plan, &story.whole));
    sealed_is_the_beginning(&place, &story, cut + 10 * MINUTE);
    let (_, metrics) = run.get("/metrics").unwrap();
    let counted =
        metrics.lines().filter(|line| line.starts_with("tidemark_history_records_total{"));
    let passed = counted.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    assert!(passed.sum::<u64>() > 0, "the topic repeats a part of the history");
    run.stop("TERM");
    let dead = place.folder.path().join("dead.jsonl");
    let letter = |letter: &tidemark_operators::ingest::dead_letter::DeadLetter| {
        (letter.reason.name().to_owned(), letter.value.clone().unwrap_or_default())
    };
    let expected: BTreeSet<_> = story.whole.dead.iter().map(letter).collect();
    let told = letters(&dead);
    assert_eq!(told.len(), expected.len(), "{what}");
    assert!(told == expected, "{what}");
}

#[test]
fn a_history_and_a_topic_that_goes_on_make_what_the_whole_topic_makes() {
    history_and_topic_make_the_whole("fraud", Profile::Fraud, 71, false);
}

#[test]
fn sessions_go_on_from_a_history_into_its_topic() {
    history_and_topic_make_the_whole("personalization", Profile::Personalization, 72, false);
}

#[test]
fn a_backfill_that_is_killed_again_and_again_goes_on_and_nothing_else_does_before_its_end() {
    history_and_topic_make_the_whole("fraud", Profile::Fraud, 73, true);
}

#[test]
fn a_topic_that_begins_behind_its_history_is_refused_with_both_times_unless_that_is_accepted() {
    let story = SplitLog::new("fraud", Profile::Fraud, (74, 12_000));
    let times: Vec<_> = story.topic.iter().map(|records| times(&story.plan, records)).collect();
    // What the topic has of the last hour of the files, and of an hour behind them, is not there.
    let late = |(records, times): (&Vec<(Record, Record)>, &Vec<Option<u64>>)| {
        let after = |time: &Option<u64>| time.is_some_and(|time| time > story.end + 60 * MINUTE);
        let from = times.iter().position(after).unwrap_or(records.len());
        records[from..].to_vec()
    };
    let rest: Log = story.topic.iter().zip(&times).map(late).collect();
    let place = SplitPlace::new(&rest);
    let files = story.write_files(&place.folder);
    let arguments = ["--source", files.as_str()];
    let refused = place.backfill("fraud", "1", &arguments).output().unwrap();
    let text = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    let first =
        rest.iter().filter_map(|records| self::times(&story.plan, records).first().copied()?).min();
    let first = jiff::Timestamp::from_millisecond(i64::try_from(first.unwrap()).unwrap()).unwrap();
    let expected = format!("begins at {first}, behind the end of the history at ");
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains("--accept-gap"), "{text}");

    let mut job = Process::start(place.folder.path(), "fraud", &place.variables("1"));
    assert_eq!(job.wait().code(), Some(1), "{}", job.log());
    let accepted = ["--source", files.as_str(), "--accept-gap"];
    let done = place.backfill("fraud", "2", &accepted).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert!(said(&done).contains("which is accepted"), "{}", said(&done));
}

#[test]
fn what_a_backfill_cannot_be_is_said_before_anything_is_read() {
    let story = SplitLog::new("fraud", Profile::Fraud, (75, 12_000));
    let place = SplitPlace::new(&story.topic);
    let files = story.write_files(&place.folder);
    let refuses = |arguments: &[&str], code: i32, what: &str| {
        let ended = place.backfill("fraud", "1", arguments).output().unwrap();
        let text = said(&ended);
        assert_eq!(ended.status.code(), Some(code), "{text}");
        assert!(text.contains(what), "{text}");
    };
    refuses(&["--source", "transactions=nowhere.jsonl"], 2, "nowhere.jsonl: No such file");
    refuses(&["--source", "transactions=-"], 2, "it can be read once only");
    refuses(&["--source", "clicks=a.jsonl"], 2, "has no source \"clicks\"");
    // The topic holds nothing of that time any more: known before the files are read.
    let before = ["--source", files.as_str(), "--until", "2020-01-01T00:00:00Z"];
    refuses(&before, 1, "behind the end of the history at 2020-01-01T00:00:00Z");
    assert_eq!(newest(place.folder.path()), 0, "the state is not touched");
}
