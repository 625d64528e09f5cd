//! What Redis says about itself, and what it takes when it has nothing else to do.

use crate::servers::Server;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use redis::{Connection, ConnectionLike as _};
use std::time::Instant;

/// Commands in a pipeline: as many as a flush has rows at most.
const PIPELINE: usize = 1_000;
/// How often every key is written.
const ROUNDS: usize = 5;

pub fn connect(redis: &Server) -> Connection {
    redis::Client::open(redis.value("URL")).and_then(|c| c.get_connection()).unwrap()
}

/// Redis's own counts.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub hset: f64,
    pub hdel: f64,
    pub pexpire: f64,
    pub del: f64,
    pub bytes_in: f64,
}

impl Counts {
    pub fn read(client: &mut Connection) -> Counts {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(client).unwrap();
        let calls = |name: &str| {
            let line =
                stats.lines().find_map(|l| l.strip_prefix(&format!("cmdstat_{name}:calls=")));
            line.and_then(|l| l.split(',').next()?.parse().ok()).unwrap_or(0.0)
        };
        let net: String = redis::cmd("INFO").arg("stats").query(client).unwrap();
        let bytes = net.lines().find_map(|l| l.strip_prefix("total_net_input_bytes:"));
        Counts {
            hset: calls("hset"),
            hdel: calls("hdel"),
            pexpire: calls("pexpire"),
            del: calls("del"),
            bytes_in: bytes.and_then(|b| b.trim().parse().ok()).unwrap_or(0.0),
        }
    }

    pub fn since(self, before: Counts) -> Counts {
        Counts {
            hset: self.hset - before.hset,
            hdel: self.hdel - before.hdel,
            pexpire: self.pexpire - before.pexpire,
            del: self.del - before.del,
            bytes_in: self.bytes_in - before.bytes_in,
        }
    }

    pub fn commands(self) -> f64 {
        self.hset + self.hdel + self.pexpire + self.del
    }
}

/// What Redis took alone.
pub struct Alone {
    pub fields: usize,
    pub bytes: f64,
    pub per_second: f64,
    pub per_cpu_second: f64,
}

/// Writes the rows that a job has left there again, in random order, by HSET in pipelines over one
/// connection: as many fields of each as come nearest to `bytes` a command.
pub fn alone(redis: &Server, client: &mut Connection, bytes: f64) -> Alone {
    let mut rows = rows(client);
    rows.shuffle(&mut SmallRng::seed_from_u64(1));
    let most = rows.iter().map(|(_, fields)| fields.len()).max().unwrap();
    let off = |fields: &usize| (mean_bytes(&rows, *fields) - bytes).abs();
    let fields = (1..=most).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap();
    let pipelines: Vec<(Vec<u8>, usize)> = rows
        .chunks(PIPELINE)
        .map(|rows| (rows.iter().flat_map(|row| hset(row, fields)).collect(), rows.len()))
        .collect();
    let (began, cpu) = (Instant::now(), redis.cpu_seconds());
    for _ in 0..ROUNDS {
        for (pipeline, count) in &pipelines {
            client.req_packed_commands(pipeline, 0, *count).unwrap();
        }
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), redis.cpu_seconds() - cpu);
    let commands = (rows.len() * ROUNDS) as f64;
    let bytes = mean_bytes(&rows, fields);
    Alone { fields, bytes, per_second: commands / seconds, per_cpu_second: commands / cpu }
}

/// A key and its fields with their values.
type Row = (String, Vec<(String, String)>);

fn rows(client: &mut Connection) -> Vec<Row> {
    let keys: Vec<String> = {
        let options = redis::ScanOptions::default().with_pattern("features:card:*");
        let found = redis::Commands::scan_options(client, options.with_count(10_000)).unwrap();
        found.map(Result::unwrap).collect()
    };
    let mut rows = Vec::with_capacity(keys.len());
    for keys in keys.chunks(PIPELINE) {
        let mut pipeline = redis::pipe();
        for key in keys {
            pipeline.hgetall(key);
        }
        let held: Vec<Vec<(String, String)>> = pipeline.query(client).unwrap();
        rows.extend(keys.iter().cloned().zip(held).filter(|(_, fields)| !fields.is_empty()));
    }
    rows
}

fn hset((key, fields): &Row, count: usize) -> Vec<u8> {
    let mut command = redis::cmd("HSET");
    command.arg(key);
    for (field, value) in fields.iter().take(count) {
        command.arg(field).arg(value);
    }
    command.get_packed_command()
}

fn mean_bytes(rows: &[Row], fields: usize) -> f64 {
    let sample = rows.get(..PIPELINE).unwrap_or(rows);
    let bytes: usize = sample.iter().map(|row| hset(row, fields).len()).sum();
    bytes as f64 / sample.len() as f64
}
