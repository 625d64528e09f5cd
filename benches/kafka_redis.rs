//! Kafka to Redis on one machine: what a record costs from a topic to the hashes.
//!
//! `cargo bench --bench kafka_redis` starts a broker and a Redis of its own (`scripts/kafka`,
//! `scripts/redis`), runs `tidemark run benches/w1.toml` on 1 M records that are there already
//! (saturation) and then on records that arrive at 20,000 a second, and stops everything. Commands
//! are counted by the job and, as a check, by Redis. The reference, in the same run, is what that
//! Redis takes of the same HSET commands when nothing else runs. The bar is the project's own.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench prints and may fail"
)]

#[path = "kafka_redis/job.rs"]
mod job;
#[path = "kafka_redis/load.rs"]
mod load;
#[path = "measure/machine.rs"]
mod machine;
#[path = "kafka_redis/redis_server.rs"]
mod redis_server;
#[path = "measure/servers.rs"]
mod servers;

use job::{Job, Scrape};
use load::Traffic;
use redis_server::{Alone, Counts, alone, connect};
use servers::Server;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tidemark::generator::Profile;
use tidemark::generator::live::History;

const EVENTS: u64 = 1_000_000;
const RATE: u64 = 20_000;
/// As dense as the paced traffic and longer than a minute: the shortest windows lose events as fast
/// as they get them.
const HISTORY: History = History { span: 90_000, events: 90 * RATE };
const JOB: &str = "benches/w1.toml";
const TRAFFIC: Traffic =
    Traffic { profile: Profile::W1, cards: load::CARDS, rate: RATE, history: HISTORY };
const WARM_UP: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(20);
/// How long reading or writing out may take.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// HSET and HDEL commands per event, for rows changed by arrivals.
const BAR: f64 = 0.99;

fn main() {
    println!("machine: {}", machine::machine());
    let bench = Bench { kafka: Server::start("kafka"), redis: Server::start("redis") };
    let (saturation, backlog) = bench.saturation();
    println!("at saturation: {backlog}");
    let bytes = saturation.redis.bytes_in / saturation.redis.commands();
    let alone = alone(&bench.redis, &mut connect(&bench.redis), bytes);
    let (paced, backlog) = bench.paced();
    println!("at {RATE}/s: {backlog}\n");
    print(&saturation, &paced, &alone);
}

struct Bench {
    kafka: Server,
    redis: Server,
}

/// Everything that is counted, at one moment.
struct Look {
    at: Instant,
    metrics: Scrape,
    redis: Counts,
    cpu: [f64; 3],
}

impl Bench {
    fn look(&self, job: &Job, metrics: Scrape) -> Look {
        Look {
            at: Instant::now(),
            metrics,
            redis: Counts::read(&mut connect(&self.redis)),
            cpu: [job.cpu_seconds(), self.redis.cpu_seconds(), self.kafka.cpu_seconds()],
        }
    }

    /// Everything is there before the job starts.
    fn saturation(&self) -> (Figures, String) {
        load::topic(&self.kafka, "w1");
        load::all_at_once(&self.kafka, "w1", EVENTS);
        let mut job = Job::start(JOB, "at_once", &self.kafka, &self.redis, "w1");
        let mut before = self.look(&job, Scrape(String::new()));
        let started = Instant::now();
        let read = loop {
            let metrics = job.scrape();
            match metrics.read() {
                // From when it reads: a start is no part of a rate.
                0.0 => before.at = Instant::now(),
                read if read >= EVENTS as f64 => break metrics,
                _ => {}
            }
            assert!(started.elapsed() < WAIT_MAX, "not all is read after {WAIT_MAX:?}");
            std::thread::sleep(Duration::from_millis(10));
        };
        let ended = Instant::now();
        let wall = (ended - before.at).as_secs_f64();
        let taken = Counts::read(&mut connect(&self.redis)).since(before.redis).commands();
        let busy = (self.redis.cpu_seconds() - before.cpu[1]) * 100.0 / wall;
        let mut metrics = job.scrape();
        while metrics.pending() > 0.0 && ended.elapsed() < WAIT_MAX {
            std::thread::sleep(Duration::from_millis(10));
            metrics = job.scrape();
        }
        let backlog = format!(
            "{} at the end of the topic, written out {:.0} ms later; until that end Redis took {:.0} \
             commands/s and was busy for {busy:.0} %",
            backlog(&read),
            ended.elapsed().as_secs_f64() * 1e3,
            taken / wall,
        );
        let after = self.look(&job, metrics);
        job.stop();
        let figures = Figures::between(&before, &after);
        (Figures { rate: EVENTS as f64 / wall, ..figures }, backlog)
    }

    /// Records arrive while the job runs.
    fn paced(&self) -> (Figures, String) {
        load::topic(&self.kafka, "w1-paced");
        redis::cmd("FLUSHALL").exec(&mut connect(&self.redis)).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let producer = scope.spawn(|| load::paced(&self.kafka, "w1-paced", TRAFFIC, &stop));
            // Whatever happens, the producer must not go on.
            let stopping = StopOnDrop(&stop);
            let mut job = Job::start(JOB, "at_once", &self.kafka, &self.redis, "w1-paced");
            let began = Instant::now();
            let due =
                |now: Instant| HISTORY.events as f64 + (now - began).as_secs_f64() * RATE as f64;
            while job.scrape().read() + RATE as f64 * 0.2 < due(Instant::now()) {
                assert!(began.elapsed() < WAIT_MAX, "the job lags behind for {WAIT_MAX:?}");
                std::thread::sleep(Duration::from_millis(100));
            }
            std::thread::sleep(WARM_UP);
            let metrics = job.scrape();
            let before = self.look(&job, metrics);
            std::thread::sleep(MEASURED);
            let metrics = job.scrape();
            let backlog = format!("{} at the end", backlog(&metrics));
            let after = self.look(&job, metrics);
            drop(stopping);
            producer.join().unwrap();
            job.stop();
            (Figures::between(&before, &after), backlog)
        })
    }
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Rows changed by decay alone may wait a second (`decay_flush`), and count here.
fn backlog(metrics: &Scrape) -> String {
    let oldest = metrics.sum("tidemark_online_oldest_pending_seconds", &[]) * 1e3;
    format!("{:.0} rows not in Redis yet, the oldest for {oldest:.0} ms", metrics.pending())
}

/// What came between two looks.
struct Figures {
    events: f64,
    seconds: f64,
    /// Events per second.
    rate: f64,
    /// CPU seconds of the job, Redis and Kafka.
    cpu: [f64; 3],
    /// Commands by cause (arrival, decay) and name.
    commands: [[f64; 4]; 2],
    rows: [f64; 2],
    coalesced: f64,
    rows_per_flush: f64,
    /// Upper bounds in ms: p50 and p99 from a row's change to Redis's answer.
    written: [f64; 2],
    redis: Counts,
}

const CAUSES: [&str; 2] = ["cause=\"arrival\"", "cause=\"decay\""];
const COMMANDS: [&str; 4] =
    ["command=\"hset\"", "command=\"hdel\"", "command=\"pexpire\"", "command=\"del\""];

impl Figures {
    fn between(before: &Look, after: &Look) -> Figures {
        let (then, now) = (&before.metrics, &after.metrics);
        let grown = |name, labels: &[&str]| now.sum(name, labels) - then.sum(name, labels);
        let events = now.read() - then.read();
        let seconds = (after.at - before.at).as_secs_f64();
        let command = |cause, command| grown("tidemark_online_commands_total", &[cause, command]);
        let written = |share| {
            let name = "tidemark_online_write_seconds";
            now.quantile(then, name, CAUSES[0], share).unwrap_or(f64::NAN) * 1e3
        };
        Figures {
            events,
            seconds,
            rate: events / seconds,
            cpu: [0, 1, 2].map(|at| after.cpu[at] - before.cpu[at]),
            commands: CAUSES.map(|cause| COMMANDS.map(|name| command(cause, name))),
            rows: CAUSES.map(|cause| grown("tidemark_online_rows_written_total", &[cause])),
            coalesced: grown("tidemark_online_rows_coalesced_total", &[]),
            rows_per_flush: grown("tidemark_online_flushed_rows_total", &[])
                / grown("redis_pipeline_operations_total", &["result=\"ok\""]),
            written: [written(0.5), written(0.99)],
            redis: after.redis.since(before.redis),
        }
    }

    /// Commands as the job counts them.
    fn all_commands(&self) -> f64 {
        self.commands.iter().flatten().sum()
    }
}

/// A line of the table: what, and how to tell it.
type Line<'a> = (&'a str, &'a dyn Fn(&Figures) -> String);

fn print(saturation: &Figures, paced: &Figures, alone: &Alone) {
    let per_event = |figure: f64, f: &Figures| format!("{:.3}", figure / f.events);
    let cpu = |f: &Figures, at: usize| {
        format!(
            "{:.2} us/event, {:.0} %",
            f.cpu[at] * 1e6 / f.events,
            f.cpu[at] * 100.0 / f.seconds
        )
    };
    let lines: [Line<'_>; 17] = [
        ("events/s", &|f| format!("{:.0}", f.rate)),
        ("events per CPU s of the job", &|f| format!("{:.0}", f.events / f.cpu[0])),
        ("events per CPU s of all three", &|f| {
            format!("{:.0}", f.events / f.cpu.iter().sum::<f64>())
        }),
        ("CPU, job", &|f| cpu(f, 0)),
        ("CPU, Redis", &|f| cpu(f, 1)),
        ("CPU, Kafka", &|f| cpu(f, 2)),
        ("HSET+HDEL per event, arrivals", &|f| {
            format!("{} (bar {BAR})", per_event(f.commands[0][0] + f.commands[0][1], f))
        }),
        ("  HSET, HDEL", &|f| {
            format!("{}, {}", per_event(f.commands[0][0], f), per_event(f.commands[0][1], f))
        }),
        ("HSET+HDEL per event, decay", &|f| per_event(f.commands[1][0] + f.commands[1][1], f)),
        ("PEXPIRE per event", &|f| per_event(f.commands[0][2] + f.commands[1][2], f)),
        ("DEL per event", &|f| per_event(f.commands[0][3] + f.commands[1][3], f)),
        ("rows per event, arrivals, decay", &|f| {
            format!("{}, {}", per_event(f.rows[0], f), per_event(f.rows[1], f))
        }),
        ("rows coalesced per event", &|f| per_event(f.coalesced, f)),
        ("rows per flush", &|f| format!("{:.0}", f.rows_per_flush)),
        ("change to answer, arrivals, at most", &|f| {
            format!("p50 {} ms, p99 {} ms", f.written[0], f.written[1])
        }),
        ("commands, job's count / Redis's count", &|f| {
            format!("{:.4}", f.all_commands() / f.redis.commands())
        }),
        ("commands/s (per Redis CPU s)", &|f| {
            let commands = f.redis.commands();
            format!("{:.0} ({:.0})", commands / f.seconds, commands / f.cpu[1])
        }),
    ];
    let paced_name = format!("at {RATE}/s");
    println!("{:<40}{:<28}{paced_name}", "", "saturation");
    for (what, tell) in lines {
        println!("{what:<40}{:<28}{}", tell(saturation), tell(paced));
    }
    println!(
        "Redis alone (reference): {:.0} HSET/s ({:.0} per Redis CPU s), {} fields, {:.0} bytes each \
         (at saturation {:.0} bytes a command)",
        alone.per_second,
        alone.per_cpu_second,
        alone.fields,
        alone.bytes,
        saturation.redis.bytes_in / saturation.redis.commands(),
    );
}
