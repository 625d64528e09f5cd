//! The topic that dead letters are published in.
//!
//! What a crash has left of a batch is not known, so it is published whole again: a letter may be there
//! twice, and its headers (topic, partition, offset) tell the copies.

use super::publisher::{Batch, Target};
use crate::kafka::{KafkaDeadLetterSink, KafkaDeadLetters};
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::ingest::dead_letter::DeadLetterSink as _;

/// How often it is looked whether the brokers have what they were given.
const LOOK: Duration = Duration::from_millis(2);

/// See the module.
pub(super) struct LetterTopic {
    writer: KafkaDeadLetters,
    sink: KafkaDeadLetterSink,
}

impl LetterTopic {
    pub fn new(writer: KafkaDeadLetters) -> Self {
        // Nobody waits for room but this.
        let sink = writer.sink(Arc::new(|| {}));
        LetterTopic { writer, sink }
    }

    fn wait(&self, go_on: &dyn Fn() -> bool, done: impl Fn() -> bool) -> Result<(), String> {
        while !done() {
            if !go_on() {
                let why = self.writer.status().error;
                return Err(why.unwrap_or_else(|| "the brokers have not answered".to_owned()));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Target for LetterTopic {
    fn publish(&mut self, batch: &Batch, go_on: &dyn Fn() -> bool) -> Result<u64, String> {
        for letter in &batch.letters {
            self.wait(go_on, || self.sink.has_room())?;
            self.sink.push(letter.clone());
        }
        self.wait(go_on, || self.writer.status().outstanding == 0)?;
        Ok(batch.number)
    }
}
