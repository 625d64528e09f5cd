//! The operator that reads a table, on worker 0, and says from when on what it has read is seen.
//!
//! Its capability stands at the first point of the 1 s grid above the frontier of the event sources
//! (at 0 until all that was there at the start has been read) and is dropped once they have closed.
//! Every worker builds the operator; only worker 0 reads.

use super::file::FileVersions;
use super::kept::TopicKeeper;
use super::row::{Key, Row};
use super::topic::TopicTable;
use super::version::TableRow;
use crate::ingest::reader::Partitions;
use crate::metrics::WorkerMetrics;
use crate::plan::{TableFrom, TablePlan};
use crate::shared::SharedRef;
use crate::time::{EventTime, SECOND};
use std::rc::Rc;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::Antichain;

/// What asking a file for a version gave.
#[derive(Debug)]
pub enum TablePoll {
    /// It is as it was.
    Same,
    /// All rows of a new version. It is seen from the capability on, once that is [kept](TableFeed::keep).
    Version(Vec<TableRow>),
    /// All rows of a version that is seen from this time on, which was said before. Such versions come
    /// before all others, in their order.
    Kept(Vec<TableRow>, EventTime),
    /// It cannot be read at all; the job has to stop. The text says what was attempted, on what,
    /// why it failed and what to do.
    Failed(String),
}

/// What a version of a file did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TookEffect {
    /// Events from this time on see it.
    pub from: EventTime,
    /// Rows added.
    pub added: u64,
    /// Rows removed.
    pub removed: u64,
    /// Rows it has.
    pub rows: u64,
}

/// A table's file, read outside of this crate. Nothing here blocks.
pub trait TableFeed {
    /// The next version, if there is one. A version that cannot be used is never given: the old one
    /// stays, and the feed says so by itself.
    fn poll(&mut self) -> TablePoll;

    /// New versions are seen from this time on at the earliest: a run before may have given out what
    /// was looked up before it.
    fn not_before(&self) -> EventTime {
        0
    }

    /// The new version that was given last is to be seen from `from` on. Whether that is kept, so that
    /// every later run says the same; asked again until it is, and nothing from `from` on is settled
    /// before.
    ///
    /// # Errors
    /// When it cannot be kept at all; the job has to stop.
    fn keep(&mut self, from: EventTime) -> Result<bool, String> {
        let _ = from;
        Ok(true)
    }

    /// Tells what the version that was given last did.
    fn took_effect(&mut self, effect: TookEffect);
}

/// A table's topic.
pub struct TopicFeed {
    /// All its partitions. Their ids name no source of the plan.
    pub partitions: Box<dyn Partitions>,
    /// Told why a record was left out.
    pub refused: Box<dyn FnMut(&str)>,
    /// Where what it says is kept, so that a later run goes on with it; `None`: it is read from its
    /// beginning again.
    pub kept: Option<Box<dyn TopicKeeper>>,
}

/// What a table is read from.
pub enum TableInput {
    /// A file.
    File(Box<dyn TableFeed>),
    /// A topic.
    Topic(TopicFeed),
}

/// A row of a table that is added or removed at a time.
pub(super) type Update = ((Key, Row), EventTime, isize);

/// What the operator of one table works with.
pub(super) struct InputConfig {
    pub plan: Arc<crate::plan::Plan>,
    pub table: usize,
    /// On worker 0.
    pub input: Option<TableInput>,
    pub shared: SharedRef,
    pub metrics: Arc<WorkerMetrics>,
}

/// Makes the operator `Table`. The frontier of `clock` is that of the event sources.
pub(super) fn table_input<'scope>(
    clock: StreamVec<'scope, EventTime, ()>,
    config: InputConfig,
) -> StreamVec<'scope, EventTime, Update> {
    let scope = clock.scope();
    let plan = &config.plan.tables[config.table];
    let mut builder = OperatorBuilder::new(format!("Table({})", plan.name), scope);
    let info = builder.operator_info();
    let (output, updates) = builder.new_output::<Vec<Update>>();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);
    // Not connected: what is read stands above the sources' frontier and moves by itself.
    let connection: [(usize, Antichain<EventTime>); 0] = [];
    let mut input = builder.new_input_connection(clock, Pipeline, connection);
    let activator = scope.activator_for(Rc::clone(&info.address));
    if config.input.is_some() {
        let wake = scope.activator_for(Rc::clone(&info.address));
        config.shared.tables.borrow_mut().push(wake);
    }
    builder.build(move |capabilities| {
        let capability = capabilities.into_iter().next();
        let mut reading = TableReading::new(config, capability);
        activator.activate();
        move |frontiers| {
            input.for_each(|_, _| {});
            let sources = frontiers[0].frontier().first().copied();
            reading.step(sources);
            if let Some(capability) = &reading.capability
                && !reading.updates.is_empty()
            {
                let mut updates = std::mem::take(&mut reading.updates);
                updates.sort_unstable_by_key(|(_, time, _)| *time);
                let mut output = output.activate();
                for group in updates.chunk_by(|a, b| a.1 == b.1) {
                    let time = group.first().map_or(0, |(_, time, _)| *time);
                    let at = capability.delayed(&time);
                    let mut session = output.session(&at);
                    group.iter().for_each(|update| session.give(update.clone()));
                }
            }
            reading.downgrade(sources);
            if reading.more() {
                activator.activate();
            }
        }
    });
    updates
}

/// The first point of the 1 s grid above `frontier`: where the next version of a table is seen from.
pub fn above(frontier: EventTime) -> EventTime {
    (frontier / SECOND).saturating_add(1).saturating_mul(SECOND)
}

enum From {
    File(FileVersions),
    Topic(Box<TopicTable>),
}

struct TableReading {
    from: Option<From>,
    shared: SharedRef,
    metrics: Arc<WorkerMetrics>,
    table: usize,
    capability: Option<Capability<EventTime>>,
    /// Everything that was there at the start has been read.
    loaded: bool,
    updates: Vec<Update>,
}

impl TableReading {
    fn new(config: InputConfig, capability: Option<Capability<EventTime>>) -> Self {
        let InputConfig { plan, table, input, shared, metrics } = config;
        let from = input.and_then(|input| match input {
            TableInput::File(feed) => Some(From::File(FileVersions::new(feed))),
            TableInput::Topic(feed) => topic(&plan.tables[table], feed),
        });
        TableReading {
            capability: capability.filter(|_| from.is_some()),
            from,
            shared,
            metrics,
            table,
            loaded: false,
            updates: Vec::new(),
        }
    }

    /// Takes in what there is. `sources`: the frontier of the event sources.
    fn step(&mut self, sources: Option<EventTime>) {
        let Some(capability) = &self.capability else { return };
        if self.shared.failure.borrow().is_some() {
            return;
        }
        let (at, metrics) = (*capability.time(), &self.metrics.tables[self.table]);
        let outcome = match &mut self.from {
            Some(From::File(file)) => file.read(at, metrics, &mut self.updates),
            Some(From::Topic(topic)) => {
                let now = self.shared.now.get();
                topic.read(at, sources, now, metrics, &mut self.updates)
            }
            None => Ok(false),
        };
        match outcome {
            Ok(loaded) => self.loaded |= loaded,
            Err(failure) => self.shared.fail(failure),
        }
    }

    /// Whether there is more to be taken in at once.
    fn more(&self) -> bool {
        matches!(&self.from, Some(From::Topic(topic)) if topic.more)
    }

    /// Moves the capability to where the next version would be seen from.
    fn downgrade(&mut self, sources: Option<EventTime>) {
        if !self.loaded {
            return;
        }
        let Some(frontier) = sources else {
            if matches!(&self.from, Some(From::Topic(topic)) if topic.keeps()) {
                // Events wait for what was read of it, and that is not kept yet.
                return;
            }
            self.capability = None;
            self.from = None;
            return;
        };
        let mut to = above(frontier);
        let holds = match &self.from {
            Some(From::File(file)) => file.holds(),
            Some(From::Topic(topic)) => topic.holds(),
            None => None,
        };
        to = holds.map_or(to, |holds| to.min(holds));
        if let Some(capability) = &mut self.capability
            && *capability.time() < to
        {
            capability.downgrade(&to);
            if let Some(From::Topic(topic)) = &mut self.from {
                topic.settle(to);
            }
        }
    }
}

fn topic(plan: &TablePlan, feed: TopicFeed) -> Option<From> {
    match &plan.from {
        TableFrom::Topic { key_path, source } => {
            Some(From::Topic(Box::new(TopicTable::new(plan, source, key_path, feed))))
        }
        TableFrom::File { .. } | TableFrom::Shipped { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_seen_from_the_next_point_of_the_grid_above_the_sources() {
        assert_eq!(above(0), 1_000);
        assert_eq!(above(999), 1_000);
        assert_eq!(above(1_000), 2_000, "an event of the frontier may come, not one before it");
        assert_eq!(above(EventTime::MAX), EventTime::MAX);
    }
}
