//! Reading what a topic holds now, once.

use crate::kafka::context::LastError;
use crate::kafka::error::KafkaError;
use crate::kafka::inquirer::{Inquirer, Trouble};
use crate::kafka::settings::KafkaConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long the brokers may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long to wait for a record at a time.
const POLL: Duration = Duration::from_millis(100);

/// Gives every committed record of `topic` to `take`, from its beginning to the end that each partition
/// has when it is reached; in order within a partition. Records of open transactions are not among them.
/// Ends before when `take` returns false. Returns whether the topic is there. Blocks.
///
/// # Errors
/// The brokers say nothing for 30 s, or refuse; or what `take` fails with.
pub(crate) fn read_topic(
    config: &KafkaConfig,
    topic: &str,
    take: &mut dyn FnMut(&BorrowedMessage<'_>) -> Result<bool, KafkaError>,
) -> Result<bool, KafkaError> {
    let unanswered = |why| unanswered(config, topic, why);
    let partitions = match Inquirer::new(config)?.partitions(topic) {
        Ok(count) => count,
        Err(Trouble::NoSuchTopic(_)) => return Ok(false),
        Err(Trouble::Lasting(error)) => return Err(error),
        Err(Trouble::Passing(why)) => return Err(unanswered(why)),
    };
    let native = |partition: u32| i32::try_from(partition);
    let from: Result<Vec<_>, _> = (0..partitions)
        .map(|partition| native(partition).map(|partition| (partition, Offset::Beginning)))
        .collect();
    let from = from.map_err(|error| unanswered(error.to_string()))?;
    read_from(config, topic, &from, take)?;
    Ok(true)
}

/// The same of some partitions of a topic that is there, each from an offset on.
///
/// # Errors
/// As [`read_topic`].
pub(super) fn read_from(
    config: &KafkaConfig,
    topic: &str,
    from: &[(i32, Offset)],
    take: &mut dyn FnMut(&BorrowedMessage<'_>) -> Result<bool, KafkaError>,
) -> Result<(), KafkaError> {
    let unanswered = |why| unanswered(config, topic, why);
    let consumer: BaseConsumer<LastError> = config
        .consumer()?
        // Whatever the job's own settings say.
        .set("isolation.level", "read_committed")
        .create_with_context(LastError::default())
        .map_err(|error| config.client_error(&error))?;
    let mut all = TopicPartitionList::new();
    for (partition, offset) in from {
        all.add_partition_offset(topic, *partition, *offset)
            .map_err(|error| unanswered(error.to_string()))?;
    }
    consumer.assign(&all).map_err(|error| unanswered(error.to_string()))?;
    let mut unread: BTreeSet<i32> = all.elements().iter().map(|it| it.partition()).collect();
    let mut heard = Instant::now();
    while !unread.is_empty() {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                if !take(&message)? {
                    return Ok(());
                }
            }
            Some(Err(ClientError::PartitionEOF(partition))) => {
                unread.remove(&partition);
            }
            // The client tries again by itself.
            Some(Err(_)) | None if heard.elapsed() < SILENCE_MAX => continue,
            Some(Err(error)) => return Err(unanswered(error.to_string())),
            None => {
                let why = consumer.context().take();
                return Err(unanswered(
                    why.unwrap_or_else(|| "the brokers say nothing".to_owned()),
                ));
            }
        }
        heard = Instant::now();
    }
    Ok(())
}

fn unanswered(config: &KafkaConfig, topic: &str, why: String) -> KafkaError {
    KafkaError::NoAnswer {
        brokers: config.bootstrap_servers.clone(),
        why: format!("could not read topic '{topic}': {why}"),
    }
}
