//! A job on a real broker and a real Redis that is killed, stopped and started again for as long as
//! there are records: each is an event or a dead letter, once, and nobody who reads sees a value go
//! back.
//!
//! A seed decides traffic, workers, and where each start ends; when a thread comes to a named point is
//! the machine's. `TIDEMARK_CRASH_SEED` and `TIDEMARK_CRASH_STARTS` choose others.

mod log;
mod mutants;
mod phases;
mod reader;

use crate::folder::Folder;
use crate::memory::{self, Run};
use crate::redis_server::{Redis, free_port};
use crate::run::{command, difference, get, hashes, stored};
use crate::sealed_topics;
use crate::servers::Server;
use log::{Broker, Traffic};
use phases::{PHASES, Phase};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use reader::Reader;
use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemark_operators::plan::Plan;

/// Starts, when nothing else is asked for.
const STARTS: usize = 116;
/// How long a start may take to come to the point at which it is to end; then it is killed where it is.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long one that was taken over from may take to notice.
const LEAVES_WITHIN: Duration = Duration::from_secs(15);
/// How often each phase has to be hit, of so many starts.
const HITS_MIN: usize = 5;

/// A job whose values show what a restart has lost: a count that nothing leaves.
pub(crate) fn job() -> String {
    let text = std::fs::read_to_string("jobs/fraud.toml").unwrap();
    let count = "txn_count_24h = { aggregate = \"count\", window = \"24h\" }\n";
    let forever = "txn_count_366d = { aggregate = \"count\", window = \"366d\" }\n";
    let job = text
        .replacen(count, &format!("{count}{forever}"), 1)
        .replace("idle_after = \"30s\"", "idle_after = \"1h\"\nmax_future_skew = \"1h\"");
    assert_ne!(job.len(), text.len());
    job
}

fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn a_job_that_is_killed_in_every_phase_loses_nothing_and_counts_nothing_twice() {
    let seed = asked("TIDEMARK_CRASH_SEED", 1);
    let starts = asked("TIDEMARK_CRASH_STARTS", STARTS as u64) as usize;
    let traffic =
        Traffic::new(Broker::Own(Server::start("kafka", &[])), "transactions", 40_000, seed);
    let mut phases: Vec<&Phase> = PHASES.iter().cycle().take(starts).collect();
    let mut rng = SmallRng::seed_from_u64(seed);
    for at in (1..phases.len()).rev() {
        phases.swap(at, rng.random_range(0..=at));
    }
    let settings = "live_idle = \"1m\"\n";
    let crash_loop = CrashLoop::start(seed, traffic, Online::Redis(Redis::start(&[])), settings);
    let hits = crash_loop.run(&phases).unwrap_or_else(|what| {
        panic!(
            "{what}\nrepeat it with\n  TIDEMARK_CRASH_SEED={seed} TIDEMARK_CRASH_STARTS={starts} \
             cargo test --test claims crash_loop::a_job_that"
        )
    });
    let asked_for = starts / (2 * PHASES.len());
    let missed: Vec<_> = hits.iter().filter(|(_, hits)| **hits < HITS_MIN.min(asked_for)).collect();
    assert!(missed.is_empty(), "hardly ever hit: {missed:?}; all: {hits:?}");
}

/// A job and its servers.
struct CrashLoop {
    rng: SmallRng,
    folder: Folder,
    plan: Arc<Plan>,
    online: Online,
    traffic: Traffic,
    mutant: Option<&'static str>,
    /// How often a start ended in each phase.
    hits: BTreeMap<&'static str, usize>,
    /// A process that was stopped, and that another one has taken over from since.
    stale: Option<(Child, usize)>,
    starts: usize,
    /// Where the newest start answers.
    port: u16,
}

/// Where its rows go.
enum Online {
    Redis(Redis),
    /// Nowhere that outlasts the process: nothing but its state tells one that others have taken over.
    Embedded,
}

impl CrashLoop {
    /// `limits` are settings of [limits].
    fn start(seed: u64, traffic: Traffic, online: Online, limits: &str) -> CrashLoop {
        let folder = Folder::new("crash-loop");
        let kind = match &online {
            Online::Redis(_) => "redis",
            Online::Embedded => "embedded",
        };
        // Of a name of its own: those of one name tell in one topic how far they have published, and what
        // a killed one has left open there keeps the others waiting until the broker ends it.
        let job = job().replacen("name = \"fraud\"", &format!("name = \"{}\"", traffic.topic), 1);
        let plan = tidemark_jobs::load("fraud.toml", &job).unwrap().plan;
        folder.write("job.toml", job);
        folder.write(
            "cluster.toml",
            format!("[limits]\n{limits}[health]\nclock_behind = \"3650d\"\n\
             [online]\nkind = \"{kind}\"\n[online.redis]\nprobe_interval = \"100ms\"\nbackoff_max = \"200ms\"\n\
             [dead_letters]\nkind = \"kafka\"\n[sealed]\npath = \"sealed.jsonl\"\n\
             topic = \"{}.{{view}}\"\n[state]\nurl = \"state\"\ncheckpoint_interval = \"100ms\"\nsnapshot_interval = \"1s\"\n",
             traffic.topic),
        );
        let hits = PHASES.iter().map(|phase| (phase.name, 0)).collect();
        CrashLoop {
            rng: SmallRng::seed_from_u64(seed),
            folder,
            plan,
            online,
            traffic,
            mutant: None,
            hits,
            stale: None,
            starts: 0,
            port: 0,
        }
    }

    /// A start that ends in each of `phases`, another one, and what then is.
    ///
    /// # Errors
    /// What is not as it has to be.
    #[expect(clippy::print_stdout, reason = "how often each phase was hit is worth a look")]
    fn run(mut self, phases: &[&Phase]) -> Result<BTreeMap<&'static str, usize>, String> {
        let (began, starts) = (Instant::now(), phases.len());
        let reader = self.reader();
        for (at, phase) in phases.iter().enumerate() {
            self.outage(at, starts);
            self.one(phase, starts - at)?;
        }
        self.last()?;
        let asked = reader.map_or(Ok(0), Reader::end)?;
        println!(
            "{starts} starts in {:.0?}; a reader asked Redis {asked} times; ended in: {:?}",
            began.elapsed(),
            self.hits
        );
        Ok(std::mem::take(&mut self.hits))
    }

    fn reader(&self) -> Option<Reader> {
        match &self.online {
            Online::Redis(redis) => Some(Reader::start(redis.port, &self.traffic.topic)),
            Online::Embedded => None,
        }
    }

    /// Now and then a server goes away, where all are its own.
    fn outage(&mut self, at: usize, starts: usize) {
        let (Online::Redis(redis), Broker::Own(kafka)) = (&mut self.online, &self.traffic.kafka)
        else {
            return;
        };
        if at == starts / 4 || at == starts / 2 {
            redis.kill();
            redis.start_again(&[]);
        } else if at == starts / 3 {
            redis.signal("STOP");
            std::thread::sleep(Duration::from_millis(700));
            redis.signal("CONT");
        } else if at == 2 * starts / 3 {
            kafka.restart(true);
        }
    }

    fn process(&mut self, fault: Option<String>) -> Child {
        self.starts += 1;
        let path = self.folder.path();
        let log = File::create(path.join(format!("log.{}", self.starts))).unwrap();
        let workers = self.rng.random_range(1..4_u32).to_string();
        self.port = free_port();
        let redis = match &self.online {
            Online::Redis(redis) => redis.port.to_string(),
            Online::Embedded => "1".to_owned(),
        };
        command()
            .args(["run", "job.toml", "--cluster", "cluster.toml", "--workers", &workers])
            .current_dir(path)
            .env("HEALTH_CHECK_PORT", self.port.to_string())
            .env("KAFKA_BOOTSTRAP_SERVERS", self.traffic.kafka().bootstrap_servers)
            .env("KAFKA_TOPIC", &self.traffic.topic)
            .env("REDIS_HOST", "127.0.0.1")
            .env("REDIS_PORT", redis)
            .envs(fault.map(|fault| ("TIDEMARK_FAULT", fault)))
            .envs(self.mutant.map(|mutant| ("TIDEMARK_MUTANT", mutant)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn said(&self, start: usize) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("log.{start}"))).unwrap()
    }

    /// A start that ends in `phase`, while records come.
    fn one(&mut self, phase: &Phase, left: usize) -> Result<(), String> {
        let time = self.rng.random_range(1..=phase.times);
        // One that stands still goes on when it was taken over from; two at once would be too many.
        let stops = self.rng.random_ratio(phase.stands.into(), 100) && self.stale.is_none();
        let signal = if stops { "STOP" } else { "KILL" };
        let mut child = self.process(Some(format!("{}:{time}:{signal}", phase.point)));
        let (began, number) = (Instant::now(), self.starts);
        let asked_after = Duration::from_millis(self.rng.random_range(100..900));
        let mut portions = 4;
        let mut asked = !phase.asked_to_stop;
        let hit = loop {
            if portions > 0 && began.elapsed() > Duration::from_millis(150 * (4 - portions)) {
                self.traffic.write(left * 4 - (4 - portions as usize), &mut self.rng);
                portions -= 1;
            }
            if !asked && began.elapsed() > asked_after {
                asked = true;
                signal_to(&child, "TERM");
            }
            if let Some(status) = child.try_wait().unwrap() {
                if status.code().is_some_and(|code| code != 0 && code != 143) {
                    return Err(format!(
                        "start {number} ended with {status}\n{}",
                        self.said(number)
                    ));
                }
                break status.code().is_none();
            }
            if stops && is_stopped(&child) {
                break true;
            }
            if began.elapsed() > PATIENCE {
                signal_to(&child, "KILL");
                child.wait().unwrap();
                break false;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        while portions > 0 {
            self.traffic.write(left * 4 - (4 - portions as usize), &mut self.rng);
            portions -= 1;
        }
        if hit {
            *self.hits.entry(phase.name).or_default() += 1;
        }
        if hit && stops {
            self.stale = Some((child, number));
        } else if self.said(number).contains("starting")
            && let Some(stale) = self.stale.take()
        {
            // Only now: a start that was killed before this line may not have taken over yet.
            self.woken(stale)?;
        }
        Ok(())
    }

    /// Wakes a process that others have taken over from: it has to notice, and to leave.
    fn woken(&self, (mut stale, start): (Child, usize)) -> Result<(), String> {
        signal_to(&stale, "CONT");
        let (began, mut ended) = (Instant::now(), None);
        while ended.is_none() && began.elapsed() < LEAVES_WITHIN {
            ended = stale.try_wait().unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = self.said(start);
        let last = said.lines().rev().take(3).collect::<Vec<_>>().join("\n");
        match ended {
            Some(status) if status.code() == Some(75) => Ok(()),
            Some(status) => {
                Err(format!("one that was taken over from ended with {status}:\n{last}"))
            }
            None => {
                signal_to(&stale, "KILL");
                stale.wait().unwrap();
                Err(format!("one that was taken over from runs on:\n{last}"))
            }
        }
    }

    /// The last start reads all there is; what it leaves is compared with a replay of the topic.
    fn last(&mut self) -> Result<(), String> {
        self.traffic.write(0, &mut self.rng);
        let read = self.traffic.read()?;
        let values = read
            .events
            .iter()
            .map(|partition| partition.iter().map(|record| record.1.clone()).collect::<Vec<_>>());
        let replay = memory::replay(&self.plan, &values.collect(), &Run::default());
        let mut child = self.process(None);
        let woken = self.stale.take().map_or(Ok(()), |stale| self.woken(stale));
        let expected = hashes(&replay);
        let differs = || match &self.online {
            Online::Redis(redis) => difference(&stored(redis), &expected),
            Online::Embedded => match get(self.port, "/ready") {
                Some((200, _)) => None,
                _ => Some("it is not ready".to_owned()),
            },
        };
        // What is wrong on purpose need not be waited for as long.
        let patience = Duration::from_secs(if self.mutant.is_some() { 10 } else { 40 });
        let (began, mut differ) = (Instant::now(), differs());
        while differ.is_some() && began.elapsed() < patience {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            differ = differs();
        }
        signal_to(&child, "TERM");
        let status = child.wait().unwrap();
        woken?;
        if status.code() != Some(0) {
            return Err(format!("the last start ended: {status}\n{}", self.said(self.starts)));
        }
        let path = self.folder.path();
        let letters = self.traffic.letters()?;
        let of = |letter: &tidemark_operators::ingest::dead_letter::DeadLetter| {
            let partition = letter.partition.partition;
            (partition, read.events[partition as usize][letter.offset as usize].0)
        };
        let mut should: Vec<(u32, u64)> = replay.dead.iter().map(of).chain(read.future).collect();
        should.sort_unstable();
        if letters != should {
            return Err(format!("dead letters: {}", first_difference(&letters, &should)));
        }
        let sealed = std::fs::read(path.join("sealed.jsonl")).unwrap();
        let expected = with_offsets(&replay.sealed, &read.events);
        let expected = expected.as_bytes();
        if !expected.starts_with(&sealed) || sealed.len() < expected.len() / 2 {
            let same = sealed.iter().zip(expected).take_while(|(a, b)| a == b).count();
            let around = |bytes: &[u8]| {
                let shown = bytes.get(same.saturating_sub(300)..).unwrap_or_default();
                String::from_utf8_lossy(shown.get(..600).unwrap_or(shown)).into_owned()
            };
            return Err(format!(
                "sealed rows are others from byte {same} on, of {} and {}\n{}\nand not\n{}",
                sealed.len(),
                expected.len(),
                around(&sealed),
                around(expected)
            ));
        }
        differ.map_or(Ok(()), Err)?;
        self.published(&sealed)
    }

    /// Compares the rows in the topics with those in the file, which are published as far as they are in a
    /// checkpoint.
    fn published(&self, sealed: &[u8]) -> Result<(), String> {
        let views = self.plan.entities.iter().flat_map(|entity| &entity.views);
        let topics: Vec<_> =
            views.map(|view| format!("{}.{}", self.traffic.topic, view.name)).collect();
        let kafka = self.traffic.kafka().bootstrap_servers;
        let published = sealed_topics::compare(&kafka, &topics, sealed, false)?;
        let rows = sealed.iter().filter(|byte| **byte == b'\n').count();
        let enough = published * 2 > rows;
        enough.then_some(()).ok_or(format!("{published} of {rows} rows are in their topics"))
    }
}

impl Drop for CrashLoop {
    fn drop(&mut self) {
        if let Some((mut stale, _)) = self.stale.take() {
            let _ = stale.kill();
            let _ = stale.wait();
        }
    }
}

/// Sealed rows with the offsets that their records have in the topic, where transactions leave gaps.
fn with_offsets(rows: &str, events: &[Vec<(u64, Vec<u8>)>]) -> String {
    let (partition, offset) = ("\"partition\":", ",\"offset\":");
    let mut text = String::with_capacity(rows.len());
    for row in rows.split_inclusive('\n') {
        let (before, rest) = row.split_once(partition).unwrap();
        let (of, rest) = rest.split_once(offset).unwrap();
        let (place, after) = rest.split_once(',').unwrap();
        let place = events[of.parse::<usize>().unwrap()][place.parse::<usize>().unwrap()].0;
        text.push_str(&format!("{before}{partition}{of}{offset}{place},{after}"));
    }
    text
}

fn signal_to(child: &Child, signal: &str) {
    // It may have ended just now.
    let _ =
        std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
}

fn is_stopped(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

fn first_difference(are: &[(u32, u64)], should: &[(u32, u64)]) -> String {
    let at = are.iter().zip(should).take_while(|(a, b)| a == b).count();
    let (is, expected) = (are.get(at), should.get(at));
    format!(
        "{} and not {}; the first that differs is {is:?} and not {expected:?}",
        are.len(),
        should.len()
    )
}
