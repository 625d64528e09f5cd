//! Where a job's records come from: its topics, its files, or both.

use crate::config::Settings;
use crate::connect;
use crate::failure::Failure;
use crate::file_source::{FilePartitions, JobFiles, Progress};
use crate::kafka::{
    FoundTopics, HeldTopic, KafkaConfig, KafkaError, KafkaPartitions, KafkaSource, KafkaStatus,
    KnownPartition, KnownTopic, SourceTopic, held_topics,
};
use crate::recovery::Recovery;
use crate::replay::inputs;
use crate::source::Waker;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::cut::PartitionMark;
use tidemark_operators::ingest::reader::{PartitionReader, Partitions};
use tidemark_operators::plan::{Format, Plan, TableFrom};
use tidemark_operators::shape::Shape;
use tidemark_operators::time::Millis;

/// The plan with the files that its sources' folders and patterns stand for now.
///
/// # Errors
/// When one stands for nothing, cannot be listed, or for a file whose name is not UTF-8.
pub(crate) fn with_files(plan: Arc<Plan>) -> Result<Arc<Plan>, Failure> {
    if plan.sources.iter().all(|source| source.files.is_empty()) {
        return Ok(plan);
    }
    let mut plan = Plan::clone(&plan);
    for source in &mut plan.sources {
        let names: Vec<PathBuf> = source.files.iter().map(PathBuf::from).collect();
        let found = inputs::found_files(&source.name, &names)?;
        source.files = found.iter().map(|file| file_text(file)).collect::<Result<_, _>>()?;
    }
    Ok(Arc::new(plan))
}

/// The name of a file as a plan has it.
///
/// # Errors
/// When it is not UTF-8.
pub(crate) fn file_text(file: &Path) -> Result<String, Failure> {
    let not_text = || format!("the name of the file {} is not UTF-8", file.display());
    file.to_str().map(str::to_owned).ok_or_else(|| Failure::usage(not_text()))
}

/// What is to be read. A source that names files is read from them, any other from its topic.
pub(crate) struct Sources {
    kafka: KafkaConfig,
    topics: Vec<SourceTopic>,
    files: JobFiles,
    /// Sources and tables whose topics may be other ones than they were.
    accepted: Vec<String>,
}

impl Sources {
    /// The sources of `plan`.
    ///
    /// # Errors
    /// When a source has neither topic nor files, a topic cannot be of its format, a setting of Kafka
    /// is wrong, or a file is no dump of a topic that should be one.
    pub fn new(plan: &Plan, settings: &Settings) -> Result<Self, Failure> {
        let kafka = connect::kafka(&settings.kafka);
        let (mut topics, mut files) = (Vec::new(), Vec::new());
        for (at, source) in (0_u16..).zip(&plan.sources) {
            match &source.topic {
                _ if !source.files.is_empty() => {
                    files.push((at, source.files.iter().map(PathBuf::from).collect()));
                }
                Some(topic) if matches!(source.format, Format::Csv { .. }) => {
                    let name = &source.name;
                    let failure = format!(
                        "the source \"{name}\" cannot be read from its topic {topic}: it is CSV, and \
                         records of a topic have no line that names their columns"
                    );
                    return Err(Failure::usage(failure)
                        .hint("name \"files\" in the source, or use `tidemark replay`"));
                }
                Some(topic) => topics.push(SourceTopic {
                    source: at,
                    topic: topic.clone(),
                    start: source.start,
                    headers: source.headers(),
                    offsets: BTreeMap::new(),
                    known: KnownTopic { source: source.name.clone(), ..KnownTopic::default() },
                }),
                None => {
                    let name = &source.name;
                    let failure =
                        format!("the source \"{name}\" has neither \"topic\" nor \"files\"");
                    return Err(Failure::usage(failure)
                        .hint("say in the job where it is read from, or use `tidemark replay`"));
                }
            }
        }
        if !topics.is_empty() {
            kafka.check().map_err(Failure::usage)?;
        }
        let record_bytes_max = settings.limits.engine().record_bytes;
        let files = JobFiles::new(plan, files, record_bytes_max).map_err(Failure::failed)?;
        Ok(Sources { kafka, topics, files, accepted: Vec::new() })
    }

    /// The files, by source, but for dumps.
    pub fn files(&self) -> &[(u16, Vec<PathBuf>)] {
        self.files.files()
    }

    /// How many partitions of files the workers of this process read.
    pub fn files_of(&self, shape: Shape) -> usize {
        shape.workers().map(|worker| self.files.count(worker, shape.peers())).sum()
    }

    /// How much of them has been read.
    pub fn progress(&self) -> &Arc<Progress> {
        self.files.progress()
    }

    /// The same, read on from where the newest checkpoint says.
    #[must_use]
    pub fn resumed(mut self, plan: &Plan, recovery: Option<&Recovery>) -> Self {
        let Some(recovery) = recovery else { return self };
        let (resume, ids) = (recovery.resume(), recovery.topic_ids());
        for topic in &mut self.topics {
            topic.known.id = ids.get(&topic.source).cloned();
            let of = resume.partitions.iter().filter(|(id, _)| id.source == topic.source);
            let ahead = plan
                .sources
                .get(usize::from(topic.source))
                .map_or(0, |source| source.max_ahead.unwrap_or(0).max(source.out_of_orderness));
            topic.known.partitions =
                of.map(|(id, mark)| (id.partition, known(mark, ahead))).collect();
        }
        self
    }

    /// The same, where the topics of these sources and reference tables may be other ones than they were.
    ///
    /// # Errors
    /// When neither a source nor a table of `plan` that is read from a topic has one of the names.
    pub fn accepting(mut self, plan: &Plan, names: &[String]) -> Result<Self, Failure> {
        let tables = plan.tables.iter();
        let tables = tables.filter(|table| matches!(table.from, TableFrom::Topic { .. }));
        let tables: Vec<&str> = tables.map(|table| table.name.as_str()).collect();
        for name in names {
            let topic = self.topics.iter_mut().find(|topic| topic.known.source == *name);
            let is_table = tables.contains(&name.as_str());
            if topic.is_none() && !is_table {
                let sources = self.topics.iter().map(|topic| topic.known.source.as_str());
                let names = sources.chain(tables).map(|name| format!("\"{name}\""));
                let names = names.collect::<Vec<_>>().join(", ");
                let failure = format!(
                    "--accept-changed-topic \"{name}\": no source and no table of the job that is read \
                     from a topic has this name"
                );
                return Err(Failure::usage(failure).hint(format!("name one of: {names}")));
            }
            if let Some(topic) = topic {
                topic.known.accept_changed = true;
            }
        }
        self.accepted = names.to_vec();
        Ok(self)
    }

    /// The sources and tables whose topics may be other ones than they were.
    pub fn accepted(&self) -> &[String] {
        &self.accepted
    }

    /// What its topics hold now; waits for the brokers as long as `keep_trying` says so.
    ///
    /// # Errors
    /// When a topic does not exist or may not be read.
    pub fn held(&self, keep_trying: &dyn Fn() -> bool) -> Result<Vec<HeldTopic>, Failure> {
        held_topics(&self.kafka, &self.topics, keep_trying).map_err(Failure::failed)
    }

    /// Whether a source is a topic.
    pub fn has_topics(&self) -> bool {
        !self.topics.is_empty()
    }

    /// Reaches Kafka when a source is a topic, for as long as `keep_trying` says so; `None` when it
    /// said no.
    ///
    /// # Errors
    /// When a topic does not exist or may not be read.
    pub fn open(
        &self,
        shape: Shape,
        status: &Arc<KafkaStatus>,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Option<OpenSources>, Failure> {
        let mut kafka = None;
        if self.has_topics() {
            let topics = self.topics.clone();
            match KafkaSource::open(&self.kafka, topics, shape, status, keep_trying) {
                Ok(source) => kafka = Some(source),
                Err(error @ KafkaError::Stopped { .. }) => {
                    tracing::info!("{error}");
                    return Ok(None);
                }
                Err(error) => return Err(Failure::failed(error)),
            }
        }
        Ok(Some(OpenSources { kafka, files: self.files.clone(), shape }))
    }
}

/// What `mark` says of a partition's log, whose events lie at most `ahead` ms ahead of their records'
/// timestamps.
fn known(mark: &PartitionMark, ahead: Millis) -> KnownPartition {
    // As long as all of it that was read was history's.
    let history = mark.history.filter(|_| mark.accepted == 0);
    let wanted = history.map(|part| part.until.saturating_sub(ahead));
    KnownPartition { reread: mark.reread, read: mark.read, last: mark.last, wanted }
}

/// Sources that can be read.
pub(crate) struct OpenSources {
    kafka: Option<KafkaSource>,
    files: JobFiles,
    shape: Shape,
}

impl OpenSources {
    /// The topics as they were found, where there are any.
    pub fn topics(&self) -> Option<&Arc<FoundTopics>> {
        self.kafka.as_ref().map(KafkaSource::found)
    }

    /// The partitions of `worker`; called once for each of this process.
    ///
    /// # Errors
    /// When a file cannot be opened, or a thread or client cannot be had: the reason as text.
    pub fn partitions(&self, worker: usize, waker: &Waker) -> Result<Box<dyn Partitions>, String> {
        let peers = self.shape.peers();
        let files = self.files.open(worker, peers, waker).map_err(|error| error.to_string())?;
        let Some(kafka) = &self.kafka else { return Ok(Box::new(files)) };
        let topics = kafka.partitions(worker, Waker::clone(waker));
        Ok(Box::new(Both { topics: topics.map_err(|error| error.to_string())?, files }))
    }

    /// Ends all reading, and waits at most `within` until the connections are gone.
    pub fn close(self, within: Duration) {
        if let Some(kafka) = self.kafka
            && !kafka.close(within)
        {
            tracing::debug!("connections to the brokers were still open at the end");
        }
    }
}

/// A worker's topics and files.
struct Both {
    topics: KafkaPartitions,
    files: FilePartitions,
}

impl Partitions for Both {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        let mut appeared = self.topics.appeared();
        appeared.append(&mut self.files.appeared());
        appeared
    }

    fn may_grow(&self) -> bool {
        self.topics.may_grow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_without_topic_and_files_is_refused() {
        let mut plan = Plan::clone(&crate::job_file::load("fraud").unwrap().plan);
        plan.sources[0].topic = None;
        let refused = Sources::new(&plan, &Settings::default()).err().unwrap().to_string();
        assert!(refused.contains("\"transactions\" has neither"), "{refused}");
        plan.sources[0].files = vec!["a.jsonl".to_owned()];
        assert!(!Sources::new(&plan, &Settings::default()).ok().unwrap().has_topics());
    }

    #[test]
    fn a_topic_of_csv_is_refused_before_anything_is_read() {
        let mut plan = Plan::clone(&crate::job_file::load("fraud").unwrap().plan);
        plan.sources[0].format = Format::Csv { delimiter: b',' };
        let refused = Sources::new(&plan, &Settings::default()).err().unwrap().to_string();
        assert!(refused.contains("\"transactions\" cannot be read from its topic"), "{refused}");
        plan.sources[0].files = vec!["a.csv".to_owned()];
        assert!(Sources::new(&plan, &Settings::default()).is_ok());
    }
}
