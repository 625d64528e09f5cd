//! A table's topic: a source of its own, read wholly by worker 0.

use super::status::TableStatus;
use super::topic_keeping::TopicKeeping;
use crate::failure::Failure;
use crate::kafka::{
    KafkaConfig, KafkaError, KafkaSource, KafkaStatus, KnownPartition, KnownTopic, SourceTopic,
};
use crate::recovery::{KeptTopic, RecoveryError};
use crate::source::Waker;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidemark_operators::cut::{PartitionMark, Resume};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{SourcePlan, TablePlan};
use tidemark_operators::reference::input::TopicFeed;
use tidemark_operators::reference::kept::{TopicKeeper, TopicMark, TopicRead};
use tidemark_operators::shape::Shape;

/// How many refused records of a table are logged; the others are counted.
const LOGGED_MAX: u64 = 20;

/// A topic that has been reached.
pub struct TopicTable {
    table: String,
    source: KafkaSource,
    status: Arc<TableStatus>,
    /// What is kept of it, until somebody reads it; `None`: nothing is to be.
    kept: Mutex<Option<BegunTopic>>,
}

/// What is kept of a topic, and what was kept before.
pub(super) struct BegunTopic(KeptTopic, Option<TopicRead>);

impl BegunTopic {
    /// Goes on with what was kept of the topic of `table`.
    ///
    /// # Errors
    /// When it is damaged or missing.
    pub fn of(table: &Arc<crate::recovery::KeptTable>) -> Result<Self, RecoveryError> {
        let (kept, begun) = KeptTopic::begin(table)?;
        Ok(BegunTopic(kept, begun))
    }

    fn known(&self) -> KnownTopic {
        let Some(begun) = &self.1 else { return KnownTopic::default() };
        let known = |(partition, mark): (&u32, &TopicMark)| {
            let TopicMark { read, last, .. } = *mark;
            (*partition, KnownPartition { reread: read, read, last, wanted: None })
        };
        let partitions = begun.partitions.iter().map(known).collect();
        KnownTopic { id: self.0.id().cloned(), partitions, ..KnownTopic::default() }
    }

    /// Takes note of how the topic was found: what was read of another log says nothing of where it is to be
    /// read, and what was read before stays.
    fn found(&mut self, source: &KafkaSource) {
        let found = source.found();
        self.0.found(found.ids.get(&0).cloned());
        let Some(begun) = &mut self.1 else { return };
        let of = |partition| PartitionId { source: 0, partition };
        let mark = |(partition, mark): (&u32, &TopicMark)| {
            let stands =
                PartitionMark { read: mark.read, reread: mark.read, ..PartitionMark::default() };
            (of(*partition), stands)
        };
        let partitions = begun.partitions.iter().map(mark).collect();
        let mut resume = Resume { partitions, ..Resume::default() };
        found.amend(&mut resume);
        begun.partitions.retain(|partition, mark| {
            let stands = resume.partitions.get(&of(*partition));
            stands.is_some_and(|stands| {
                mark.read = stands.read;
                true
            })
        });
    }
}

impl TopicTable {
    /// Reaches the topic for as long as `keep_trying` says so; `None` when it said no. It is read on from
    /// where what is `kept` says; `accepted`: also where it is not the one that was read by then.
    pub fn open(
        table: &TablePlan,
        source: &SourcePlan,
        (kafka, accepted): (&KafkaConfig, bool),
        (status, mut kept): (&Arc<TableStatus>, Option<BegunTopic>),
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, Failure> {
        kafka.check().map_err(Failure::usage)?;
        let known = kept.as_ref().map(BegunTopic::known).unwrap_or_default();
        let topic = SourceTopic {
            source: 0,
            topic: source.topic.clone().unwrap_or_default(),
            start: source.start,
            headers: source.headers(),
            offsets: BTreeMap::new(),
            known: KnownTopic {
                source: table.name.clone(),
                is_table: true,
                accept_changed: accepted,
                ..known
            },
        };
        let reached = KafkaStatus::new();
        status.set_topic(Arc::clone(&reached));
        match KafkaSource::open(kafka, vec![topic], Shape::default(), &reached, keep_trying) {
            Ok(source) => {
                if let Some(kept) = &mut kept {
                    kept.found(&source);
                }
                let (table, status) = (table.name.clone(), Arc::clone(status));
                Ok(Some(TopicTable { table, source, status, kept: Mutex::new(kept) }))
            }
            Err(error @ KafkaError::Stopped { .. }) => {
                tracing::info!("{error}");
                Ok(None)
            }
            Err(error) => Err(Failure::failed(error)),
        }
    }

    /// Begins to read.
    pub fn input(&self, waker: &Waker) -> Result<TopicFeed, String> {
        let partitions = self.source.partitions(0, Waker::clone(waker));
        let partitions = partitions.map_err(|error| error.to_string())?;
        let (table, mut told) = (self.table.clone(), 0);
        let refused = move |why: &str| {
            told += 1;
            if told <= LOGGED_MAX {
                let more = if told == LOGGED_MAX { "; others are only counted" } else { "" };
                tracing::error!(table, "a record of the table is left out: {why}{more}");
            }
        };
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let keeper = |BegunTopic(kept, begun)| {
            let keeping = TopicKeeping::start(kept, begun, Arc::clone(&self.status));
            let keeping = keeping.map_err(|why| {
                let table = &self.table;
                format!("cannot start a thread that keeps the table \"{table}\": {why}; free some")
            })?;
            Ok::<_, String>(Box::new(keeping) as Box<dyn TopicKeeper>)
        };
        let kept = kept.map(keeper).transpose()?;
        Ok(TopicFeed { partitions: Box::new(partitions), refused: Box::new(refused), kept })
    }

    /// Ends the reading.
    pub fn close(self, within: Duration) {
        if !self.source.close(within) {
            tracing::debug!("connections of a table's topic were still open at the end");
        }
    }
}
