//! The letters of checkpoints into topics, each once.
//!
//! The letters of checkpoint n are one transaction, with the record that tells n. Checkpoints come in
//! order, and the transactional id is a function of the state.

use crate::checkpoint::Leading;
use crate::fault;
use crate::kafka::dead_letters::topics::LetterTopics;
use crate::kafka::dead_letters::{DeadLetterSettings, headers};
use crate::kafka::error::KafkaError;
use crate::kafka::progress_topic::{ProgressTopic, WrittenProgress};
use crate::kafka::settings::KafkaConfig;
use crate::publishing::Unpublished;
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

/// See the module.
pub struct CommittedLetters {
    to: CommittedTo,
    leads: Leading,
    /// Gone after an error: what has become of the transaction is then looked up.
    session: Option<LetterSession>,
}

/// A writer that knows the newest checkpoint whose letters are published.
struct LetterSession {
    progress: WrittenProgress,
    topics: LetterTopics,
}

impl CommittedLetters {
    /// Nothing is reached for yet.
    pub fn new(to: CommittedTo, leads: Leading) -> Self {
        CommittedLetters { to, leads, session: None }
    }

    /// Ends what the process before had left open, so that nobody waits for it who reads what is
    /// committed. Waits for the brokers while `go_on` says so, for 30 s at most, and for open transactions
    /// of others, for 90 s.
    ///
    /// # Errors
    /// The brokers do not answer, or do not let these credentials write in transactions; or it does not
    /// lead.
    pub fn take_over(&mut self, go_on: &dyn Fn() -> bool) -> Result<(), Unpublished> {
        let mut session = self.begin(go_on)?;
        let CommittedTo { progress, begun, .. } = &self.to;
        let published = session.progress.written;
        if session.progress.set_back(*begun, &self.leads, go_on).map_err(|why| self.failed(why))? {
            tracing::warn!(
                topic = progress,
                published,
                begun,
                "letters of checkpoints that this state does not have are published: it is an older one \
                 that was put back, and its letters follow them"
            );
        }
        self.session = Some(session);
        Ok(())
    }

    /// Publishes the letters of checkpoint `number`, unless they are; those of checkpoints before it are
    /// published, or never were to be. Waits for the brokers while `go_on` says so, for about a minute
    /// at most.
    ///
    /// # Errors
    /// None was published, or it is not known whether all were: the next call finds out, where this process
    /// still leads.
    pub fn publish(
        &mut self,
        number: u64,
        letters: &[DeadLetter],
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), Unpublished> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.begin(go_on)?,
        };
        if number > session.progress.written {
            session.write(number, letters, go_on).map_err(|why| self.failed(why.into()))?;
        }
        session.progress.inquirer.serve();
        self.session = Some(session);
        Ok(())
    }

    fn begin(&self, go_on: &dyn Fn() -> bool) -> Result<LetterSession, Unpublished> {
        let CommittedTo { kafka, letters, progress: topic, state, .. } = &self.to;
        // Else it would end what the one that leads has open.
        (self.leads)()?;
        let topics = LetterTopics::new(letters);
        let (key, id) = (state.clone(), format!("tidemark-letters-{state}"));
        let progress = ProgressTopic { kafka, topic, key, id }.begin(go_on);
        let mut progress = progress.map_err(|why| self.failed(why.into()))?;
        if fault::is_mutant("progress_forgotten") {
            progress.written = 0;
        }
        Ok(LetterSession { progress, topics })
    }

    fn failed(&self, why: Unpublished) -> Unpublished {
        let Unpublished::Failed(why) = why else { return why };
        let brokers = self.to.kafka.bootstrap_servers.clone();
        KafkaError::Letters { brokers, why }.into()
    }
}

impl LetterSession {
    fn write(
        &mut self,
        number: u64,
        letters: &[DeadLetter],
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), String> {
        let LetterSession { progress, topics } = self;
        progress.write(number, "publish.write", go_on, |writer, inquirer| {
            for letter in letters {
                let topic = topics.topic(letter);
                let mut record = BaseRecord::<[u8], [u8]>::to(&topic)
                    .partition(topics.partition(inquirer, &topic, letter)?)
                    .headers(headers::of(letter));
                (record.key, record.payload) = (letter.key.as_deref(), letter.value.as_deref());
                writer.write(record)?;
            }
            Ok(())
        })
    }
}
