//! What a row costs Redis in each layout.

use crate::job::Job;
use crate::servers::Server;
use crate::traffic;
use std::time::{Duration, Instant};

const JOB: &str = "benches/w1.toml";
const EVENTS: u64 = 300_000;
const ROUNDS: usize = 2;
const WAIT_MAX: Duration = Duration::from_secs(120);
/// CPU of Redis a row in Feast's layout, over that in ours.
const BAR: f64 = 1.15;

/// Runs W1 from a topic in both layouts, in turn.
pub fn compare(kafka: &Server, redis: &Server) {
    let topic = "layouts";
    traffic::topic(kafka, topic);
    traffic::all_at_once(kafka, topic, EVENTS);
    let (mut ours, mut feasts) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        ours = ours.min(cpu_a_row("hash", (kafka, redis), topic));
        feasts = feasts.min(cpu_a_row("feast", (kafka, redis), topic));
    }
    println!(
        "\nCPU of Redis, us a row of W1: {ours:.2} in our layout, {feasts:.2} in Feast's: {:.2} (bar: {BAR})",
        feasts / ours
    );
}

fn cpu_a_row(layout: &str, (kafka, redis): (&Server, &Server), topic: &str) -> f64 {
    let mut client = redis::Client::open(redis.value("URL")).unwrap().get_connection().unwrap();
    redis::cmd("FLUSHALL").exec(&mut client).unwrap();
    let before = redis.cpu_seconds();
    let settings =
        format!("[online]\npublish = \"at_once\"\n[online.redis]\nlayout = {layout:?}\n");
    let mut job = Job::with(JOB, &settings, kafka, redis, topic);
    let began = Instant::now();
    let rows = loop {
        let metrics = job.scrape();
        if metrics.read() >= EVENTS as f64 && metrics.pending() == 0.0 {
            break metrics.sum("tidemark_online_rows_written_total", &[]);
        }
        assert!(began.elapsed() < WAIT_MAX, "not all is written after {WAIT_MAX:?}");
        std::thread::sleep(Duration::from_millis(10));
    };
    let spent = redis.cpu_seconds() - before;
    job.stop();
    spent * 1e6 / rows
}
