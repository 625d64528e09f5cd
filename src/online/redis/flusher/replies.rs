//! What the replies of a round trip say of the rows that were sent.

use super::{Flusher, SLICE};
use crate::online::redis::fence::{Entered, Fence};
use crate::online::redis::flush::{Command, Outcome};
use crate::online::redis::link;
use crate::online::{BreakerState, StoreError};
use redis::{ServerError, Value};

/// Errors of a server that is to be left.
const GONE: [&str; 4] = ["READONLY", "NOAUTH", "MASTERDOWN", "MOVED"];

impl Flusher {
    /// The same for a transaction, after which its connection watches for the next one.
    pub(super) fn judge_fenced(&mut self, fence: &Fence) -> Result<(), StoreError> {
        let (executed, entered) = self.flush.unfold(&mut self.replies);
        self.watching = fence.judge(&entered, true) == Entered::Own;
        if !self.watching {
            self.gate.doubt();
        }
        if executed {
            return self.judge();
        }
        self.flush.failed();
        let (address, key) = (self.settings.address(), fence.key().to_owned());
        Err(StoreError::Fenced { address, key })
    }

    /// Compares the replies with what they had to be. The first refusal is the error.
    pub(super) fn judge(&mut self) -> Result<(), StoreError> {
        let (mut refusal, mut reconnect) = (None, false);
        let mut numbers = self.record.numbers();
        let expected = std::mem::take(&mut self.flush.expected);
        let (mut gone, mut refused) = (false, Vec::new());
        let beats = std::mem::take(&mut self.flush.beats);
        let mut beats = beats.iter();
        for (at, expected) in expected.iter().enumerate() {
            let reply = self.replies.get(at).unwrap_or(&Value::Nil);
            let beat = (expected.command == Command::Beat)
                .then(|| self.pulse.judge(beats.next().map_or("", String::as_str), reply));
            let (outcome, error) = match beat {
                None => expected.judge(reply),
                Some(Err(error)) => (Outcome::Failed, Some(error)),
                Some(Ok(flushed)) => {
                    gone |= flushed;
                    numbers.beats += 1;
                    continue;
                }
            };
            let outcome = match (outcome, &self.nodes) {
                (Outcome::Failed, Some(_)) => Outcome::Parked,
                (outcome, _) => outcome,
            };
            if outcome == Outcome::Failed && error.is_none() {
                // A deletion that found another run entered.
                self.gate.doubt();
                self.watching = false;
            }
            match error {
                None => numbers.command(expected.command, self.flush.cause(expected.of)),
                Some(error) => {
                    self.full |= is_full(error);
                    reconnect |= GONE.contains(&error.code());
                    refused.push((expected.slot, link::reason(error)));
                    // Of several the one that says what to do: the others follow from it.
                    if refusal.is_none() || is_full(error) {
                        refusal = Some(self.refusal(expected.command, error));
                    }
                }
            }
            self.flush.worsen(expected.of, outcome);
        }
        drop(numbers);
        self.flush.expected = expected;
        if self.nodes.is_some() {
            self.judge_nodes(refused);
            refusal = None;
        }
        if gone {
            self.lost();
        }
        match refusal {
            Some(error) if reconnect => Err(self.drop_link(error)),
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn refusal(&self, command: Command, error: &ServerError) -> StoreError {
        let (address, command) = (self.settings.address(), command.name());
        StoreError::Reply { address, command, reason: told(error) }
    }

    /// What the end of an attempt that began at `began` means for the next one.
    pub(super) fn note(&mut self, began: u64, result: Result<bool, StoreError>) {
        match result {
            // That keys could be removed does not say that rows are taken again.
            Ok(_) if self.flush.only_deletes() => {}
            Ok(wrote) => {
                if !(wrote || self.gate.is_held() || self.cell.lock().dirt.is_clean()) {
                    return;
                }
                if self.breaker.success() {
                    tracing::info!(address = self.settings.address(), "writing to Redis again");
                    let mut numbers = self.record.numbers();
                    numbers.breaker = self.breaker.state();
                    (numbers.last_error, numbers.full) = (None, false);
                }
            }
            Err(error) => {
                self.breaker.failure(began, self.clock.now_us());
                let text = self.settings.redact(error.to_string());
                let mut numbers = self.record.numbers();
                numbers.retries += 1;
                numbers.breaker = self.breaker.state();
                numbers.full =
                    matches!(&error, StoreError::Reply { reason, .. } if names_full(reason));
                if numbers.last_error.as_ref() != Some(&text) {
                    tracing::warn!(error = text, "Redis takes no rows; they are kept");
                    numbers.last_error = Some(text);
                }
            }
        }
        // Half-open lasts only as long as the attempt.
        self.record.numbers().breaker = self.breaker.state();
        if self.breaker.state() == BreakerState::Closed {
            self.tell_nodes();
        }
    }

    /// Gives the shard back what the round trip has left, and counts the rest.
    pub(super) fn settle(&mut self) {
        let now = self.clock.now_us();
        if self.flush.len() > 0 {
            // A heartbeat alone tells nothing of how many rows there are to write.
            self.spread.sent(self.flush.again, now);
        }
        {
            let mut numbers = self.record.numbers();
            numbers.spacing_ms = self.spread.spacing_ms();
            numbers.in_flight_since = None;
            // A heartbeat alone is no flush.
            numbers.pipelines += u64::from(self.flush.len() > 0);
            numbers.flushed += self.flush.len() as u64;
            for row in &self.flush.rows {
                match row.outcome {
                    Outcome::Written | Outcome::Found => {
                        numbers.written(row.entry, now, self.pace.decay())
                    }
                    Outcome::Lost | Outcome::Foreign => numbers.healed += 1,
                    Outcome::Failed | Outcome::Parked => {}
                }
            }
        }
        for rows in self.flush.rows.chunks(SLICE) {
            self.cell.lock().settle_rows(rows, now);
        }
        self.cell.lock().settle_deletions(&mut self.flush.deletions);
    }
}

/// Whether a refusal is for want of memory.
pub(super) fn names_full(reason: &str) -> bool {
    reason.starts_with("OOM")
}

/// Whether the server takes nothing for want of memory: by itself, or as the reason that a whole transaction
/// is given up.
fn is_full(error: &ServerError) -> bool {
    error.code() == "OOM" || error.details().is_some_and(|details| details.contains(": OOM "))
}

/// The error, or the one that it is given as the reason of.
fn told(error: &ServerError) -> String {
    match error.details().and_then(|details| details.split_once(": OOM ")) {
        Some((_, why)) => format!("OOM {why}"),
        None => link::reason(error),
    }
}
