//! The letters of checkpoints into topics, each once.
//!
//! ```text
//!  letters of ──→ one transaction ──→ <topic>.dlq          key, value and headers
//!  checkpoint n                   └─→ the progress topic   the state's id: n
//! ```
//!
//! Checkpoints come in order, and the transactional id is a function of the state: whoever takes the
//! state over ends what the process before had left open, keeps it from going on, and only then reads
//! how far that one had come. So what a crash leaves, or an answer that never came, is published once:
//! by who reads only what is committed.

use crate::fault;
use crate::kafka::create_topic;
use crate::kafka::dead_letters::topics::LetterTopics;
use crate::kafka::dead_letters::{DeadLetterSettings, headers};
use crate::kafka::error::KafkaError;
use crate::kafka::read_topic::read_topic;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::transactions::Transactions;
use rdkafka::message::Message as _;
use rdkafka::producer::BaseRecord;
use tidemark_operators::ingest::dead_letter::DeadLetter;

/// Settings of a progress topic: of each state the newest record is enough.
const PROGRESS_SETTINGS: [(&str, &str); 2] =
    [("cleanup.policy", "compact"), ("segment.ms", "3600000")];

/// Whose letters are published, and where.
#[derive(Clone, Debug)]
pub struct CommittedTo {
    /// How to reach the brokers.
    pub kafka: KafkaConfig,
    /// The topics of the letters.
    pub letters: DeadLetterSettings,
    /// The topic that says how far letters are published: one of the job.
    pub progress: String,
    /// The id of the state that their checkpoints are in.
    pub state: String,
    /// The newest checkpoint that it has.
    pub begun: u64,
}

/// See the module.
pub struct CommittedLetters {
    to: CommittedTo,
    /// Gone after an error: what has become of the transaction is then looked up.
    session: Option<LetterSession>,
}

/// A writer that knows how far letters are published.
struct LetterSession {
    writer: Transactions,
    topics: LetterTopics,
    published: u64,
}

impl CommittedLetters {
    /// Nothing is reached for yet.
    pub fn new(to: CommittedTo) -> Self {
        CommittedLetters { to, session: None }
    }

    /// Ends what the process before had left open, so that nobody waits for it who reads what is
    /// committed. Waits for the brokers while `go_on` says so, for 30 s at most.
    ///
    /// # Errors
    /// The brokers do not answer, or do not let these credentials write in transactions.
    pub fn take_over(&mut self, go_on: &dyn Fn() -> bool) -> Result<(), KafkaError> {
        let mut session = self.begin(go_on)?;
        let CommittedTo { progress, begun, .. } = &self.to;
        if session.published > *begun {
            tracing::warn!(
                topic = progress,
                published = session.published,
                begun,
                "letters of checkpoints that this state does not have are published: it is an older one \
                 that was put back, and its letters follow them"
            );
            session.write(&self.to, *begun, &[], go_on).map_err(|why| self.failed(why))?;
            session.published = *begun;
        }
        self.session = Some(session);
        Ok(())
    }

    /// Publishes the letters of checkpoint `number`, unless they are; those of checkpoints before it are
    /// published, or never were to be. Waits for the brokers while `go_on` says so, for about a minute
    /// at most.
    ///
    /// # Errors
    /// None was published, or it is not known whether all were: the next call finds out.
    pub fn publish(
        &mut self,
        number: u64,
        letters: &[DeadLetter],
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), KafkaError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.begin(go_on)?,
        };
        if number > session.published {
            session.write(&self.to, number, letters, go_on).map_err(|why| self.failed(why))?;
            session.published = number;
        }
        session.topics.serve();
        self.session = Some(session);
        Ok(())
    }

    fn begin(&self, go_on: &dyn Fn() -> bool) -> Result<LetterSession, KafkaError> {
        let CommittedTo { kafka, letters, progress, state, .. } = &self.to;
        let topics = LetterTopics::new(kafka, letters)?;
        if topics.find(progress).map_err(|why| self.failed(why))?.is_none()
            && create_topic(kafka, progress, 1, &PROGRESS_SETTINGS)?
        {
            tracing::info!(topic = progress, "kafka: made the topic that tells published letters");
        }
        let writer = Transactions::new(kafka, &format!("tidemark-letters-{state}"))?;
        writer.begin(go_on).map_err(|why| self.failed(why))?;
        let mut published = 0;
        // Only now: what an earlier one committed just before is in it.
        read_topic(kafka, progress, &mut |record| {
            if record.key() == Some(state.as_bytes()) {
                let number = record.payload().and_then(|value| std::str::from_utf8(value).ok());
                let number = number.and_then(|number| number.parse::<u64>().ok());
                // The last one counts.
                published = number.ok_or_else(|| {
                    let offset = record.offset();
                    self.failed(format!(
                        "'{progress}' tells which letters are published, and its record {offset} has \
                         no number: remove what else writes to it"
                    ))
                })?;
            }
            Ok(true)
        })?;
        if fault::is_mutant("progress_forgotten") {
            published = 0;
        }
        Ok(LetterSession { writer, topics, published })
    }

    fn failed(&self, why: String) -> KafkaError {
        KafkaError::Letters { brokers: self.to.kafka.bootstrap_servers.clone(), why }
    }
}

impl LetterSession {
    fn write(
        &mut self,
        to: &CommittedTo,
        number: u64,
        letters: &[DeadLetter],
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), String> {
        let LetterSession { writer, topics, .. } = self;
        writer.all_or_nothing(go_on, || {
            for letter in letters {
                let topic = topics.topic(letter);
                let mut record = BaseRecord::<[u8], [u8]>::to(&topic)
                    .partition(topics.partition(&topic, letter)?)
                    .headers(headers::of(letter));
                (record.key, record.payload) = (letter.key.as_deref(), letter.value.as_deref());
                writer.write(record)?;
            }
            let number = number.to_string();
            let record = BaseRecord::to(&to.progress).partition(0).key(to.state.as_bytes());
            writer.write(record.payload(number.as_bytes()))?;
            writer.flush(go_on);
            fault::point("publish.write");
            Ok(())
        })
    }
}
