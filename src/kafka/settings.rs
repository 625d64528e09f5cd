//! Brokers, group, and any librdkafka setting.

use crate::kafka::error::KafkaError;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as ClientError;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How to reach a Kafka cluster.
///
/// Its `Debug` form shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// The consumer group: names the consumers in the brokers' tools. Partitions are assigned by
    /// hand, so members of one group do not share them out.
    pub group_id: String,
    /// librdkafka settings, passed through: `security.protocol`, `sasl.*`, `ssl.*`, `fetch.*`...
    pub settings: BTreeMap<String, String>,
    /// Bounds of what is held in memory.
    pub limits: KafkaLimits,
}

/// Bounds of what a source holds in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KafkaLimits {
    /// Bytes of a partition's records that wait for its worker; default 4 MiB. A batch may exceed
    /// it once. As much again is prefetched by librdkafka (`queued.max.messages.kbytes`).
    pub partition_queue_bytes_max: usize,
    /// Records in a batch; default 1,000.
    pub batch_records_max: usize,
    /// Bytes in a batch, not counting its last record; default 256 KiB.
    pub batch_bytes_max: usize,
    /// How often the brokers are asked for new partitions and for topics made anew; default 500 ms. A
    /// partition found later holds the frontier from then on only: what was sealed before is late.
    pub discovery_interval: Duration,
}

impl Default for KafkaLimits {
    fn default() -> Self {
        KafkaLimits {
            partition_queue_bytes_max: 4 << 20,
            batch_records_max: 1_000,
            batch_bytes_max: 256 << 10,
            discovery_interval: Duration::from_millis(500),
        }
    }
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: BTreeMap<&str, &str> = self
            .settings
            .iter()
            .map(|(key, value)| (key.as_str(), if is_secret(key) { "***" } else { value.as_str() }))
            .collect();
        f.debug_struct("KafkaConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group_id", &self.group_id)
            .field("settings", &shown)
            .field("limits", &self.limits)
            .finish()
    }
}

/// Settings on which the engine's guarantees rest, and where to say them instead.
const RESERVED: [(&str, &str); 11] = [
    ("bootstrap.servers", "; name the brokers in `bootstrap_servers`"),
    ("metadata.broker.list", "; name the brokers in `bootstrap_servers`"),
    ("group.id", "; name the group in `group_id`"),
    ("enable.auto.commit", ""),
    ("enable.auto.offset.store", ""),
    ("auto.offset.reset", "; say `start` in the job"),
    ("enable.partition.eof", ""),
    ("statistics.interval.ms", ""),
    ("transactional.id", ""),
    ("message.timeout.ms", ""),
    ("delivery.timeout.ms", ""),
];

/// What may never be shown: passwords, secrets, tokens and keys given in the text itself.
fn is_secret(key: &str) -> bool {
    ["password", "secret", "token", ".pem", "jaas", "oauthbearer.config", "passphrase"]
        .iter()
        .any(|part| key.contains(part))
}

impl KafkaConfig {
    /// Checks the settings' names and values, without reaching for the brokers.
    ///
    /// # Errors
    /// A setting that the engine decides itself, or that librdkafka refuses.
    pub fn check(&self) -> Result<(), KafkaError> {
        let client = self.consumer()?;
        client.create_native_config().map(drop).map_err(|error| self.client_error(&error))
    }

    /// Settings of a client that only asks about topics.
    pub(super) fn inquirer(&self) -> Result<ClientConfig, KafkaError> {
        let mut client = self.client(&[])?;
        // A misspelt topic is an error, not a new topic.
        client.set("allow.auto.create.topics", "false");
        Ok(client)
    }

    /// Settings of a worker's consumer.
    pub(super) fn consumer(&self) -> Result<ClientConfig, KafkaError> {
        let prefetch_kb = (self.limits.partition_queue_bytes_max >> 10).max(1).to_string();
        let mut client = self.client(&[
            ("queued.max.messages.kbytes", &prefetch_kb),
            // How long a partition whose prefetch is full is left alone; a second would drain it.
            ("fetch.queue.backoff.ms", "5"),
        ])?;
        let group = if self.group_id.is_empty() { "tidemark" } else { self.group_id.as_str() };
        client
            .set("group.id", group)
            .set("allow.auto.create.topics", "false")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("statistics.interval.ms", "1000");
        Ok(client)
    }

    /// Settings of a producer that keeps trying for `message_timeout`; `None`: for ever.
    pub(super) fn producer(
        &self,
        message_timeout: Option<Duration>,
        defaults: &[(&str, &str)],
    ) -> Result<ClientConfig, KafkaError> {
        let mut client = self.client(defaults)?;
        let timeout_ms = message_timeout.map_or(0, |timeout| timeout.as_millis());
        client.set("message.timeout.ms", timeout_ms.to_string());
        Ok(client)
    }

    /// What all clients have in common; `defaults` give way to the user's settings.
    fn client(&self, defaults: &[(&str, &str)]) -> Result<ClientConfig, KafkaError> {
        let mut client = ClientConfig::new();
        client.set_log_level(RDKafkaLogLevel::Info);
        client.set("client.id", "tidemark");
        // Brokers that are back should be noticed soon.
        client.set("reconnect.backoff.max.ms", "2000");
        for (key, value) in defaults {
            client.set(*key, *value);
        }
        for (key, value) in &self.settings {
            if let Some((_, instead)) = RESERVED.iter().find(|(reserved, _)| reserved == key) {
                return Err(KafkaError::Reserved { key: key.clone(), instead });
            }
            client.set(key, value);
        }
        client.set("bootstrap.servers", &self.bootstrap_servers);
        Ok(client)
    }

    /// How long a broker may hold a fetch back.
    pub(super) fn fetch_wait(&self) -> Duration {
        let given = self.settings.get("fetch.wait.max.ms").and_then(|text| text.parse().ok());
        Duration::from_millis(given.unwrap_or(500))
    }

    /// A client that could not be made. librdkafka's own text for a refused setting may quote the
    /// value.
    pub(super) fn client_error(&self, error: &ClientError) -> KafkaError {
        match error {
            ClientError::ClientConfig(_, why, key, _) => {
                let why = if is_secret(key) { "its value is not accepted" } else { why.as_str() };
                KafkaError::Setting { key: key.clone(), why: why.to_owned() }
            }
            other => KafkaError::Client {
                brokers: self.bootstrap_servers.clone(),
                why: other.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, &str)]) -> KafkaConfig {
        let settings = settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        KafkaConfig { bootstrap_servers: "b:1".into(), settings, ..KafkaConfig::default() }
    }

    #[test]
    fn debug_text_and_errors_show_no_secret() {
        let shown = format!(
            "{:?}",
            config(&[
                ("sasl.password", "hunter2"),
                ("ssl.key.pem", "hunter2"),
                ("sasl.oauthbearer.config", "secret=hunter2"),
                ("sasl.username", "ann"),
            ])
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("ann"), "{shown}");

        let misspelt = config(&[("sasl.pasword.x", "hunter2")]).check().unwrap_err().to_string();
        assert!(!misspelt.contains("hunter2"), "{misspelt}");
        assert!(misspelt.contains("'sasl.pasword.x'"), "{misspelt}");
    }

    #[test]
    fn a_setting_the_engine_decides_is_refused_by_name() {
        let error = config(&[("enable.auto.commit", "true")]).check().unwrap_err().to_string();
        assert!(error.contains("'enable.auto.commit'"), "{error}");
    }

    #[test]
    fn an_unknown_setting_is_refused_and_a_known_one_is_not() {
        assert!(config(&[("fetch.min.bytes", "1024")]).check().is_ok());
        let error = config(&[("fetch.min.byte", "1024")]).check().unwrap_err().to_string();
        assert!(error.contains("'fetch.min.byte'"), "{error}");
    }

    #[test]
    fn the_users_setting_wins_over_our_default() {
        let client = config(&[("fetch.queue.backoff.ms", "77")]).consumer().unwrap();
        assert_eq!(client.get("fetch.queue.backoff.ms"), Some("77"));
    }
}
