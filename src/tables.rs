//! Reference tables from outside: CSV files, those that come with the program, and topics.
//!
//! A file's first version is read before the job starts, and a mistake in it stops the job. Later
//! ones are found by looking at the file every `reload`: one with a mistake is logged and counted,
//! and the old one stays. Where the job has a state each version is kept there with the time that it
//! takes effect, before it does; of a topic, all that it has said.

mod csv;
mod file;
mod keeping;
mod status;
mod topic;
mod topic_keeping;

pub use csv::{CsvError, TABLE_BYTES_MAX};
pub use status::TableStatus;

use crate::failure::Failure;
use crate::kafka::KafkaConfig;
use crate::named_file::is_standard;
use crate::recovery::{KeptTable, RecoveryError, TableVersions};
use crate::source::Waker;
use file::FileTable;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::plan::{Plan, TableFrom, TablePlan};
use tidemark_operators::reference::input::TableInput;
use topic::{BegunTopic, TopicTable};

/// How a job's tables are read. By default once, from where the job says, and files only.
#[derive(Default)]
pub struct TablesConfig<'a> {
    /// Whether files are looked at again while the job runs.
    pub reload: bool,
    /// Where topics are read from; `None`: a table that is a topic is refused.
    pub kafka: Option<KafkaConfig>,
    /// Files that are read in the place of what the job says, by table.
    pub instead: &'a [(usize, PathBuf)],
    /// Where versions are kept, so that a restart goes on with them; `None`: they are not.
    pub kept: Option<Arc<TableVersions>>,
    /// Tables whose topics may be other ones than they were, by their names.
    pub accept_changed: &'a [String],
    /// Where it is counted what could not be read: those of worker 0.
    pub metrics: Option<Arc<WorkerMetrics>>,
    /// By table, whom to tell how it is doing; nobody where there are fewer.
    pub status: &'a [Arc<TableStatus>],
}

enum OpenTable {
    File(Box<FileTable>),
    Topic(Box<TopicTable>),
}

/// The tables of a job, open. They are read by worker 0, which takes them.
#[derive(Default)]
pub struct OpenTables {
    waiting: Mutex<Vec<OpenTable>>,
    reading: Mutex<Vec<TopicTable>>,
}

impl OpenTables {
    /// Reads the first versions of the files of `plan`, and reaches its topics for as long as
    /// `keep_trying` says so; `None` when it said no.
    ///
    /// # Errors
    /// When a file cannot be read or something in it is wrong, or a topic cannot be read.
    pub fn open(
        plan: &Plan,
        config: &TablesConfig<'_>,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Option<OpenTables>, Failure> {
        let mut tables = Vec::new();
        for (at, table) in plan.tables.iter().enumerate() {
            let (metrics, kept) = (config.metrics.clone(), config.kept_at(at));
            let status = config.status.get(at).cloned().unwrap_or_default();
            let instead = config.instead.iter().find(|(table, _)| *table == at);
            let opened = match (&table.from, instead) {
                (_, Some((_, path))) => OpenTable::File(Box::new(
                    FileTable::once(table, path).map_err(Failure::failed)?,
                )),
                (TableFrom::Shipped { .. }, _) => {
                    let file = FileTable::shipped(table).map_err(Failure::failed)?;
                    match kept_in(file, kept, keep_trying)? {
                        Some(file) => OpenTable::File(Box::new(file)),
                        None => return Ok(None),
                    }
                }
                (TableFrom::File { path, reload, .. }, _) => {
                    let file = FileTable::once(table, path).map_err(Failure::failed)?;
                    let Some(mut file) = kept_in(file, kept, keep_trying)? else { return Ok(None) };
                    // What has been read of standard input is gone.
                    if config.reload && !is_standard(Path::new(path)) {
                        let every = Duration::from_millis(*reload);
                        file = file.watched(at, every, metrics, status).map_err(Failure::failed)?;
                    }
                    OpenTable::File(Box::new(file))
                }
                (TableFrom::Topic { source, .. }, _) => {
                    let Some(kafka) = &config.kafka else { return Err(no_topics(table)) };
                    let kafka = (kafka, config.accept_changed.contains(&table.name));
                    let kept = kept.map(BegunTopic::of).transpose().map_err(keeping)?;
                    match TopicTable::open(table, source, kafka, (&status, kept), keep_trying)? {
                        Some(topic) => OpenTable::Topic(Box::new(topic)),
                        None => return Ok(None),
                    }
                }
            };
            tables.push(opened);
        }
        Ok(Some(OpenTables { waiting: Mutex::new(tables), reading: Mutex::default() }))
    }

    /// What `worker` reads: all of it on worker 0, the first time.
    ///
    /// # Errors
    /// When a client or a thread for a topic cannot be had: the reason as text.
    pub fn take(&self, worker: usize, waker: &Waker) -> Result<Vec<TableInput>, String> {
        if worker != 0 {
            return Ok(Vec::new());
        }
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        let mut inputs = Vec::new();
        for opened in waiting {
            inputs.push(match opened {
                OpenTable::File(file) => TableInput::File(file),
                OpenTable::Topic(topic) => {
                    let input = topic.input(waker)?;
                    lock(&self.reading).push(*topic);
                    TableInput::Topic(input)
                }
            });
        }
        Ok(inputs)
    }

    /// Ends the reading of topics, and waits at most `within` in all until their connections are
    /// gone.
    pub fn close(&self, within: Duration) {
        let began = std::time::Instant::now();
        for topic in std::mem::take(&mut *lock(&self.reading)) {
            topic.close(within.saturating_sub(began.elapsed()));
        }
    }
}

impl TablesConfig<'_> {
    fn kept_at(&self, at: usize) -> Option<&Arc<KeptTable>> {
        self.kept.as_ref()?.of(at)
    }
}

/// The table with its versions kept, where they are to be; `None`: somebody stopped the job.
fn kept_in(
    file: FileTable,
    kept: Option<&Arc<KeptTable>>,
    keep_trying: &dyn Fn() -> bool,
) -> Result<Option<FileTable>, Failure> {
    let Some(kept) = kept else { return Ok(Some(file)) };
    match file.kept_in(kept, keep_trying) {
        Ok(file) => Ok(Some(file)),
        Err(_) if !keep_trying() => Ok(None),
        Err(error) => Err(keeping(error)),
    }
}

/// Why versions cannot be kept.
fn keeping(error: RecoveryError) -> Failure {
    let failure = Failure::failed(&error);
    if error.is_taken_over() { failure.taken_over() } else { failure }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_topics(table: &TablePlan) -> Failure {
    let name = &table.name;
    Failure::usage(format!("the table \"{name}\" is a topic, and only files are read here"))
        .hint(format!("`tidemark replay` takes it as CSV: --table {name}=FILE.csv"))
}
