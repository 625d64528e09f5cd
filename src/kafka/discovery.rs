//! Finding the partitions: patiently at the start, and again and again while the job runs. Each look
//! also tells whether a topic is still the one that is read.

use crate::kafka::consumer::Mailbox;
use crate::kafka::error::KafkaError;
use crate::kafka::feed::Signal;
use crate::kafka::inquirer::{Inquirer, Trouble};
use crate::kafka::known_log::LogChange;
use crate::kafka::lane::Opened;
use crate::kafka::lock;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::source::SourceTopic;
use crate::kafka::status::{KafkaStatus, PartitionState};
use crate::kafka::topic_id::TopicId;
use crate::wall_clock::wall_ms;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Start;
use tidemark_operators::shape::Shape;

/// Waits between attempts to reach the brokers: doubled from the first up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// How often in a row a topic has to be missing before it is believed.
const MISSING_MAX: u32 = 3;
/// How often it is said at least that a topic is still missing.
const SAY_AGAIN: Duration = Duration::from_secs(60);
/// How soon, at most, a failed search for new partitions is repeated.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How often the log lines of the searching client are served.
const SERVE_EVERY: Duration = Duration::from_secs(1);
/// How soon a wait notices that it should end.
pub(super) const STOP_CHECK: Duration = Duration::from_millis(50);

/// Ends the thread.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stopped: AtomicBool,
    signal: Signal,
}

impl Stop {
    pub(super) fn raise(&self) {
        self.stopped.store(true, Ordering::Release);
        self.signal.raise();
    }
}

/// The thread that looks for new partitions.
pub(super) struct Discovery {
    pub(super) inquirer: Inquirer,
    pub(super) topics: Vec<SourceTopic>,
    /// The partitions that are known, also those that workers of other processes read.
    pub(super) known: BTreeSet<PartitionId>,
    pub(super) shape: Shape,
    /// The ids of the topics, by source, where the brokers have ids.
    pub(super) ids: BTreeMap<u16, TopicId>,
    /// One for each worker of this process.
    pub(super) mailboxes: Vec<Arc<Mailbox>>,
    pub(super) status: Arc<KafkaStatus>,
    pub(super) stop: Arc<Stop>,
    pub(super) interval: Duration,
    /// What was wrong with the last look.
    pub(super) error: Option<String>,
}

impl Discovery {
    pub(super) const NAME: &str = "kafka-discovery";

    pub(super) fn run(mut self) {
        let mut asked = Instant::now();
        let mut due = self.interval;
        while !self.stop.stopped.load(Ordering::Acquire) {
            self.stop.signal.wait(due.clamp(STOP_CHECK, SERVE_EVERY));
            self.inquirer.serve();
            if asked.elapsed() >= due {
                // A failed look is repeated soon, so that its error does not outlive its cause.
                due = if self.look() { self.interval } else { self.interval.min(LOOK_AGAIN) };
                asked = Instant::now();
            }
        }
    }

    /// Looks once; returns whether every topic could be asked.
    fn look(&mut self) -> bool {
        let mut found = Vec::new();
        let mut error = None;
        for topic in &self.topics {
            let source = topic.source;
            let known = self.known.iter().filter(|id| id.source == source).count();
            let known = u32::try_from(known).unwrap_or(u32::MAX);
            match self.inquirer.grown(topic, known, self.ids.get(&source).copied()) {
                Ok((opened, id)) => {
                    found.extend(opened);
                    // Brokers that are being upgraded may have ids only now.
                    if let Some(id) = id {
                        self.ids.entry(source).or_insert(id);
                    }
                }
                Err(Trouble::Lasting(anew @ KafkaError::MadeAnew { .. })) => {
                    self.status.revoke(source, &anew.to_string());
                    error = Some(anew.to_string());
                }
                Err(trouble) => error = Some(text(trouble)),
            }
        }
        if let Some(error) = error.as_ref().filter(|error| self.error.as_ref() != Some(error)) {
            tracing::warn!(%error, "kafka: could not look for new partitions");
        }
        let all = error.is_none();
        self.error.clone_from(&error);
        self.status.report(Self::NAME, error);
        self.hand_out(found);
        all
    }

    /// Takes note of the topics' ids, and says of which the brokers have none.
    pub(super) fn note_ids(&mut self, opened: &[Opened]) {
        for topic in &self.topics {
            let mut partitions = opened.iter().filter(|opened| opened.id.source == topic.source);
            match partitions.find_map(|opened| opened.topic_id) {
                Some(id) => drop(self.ids.insert(topic.source, id)),
                None => tracing::info!(
                    topic = topic.topic,
                    "kafka: the brokers give topics no ids (those of 2.8 and newer do): whether it is \
                     made anew while it is read cannot be told"
                ),
            }
        }
    }

    /// What has changed since a checkpoint: also partitions that are not there any more.
    pub(super) fn changes(&self, opened: &[Opened]) -> BTreeMap<PartitionId, LogChange> {
        let known = self.topics.iter().flat_map(|topic| {
            let source = topic.source;
            topic.known.partitions.keys().map(move |at| PartitionId { source, partition: *at })
        });
        let gone = known.filter(|id| opened.iter().all(|opened| opened.id != *id));
        let changed = opened.iter().filter_map(|opened| Some((opened.id, opened.change?)));
        gone.map(|id| (id, LogChange::Another)).chain(changed).collect()
    }

    pub(super) fn hand_out(&mut self, found: Vec<Opened>) {
        for opened in found {
            let worker = self.shape.reader(opened.id);
            let is_new = self.known.insert(opened.id);
            let place = self.shape.place(worker).filter(|_| is_new);
            let Some(mailbox) = place.and_then(|place| self.mailboxes.get(place)) else { continue };
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

/// What a topic is that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissingTopic {
    /// Waited for: who writes it may start later.
    Awaited,
    /// An error.
    Refused,
}

/// What is said of a topic that is waited for, behind its name.
pub(crate) const AWAITED: &str = " does not exist, and is waited for";

/// Asks until the brokers answer for every topic. Of one that is waited for all is read that is written from
/// now on, also where it starts with the latest.
pub(super) fn open_patiently(
    config: &KafkaConfig,
    inquirer: &Inquirer,
    topics: &[SourceTopic],
    (missing_topic, status): (MissingTopic, &KafkaStatus),
    keep_trying: &dyn Fn() -> bool,
) -> Result<Vec<Opened>, KafkaError> {
    let (mut topics, began) = (topics.to_vec(), wall_ms().unwrap_or(0));
    let mut said = SaidBefore::default();
    let brokers = || config.bootstrap_servers.clone();
    let mut wait = RETRY.0;
    let mut missing = 0;
    loop {
        let opened: Result<Vec<Vec<Opened>>, Trouble> =
            topics.iter().map(|topic| inquirer.open(topic)).collect();
        let last = match opened {
            Ok(opened) => {
                status.report(Discovery::NAME, None);
                return Ok(opened.into_iter().flatten().collect());
            }
            Err(Trouble::Lasting(error)) => return Err(error),
            Err(Trouble::NoSuchTopic(topic)) => {
                missing += 1;
                match missing_topic {
                    _ if missing < MISSING_MAX => text(Trouble::NoSuchTopic(topic)),
                    MissingTopic::Refused => {
                        return Err(KafkaError::NoSuchTopic { topic, brokers: brokers() });
                    }
                    MissingTopic::Awaited => {
                        begin_at(&mut topics, &topic, began);
                        awaited(&topic, inquirer.nearest(&topic))
                    }
                }
            }
            Err(passing) => {
                missing = 0;
                text(passing)
            }
        };
        if missing < MISSING_MAX || said.is_new(&last) {
            tracing::warn!(brokers = brokers(), error = last, "kafka: trying again in {wait:?}");
        }
        status.report(Discovery::NAME, Some(last.clone()));
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if !keep_trying() {
                return Err(KafkaError::Stopped { brokers: brokers(), last });
            }
            std::thread::sleep(STOP_CHECK.min(wait));
        }
        wait = (wait * 2).min(if missing > 0 { LOOK_AGAIN } else { RETRY.1 });
    }
}

/// What was said last, and when.
#[derive(Default)]
struct SaidBefore(Option<(String, Instant)>);

impl SaidBefore {
    /// Whether `text` was not said for a while. It is said now, then.
    fn is_new(&mut self, text: &str) -> bool {
        let known = self.0.as_ref();
        if known.is_some_and(|(said, at)| said == text && at.elapsed() < SAY_AGAIN) {
            return false;
        }
        self.0 = Some((text.to_owned(), Instant::now()));
        true
    }
}

/// Whoever starts `topic` with its latest starts it at `began`: it was not there then.
fn begin_at(topics: &mut [SourceTopic], topic: &str, began: u64) {
    let mut latest = topics.iter_mut().filter(|of| of.topic == topic && of.start == Start::Latest);
    latest.by_ref().for_each(|of| of.start = Start::At(began));
}

fn awaited(topic: &str, nearest: Option<String>) -> String {
    let near = match nearest {
        Some(near) => format!("did you mean '{near}'?"),
        None => "no other topic is called nearly so".to_owned(),
    };
    format!(
        "topic '{topic}'{AWAITED}: create it, or correct `topic` in the job, or KAFKA_TOPIC; {near}"
    )
}

fn text(trouble: Trouble) -> String {
    match trouble {
        Trouble::Passing(text) => text,
        Trouble::NoSuchTopic(topic) => format!("topic '{topic}' does not exist"),
        Trouble::Lasting(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_waited_for_is_named_with_the_one_that_may_be_meant() {
        let said = awaited("transactons", Some("transactions".to_owned()));
        assert!(
            said.starts_with("topic 'transactons' does not exist, and is waited for"),
            "{said}"
        );
        assert!(said.ends_with("did you mean 'transactions'?"), "{said}");
        assert!(awaited("x", None).ends_with("no other topic is called nearly so"));
    }

    #[test]
    fn what_is_still_so_is_not_said_again_at_once() {
        let mut said = SaidBefore::default();
        assert!(said.is_new("a"));
        assert!(!said.is_new("a"));
        assert!(said.is_new("b"));
    }
}
