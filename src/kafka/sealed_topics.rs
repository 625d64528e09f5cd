//! Sealed rows into topics, each once.
//!
//! Rows come in their order, and are told by their place in it, in bytes. A transaction holds rows, and the
//! record that tells up to which place they are published. Rows of one entity are in one partition, in
//! their order: the key is the entity's id, placed as Java's clients place keys.

use crate::checkpoint::Leading;
use crate::fault;
use crate::kafka::error::KafkaError;
use crate::kafka::progress_topic::{ProgressTopic, WrittenProgress};
use crate::kafka::settings::KafkaConfig;
use crate::kafka::topics::find_or_make;
use crate::publishing::Unpublished;
use rdkafka::producer::BaseRecord;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashSet;

/// Whose sealed rows are published, and where.
#[derive(Clone, Debug)]
pub struct SealedTopicSettings {
    /// How to reach the brokers.
    pub kafka: KafkaConfig,
    /// The topic; `{view}` stands for the row's view.
    pub topic: String,
    /// The topic that says how far rows are published: one of the job.
    pub progress: String,
    /// The id of the state whose rows they are.
    pub state: String,
    /// The topics of the job's sources: a topic that is made has as many partitions as the one with most.
    pub sources: Vec<String>,
}

/// See the module.
pub struct SealedTopics {
    to: SealedTopicSettings,
    leads: Leading,
    /// Gone after an error: what has become of the transaction is then looked up.
    session: Option<RowSession>,
}

/// A writer that knows up to which place rows are published.
struct RowSession {
    progress: WrittenProgress,
    /// Topics that are known to exist.
    there: HashSet<String>,
}

/// What of a row's line says where it goes.
#[derive(Deserialize)]
struct RowPlace<'a> {
    #[serde(borrow)]
    view: Cow<'a, str>,
    #[serde(borrow)]
    entity_id: Cow<'a, str>,
}

/// What was published of some lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishedRows {
    /// How many rows.
    pub rows: u64,
    /// Lines that are no rows, which are in no topic.
    pub others: u64,
}

impl SealedTopics {
    /// Nothing is reached for yet.
    pub fn new(to: SealedTopicSettings, leads: Leading) -> Self {
        SealedTopics { to, leads, session: None }
    }

    /// The topic of a view's rows.
    pub fn topic_of(pattern: &str, view: &str) -> String {
        pattern.replace("{view}", view)
    }

    /// Ends what the process before had left open; says up to which place rows are published, which is no
    /// further than `begins`, where this process begins to write them. Waits for the brokers while `go_on`
    /// says so, for 30 s at most, and for open transactions of others, for 90 s.
    ///
    /// # Errors
    /// The brokers do not answer, or do not let these credentials write in transactions; or it does not
    /// lead.
    pub fn take_over(&mut self, begins: u64, go_on: &dyn Fn() -> bool) -> Result<u64, Unpublished> {
        let mut session = self.begin(go_on)?;
        let published = session.progress.written;
        if session.progress.set_back(begins, &self.leads, go_on).map_err(|why| self.failed(why))? {
            tracing::warn!(
                topic = self.to.topic,
                published,
                begins,
                "more sealed rows are published than this state and its file hold: an older one was put \
                 back, or the file was replaced; rows are published from where it begins"
            );
        }
        let published = session.progress.written;
        self.session = Some(session);
        Ok(published)
    }

    /// Publishes `lines`, whole ones, whose place in all rows is `begins`, unless they are. Waits for the
    /// brokers while `go_on` says so, for about a minute at most.
    ///
    /// # Errors
    /// None was published, or it is not known whether all were: the next call finds out, where this process
    /// still leads.
    pub fn publish(
        &mut self,
        begins: u64,
        lines: &[u8],
        go_on: &dyn Fn() -> bool,
    ) -> Result<PublishedRows, Unpublished> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.begin(go_on)?,
        };
        let ends = begins.saturating_add(lines.len() as u64);
        let mut published = PublishedRows::default();
        // Of another process that was here meanwhile some may be.
        let known = session.progress.written.saturating_sub(begins);
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        if let Some(rest) = lines.get(known..).filter(|rest| !rest.is_empty()) {
            let written = session.write(&self.to, rest, ends, go_on);
            published = written.map_err(|why| self.failed(why.into()))?;
        }
        session.progress.inquirer.serve();
        self.session = Some(session);
        Ok(published)
    }

    fn begin(&self, go_on: &dyn Fn() -> bool) -> Result<RowSession, Unpublished> {
        let SealedTopicSettings { kafka, topic: rows, progress: topic, state, .. } = &self.to;
        // Else it would end what the one that leads has open.
        (self.leads)()?;
        // Other topics have none of the rows.
        let (key, id) = (format!("{state} {rows}"), format!("tidemark-sealed-{state}"));
        let progress = ProgressTopic { kafka, topic, key, id }.begin(go_on);
        let mut progress = progress.map_err(|why| self.failed(why.into()))?;
        if fault::is_mutant("sealed_progress_forgotten") {
            progress.written = 0;
        }
        Ok(RowSession { progress, there: HashSet::new() })
    }

    fn failed(&self, why: Unpublished) -> Unpublished {
        let Unpublished::Failed(why) = why else { return why };
        let brokers = self.to.kafka.bootstrap_servers.clone();
        KafkaError::SealedRows { brokers, why }.into()
    }
}

impl RowSession {
    fn write(
        &mut self,
        to: &SealedTopicSettings,
        lines: &[u8],
        ends: u64,
        go_on: &dyn Fn() -> bool,
    ) -> Result<PublishedRows, String> {
        let RowSession { progress, there } = self;
        let mut published = PublishedRows::default();
        progress.write(ends, "publish.sealed", go_on, |writer, inquirer| {
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let Ok(RowPlace { view, entity_id }) = serde_json::from_slice(line) else {
                    published.others += 1;
                    continue;
                };
                let topic = SealedTopics::topic_of(&to.topic, &view);
                if !there.contains(&topic) {
                    find_or_make(inquirer, &topic, &[], &to.sources)?;
                    there.insert(topic.clone());
                }
                writer.write(BaseRecord::to(&topic).key(entity_id.as_bytes()).payload(line))?;
                published.rows += 1;
            }
            Ok(())
        })?;
        Ok(published)
    }
}
