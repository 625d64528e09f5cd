//! Sealed rows into topics, each once.
//!
//! Rows come in their order, and are told by their place in it, in bytes. A transaction holds rows, and the
//! record that tells up to which place they are published. Rows of one entity are in one partition, in
//! their order: the key is the entity's id, placed as Java's clients place keys.

use crate::fault;
use crate::kafka::create_topic;
use crate::kafka::error::KafkaError;
use crate::kafka::inquirer::Inquirer;
use crate::kafka::progress_topic::ProgressTopic;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::transactions::Transactions;
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
    /// Gone after an error: what has become of the transaction is then looked up.
    session: Option<RowSession>,
}

/// A writer that knows how far rows are published.
struct RowSession {
    writer: Transactions,
    inquirer: Inquirer,
    /// Topics that are known to exist.
    there: HashSet<String>,
    published: u64,
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
    pub fn new(to: SealedTopicSettings) -> Self {
        SealedTopics { to, session: None }
    }

    /// The topic of a view's rows.
    pub fn topic_of(pattern: &str, view: &str) -> String {
        pattern.replace("{view}", view)
    }

    /// Ends what the process before had left open; says up to which place rows are published, which is no
    /// further than `begins`, where this process begins to write them. Waits for the brokers while `go_on`
    /// says so, for 30 s at most. `leads` fails in a process that another one has taken over from: it may
    /// come here late, and what is published then is not its to judge.
    ///
    /// # Errors
    /// The brokers do not answer, or do not let these credentials write in transactions; or it does not
    /// lead.
    pub fn take_over(
        &mut self,
        begins: u64,
        leads: &dyn Fn() -> Result<(), String>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<u64, KafkaError> {
        let mut session = self.begin(go_on)?;
        if session.published > begins {
            // Who takes over behind this has this writer fenced before it publishes.
            leads().map_err(|why| self.failed(why))?;
            tracing::warn!(
                topic = self.to.topic,
                published = session.published,
                begins,
                "more sealed rows are published than this state and its file hold: an older one was put \
                 back, or the file was replaced; rows are published from where it begins"
            );
            let tells = self.to.progress();
            let told = session
                .writer
                .all_or_nothing(go_on, || tells.tell(&session.writer, &begins.to_string()));
            told.map_err(|why| self.failed(why))?;
            session.published = begins;
        }
        let published = session.published;
        self.session = Some(session);
        Ok(published)
    }

    /// Publishes `lines`, whole ones, whose place in all rows is `begins`, unless they are. Waits for the
    /// brokers while `go_on` says so, for about a minute at most.
    ///
    /// # Errors
    /// None was published, or it is not known whether all were: the next call finds out.
    pub fn publish(
        &mut self,
        begins: u64,
        lines: &[u8],
        go_on: &dyn Fn() -> bool,
    ) -> Result<PublishedRows, KafkaError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.begin(go_on)?,
        };
        let ends = begins.saturating_add(lines.len() as u64);
        let mut published = PublishedRows::default();
        // A transaction holds all of them or none.
        if session.published < ends {
            let written = session.write(&self.to, lines, ends, go_on);
            published = written.map_err(|why| self.failed(why))?;
            session.published = ends;
        }
        session.inquirer.serve();
        self.session = Some(session);
        Ok(published)
    }

    fn begin(&self, go_on: &dyn Fn() -> bool) -> Result<RowSession, KafkaError> {
        let progress = self.to.progress();
        let begun = progress.begin(&format!("tidemark-sealed-{}", self.to.state), go_on);
        let (writer, told) = begun.map_err(|why| self.failed(why))?;
        let published = told.map_or(Ok(0), |told| {
            told.parse().map_err(|_| self.failed(progress.not_ours(&told)))
        })?;
        let published = if fault::is_mutant("sealed_progress_forgotten") { 0 } else { published };
        let inquirer = Inquirer::new(&self.to.kafka)?;
        Ok(RowSession { writer, inquirer, there: HashSet::new(), published })
    }

    fn failed(&self, why: String) -> KafkaError {
        KafkaError::SealedRows { brokers: self.to.kafka.bootstrap_servers.clone(), why }
    }
}

impl SealedTopicSettings {
    fn progress(&self) -> ProgressTopic {
        let SealedTopicSettings { kafka, progress, state, topic, .. } = self;
        // Other topics have none of the rows.
        let key = format!("{state} {topic}");
        ProgressTopic { kafka: kafka.clone(), topic: progress.clone(), key }
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
        let RowSession { writer, inquirer, there, .. } = self;
        let mut published = PublishedRows::default();
        writer.all_or_nothing(go_on, || {
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let Ok(RowPlace { view, entity_id }) = serde_json::from_slice(line) else {
                    published.others += 1;
                    continue;
                };
                let topic = SealedTopics::topic_of(&to.topic, &view);
                if !there.contains(&topic) {
                    find_or_create(to, inquirer, &topic)?;
                    there.insert(topic.clone());
                }
                writer.write(BaseRecord::to(&topic).key(entity_id.as_bytes()).payload(line))?;
                published.rows += 1;
            }
            to.progress().tell(writer, &ends.to_string())?;
            writer.flush(go_on);
            fault::point("publish.sealed");
            Ok(())
        })?;
        Ok(published)
    }
}

fn find_or_create(
    to: &SealedTopicSettings,
    inquirer: &Inquirer,
    topic: &str,
) -> Result<(), String> {
    if inquirer.find(topic)?.is_some() {
        return Ok(());
    }
    let counts = to.sources.iter().filter_map(|source| inquirer.partitions(source).ok());
    let partitions = counts.max().unwrap_or(1);
    create_topic(&to.kafka, topic, partitions, &[]).map_err(|error| error.to_string())?;
    tracing::info!(topic, partitions, "kafka: made a topic for sealed rows");
    Ok(())
}
