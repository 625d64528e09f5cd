//! What a question for features costs: the server of a job and `tidemark serve` beside stock Feast, on one
//! Redis and in one run.
//!
//! `cargo bench --bench serve` starts a broker and a Redis of its own, runs `fraud` on transactions of
//! 10,000 cards with rows in Feast's layout, and has `feast serve` (`scripts/feast`, one worker that is
//! never started again) read what it writes. Eight clients ask as soon as they are answered; what counts
//! is the CPU time of the server, of whichever thread or process answers. Then the same job takes 50,000
//! transactions a second while it is asked. At the end: what a row costs Redis in Feast's layout and in
//! ours. The bars are the project's own.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench prints and may fail"
)]

#[path = "serve/cpu.rs"]
mod cpu;
#[path = "serve/feature_server.rs"]
mod feature_server;
#[expect(dead_code, reason = "kafka_redis uses all of it")]
#[path = "kafka_redis/job.rs"]
mod job;
#[path = "serve/layouts.rs"]
mod layouts;
#[path = "serve/load.rs"]
mod load;
#[path = "measure/machine.rs"]
mod machine;
#[path = "measure/servers.rs"]
mod servers;
#[path = "kafka_redis/load.rs"]
mod traffic;

use feature_server::{Cost, FeatureServer, free_port};
use job::Job;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use servers::Server;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tidemark::generator::Profile;
use tidemark::generator::live::History;
use tidemark_jobs::FRAUD;
use traffic::Traffic;

const JOB: &str = "jobs/fraud.toml";
const TOPIC: &str = "serve";
const CARDS: u32 = 10_000;
/// So that nearly every card has a row.
const HISTORY: History = History { span: 3_600_000, events: 150_000 };
/// Keeps the clock of the job moving while nothing else is to cost anything.
const IDLE_RATE: u64 = 20;
const BUSY_RATE: u64 = 50_000;
/// Different questions of each kind.
const QUESTIONS: usize = 500;
const FEATURES: usize = 13;
const CLIENTS: usize = 8;
const ROUNDS: usize = 3;
const OURS: Duration = Duration::from_secs(2);
const FEASTS: Duration = Duration::from_secs(3);
const BUSY: Duration = Duration::from_secs(10);

/// Kinds of questions, and how many times the questions of Feast a CPU second is to answer: from the
/// process, and from Redis.
const KINDS: [(&str, f64, Option<f64>); 3] = [
    ("1 entity x 13 features", 40.0, Some(20.0)),
    ("10 entities x 13 features", 50.0, Some(20.0)),
    ("1 entity, the service of 19 features", 80.0, None),
];

fn main() {
    println!("machine: {}", machine::machine());
    let (kafka, redis) = (Server::start("kafka"), Server::start("redis"));
    traffic::topic(&kafka, TOPIC);
    let stop = AtomicBool::new(false);
    let quiet =
        Traffic { profile: Profile::Fraud, cards: CARDS, rate: IDLE_RATE, history: HISTORY };
    std::thread::scope(|scope| {
        scope.spawn(|| traffic::paced(&kafka, TOPIC, quiet, &stop));
        // Whatever happens, the producers must not go on.
        let stopping = StopOnDrop(&stop);
        let port = free_port();
        let settings = format!(
            "[online.redis]\nlayout = \"feast\"\n[serve]\nenabled = true\nport = {port}\n\
             behind_max = \"1d\"\n"
        );
        let job = Job::with(JOB, &settings, &kafka, &redis, TOPIC);
        let questions = questions();
        let servers = [
            FeatureServer::of_job(&job, port),
            FeatureServer::from_redis(JOB, &job, &redis),
            FeatureServer::feast(JOB, &job, &redis),
        ];
        for server in &servers {
            server.until_present(&questions[1][0]);
        }
        compare(&servers, &questions);
        let busy =
            Traffic { rate: BUSY_RATE, history: History { span: 1_000, events: 1 }, ..quiet };
        let (kafka, stop) = (&kafka, &stop);
        scope.spawn(move || traffic::paced(kafka, TOPIC, busy, stop));
        beside_the_engine(&servers, &questions[0]);
        drop(stopping);
        drop(servers);
        job.stop();
    });
    layouts::compare(&kafka, &redis);
}

/// Stops the producers, also when something goes wrong.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Requests of each kind.
fn questions() -> [Vec<Vec<u8>>; 3] {
    let job = tidemark_jobs::load(JOB, FRAUD).unwrap();
    let view = job.plan.view(0).unwrap();
    let features: Vec<String> = view
        .features
        .iter()
        .take(FEATURES)
        .map(|it| format!("{}:{}", view.name, it.name))
        .collect();
    assert_eq!(features.len(), FEATURES);
    assert_eq!(job.services[0].features.len(), 19);
    let mut random = SmallRng::seed_from_u64(1);
    let mut of = |ids: usize, service: bool| {
        let question = |_| {
            let ids = (0..ids).map(|_| format!("card_{:07}", random.random_range(0..CARDS)));
            let mut question = json!({ "entities": { "card_id": ids.collect::<Vec<_>>() } });
            match service {
                true => question["feature_service"] = json!(job.services[0].name),
                false => question["features"] = json!(features),
            }
            load::request("POST /get-online-features", &question.to_string())
        };
        (0..QUESTIONS).map(question).collect()
    };
    [of(1, false), of(10, false), of(1, true)]
}

/// The middle one of some figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn compare(servers: &[FeatureServer; 3], questions: &[Vec<Vec<u8>>; 3]) {
    println!(
        "\nCPU of the server, us a request (middle of {ROUNDS} rounds, {CLIENTS} clients, {CARDS} cards)"
    );
    println!("{:38} {:>9} {:>9} {:>9}   times Feast (bar)", "", "process", "Redis", "Feast");
    for ((kind, from_process, from_redis), requests) in KINDS.iter().zip(questions) {
        let mut cpu = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for ((server, cpu), length) in servers.iter().zip(&mut cpu).zip([OURS, OURS, FEASTS]) {
                cpu.push(server.cost(requests, CLIENTS, length).cpu);
            }
        }
        let [process, redis, feast] = cpu.map(median);
        let bar = from_redis.map_or("none".to_owned(), |bar| format!("{bar:.0}"));
        println!(
            "{kind:38} {process:9.1} {redis:9.1} {feast:9.0}   {:.0} ({from_process:.0}); from Redis {:.0} ({bar})",
            feast / process,
            feast / redis,
        );
    }
}

/// What an answer takes while the job takes in what comes.
fn beside_the_engine([process, redis, feast]: &[FeatureServer; 3], questions: &[Vec<u8>]) {
    let empty = vec![load::request("GET /health", "")];
    // What has come meanwhile is taken in first.
    std::thread::sleep(Duration::from_secs(5));
    let one = |server: &FeatureServer, requests: &[Vec<u8>]| server.cost(requests, 1, BUSY);
    println!("\n1 entity x 13 features, one client, beside {BUSY_RATE} transactions a second:");
    println!("{:38} {:>9} {:>9} {:>9}", "", "p50, us", "p99, us", "CPU, us");
    let tell = |name: &str, cost: &Cost| {
        let (half, most) = (cost.load.quantile(500), cost.load.quantile(990));
        println!("{name:38} {half:9.0} {most:9.0} {:9.1}", cost.cpu);
        if cost.load.unavailable > 0 {
            println!("    of {} answers {} were 503", cost.load.count(), cost.load.unavailable);
        }
        most
    };
    let bare = tell("an empty answer of the job's server", &one(process, &empty));
    let most = tell("from the process", &one(process, questions));
    tell("from Redis (bar: p99 10,000)", &one(redis, questions));
    tell("Feast", &one(feast, questions));
    println!("p99 from the process / of an empty answer: {:.2} (bar: 2)", most / bare);
}
