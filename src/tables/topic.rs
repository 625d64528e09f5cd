//! A table's topic: a source of its own, read wholly by worker 0.

use super::status::TableStatus;
use crate::failure::Failure;
use crate::kafka::{KafkaConfig, KafkaError, KafkaSource, KafkaStatus, KnownTopic, SourceTopic};
use crate::source::Waker;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::plan::{SourcePlan, TablePlan};
use tidemark_operators::reference::input::TopicFeed;
use tidemark_operators::shape::Shape;

/// How many refused records of a table are logged; the others are counted.
const LOGGED_MAX: u64 = 20;

/// A topic that has been reached.
pub struct TopicTable {
    table: String,
    source: KafkaSource,
}

impl TopicTable {
    /// Reaches the topic for as long as `keep_trying` says so; `None` when it said no.
    pub fn open(
        table: &TablePlan,
        source: &SourcePlan,
        kafka: &KafkaConfig,
        status: &TableStatus,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, Failure> {
        kafka.check().map_err(Failure::usage)?;
        let topic = SourceTopic {
            source: 0,
            topic: source.topic.clone().unwrap_or_default(),
            start: source.start,
            headers: source.headers(),
            offsets: BTreeMap::new(),
            known: KnownTopic::default(),
        };
        let reached = KafkaStatus::new();
        status.set_topic(Arc::clone(&reached));
        match KafkaSource::open(kafka, vec![topic], Shape::default(), &reached, keep_trying) {
            Ok(source) => Ok(Some(TopicTable { table: table.name.clone(), source })),
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
        Ok(TopicFeed { partitions: Box::new(partitions), refused: Box::new(refused) })
    }

    /// Ends the reading.
    pub fn close(self, within: Duration) {
        if !self.source.close(within) {
            tracing::debug!("connections of a table's topic were still open at the end");
        }
    }
}
