//! Writing in transactions: what belongs together is there together, or not at all.
//!
//! Of those with one transactional id only the one that began last goes on: it ends what an earlier one
//! left open, whose next call then fails. Who does not know what has become of a transaction drops its
//! writer, begins again, and looks at what is there.

use crate::kafka::error::KafkaError;
use crate::kafka::lock;
use crate::kafka::produce::{Acknowledgements, DELIVERY_TIMEOUT};
use crate::kafka::settings::KafkaConfig;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::time::{Duration, Instant};

/// How long the brokers may take to begin or abort.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait for an answer at a time: so soon it is noticed that nobody waits any more.
const ANSWER_SLICE: Duration = Duration::from_secs(2);
/// How long to wait for room in the client's queue at a time.
const POLL: Duration = Duration::from_millis(10);

/// Of the client: what is a record's size is the topic's to say, and a key's partition is that which
/// Java's clients give it.
const SETTINGS: [(&str, &str); 2] =
    [("message.max.bytes", "1000000000"), ("partitioner", "murmur2_random")];

/// See the module.
pub(super) struct Transactions(BaseProducer<Acknowledgements>);

impl Transactions {
    /// A writer with this transactional id. Reaches for no broker yet.
    ///
    /// # Errors
    /// A setting that is refused.
    pub(super) fn new(config: &KafkaConfig, id: &str) -> Result<Self, KafkaError> {
        let timeout = DELIVERY_TIMEOUT.as_millis().to_string();
        config
            .producer(Some(DELIVERY_TIMEOUT), &SETTINGS)?
            .set("transactional.id", id)
            .set("transaction.timeout.ms", timeout)
            .create_with_context(Acknowledgements::default())
            .map(Transactions)
            .map_err(|error| config.client_error(&error))
    }

    /// Ends what an earlier one left open, and keeps it from going on; waits for the brokers while
    /// `go_on` says so, for 30 s at most.
    ///
    /// # Errors
    /// Why there is no answer, or that these credentials may not.
    pub(super) fn begin(&self, go_on: &dyn Fn() -> bool) -> Result<(), String> {
        let start = Instant::now();
        let wait = || go_on() && start.elapsed() < ANSWER_TIMEOUT;
        self.patiently(&wait, || self.0.init_transactions(ANSWER_SLICE))
            .map_err(|error| self.told("could not begin to write in transactions", &error))
    }

    /// Commits what `write` writes, or nothing of it when that fails. Waits for the brokers while
    /// `go_on` says so, for 60 s at most.
    ///
    /// # Errors
    /// Nothing was written, or it is not known whether all was: whoever begins next finds out.
    pub(super) fn all_or_nothing(
        &self,
        go_on: &dyn Fn() -> bool,
        write: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        self.0.begin_transaction().map_err(|error| self.told("could not begin", &error))?;
        let outcome = write().and_then(|()| self.commit(go_on));
        if outcome.is_err() {
            // What cannot be aborted either is ended by whoever begins next.
            let timeout = if go_on() { ANSWER_TIMEOUT } else { ANSWER_SLICE };
            let _ = self.0.abort_transaction(timeout);
        }
        outcome
    }

    /// Writes a record of the transaction.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(super) fn write(&self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<(), String> {
        while let Err((error, back)) = self.0.send(record) {
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                return Err(self.told("could not write", &error));
            }
            self.0.poll(POLL);
            record = back;
        }
        Ok(())
    }

    /// Waits until the brokers have what was written, while `go_on` says so; a failure is told by the
    /// commit.
    pub(super) fn flush(&self, go_on: &dyn Fn() -> bool) {
        let _ = self.patiently(go_on, || self.0.flush(ANSWER_SLICE));
    }

    fn commit(&self, go_on: &dyn Fn() -> bool) -> Result<(), String> {
        let start = Instant::now();
        let wait = || go_on() && start.elapsed() < DELIVERY_TIMEOUT;
        self.patiently(&wait, || self.0.commit_transaction(ANSWER_SLICE))
            .map_err(|error| self.told("could not commit", &error))
    }

    fn patiently(
        &self,
        wait: &dyn Fn() -> bool,
        call: impl Fn() -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        loop {
            match call() {
                Err(ClientError::Transaction(error)) if error.is_retriable() && wait() => {}
                Err(ClientError::Flush(Code::OperationTimedOut)) if wait() => {}
                outcome => return outcome,
            }
        }
    }

    /// An error, with what the client was told beside it.
    fn told(&self, what: &str, error: &ClientError) -> String {
        let context = self.0.context();
        let beside = lock(&context.failed).take().or_else(|| lock(&context.trouble).take());
        let beside = beside.map_or_else(String::new, |why| format!(": {why}"));
        format!("{what}: {error}{beside}")
    }
}
