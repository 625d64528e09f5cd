//! The letters of checkpoints into topics, each once.
//!
//! The letters of checkpoint n are one transaction, with the record that tells n. Checkpoints come in
//! order, and the transactional id is a function of the state.

use crate::fault;
use crate::kafka::dead_letters::topics::LetterTopics;
use crate::kafka::dead_letters::{DeadLetterSettings, headers};
use crate::kafka::error::KafkaError;
use crate::kafka::progress_topic::ProgressTopic;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::transactions::Transactions;
use rdkafka::producer::BaseRecord;
use tidemark_operators::ingest::dead_letter::DeadLetter;

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

impl CommittedTo {
    fn progress(&self) -> ProgressTopic {
        let CommittedTo { kafka, progress, state, .. } = self;
        ProgressTopic { kafka: kafka.clone(), topic: progress.clone(), key: state.clone() }
    }
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
    /// committed. Waits for the brokers while `go_on` says so, for 30 s at most. `leads` fails in a process
    /// that another one has taken over from: it may come here late, and what is published then is not its
    /// to judge.
    ///
    /// # Errors
    /// The brokers do not answer, or do not let these credentials write in transactions; or it does not
    /// lead.
    pub fn take_over(
        &mut self,
        leads: &dyn Fn() -> Result<(), String>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), KafkaError> {
        let mut session = self.begin(go_on)?;
        let CommittedTo { progress, begun, .. } = &self.to;
        if session.published > *begun {
            // Who takes over behind this has this writer fenced before it publishes.
            leads().map_err(|why| self.failed(why))?;
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
        let CommittedTo { kafka, letters, state, .. } = &self.to;
        let topics = LetterTopics::new(kafka, letters)?;
        let progress = self.to.progress();
        let begun = progress.begin(&format!("tidemark-letters-{state}"), go_on);
        let (writer, told) = begun.map_err(|why| self.failed(why))?;
        let published = told.map_or(Ok(0), |told| {
            told.parse().map_err(|_| self.failed(progress.not_ours(&told)))
        })?;
        let published = if fault::is_mutant("progress_forgotten") { 0 } else { published };
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
            to.progress().tell(writer, &number.to_string())?;
            writer.flush(go_on);
            fault::point("publish.write");
            Ok(())
        })
    }
}
