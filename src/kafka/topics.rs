//! Making a topic.

use crate::kafka::context::LastError;
use crate::kafka::error::KafkaError;
use crate::kafka::settings::KafkaConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::time::Duration;

/// How long the brokers may take to make a topic.
const CREATE_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes a topic with so many partitions, the brokers' default replication, and `settings` of the
/// topic (`max.message.bytes`..). Returns whether it was made: `false`, it was there already.
/// Blocks for up to 30 s.
///
/// # Errors
/// The brokers did not answer or refused.
pub fn create_topic(
    config: &KafkaConfig,
    topic: &str,
    partitions: u32,
    settings: &[(&str, &str)],
) -> Result<bool, KafkaError> {
    let failed = |why: String| KafkaError::Create {
        topic: topic.to_owned(),
        brokers: config.bootstrap_servers.clone(),
        why,
    };
    let admin: AdminClient<LastError> = config
        .inquirer()?
        .create_with_context(LastError::default())
        .map_err(|error| config.client_error(&error))?;
    let count = i32::try_from(partitions.max(1))
        .map_err(|_| failed(format!("{partitions} partitions are too many")))?;
    let mut wanted = NewTopic::new(topic, count, TopicReplication::Fixed(-1));
    for (key, value) in settings {
        wanted = wanted.set(key, value);
    }
    let options = AdminOptions::new()
        .request_timeout(Some(CREATE_TIMEOUT))
        .operation_timeout(Some(CREATE_TIMEOUT));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let results = runtime.block_on(admin.create_topics([&wanted], &options)).map_err(|error| {
        failed(admin.inner().context().take().unwrap_or_else(|| error.to_string()))
    })?;
    for result in results {
        match result {
            Ok(_) => {}
            Err((_, Code::TopicAlreadyExists)) => return Ok(false),
            Err((_, code)) => return Err(failed(code.to_string())),
        }
    }
    Ok(true)
}
