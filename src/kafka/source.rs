//! Opening the topics, and what a worker gets of them.

use crate::kafka::consumer::{Mailbox, WorkerConsumer};
use crate::kafka::context::WorkerContext;
use crate::kafka::discovery::{Discovery, MissingTopic, STOP_CHECK, Stop, open_patiently};
use crate::kafka::error::KafkaError;
use crate::kafka::health::Health;
use crate::kafka::inquirer::Inquirer;
use crate::kafka::known_log::{FoundTopics, KnownTopic};
use crate::kafka::lock;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::status::KafkaStatus;
use crate::source::Waker;
use rdkafka::consumer::BaseConsumer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidemark_operators::ingest::reader::{PartitionReader, Partitions};
use tidemark_operators::plan::Start;
use tidemark_operators::shape::Shape;

/// How long a broker may owe a reply beyond `fetch.wait.max.ms` before it counts as down.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// A topic that a source of the job reads.
#[derive(Clone, Debug)]
pub struct SourceTopic {
    /// Index into [`tidemark_operators::plan::Plan::sources`].
    pub source: u16,
    /// The topic.
    pub topic: String,
    /// Where its partitions start.
    pub start: Start,
    /// The headers that are wanted, in order, each once: of others nothing is kept.
    pub headers: Vec<String>,
    /// Partitions that start at this offset instead. One that the broker does not have stops the
    /// job.
    pub offsets: BTreeMap<u32, u64>,
    /// What a checkpoint knows of it: its partitions are read on from there.
    pub known: KnownTopic,
}

impl SourceTopic {
    /// Where `partition`, whose first offset is `low`, starts by number; `None`: where `start` says. One
    /// that a checkpoint of the topic's others does not know was added since: all of it is new.
    pub(super) fn begins_at(&self, partition: u32, low: u64) -> Option<u64> {
        let known = &self.known.partitions;
        match known.get(&partition) {
            Some(known) if known.wanted.is_some() => Some(known.reread.max(low)),
            Some(known) if known.read > 0 => Some(known.reread),
            None if known.is_empty() => self.offsets.get(&partition).copied(),
            _ => Some(low),
        }
    }
}

/// The open topics of a job. Dropping it ends the search for new partitions; the workers'
/// [`KafkaPartitions`] read on.
pub struct KafkaSource {
    config: Box<KafkaConfig>,
    status: Arc<KafkaStatus>,
    found: Arc<FoundTopics>,
    /// One for each worker of this process.
    mailboxes: Vec<Arc<Mailbox>>,
    shape: Shape,
    stop: Arc<Stop>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl KafkaSource {
    /// Finds the partitions of the topics and where to start in each, and gives those that the workers
    /// of this process read to them.
    ///
    /// Blocks until the brokers answer and the topics are there, for as long as `keep_trying` says so;
    /// meanwhile `status` tells what is wrong.
    ///
    /// # Errors
    /// A setting that is refused, a topic that may not be read, one topic for
    /// two sources, one that is not as a checkpoint knows it, or `keep_trying` saying no.
    pub fn open(
        config: &KafkaConfig,
        topics: Vec<SourceTopic>,
        shape: Shape,
        status: &Arc<KafkaStatus>,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<KafkaSource, KafkaError> {
        config.check()?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = topics.iter().find(|topic| !seen.insert(&topic.topic)) {
            return Err(KafkaError::TwoSources { topic: twice.topic.clone() });
        }
        let inquirer = Inquirer::new(config)?;
        let awaited = (MissingTopic::Awaited, &**status);
        let opened = open_patiently(config, &inquirer, &topics, awaited, keep_trying)?;

        let mailboxes: Vec<_> = shape.workers().map(|_| Arc::<Mailbox>::default()).collect();
        let mut discovery = Discovery {
            inquirer,
            topics,
            known: BTreeSet::new(),
            shape,
            mailboxes: mailboxes.clone(),
            status: Arc::clone(status),
            stop: Arc::default(),
            interval: config.limits.discovery_interval,
            ids: BTreeMap::new(),
            error: None,
        };
        discovery.note_ids(&opened);
        let found = Arc::new(FoundTopics {
            ids: discovery.ids.iter().map(|(source, id)| (*source, id.to_string())).collect(),
            begins: opened.iter().map(|opened| (opened.id, opened.position)).collect(),
            changes: discovery.changes(&opened),
        });
        discovery.hand_out(opened);
        status.opened();
        let stop = Arc::clone(&discovery.stop);
        let threads = Mutex::new(vec![spawn(Discovery::NAME, move || discovery.run())?]);
        let (config, status) = (Box::new(config.clone()), Arc::clone(status));
        Ok(KafkaSource { config, status, found, mailboxes, shape, stop, threads })
    }

    /// The topics as they were found.
    pub fn found(&self) -> &Arc<FoundTopics> {
        &self.found
    }

    /// The partitions of `worker`, one of this process: its consumer starts now. To be called once for
    /// each. `waker` is called from the consumer's thread.
    ///
    /// # Errors
    /// No client or no thread could be made.
    pub fn partitions(&self, worker: usize, waker: Waker) -> Result<KafkaPartitions, KafkaError> {
        let mailbox = self.shape.place(worker).and_then(|place| self.mailboxes.get(place));
        let mailbox = mailbox.map(Arc::clone).unwrap_or_default();
        let name = format!("kafka-worker-{worker}");
        let health = Arc::new(Health::new(name.clone(), Arc::clone(&self.status)));
        let silence_max = SILENCE_MAX + self.config.fetch_wait();
        let consumer: BaseConsumer<WorkerContext> = self
            .config
            .consumer()?
            .create_with_context(WorkerContext::new(health, silence_max))
            .map_err(|error| self.config.client_error(&error))?;
        let mut thread = WorkerConsumer {
            consumer: Arc::new(consumer),
            mailbox: Arc::clone(&mailbox),
            limits: self.config.limits,
            waker,
            lanes: Vec::new(),
        };
        // Here and not in the thread: the first call of `appeared` gives what there is.
        thread.adopt();
        lock(&self.threads).push(spawn(&name, move || thread.run())?);
        Ok(KafkaPartitions { mailbox })
    }

    /// Stops all reading, and waits, at most `deadline`, until the threads and their connections
    /// are gone: what a process does before it exits. Returns whether they are.
    pub fn close(self, deadline: Duration) -> bool {
        self.stop.raise();
        self.mailboxes.iter().for_each(|mailbox| mailbox.stop());
        let until = Instant::now() + deadline;
        let threads = std::mem::take(&mut *lock(&self.threads));
        while !threads.iter().all(JoinHandle::is_finished) {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(STOP_CHECK.min(deadline));
        }
        true
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

/// The partitions of one worker. Dropping it stops the worker's consumer.
pub struct KafkaPartitions {
    mailbox: Arc<Mailbox>,
}

impl Partitions for KafkaPartitions {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        let ready = std::mem::take(&mut *lock(&self.mailbox.ready));
        ready.into_iter().map(|reader| Box::new(reader) as Box<dyn PartitionReader>).collect()
    }

    fn may_grow(&self) -> bool {
        true
    }
}

impl Drop for KafkaPartitions {
    fn drop(&mut self) {
        self.mailbox.stop();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, KafkaError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| KafkaError::Thread { name: name.to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::KnownPartition;

    #[test]
    fn a_partition_that_was_added_since_a_checkpoint_is_read_from_its_beginning() {
        let of = |read, reread| KnownPartition { read, reread, last: None, wanted: None };
        let known = |partitions: &[(u32, KnownPartition)]| SourceTopic {
            source: 0,
            topic: "t".to_owned(),
            start: Start::Latest,
            headers: Vec::new(),
            offsets: BTreeMap::from([(3, 8)]),
            known: KnownTopic {
                partitions: partitions.iter().cloned().collect(),
                ..KnownTopic::default()
            },
        };
        let topic = known(&[(0, of(6, 4)), (1, of(0, 0))]);
        assert_eq!(topic.begins_at(0, 2), Some(4), "where it is read again");
        assert_eq!(topic.begins_at(1, 2), Some(2), "nothing of it was read");
        assert_eq!(topic.begins_at(2, 2), Some(2), "it was not there");
        let topic = known(&[]);
        assert_eq!(topic.begins_at(2, 2), None, "no checkpoint: as `start` says");
        assert_eq!(topic.begins_at(3, 2), Some(8));
    }
}
