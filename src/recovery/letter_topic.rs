//! The topics that dead letters are published in, each once.

use super::publisher::{Batch, Target};
use crate::kafka::CommittedLetters;

impl Target for CommittedLetters {
    fn begin(&mut self, go_on: &dyn Fn() -> bool) -> Result<(), String> {
        self.take_over(go_on).map_err(|error| error.to_string())
    }

    fn publish(&mut self, batch: &Batch, go_on: &dyn Fn() -> bool) -> Result<u64, String> {
        let published = CommittedLetters::publish(self, batch.number, &batch.letters, go_on);
        published.map(|()| batch.number).map_err(|error| error.to_string())
    }
}
