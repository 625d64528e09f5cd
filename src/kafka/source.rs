//! Opening the topics, and what a worker gets of them.

use crate::kafka::assignment::{Assignment, place};
use crate::kafka::consumer::{Mailbox, Opened, WorkerConsumer};
use crate::kafka::context::WorkerContext;
use crate::kafka::discovery::{Inquirer, Trouble};
use crate::kafka::error::KafkaError;
use crate::kafka::feed::Signal;
use crate::kafka::health::Health;
use crate::kafka::lock;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::status::{KafkaStatus, PartitionState};
use crate::source::Waker;
use rdkafka::consumer::BaseConsumer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidemark_operators::ingest::reader::{PartitionReader, Partitions};
use tidemark_operators::plan::Start;

/// Waits between attempts to reach the brokers: doubled from the first up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// How often in a row a topic has to be missing before it is believed.
const MISSING_MAX: u32 = 3;
/// How long a broker may owe a reply beyond `fetch.wait.max.ms` before it counts as down.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How soon a failed search for new partitions is repeated.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How often the log lines of the searching client are served.
const SERVE_EVERY: Duration = Duration::from_secs(1);
/// How soon a wait notices that it should end.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// A topic that a source of the job reads.
#[derive(Clone, Debug)]
pub struct SourceTopic {
    /// Index into [`tidemark_operators::plan::Plan::sources`].
    pub source: u16,
    /// The topic.
    pub topic: String,
    /// Where its partitions start.
    pub start: Start,
    /// Partitions that start at this offset instead. One that the broker does not have stops the
    /// job.
    pub offsets: BTreeMap<u32, u64>,
}

/// The open topics of a job. Dropping it ends the search for new partitions; the workers'
/// [`KafkaPartitions`] read on.
pub struct KafkaSource {
    config: KafkaConfig,
    status: Arc<KafkaStatus>,
    mailboxes: Vec<Arc<Mailbox>>,
    stop: Arc<Stop>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Stop {
    stopped: AtomicBool,
    signal: Signal,
}

impl KafkaSource {
    /// Finds the partitions of the topics and where to start in each, and gives them to
    /// `workers`.
    ///
    /// Blocks until the brokers answer, for as long as `keep_trying` says so; meanwhile `status`
    /// tells what is wrong.
    ///
    /// # Errors
    /// A setting that is refused, a topic that does not exist or may not be read, one topic for
    /// two sources, or `keep_trying` saying no.
    pub fn open(
        config: &KafkaConfig,
        topics: Vec<SourceTopic>,
        workers: usize,
        status: &Arc<KafkaStatus>,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<KafkaSource, KafkaError> {
        config.check()?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = topics.iter().find(|topic| !seen.insert(&topic.topic)) {
            return Err(KafkaError::TwoSources { topic: twice.topic.clone() });
        }
        let inquirer = Inquirer::new(config)?;
        let opened = open_patiently(config, &inquirer, &topics, status, keep_trying)?;

        let mailboxes: Vec<_> = (0..workers.max(1)).map(|_| Arc::<Mailbox>::default()).collect();
        let mut discovery = Discovery {
            inquirer,
            topics,
            known: Assignment::new(),
            mailboxes: mailboxes.clone(),
            status: Arc::clone(status),
            stop: Arc::default(),
            refresh: config.limits.metadata_refresh,
        };
        discovery.hand_out(opened);
        status.opened();
        let stop = Arc::clone(&discovery.stop);
        let threads = Mutex::new(vec![spawn(Discovery::NAME, move || discovery.run())?]);
        let (config, status) = (config.clone(), Arc::clone(status));
        Ok(KafkaSource { config, status, mailboxes, stop, threads })
    }

    /// The partitions of `worker` (modulo the number of workers): its consumer starts now. To be
    /// called once for each worker. `waker` is called from the consumer's thread.
    ///
    /// # Errors
    /// No client or no thread could be made.
    pub fn partitions(&self, worker: usize, waker: Waker) -> Result<KafkaPartitions, KafkaError> {
        let mailbox = self.mailboxes.get(worker % self.mailboxes.len().max(1));
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

impl Stop {
    fn raise(&self) {
        self.stopped.store(true, Ordering::Release);
        self.signal.raise();
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

/// The thread that looks for new partitions.
struct Discovery {
    inquirer: Inquirer,
    topics: Vec<SourceTopic>,
    known: Assignment,
    mailboxes: Vec<Arc<Mailbox>>,
    status: Arc<KafkaStatus>,
    stop: Arc<Stop>,
    refresh: Duration,
}

impl Discovery {
    const NAME: &str = "kafka-discovery";

    fn run(mut self) {
        let mut asked = Instant::now();
        let mut due = self.refresh;
        while !self.stop.stopped.load(Ordering::Acquire) {
            self.stop.signal.wait(due.clamp(STOP_CHECK, SERVE_EVERY));
            self.inquirer.serve();
            if asked.elapsed() >= due {
                // A failed look is repeated soon, so that its error does not outlive its cause.
                due = if self.look() { self.refresh } else { self.refresh.min(LOOK_AGAIN) };
                asked = Instant::now();
            }
        }
    }

    /// Looks once; returns whether every topic could be asked.
    fn look(&mut self) -> bool {
        let mut found = Vec::new();
        let mut error = None;
        for topic in &self.topics {
            let known = self.known.keys().filter(|id| id.source == topic.source).count();
            let known = u32::try_from(known).unwrap_or(u32::MAX);
            match self.inquirer.grown(topic, known) {
                Ok(opened) => found.extend(opened),
                Err(trouble) => error = Some(text(trouble)),
            }
        }
        if let Some(error) = &error {
            tracing::warn!(%error, "kafka: could not look for new partitions");
        }
        let all = error.is_none();
        self.status.report(Self::NAME, error);
        self.hand_out(found);
        all
    }

    fn hand_out(&mut self, found: Vec<Opened>) {
        let ids: Vec<_> = found.iter().map(|opened| opened.id).collect();
        let workers: BTreeMap<_, _> =
            place(&mut self.known, &ids, self.mailboxes.len()).into_iter().collect();
        for opened in found {
            let worker = workers.get(&opened.id).copied();
            let Some(mailbox) = worker.and_then(|worker| self.mailboxes.get(worker)) else {
                continue;
            };
            if opened.found_later {
                let (topic, partition) = (&opened.topic, opened.partition);
                tracing::info!(topic, partition, worker, "kafka: found a new partition");
            }
            let state = PartitionState::new(opened.id, &opened.topic, opened.position, opened.end);
            lock(&mailbox.inbox).push((opened, self.status.add(state)));
            mailbox.signal.raise();
        }
    }
}

fn open_patiently(
    config: &KafkaConfig,
    inquirer: &Inquirer,
    topics: &[SourceTopic],
    status: &KafkaStatus,
    keep_trying: &dyn Fn() -> bool,
) -> Result<Vec<Opened>, KafkaError> {
    let brokers = || config.bootstrap_servers.clone();
    let mut wait = RETRY.0;
    let mut missing = 0;
    loop {
        let opened: Result<Vec<Vec<Opened>>, Trouble> =
            topics.iter().map(|topic| inquirer.open(topic)).collect();
        let trouble = match opened {
            Ok(opened) => {
                status.report(Discovery::NAME, None);
                return Ok(opened.into_iter().flatten().collect());
            }
            Err(Trouble::Lasting(error)) => return Err(error),
            Err(Trouble::NoSuchTopic(topic)) => {
                missing += 1;
                if missing == MISSING_MAX {
                    return Err(KafkaError::NoSuchTopic { topic, brokers: brokers() });
                }
                Trouble::NoSuchTopic(topic)
            }
            Err(passing) => {
                missing = 0;
                passing
            }
        };
        let last = text(trouble);
        tracing::warn!(brokers = brokers(), error = last, "kafka: trying again in {wait:?}");
        status.report(Discovery::NAME, Some(last.clone()));
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if !keep_trying() {
                return Err(KafkaError::Stopped { brokers: brokers(), last });
            }
            std::thread::sleep(STOP_CHECK.min(wait));
        }
        wait = (wait * 2).min(RETRY.1);
    }
}

fn text(trouble: Trouble) -> String {
    match trouble {
        Trouble::Passing(text) => text,
        Trouble::NoSuchTopic(topic) => format!("topic '{topic}' does not exist"),
        Trouble::Lasting(error) => error.to_string(),
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, KafkaError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| KafkaError::Thread { name: name.to_owned(), why: error.to_string() })
}
