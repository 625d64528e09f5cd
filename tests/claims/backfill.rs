//! `tidemark backfill`: a history from files and a topic that goes on make what one whole topic makes.

use crate::folder::Folder;
use crate::memory::{self, Output, Record, Run};
use crate::redis_server::Redis;
use crate::row_files::python;
use crate::run::{
    Process, command, generated, hashes_of, kafka, settings, stored, topic, until, until_stored,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output as Ended, Stdio};
use std::sync::Arc;
use tidemark::generator::{Options, Profile};
use tidemark::kafka::{create_topic, produce};
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

/// What the files of a history are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HistoryForm {
    /// Lines of JSON.
    Lines,
    /// The same, one file packed by zstd and the next one by gzip.
    Packed,
    /// Columns; every record is an event.
    Parquet,
}

impl SplitLog {
    fn new(job: &str, profile: Profile, seed_and_events: (u64, u64)) -> SplitLog {
        SplitLog::with(job, profile, seed_and_events, (0.02, 0.01))
    }

    /// The same of which such shares are late and malformed.
    fn with(
        job: &str,
        profile: Profile,
        (seed, events): (u64, u64),
        (late, malformed): (f64, f64),
    ) -> SplitLog {
        let mut rng = SmallRng::seed_from_u64(seed);
        let plan = tidemark::job_file::load(job).unwrap().plan;
        let options = Options {
            events,
            seed,
            partitions: 4,
            cards: 300,
            hours: 6,
            late,
            malformed,
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
    fn write_files(&self, folder: &Folder, form: HistoryForm) -> String {
        let mut names = Vec::new();
        for (partition, records) in self.files.iter().enumerate() {
            let mut text = Vec::new();
            for (_, value) in records {
                text.extend_from_slice(value);
                text.push(b'\n');
            }
            let name = format!("history-{partition}");
            let path = match form {
                HistoryForm::Packed if partition % 2 == 0 => {
                    folder.write(&format!("{name}.zst"), zstd::encode_all(&text[..], 1).unwrap())
                }
                HistoryForm::Packed => {
                    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                    packed.write_all(&text).unwrap();
                    folder.write(&format!("{name}.gz"), packed.finish().unwrap())
                }
                HistoryForm::Lines => folder.write(&format!("{name}.jsonl"), text),
                HistoryForm::Parquet => {
                    folder.write(&format!("{name}.jsonl"), text);
                    python(folder, TO_PARQUET, &[&name]);
                    folder.path().join(format!("{name}.parquet"))
                }
            };
            names.push(path.display().to_string());
        }
        match form {
            // A pattern stands for as many.
            HistoryForm::Lines => format!("{}={}", self.source, folder.file("history-*.jsonl")),
            _ => format!("{}={}", self.source, names.join(",")),
        }
    }
}

/// Makes of lines of JSON a file of columns, of several row groups.
const TO_PARQUET: &str = "\
import sys, pyarrow.json as lines, pyarrow.parquet as pq
name = sys.argv[1]
pq.write_table(lines.read_json(f'{name}.jsonl'), f'{name}.parquet', row_group_size=512)
";

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

    fn variables<'a>(&'a self, workers: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut variables = vec![
            ("KAFKA_BOOTSTRAP_SERVERS", self.brokers.as_str()),
            ("REDIS_URL", &self.redis_url),
            ("PARALLELISM", workers),
        ];
        // Of two topics the job names its own.
        if !self.topic.is_empty() {
            variables.push(("KAFKA_TOPIC", &self.topic));
        }
        variables
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
fn history_and_topic_make_the_whole(
    job: &str,
    profile: Profile,
    seed: u64,
    (form, kills): (HistoryForm, bool),
) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let shares = if form == HistoryForm::Parquet { (0.0, 0.0) } else { (0.02, 0.01) };
    let events = if kills { 40_000 } else { 12_000 };
    let story = SplitLog::with(job, profile, (seed, events), shares);
    let at = story.end - 10 * MINUTE;
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at).unwrap()).unwrap().to_string();
    // Where the files end, or before that.
    let until = if rng.random() { vec!["--until", &at] } else { vec![] };
    let mut places = (0..20).map(|_| {
        let place = SplitPlace::new(&story.topic);
        let files = story.write_files(&place.folder, form);
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
    history_and_topic_make_the_whole("fraud", Profile::Fraud, 71, (HistoryForm::Lines, false));
}

#[test]
fn sessions_go_on_from_a_history_into_its_topic() {
    let profile = Profile::Personalization;
    history_and_topic_make_the_whole("personalization", profile, 72, (HistoryForm::Lines, false));
}

#[test]
fn a_history_in_packed_files_is_one_also_for_a_job_with_a_table() {
    history_and_topic_make_the_whole(
        "behavior",
        Profile::Behavior,
        77,
        (HistoryForm::Packed, false),
    );
}

#[test]
fn a_history_in_parquet_is_one() {
    history_and_topic_make_the_whole("fraud", Profile::Fraud, 78, (HistoryForm::Parquet, false));
}

/// A job whose views are of two topics.
fn of_two_topics([orders, refunds]: [&str; 2]) -> String {
    let source = |name: &str, topic: &str| {
        format!(
            "[sources.{name}]\ntopic = {topic:?}\ntime = {{ field = \"ts\", unit = \"ms\" }}\n\
             out_of_orderness = \"5s\"\n[sources.{name}.fields]\ncard = \"string\"\namount = \"decimal\"\n"
        )
    };
    format!(
        "[job]\nname = \"two_topics\"\n{}{}[entities.card]\nkey = \"card\"\n[views.both]\n\
         entity = \"card\"\nsources = [\"orders\", \"refunds\"]\n[views.both.features]\nn = {{ aggregate = \"count\", window = \"2h\" }}\n\
         spent = {{ aggregate = \"sum\", of = \"amount\", window = \"10m\" }}\n\
         newest = {{ aggregate = \"latest\", of = \"amount\", horizon = \"1d\" }}\n\
         [views.refunds]\nentity = \"card\"\nsources = [\"refunds\"]\n[views.refunds.features]\n\
         n = {{ aggregate = \"count\", window = \"2h\" }}\n",
        source("orders", orders),
        source("refunds", refunds)
    )
}

/// Records a few seconds apart, a little out of order; partitions belong to both sources in turn.
fn log_of_two(rng: &mut SmallRng, first: u64) -> Log {
    let partition = |_| {
        let mut now = first;
        let mut record = |_| {
            now += rng.random_range(0..6_000);
            let ts = now - rng.random_range(0..4_000);
            let (card, cents) = (rng.random_range(0..40), rng.random_range(1..10_000));
            let value = format!(
                "{{\"ts\":{ts},\"card\":\"c{card}\",\"amount\":{}.{:02}}}",
                cents / 100,
                cents % 100
            );
            (format!("c{card}").into_bytes(), value.into_bytes())
        };
        (0..3_000).map(&mut record).collect()
    };
    (0..4).map(partition).collect()
}

#[test]
fn histories_of_two_sources_and_their_topics_make_what_two_whole_topics_make() {
    let mut rng = SmallRng::seed_from_u64(79);
    let topics = ["two-orders", "two-refunds"];
    let first = 1_767_484_955_000;
    let log = log_of_two(&mut rng, first);
    let job = of_two_topics(topics);
    let plan = tidemark_jobs::load("two.toml", &job).unwrap().plan;
    let values = |records: &Vec<(Record, Record)>| records.iter().map(|r| r.1.clone()).collect();
    let whole = memory::replay(&plan, &log.iter().map(values).collect(), &Run::default());
    let (cut, topic_from) = (first + 90 * MINUTE, first + 60 * MINUTE);
    let place = |records: &Vec<(Record, Record)>, at: u64| {
        let times = times(&plan, records);
        times.iter().position(|time| time.is_some_and(|time| time > at)).unwrap()
    };
    // The files go on for ten minutes behind the cut, and the topics begin half an hour before it.
    let to =
        |records: &Vec<(Record, Record)>| records[..place(records, cut + 10 * MINUTE)].to_vec();
    let from = |records: &Vec<(Record, Record)>| records[place(records, topic_from)..].to_vec();
    let story = SplitLog {
        source: String::new(),
        files: log.iter().map(to).collect(),
        topic: log.iter().map(from).collect(),
        end: cut,
        plan,
        whole,
    };
    let mut place = SplitPlace::new(&Vec::new());
    place.topic = String::new();
    let mut arguments = Vec::new();
    for (source, (name, topic)) in ["orders", "refunds"].into_iter().zip(topics).enumerate() {
        assert!(create_topic(&kafka(), topic, 2, &[]).unwrap());
        let of_source = |at: usize, all: &Log| all[2 * at + source].clone();
        for partition in 0..2 {
            let records = of_source(partition, &story.topic);
            let records = records.iter().map(|(key, value)| {
                (partition as u32, Some(key.as_slice()), Some(value.as_slice()))
            });
            produce(&kafka(), topic, records).unwrap();
        }
        let files = (0..2).map(|partition| {
            let mut text = Vec::new();
            for (_, value) in of_source(partition, &story.files) {
                text.extend_from_slice(&value);
                text.push(b'\n');
            }
            let path = place.folder.write(&format!("{name}-{partition}.jsonl"), text);
            path.display().to_string()
        });
        arguments.push("--source".to_owned());
        arguments.push(format!("{name}={}", files.collect::<Vec<_>>().join(",")));
    }
    let job = place.folder.write("two.toml", job);
    let job = job.to_str().unwrap();
    let said_of = |arguments: &[String]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        place.backfill(job, "2", &arguments).output().unwrap()
    };
    // Files of two sources may end at two times: where the history ends has to be said.
    let refused = said_of(&arguments);
    assert_ne!(refused.status.code(), Some(0));
    assert!(said(&refused).contains("--until"), "{}", said(&refused));
    let until = jiff::Timestamp::from_millisecond(cut as i64).unwrap();
    arguments.extend(["--until".to_owned(), until.to_string()]);
    let ended = said_of(&arguments);
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    let summary: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((&summary["until_ms"], &summary["partitions"]), (&cut.into(), &4.into()));
    let mut run = Process::start(place.folder.path(), job, &place.variables("3"));
    run.until_ready();
    until_stored(&place.redis, &hashes_of(&story.plan, &story.whole));
    sealed_is_the_beginning(&place, &story, cut + 10 * MINUTE);
    run.stop("TERM");
}

#[test]
fn a_backfill_that_is_killed_again_and_again_goes_on_and_nothing_else_does_before_its_end() {
    history_and_topic_make_the_whole("fraud", Profile::Fraud, 73, (HistoryForm::Lines, true));
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
    let files = story.write_files(&place.folder, HistoryForm::Lines);
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
    let files = story.write_files(&place.folder, HistoryForm::Lines);
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
