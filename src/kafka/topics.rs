//! Making a topic, or finding it.

use crate::kafka::context::LastError;
use crate::kafka::error::KafkaError;
use crate::kafka::inquirer::{Inquirer, Trouble};
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

/// A topic that is to be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WritableTopic {
    /// How many partitions it has.
    pub partitions: u32,
    /// How many records it held before.
    pub records: u64,
    /// Whether it was made for this.
    pub created: bool,
}

fn failed(config: &KafkaConfig, trouble: Trouble) -> KafkaError {
    let brokers = config.bootstrap_servers.clone();
    match trouble {
        Trouble::Lasting(error) => error,
        Trouble::Passing(why) => KafkaError::NoAnswer { brokers, why },
        Trouble::NoSuchTopic(topic) => KafkaError::NoSuchTopic { topic, brokers },
    }
}

/// How many partitions a topic has, and how many records they hold. Blocks for some seconds when the
/// brokers do not answer.
///
/// # Errors
/// The brokers did not answer, refused, or have no such topic.
pub fn topic_size(config: &KafkaConfig, topic: &str) -> Result<(u32, u64), KafkaError> {
    let inquirer = Inquirer::new(config)?;
    let partitions = inquirer.partitions(topic).map_err(|trouble| failed(config, trouble))?;
    let records = inquirer.records(topic, partitions);
    Ok((partitions, records.map_err(|trouble| failed(config, trouble))?))
}

/// The partitions of `topic`. If it is not there it is made with `settings`, and with as many as the one of
/// `like` has that has most; 1, if none of them is there.
///
/// # Errors
/// The brokers did not answer or refused.
pub(super) fn find_or_make(
    inquirer: &Inquirer,
    topic: &str,
    settings: &[(&str, &str)],
    like: &[String],
) -> Result<u32, String> {
    match inquirer.partitions(topic) {
        Ok(count) => return Ok(count),
        Err(Trouble::NoSuchTopic(_)) => {}
        Err(trouble) => return Err(trouble.to_string()),
    }
    let mut made = 1;
    for like in like {
        made = match inquirer.partitions(like) {
            Ok(count) => made.max(count),
            // One that these credentials may not look at is no example, either.
            Err(Trouble::NoSuchTopic(_) | Trouble::Lasting(_)) => made,
            Err(trouble) => return Err(trouble.to_string()),
        };
    }
    let created = create_topic(inquirer.config(), topic, made, settings);
    if created.map_err(|error| error.to_string())? {
        tracing::info!(topic, partitions = made, "kafka: made a topic");
        return Ok(made);
    }
    // Somebody else made it meanwhile.
    inquirer.partitions(topic).map_err(|trouble| trouble.to_string())
}

/// Finds `topic`, or makes it with so many `partitions` (and what [`create_topic`] says). Blocks for
/// some seconds when the brokers do not answer.
///
/// # Errors
/// The brokers did not answer, refused, or have the topic with another number of partitions than
/// `wanted`.
pub fn find_or_create_topic(
    config: &KafkaConfig,
    topic: &str,
    wanted: Option<u32>,
) -> Result<WritableTopic, KafkaError> {
    let failed = |trouble| failed(config, trouble);
    let inquirer = Inquirer::new(config)?;
    let partitions = match inquirer.partitions(topic) {
        Ok(partitions) => partitions,
        Err(Trouble::NoSuchTopic(_)) => {
            let partitions = wanted.unwrap_or(1);
            if create_topic(config, topic, partitions, &[])? {
                return Ok(WritableTopic { partitions, records: 0, created: true });
            }
            inquirer.partitions(topic).map_err(failed)?
        }
        Err(trouble) => return Err(failed(trouble)),
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != partitions) {
        let topic = topic.to_owned();
        let brokers = config.bootstrap_servers.clone();
        return Err(KafkaError::OtherPartitions { topic, brokers, partitions, wanted });
    }
    let records = inquirer.records(topic, partitions).map_err(failed)?;
    Ok(WritableTopic { partitions, records, created: false })
}
