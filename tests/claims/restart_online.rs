//! What stands in Redis when a job is started again, or taken over from while it stands still.

use crate::folder::Folder;
use crate::memory::Record;
use crate::redis_server::Redis;
use crate::run::{
    self, Process, hashes, settings, stored, topic, traffic, until, until_stored, write,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// A job on a topic with state and a Redis, that grows part by part.
struct World {
    log: Vec<Vec<(Record, Record)>>,
    parts: usize,
    topic: String,
    redis: Redis,
    folder: Folder,
}

impl World {
    /// With the first of `parts` parts of `events` events in the topic; `more` are settings.
    fn new(seed: u64, events: u64, parts: usize, more: &str) -> World {
        let log = traffic(seed, events);
        let folder = Folder::new("restart-online");
        let state = folder.file("state");
        settings(folder.path(), &format!("[state]\nurl = {state:?}\n{more}"));
        let redis = Redis::start(&[]);
        let topic = topic(&part(&log, 0, parts));
        World { log, parts, topic, redis, folder }
    }

    fn write(&self, at: usize) {
        write(&self.topic, &part(&self.log, at, self.parts));
    }

    fn start(&self, workers: usize) -> Process {
        let variables = [
            ("KAFKA_BOOTSTRAP_SERVERS", run::kafka().bootstrap_servers),
            ("KAFKA_TOPIC", self.topic.clone()),
            ("REDIS_HOST", "127.0.0.1".to_owned()),
            ("REDIS_PORT", self.redis.port.to_string()),
            ("PARALLELISM", workers.to_string()),
        ];
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Process::start(self.folder.path(), "fraud", &variables)
    }

    /// Waits until `job` has read the first `parts` parts.
    fn until_read(&self, job: &Process, parts: usize) {
        until("the records to be read", || {
            let (_, ready) = job.json("/ready");
            let partitions = ready["partitions"].as_array().cloned().unwrap_or_default();
            partitions.len() == self.log.len()
                && partitions.iter().zip(&self.log).all(|(partition, records)| {
                    partition["next_offset"].as_u64()
                        == Some((records.len() * parts / self.parts) as u64)
                })
        });
    }
}

fn part(log: &[Vec<(Record, Record)>], at: usize, parts: usize) -> Vec<Vec<(Record, Record)>> {
    let of = |records: &Vec<(Record, Record)>| {
        records[records.len() * at / parts..records.len() * (at + 1) / parts].to_vec()
    };
    log.iter().map(of).collect()
}

#[test]
fn a_process_that_stood_still_while_another_took_over_writes_nothing_more_to_redis() {
    // No checkpoint is due: Redis alone tells the process that it is not wanted any more.
    let world = World::new(31, 18_000, 3, "checkpoint_interval = \"1h\"\n");
    let expected = hashes(&run::expected(&world.log));
    let mut stale = world.start(2);
    stale.until_ready();
    world.until_read(&stale, 1);
    // It has rows to write and nobody who takes them, and stands still so.
    world.redis.signal("STOP");
    world.write(1);
    world.until_read(&stale, 2);
    stale.signal("STOP");
    world.redis.signal("CONT");
    let mut newer = world.start(1);
    newer.until_ready();
    world.write(2);
    until_stored(&world.redis, &expected);
    stale.signal("CONT");
    assert_eq!(stale.wait().code(), Some(75), "{}", stale.log());
    assert!(stale.log().contains("generation 2 has taken over"), "{}", stale.log());
    until_stored(&world.redis, &expected);
    newer.stop("TERM");
    until_stored(&world.redis, &expected);
}

#[test]
fn a_process_that_stood_still_while_another_took_over_fills_no_redis_that_lost_its_rows() {
    // No checkpoint is due, and Redis does not know any more who has taken over.
    let world = World::new(32, 12_000, 2, "checkpoint_interval = \"1h\"\n");
    let mut stale = world.start(2);
    stale.until_ready();
    world.until_read(&stale, 1);
    until("rows to be written", || !stored(&world.redis).is_empty());
    stale.signal("STOP");
    let mut newer = world.start(1);
    newer.until_ready();
    world.write(1);
    until_stored(&world.redis, &hashes(&run::expected(&world.log)));
    newer.kill();
    newer.wait();
    redis::cmd("FLUSHALL").exec(&mut world.redis.client()).unwrap();
    stale.signal("CONT");
    assert_eq!(stale.wait().code(), Some(75), "{}", stale.log());
    assert!(stale.log().contains("has taken the job's state over"), "{}", stale.log());
    assert_eq!(stored(&world.redis).len(), 0, "{}", stale.log());
}

/// Fields that were written to Redis, by its own count of commands.
fn written(redis: &Redis) -> u64 {
    let mut client = redis.client();
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut client).unwrap();
    let calls = |name: &str| -> u64 {
        let line =
            info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    };
    calls("hset") + calls("hdel") + calls("del")
}

fn beats(redis: &Redis) -> std::collections::BTreeMap<String, String> {
    redis::cmd("HGETALL").arg("tidemark:fraud").query(&mut redis.client()).unwrap()
}

#[test]
fn a_restart_at_rest_writes_few_rows_and_one_after_redis_was_flushed_all_of_them() {
    let world = World::new(33, 24_000, 1, "");
    let expected = hashes(&run::expected(&world.log));
    assert!(expected.len() > 1_000, "{}", expected.len());
    let mut job = world.start(2);
    job.until_ready();
    until_stored(&world.redis, &expected);
    job.stop("TERM");
    until_stored(&world.redis, &expected);
    for flushed in [false, true] {
        if flushed {
            redis::cmd("FLUSHALL").exec(&mut world.redis.client()).unwrap();
        }
        let before = written(&world.redis);
        let mut job = world.start(1);
        job.until_ready();
        until_stored(&world.redis, &expected);
        until("the rows to be told of", || {
            beats(&world.redis).get("w0").is_some_and(|beat| beat.contains("state=live"))
        });
        job.stop("TERM");
        let (rows, all) = (written(&world.redis) - before, expected.len() as u64);
        match flushed {
            // Of the rows none; heartbeats, and what decays meanwhile.
            false => assert!(rows < all / 50, "{rows} of {all}"),
            true => assert!(rows >= all, "{rows} of {all}"),
        }
        until_stored(&world.redis, &expected);
    }
}

/// One card's count over six seconds.
const SHORT: &str = r#"
[job]
name = "short"
[sources.t]
topic = "here"
time = "ts"
out_of_orderness = "1s"
[sources.t.fields]
card = "string"
[entities.card]
key = "card"
[views.counts]
entity = "card"
[views.counts.features]
n = { aggregate = "count", window = "6s" }
"#;

#[test]
fn what_had_left_its_window_does_not_come_back_with_a_restart_of_a_job_without_state() {
    let folder = Folder::new("restart-clock");
    let job = folder.write("short.toml", SHORT).display().to_string();
    let dead = folder.file("dead.jsonl");
    let settings = format!("[limits]\nlive_idle = \"100ms\"\n[dead_letters]\npath = {dead:?}\n");
    folder.write("cluster.toml", settings);
    let redis = Redis::start(&[]);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let event = format!("{{\"ts\":{},\"card\":\"c\"}}", now()).into_bytes();
    let topic = topic(&[vec![(Vec::new(), event)]]);
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", run::kafka().bootstrap_servers),
        ("KAFKA_TOPIC", topic),
        ("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port)),
    ];
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let shown = |job: &Process| {
        let (code, row) = job.json("/features/counts/c");
        (code == 200, row["as_of"].as_u64().unwrap_or(0))
    };
    let mut running = Process::start(folder.path(), &job, &variables);
    running.until_ready();
    until("the event to have left its window", || !shown(&running).0 && stored(&redis).is_empty());
    // What the heartbeat says is known to whoever comes next.
    let (_, gone_by) = shown(&running);
    let clock = || {
        let beat: String =
            redis::cmd("HGET").arg(&["tidemark:short", "w0"]).query(&mut redis.client()).unwrap();
        let clock = beat.split(' ').find_map(|part| part.strip_prefix("clock="));
        clock.unwrap().parse::<u64>().unwrap()
    };
    until("the heartbeat to say so", || clock() >= gone_by);
    let as_of = clock();
    running.kill();
    running.wait();
    let mut again = Process::start(folder.path(), &job, &variables);
    again.until_ready();
    let (there, later) = shown(&again);
    assert_eq!((there, stored(&redis).len()), (false, 0));
    assert!(later >= as_of, "{later} is before {as_of}");
}
