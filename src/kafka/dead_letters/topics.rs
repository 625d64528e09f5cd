//! The topics of letters: found, or made when a letter is to be written there.

use crate::kafka::dead_letters::DeadLetterSettings;
use crate::kafka::inquirer::Inquirer;
use crate::kafka::topics::find_or_make;
use std::collections::HashMap;
use tidemark_operators::ingest::dead_letter::DeadLetter;

/// `max.message.bytes` of a topic that we make: a letter is larger than its record.
const MESSAGE_BYTES_MAX: &str = "104857600";

/// See the module.
pub(super) struct LetterTopics {
    settings: DeadLetterSettings,
    /// Partitions of those that are known to exist.
    partitions: HashMap<String, u32>,
}

impl LetterTopics {
    pub(super) fn new(settings: &DeadLetterSettings) -> Self {
        LetterTopics { settings: settings.clone(), partitions: HashMap::new() }
    }

    /// The topic of a letter.
    pub(super) fn topic(&self, letter: &DeadLetter) -> String {
        self.settings.topic_of(letter)
    }

    /// The letter's partition in its topic: the record's own, folded into those there are, so that
    /// the letters of one partition stay in order. Makes the topic if need be.
    pub(super) fn partition(
        &mut self,
        inquirer: &Inquirer,
        topic: &str,
        letter: &DeadLetter,
    ) -> Result<i32, String> {
        let count = match self.partitions.get(topic) {
            Some(count) => *count,
            None => {
                let settings = [("max.message.bytes", MESSAGE_BYTES_MAX)];
                let own: Vec<String> = letter.topic.iter().cloned().collect();
                let count = find_or_make(inquirer, topic, &settings, &own)?;
                self.partitions.insert(topic.to_owned(), count);
                count
            }
        };
        i32::try_from(letter.partition.partition % count.max(1)).map_err(|error| error.to_string())
    }

    /// Looks again whether a topic is there before the next letter goes to it.
    pub(super) fn forget(&mut self, topic: &str) {
        self.partitions.remove(topic);
    }
}
