//! What librdkafka calls back: its log lines, errors and reports.

use crate::kafka::feed::Feed;
use crate::kafka::health::{Health, judge};
use crate::kafka::lock;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::statistics::Statistics;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Hands a log line of librdkafka to our log. Its lines hold no settings.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::debug!(facility, "librdkafka: {line}"),
        _ => tracing::trace!(facility, "librdkafka: {line}"),
    }
}

/// The context of a client that keeps only the last error it was told.
#[derive(Debug, Default)]
pub(super) struct LastError(Mutex<Option<String>>);

impl LastError {
    pub(super) fn take(&self) -> Option<String> {
        lock(&self.0).take()
    }
}

impl ClientContext for LastError {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: ClientError, reason: &str) {
        // "All brokers are down" follows the error that says why, and would hide it.
        if error.rdkafka_error_code() != Some(Code::AllBrokersDown) || lock(&self.0).is_none() {
            *lock(&self.0) = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for LastError {}

/// The context of a worker's consumer.
pub(super) struct WorkerContext {
    pub(super) health: Arc<Health>,
    pub(super) feeds: Mutex<Vec<Arc<Feed>>>,
    /// A broker that owes a reply for longer than this is not heard.
    pub(super) silence_max: Duration,
    /// The text of the newest error: the errors that `poll` returns have only a code.
    reason: Mutex<String>,
}

impl WorkerContext {
    pub(super) fn new(health: Arc<Health>, silence_max: Duration) -> WorkerContext {
        WorkerContext { health, feeds: Mutex::default(), silence_max, reason: Mutex::default() }
    }

    pub(super) fn reason(&self) -> String {
        lock(&self.reason).clone()
    }
}

impl ClientContext for WorkerContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn stats(&self, report: Statistics) {
        let feeds = lock(&self.feeds);
        for feed in feeds.iter() {
            let known = report.topics.get(feed.topic());
            let known = known.and_then(|topic| topic.partitions.get(&feed.partition));
            // Negative until the first fetch was answered.
            let offset = |offset: i64| u64::try_from(offset).ok();
            let Some(known) = known else { continue };
            if let (Some(end), Some(stable)) = (offset(known.hi_offset), offset(known.ls_offset)) {
                feed.state.heard(end, stable, offset(known.eof_offset).unwrap_or(0));
            }
        }
        let partitions = feeds.iter().map(|feed| (feed.topic(), feed.partition));
        self.health.reported(judge(&report, partitions, self.silence_max));
    }

    fn error(&self, error: ClientError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        match code {
            Code::PartitionEOF => return,
            Code::AllBrokersDown => self.health.failed(reason.to_owned()),
            Code::BrokerTransportFailure
            | Code::Resolve
            | Code::SSL
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::OperationTimedOut
            | Code::RequestTimedOut => {
                if self.health.concerns(broker_of(reason)) {
                    self.health.failed(reason.to_owned());
                }
            }
            _ => tracing::debug!(code = ?code, "kafka: {reason}"),
        }
        *lock(&self.reason) = reason.to_owned();
    }
}

impl ConsumerContext for WorkerContext {}

/// The broker that an error text of librdkafka speaks of: `host:9092/3: Connect to ..`.
fn broker_of(reason: &str) -> Option<i32> {
    let name = reason.split(": ").find(|part| part.contains('/') && !part.contains(' '))?;
    name.rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_of_an_error_text_is_its_number_and_bootstrap_brokers_have_none() {
        assert_eq!(broker_of("127.0.0.1:9092/3: Connect to ipv4#.. failed: refused"), Some(3));
        assert_eq!(broker_of("ssl://h:9092/12: Disconnected (after 3ms in state UP)"), Some(12));
        assert_eq!(broker_of("h:9092/bootstrap: Failed to resolve"), None);
        assert_eq!(broker_of("2/2 brokers are down"), None);
    }
}
