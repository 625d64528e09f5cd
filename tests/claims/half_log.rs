//! The shipped job `fraud` on a topic that has half of a log, until the rest is written.

use crate::memory::{Output, Record};
use crate::redis_server::Redis;
use crate::run::{self, Process, command, half, topic, traffic, until_stored, write};
use std::path::Path;
use std::process::Command;

/// The log, where it is read, and the store of its rows.
pub struct HalfLog {
    pub log: Vec<Vec<(Record, Record)>>,
    pub topic: String,
    pub redis: Redis,
}

impl HalfLog {
    /// With the first half in the topic.
    pub fn new(seed: u64) -> HalfLog {
        let log = traffic(seed, 12_000);
        HalfLog { topic: topic(&half(&log, 0)), redis: Redis::start(&[]), log }
    }

    /// Starts the job in `folder`, with these variables more.
    pub fn start(&self, folder: &Path, more: &[(&str, &str)]) -> Process {
        self.start_by(command(), folder, more)
    }

    /// Starts it as what `program` runs with the arguments that follow.
    pub fn start_by(&self, program: Command, folder: &Path, more: &[(&str, &str)]) -> Process {
        let kafka = run::kafka().bootstrap_servers;
        let port = self.redis.port.to_string();
        let mut variables = vec![
            ("KAFKA_BOOTSTRAP_SERVERS", kafka.as_str()),
            ("KAFKA_TOPIC", &self.topic),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
        ];
        variables.extend(more);
        Process::start_by(program, folder, "fraud", &variables, &[])
    }

    /// Writes what the topic has not yet, and waits for it in Redis.
    pub fn rest(&self, expected: &Output) {
        write(&self.topic, &half(&self.log, 1));
        until_stored(&self.redis, &run::hashes(expected));
    }
}
