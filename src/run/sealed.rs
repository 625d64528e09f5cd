//! Where a job's sealed rows go: a file, and topics and files of columns that they are published to from there.

use super::checkpoints;
use crate::config::Settings;
use crate::connect;
use crate::engine::Observer;
use crate::failure::Failure;
use crate::kafka::{SealedTopicSettings, SealedTopics};
#[cfg(feature = "parquet")]
use crate::offline::row_view::RowView;
use crate::publishing::RowsPublisher;
use crate::recovery::Recovery;
use crate::sealed_file::{LineSink, SealedFile};
use crate::sealed_outbox::{OutboxRoom, RoomShare};
use crate::sealed_publisher::{self, PublishedFile};
use crate::service::LogStatus;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemark_operators::plan::Plan;

/// What helps when the file of sealed rows cannot be written.
const REMEDY: &str =
    "make room, or choose another \"path\" in [sealed] of cluster.toml, and run the job again";

/// Those who publish rows out of the file.
pub(super) type RowPublishers = Vec<RowsPublisher>;

/// Sealed rows being written.
pub(super) struct RunSealed {
    file: SealedFile,
    publishers: RowPublishers,
}

/// Checks the settings without reaching for anything.
///
/// # Errors
/// When a topic of rows is one that the job reads, or a view's columns have no names of their own.
pub(super) fn check(plan: &Plan, settings: &Settings) -> Result<(), Failure> {
    settings.offline.check(settings)?;
    #[cfg(feature = "parquet")]
    if settings.offline.readers() > 0 {
        RowView::all(plan).map_err(Failure::usage)?;
    }
    #[cfg(feature = "postgres")]
    if settings.offline.postgres.url.is_some() {
        let views = RowView::all(plan).map_err(Failure::usage)?;
        crate::offline::table_schema::names_fit(&views).map_err(Failure::usage)?;
    }
    let Some(pattern) = &settings.sealed.topic else { return Ok(()) };
    let sources = || plan.sources.iter().filter_map(|source| source.topic.as_ref());
    let views = plan.entities.iter().flat_map(|entity| &entity.views);
    for view in views {
        let topic = SealedTopics::topic_of(pattern, &view.name);
        if sources().any(|source| *source == topic) {
            let why = format!(
                "the job reads the topic {topic}, and \"topic\" in [sealed] has the rows of the view {} \
                 written there",
                view.name
            );
            return Err(Failure::usage(why).hint("name another one, as \"features.{view}\""));
        }
    }
    Ok(())
}

impl RunSealed {
    /// Opens the file, when there is to be one. A disk that refuses stops the job.
    ///
    /// # Errors
    /// When it cannot be opened, or another process has taken over.
    pub fn open(
        plan: &Arc<Plan>,
        settings: &Settings,
        observer: &Observer,
        recovery: Option<&Arc<Recovery>>,
    ) -> Result<Option<Self>, Failure> {
        // The first process writes those of all.
        let path = settings.sealed.path.as_ref().filter(|_| observer.shape().process() == 0);
        let Some(path) = path.map(Path::new) else { return Ok(None) };
        let stop = observer.clone();
        let failed = move |reason| stop.fail(format!("{reason}; {REMEDY}"));
        let cannot = |error: crate::sealed_file::LinesError| Failure::failed(error).hint(REMEDY);
        let Some(recovery) = recovery else {
            let file = SealedFile::append(path, failed).map_err(cannot)?;
            return Ok(Some(RunSealed { file, publishers: Vec::new() }));
        };
        recovery.leads().map_err(checkpoints::failed_with)?;
        let (known, tells) = (recovery.sealed_bytes(), Arc::downgrade(recovery));
        let told = move |cut, bytes| {
            if let Some(recovery) = tells.upgrade() {
                recovery.sealed(cut, bytes);
            }
        };
        let file = SealedFile::resume(path, known, Box::new(told), failed);
        let (file, begins, read) = file.map_err(cannot)?;
        // Also where the file was replaced: a run that is killed before its first checkpoint has written
        // rows behind it that are written again.
        if known != Some(begins) {
            recovery.sealed_begins(begins);
        }
        let publishers = publishers(plan, settings, recovery, (read, begins))?;
        Ok(Some(RunSealed { file, publishers }))
    }

    /// The end that the worker writes to.
    pub fn sink(&self) -> LineSink {
        self.file.sink()
    }

    /// How those fare who publish rows; may be kept and asked after the end.
    pub fn statuses(&self) -> impl Iterator<Item = LogStatus> {
        self.publishers.iter().map(|publisher| Box::new(publisher.status()) as _)
    }

    /// Waits for all lines to be in the file; all sinks must be gone. What is left publishes them.
    ///
    /// # Errors
    /// When the disk refused.
    pub fn finish_file(self) -> (RowPublishers, Result<(), Failure>) {
        let written = self.file.finish().map(drop);
        (self.publishers, written.map_err(|error| Failure::failed(error).hint(REMEDY)))
    }
}

/// Publishes what is left of the rows of checkpoints; `all`: there will be no more.
pub(super) fn finish(publishers: RowPublishers, all: bool, within: Duration) {
    let until = Instant::now() + within;
    for publisher in publishers {
        let name = publisher.status()().name;
        let left = until.saturating_duration_since(Instant::now());
        let bytes = publisher.finish(all, left);
        if bytes > 0 {
            tracing::warn!(
                bytes,
                sink = name,
                "sealed rows are left in their file: the next start publishes them"
            );
        }
    }
}

/// Who publishes the rows of a file, where anybody does.
fn publishers(
    plan: &Arc<Plan>,
    settings: &Settings,
    recovery: &Arc<Recovery>,
    (file, begins): (Option<File>, u64),
) -> Result<RowPublishers, Failure> {
    let readers = usize::from(settings.sealed.topic.is_some()) + settings.offline.readers();
    if readers == 0 {
        return Ok(Vec::new());
    }
    let Some(file) = file else {
        let why =
            "sealed rows cannot be published from what \"path\" in [sealed] names: it is no file";
        let hint = "name a file there, or leave out \"topic\", and \"url\" in [offline]";
        return Err(Failure::usage(why).hint(hint));
    };
    let failed = |why| Failure::failed(format!("cannot start to publish sealed rows: {why}"));
    let again = || file.try_clone().map_err(failed);
    let mut shares = OutboxRoom::shares(again()?, settings.sealed.keep, readers).into_iter();
    let mut publishers: RowPublishers = Vec::new();
    if let Some((topic, room)) =
        settings.sealed.topic.clone().and_then(|t| Some((t, shares.next()?)))
    {
        let from = (again()?, begins, room);
        publishers.push(to_topics(plan, settings, recovery, topic, from)?);
    }
    #[cfg(feature = "parquet")]
    if let Some((url, room)) =
        settings.offline.url.as_deref().and_then(|url| Some((url, shares.next()?)))
    {
        publishers.push(to_files(plan, settings, recovery, url, (again()?, begins, room))?);
    }
    #[cfg(feature = "postgres")]
    if let Some((address, room)) =
        connect::postgres(settings, &plan.name).and_then(|address| Some((address, shares.next()?)))
    {
        let from = (again()?, begins, room);
        publishers.push(to_tables(plan, settings, recovery, &address, from)?);
    }
    Ok(publishers)
}

/// Who writes rows to tables.
#[cfg(feature = "postgres")]
fn to_tables(
    plan: &Arc<Plan>,
    settings: &Settings,
    recovery: &Arc<Recovery>,
    address: &crate::postgres::PostgresAddress,
    (file, begins, room): (File, u64, RoomShare),
) -> Result<RowsPublisher, Failure> {
    use crate::offline::table_rows::TableRows;
    use crate::postgres::{PostgresServer, RowTables, TablesOf};
    let hint = "`tidemark offline init JOB` makes the tables that [offline.postgres] needs";
    let server = PostgresServer::new(address).map_err(Failure::usage)?;
    let run = recovery.generation();
    let state = run.store.clone();
    let of = TablesOf {
        job: plan.name.clone(),
        views: RowView::all(plan).map_err(Failure::usage)?,
        schema: settings.offline.postgres.schema.clone(),
        run,
        leads: recovery.leading(),
    };
    let tables = RowTables::new(server, of);
    tables.check().map_err(|why| Failure::failed(why).hint(hint))?;
    let rows = TableRows::new(plan).map_err(Failure::usage)?;
    let durable = Box::new(recovery.sealed_durable(begins));
    let from = PublishedFile { file, begins, room, durable };
    crate::table_publisher::start(from, rows, tables, state)
        .map_err(|why| Failure::failed(format!("cannot start to write rows to PostgreSQL: {why}")))
}

/// Who writes rows to files of columns.
#[cfg(feature = "parquet")]
fn to_files(
    plan: &Arc<Plan>,
    settings: &Settings,
    recovery: &Arc<Recovery>,
    url: &str,
    (file, begins, room): (File, u64, RoomShare),
) -> Result<RowsPublisher, Failure> {
    use crate::offline::row_rolls::RollRows;
    use crate::row_publisher::{self, RowOutbox, RowStore};
    let objects = crate::objects::open(url, crate::objects::Absent::Made).map_err(|why| {
        Failure::failed(why).hint("\"url\" in [offline.parquet] says where rows are written")
    })?;
    let state = recovery.generation().store;
    let length = connect::millis(settings.offline.roll);
    let rows = RollRows::new(plan, state.clone(), length).map_err(Failure::usage)?;
    let durable = Box::new(recovery.sealed_durable(begins));
    let from = RowOutbox { file, begins, room, cut: Box::new(recovery.sealed_cut()), durable };
    let to = RowStore { objects, state, leads: recovery.leading() };
    row_publisher::start(from, rows, to)
        .map_err(|why| Failure::failed(format!("cannot start to write files of rows: {why}")))
}

/// Who publishes rows into topics.
fn to_topics(
    plan: &Plan,
    settings: &Settings,
    recovery: &Arc<Recovery>,
    topic: String,
    (file, begins, room): (File, u64, RoomShare),
) -> Result<RowsPublisher, Failure> {
    let to = SealedTopicSettings {
        kafka: connect::kafka(&settings.kafka),
        topic,
        progress: format!("{}.sealed.published", plan.name),
        state: recovery.generation().store,
        sources: plan.sources.iter().filter_map(|source| source.topic.clone()).collect(),
    };
    let topics = SealedTopics::new(to, recovery.leading());
    let durable = Box::new(recovery.sealed_durable(begins));
    let from = PublishedFile { file, begins, room, durable };
    let started = sealed_publisher::start(from, topics);
    started.map_err(|why| Failure::failed(format!("cannot start to publish sealed rows: {why}")))
}
