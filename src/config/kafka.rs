//! The brokers of sources that are topics.

use crate::config::keys::{Keys, not_empty};
use crate::config::place::is_brokers;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How topics are read. Its `Debug` form shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port`, separated by commas; default `localhost:9092`.
    pub bootstrap_servers: String,
    /// The consumer group that brokers' tools show; default `tidemark`.
    pub group_id: String,
    /// How often the brokers are asked for new partitions and for topics made anew; default 500 ms.
    pub discovery_interval: Duration,
    /// Bytes of one partition's records that wait for their worker; default 4 MiB.
    pub partition_queue_bytes: u64,
    /// Records in a batch; default 1,000.
    pub batch_records: usize,
    /// Bytes in a batch; default 256 KiB.
    pub batch_bytes: u64,
    /// librdkafka settings, passed through.
    pub settings: BTreeMap<String, String>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        KafkaSettings {
            bootstrap_servers: "localhost:9092".to_owned(),
            group_id: "tidemark".to_owned(),
            discovery_interval: Duration::from_millis(500),
            partition_queue_bytes: 4 << 20,
            batch_records: 1_000,
            batch_bytes: 256 << 10,
            settings: BTreeMap::new(),
        }
    }
}

impl KafkaSettings {
    /// Takes `brokers` instead of those that were said before.
    ///
    /// # Errors
    /// What they must be. The message does not quote them, as they may hold a password.
    pub fn use_brokers(&mut self, brokers: &str) -> Result<(), String> {
        is_brokers(brokers)?;
        brokers.clone_into(&mut self.bootstrap_servers);
        Ok(())
    }

    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        let hour = Duration::from_secs(3_600);
        keys.text("bootstrap_servers", &is_brokers, &mut self.bootstrap_servers);
        keys.text("group_id", &not_empty, &mut self.group_id);
        let interval = Duration::from_millis(100)..=hour;
        keys.duration("discovery_interval", interval, &mut self.discovery_interval);
        let queue = (64 << 10)..=(1 << 30);
        keys.size("partition_queue_bytes", queue, &mut self.partition_queue_bytes);
        keys.count("batch_records", 1..=100_000, &mut self.batch_records);
        keys.size("batch_bytes", (4 << 10)..=(64 << 20), &mut self.batch_bytes);
        keys.pairs("settings", &mut self.settings);
    }
}

/// Whether the value of a librdkafka setting may not be shown.
fn is_secret(key: &str) -> bool {
    ["password", "secret", "token", "pem", "jaas", "passphrase", "oauthbearer.config"]
        .iter()
        .any(|part| key.to_ascii_lowercase().contains(part))
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(key, value): (&String, &String)| {
            (key.clone(), if is_secret(key) { "***".to_owned() } else { value.clone() })
        };
        f.debug_struct("KafkaSettings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group_id", &self.group_id)
            .field("discovery_interval", &self.discovery_interval)
            .field("partition_queue_bytes", &self.partition_queue_bytes)
            .field("batch_records", &self.batch_records)
            .field("batch_bytes", &self.batch_bytes)
            .field("settings", &self.settings.iter().map(shown).collect::<BTreeMap<_, _>>())
            .finish()
    }
}
