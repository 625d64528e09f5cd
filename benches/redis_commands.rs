//! What an event and what a restart cost in Redis commands, by Redis's own count: TTLs and decay with
//! all else.
//!
//! `cargo bench --bench redis_commands` starts a broker and a Redis of its own and runs `fraud` as
//! shipped (five entities, seven views), and its two card views alone, on transactions that arrive at
//! 20,000 a second; then each is started again on the same topic. `-- CARDS..` says of how many cards
//! (default 200, 6,000 and 100,000): rows of few cards change again before they are written, of many
//! each change is a write of its own. The bars are the project's own, for 200 cards.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench prints and may fail"
)]

#[path = "kafka_redis/job.rs"]
mod job;
#[expect(dead_code, reason = "kafka_redis uses all of it")]
#[path = "kafka_redis/load.rs"]
mod load;
#[path = "measure/machine.rs"]
mod machine;
#[expect(dead_code, reason = "kafka_redis uses all of it")]
#[path = "kafka_redis/redis_server.rs"]
mod redis_server;
#[path = "measure/servers.rs"]
mod servers;

use job::{Job, Scrape};
use load::Traffic;
use redis_server::{Counts, connect};
use servers::Server;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tidemark::generator::Profile;
use tidemark::generator::live::History;

const RATE: u64 = 20_000;
/// So dense and long that the shortest windows lose events as fast as they get them.
const HISTORY: History = History { span: 330_000, events: 330 * RATE };
/// The wait between two writes of a row settles in about its own length.
const WARM_UP: Duration = Duration::from_secs(60);
const MEASURED: Duration = Duration::from_secs(30);
const WAIT_MAX: Duration = Duration::from_secs(600);

/// Job files, and the most commands an event may cost.
const CARDS: [u32; 3] = [200, 6_000, 100_000];
const JOBS: [(&str, f64); 2] = [("jobs/fraud.toml", 1.6), ("benches/fraud_card.toml", 0.99)];

fn main() {
    println!("machine: {}", machine::machine());
    let (kafka, redis) = (Server::start("kafka"), Server::start("redis"));
    let numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let cards: Vec<u32> = numbers.collect();
    for cards in if cards.is_empty() { CARDS.to_vec() } else { cards } {
        measure(&kafka, &redis, cards);
    }
}

fn measure(kafka: &Server, redis: &Server, cards: u32) {
    let traffic = Traffic { profile: Profile::Fraud, cards, rate: RATE, history: HISTORY };
    for (at, (file, bar)) in JOBS.into_iter().enumerate() {
        println!(
            "\n{file}, {cards} cards, at {RATE}/s after {} s of history",
            HISTORY.span / 1_000
        );
        let bench = Bench { file, topic: format!("commands-{cards}-{at}"), kafka, redis };
        bench.paced(traffic, bar);
        bench.restart();
    }
}

struct Bench<'a> {
    file: &'a str,
    topic: String,
    kafka: &'a Server,
    redis: &'a Server,
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Bench<'_> {
    fn paced(&self, traffic: Traffic, bar: f64) {
        load::topic(self.kafka, &self.topic);
        redis::cmd("FLUSHALL").exec(&mut connect(self.redis)).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let producer = scope.spawn(|| load::paced(self.kafka, &self.topic, traffic, &stop));
            // Whatever happens, the producer must not go on.
            let stopping = StopOnDrop(&stop);
            let mut job = Job::start(self.file, "at_once", self.kafka, self.redis, &self.topic);
            let began = Instant::now();
            let due = |now: Instant| {
                traffic.history.events as f64 + (now - began).as_secs_f64() * RATE as f64
            };
            while job.scrape().read() + RATE as f64 * 0.2 < due(Instant::now()) {
                assert!(began.elapsed() < WAIT_MAX, "the job lags behind for {WAIT_MAX:?}");
                std::thread::sleep(Duration::from_millis(100));
            }
            std::thread::sleep(WARM_UP);
            let (then, before) = (job.scrape(), Counts::read(&mut connect(self.redis)));
            let cpu = job.cpu_seconds();
            std::thread::sleep(MEASURED);
            let cpu = job.cpu_seconds() - cpu;
            let (now, after) = (job.scrape(), Counts::read(&mut connect(self.redis)));
            tell(&then, &now, after.since(before), bar);
            println!("CPU of the job: {:.0} %", cpu * 100.0 / MEASURED.as_secs_f64());
            drop(stopping);
            producer.join().unwrap();
            job.stop();
        });
    }

    /// Everything that the run before has left is there.
    fn restart(&self) {
        let mut client = connect(self.redis);
        let before = Counts::read(&mut client);
        let mut job = Job::start(self.file, "when_caught_up", self.kafka, self.redis, &self.topic);
        let began = Instant::now();
        loop {
            let metrics = job.scrape();
            let held = metrics.sum("tidemark_online_held_back", &[]) > 0.0;
            if metrics.read() > 0.0 && !held && metrics.pending() == 0.0 {
                break;
            }
            assert!(began.elapsed() < WAIT_MAX, "not written after {WAIT_MAX:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        let grown = Counts::read(&mut client).since(before);
        let keys = redis::cmd("DBSIZE").query::<u64>(&mut client).unwrap() as f64;
        println!("a restart, commands a key ({keys:.0} keys): {}", each(grown, keys));
        job.stop();
    }
}

fn tell(then: &Scrape, now: &Scrape, grown: Counts, bar: f64) {
    let events = now.read() - then.read();
    println!(
        "commands an event: {:.3} (bar {bar}): {}",
        grown.commands() / events,
        each(grown, events)
    );
    let written = |share| {
        let name = "tidemark_online_write_seconds";
        now.quantile(then, name, "cause=\"arrival\"", share).unwrap_or(f64::NAN)
    };
    println!(
        "{:.0} events/s; an arrival is in Redis within p50 {} s, p99 {} s; a row that was just \
         written waits {:.1} s",
        events / MEASURED.as_secs_f64(),
        written(0.5),
        written(0.99),
        now.sum("tidemark_online_spacing_seconds", &[]),
    );
}

fn each(counts: Counts, of: f64) -> String {
    let Counts { hset, hdel, pexpire, del, .. } = counts;
    format!(
        "HSET {:.3}, HDEL {:.3}, PEXPIRE {:.3}, DEL {:.3}",
        hset / of,
        hdel / of,
        pexpire / of,
        del / of
    )
}
