//! Letters of checkpoints into topics.

use super::publisher::{Batch, Target};
use crate::kafka::CommittedLetters;

/// Letters of checkpoints into topics, of a process that leads.
pub(super) struct LetterTopic {
    pub letters: CommittedLetters,
    /// Fails once another process has taken over.
    pub leads: Box<dyn Fn() -> Result<(), String> + Send>,
}

impl Target for LetterTopic {
    fn begin(&mut self, go_on: &dyn Fn() -> bool) -> Result<(), String> {
        self.letters.take_over(&self.leads, go_on).map_err(|error| error.to_string())
    }

    fn publish(&mut self, batch: &Batch, go_on: &dyn Fn() -> bool) -> Result<u64, String> {
        let published = self.letters.publish(batch.number, &batch.letters, go_on);
        published.map(|()| batch.number).map_err(|error| error.to_string())
    }
}
