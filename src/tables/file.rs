//! A table's file, looked at again and again.

use super::csv::{self, CsvError};
use super::keeping::{FoundVersion, Keeping, KeptTimes};
use super::status::TableStatus;
use crate::file_source::form::{self, BYTE_ORDER_MARK, Form};
use crate::named_file::{self, is_standard};
use crate::recovery::{KeptTable, RecoveryError, TimedVersion};
use std::collections::VecDeque;
use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, SystemTime};
use thiserror::Error;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::plan::{TableFrom, TablePlan};
use tidemark_operators::reference::input::{TableFeed, TablePoll, TookEffect};
use tidemark_operators::reference::version::TableRow;
use tidemark_operators::time::EventTime;

/// How often a file that changes while it is read is read again at once.
const ATTEMPTS: usize = 3;
/// Versions that wait for the worker; the reading thread waits while there are more.
const VERSIONS_MAX: usize = 1;

/// What a change of a file shows in.
type Mark = (u64, u64, u64, Option<SystemTime>);

fn mark(metadata: &Metadata) -> Mark {
    (metadata.dev(), metadata.ino(), metadata.len(), metadata.modified().ok())
}

/// A thread that cannot be had.
#[derive(Debug, Error)]
#[error(
    "cannot start a thread that looks at the table \"{table}\": {why}; free some and run again"
)]
pub struct NoThread {
    table: String,
    why: std::io::Error,
}

/// A table from a file or from the program.
pub struct FileTable {
    table: TablePlan,
    path: PathBuf,
    /// What it begins with, oldest first, each from its time on.
    first: VecDeque<TimedVersion>,
    mark: Option<Mark>,
    /// Where its versions are kept; `None`: they are not.
    kept: Option<Arc<KeptTable>>,
    later: Option<Later>,
    /// Whether a version has taken effect.
    loaded: bool,
}

struct Later {
    versions: Receiver<FoundVersion>,
    /// Where the times of versions are kept.
    times: Option<KeptTimes>,
    /// Dropping it ends the thread.
    _end: Sender<()>,
}

impl FileTable {
    /// The table at `path`, as it is now.
    pub fn once(table: &TablePlan, path: impl AsRef<Path>) -> Result<Self, CsvError> {
        let path = path.as_ref();
        let (rows, mark) = steady(table, path)?;
        Ok(FileTable { mark: Some(mark), ..Self::new(table, path, rows) })
    }

    /// The table that comes with the program.
    pub fn shipped(table: &TablePlan) -> Result<Self, CsvError> {
        let (name, text) = match &table.from {
            TableFrom::Shipped { name, text, .. } => (name.as_str(), *text),
            TableFrom::File { .. } | TableFrom::Topic { .. } => ("", ""),
        };
        let rows = csv::read(table, name, valid_from(table), text.as_bytes())?;
        Ok(Self::new(table, Path::new(name), rows))
    }

    fn new(table: &TablePlan, path: &Path, rows: Vec<TableRow>) -> Self {
        FileTable {
            table: table.clone(),
            path: path.to_owned(),
            first: VecDeque::from([(rows, 0)]),
            mark: None,
            kept: None,
            later: None,
            loaded: false,
        }
    }

    /// Has its versions kept, and begins with those that were kept before; `keep_trying` says whether a
    /// store that fails is to be tried again.
    ///
    /// # Errors
    /// When one of them is damaged, or cannot be kept.
    pub fn kept_in(
        mut self,
        kept: &Arc<KeptTable>,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Self, RecoveryError> {
        let rows = self.first.pop_back().map(|(rows, _)| rows).unwrap_or_default();
        self.first = kept.begin(rows, keep_trying)?.into();
        self.kept = Some(Arc::clone(kept));
        Ok(self)
    }

    /// Looks at the file `every` so often, as table `at` of the job, and tells `status` of it.
    pub fn watched(
        mut self,
        at: usize,
        every: Duration,
        metrics: Option<Arc<WorkerMetrics>>,
        status: Arc<TableStatus>,
    ) -> Result<Self, NoThread> {
        let (end, ended) = channel();
        let (sender, versions) = sync_channel(VERSIONS_MAX);
        let mut watch = FileWatch {
            table: self.table.clone(),
            path: self.path.clone(),
            mark: self.mark,
            refused: None,
            waits: false,
            metrics: metrics.map(|metrics| (metrics, at)),
            status,
        };
        let (times, keeping) = self.kept.clone().map(Keeping::of).unzip();
        let look = move || {
            while matches!(ended.recv_timeout(every), Err(RecvTimeoutError::Timeout)) {
                if !watch.take(keeping.as_ref(), &sender) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("table".to_owned()).spawn(look);
        let failed = |why| NoThread { table: self.table.name.clone(), why };
        thread.map_err(failed)?;
        self.later = Some(Later { versions, times, _end: end });
        Ok(self)
    }
}

impl TableFeed for FileTable {
    fn poll(&mut self) -> TablePoll {
        if let Some((rows, from)) = self.first.pop_front() {
            return TablePoll::Kept(rows, from);
        }
        let next = self.later.as_ref().and_then(|later| later.versions.try_recv().ok());
        match next {
            None => TablePoll::Same,
            Some(Ok(rows)) => TablePoll::Version(rows),
            Some(Err(failure)) => TablePoll::Failed(failure),
        }
    }

    fn not_before(&self) -> EventTime {
        self.kept.as_ref().map_or(0, |kept| kept.not_before())
    }

    fn keep(&mut self, from: EventTime) -> Result<bool, String> {
        let times = self.later.as_mut().and_then(|later| later.times.as_mut());
        times.map_or(Ok(true), |times| times.keep(from))
    }

    fn took_effect(&mut self, effect: TookEffect) {
        let TookEffect { from, added, removed, rows } = effect;
        let (table, file) = (&self.table.name, self.path.display());
        if std::mem::replace(&mut self.loaded, true) {
            let from = crate::text::time_text(from);
            tracing::info!(table, %file, added, removed, rows, "table reloaded, for events from {from} on");
        } else {
            tracing::info!(table, %file, rows, "table loaded");
        }
    }
}

/// Looks for later versions.
struct FileWatch {
    table: TablePlan,
    path: PathBuf,
    /// Of the newest version that was read.
    mark: Option<Mark>,
    /// Of the newest that could not be, so that it is told once. `None` inside: there is no file.
    refused: Option<Option<Mark>>,
    /// The file has changed, and there is no room for another version.
    waits: bool,
    metrics: Option<(Arc<WorkerMetrics>, usize)>,
    status: Arc<TableStatus>,
}

impl FileWatch {
    /// Hands over the file's rows, if it has changed, and keeps the time that they are seen from; says
    /// whether anybody is there to take them.
    fn take(&mut self, keeping: Option<&Keeping>, to: &SyncSender<FoundVersion>) -> bool {
        let why = keeping.and_then(Keeping::full).filter(|_| self.has_changed());
        if let Some(why) = why {
            self.waits = true;
            self.status.set_refused(Some(why));
            return true;
        }
        if std::mem::take(&mut self.waits) {
            self.status.set_refused(None);
        }
        let Some(rows) = self.look() else { return true };
        match keeping {
            None => to.send(Ok(rows)).is_ok(),
            Some(keeping) => keeping.take(rows, to),
        }
    }

    /// The file as it is; `None`: there is none.
    fn now(&self) -> Option<Mark> {
        std::fs::metadata(&self.path).ok().map(|metadata| mark(&metadata))
    }

    fn has_changed(&self) -> bool {
        let now = self.now();
        now.is_some() && now != self.mark
    }

    /// The rows, if the file has changed.
    fn look(&mut self) -> Option<Vec<TableRow>> {
        let now = self.now();
        if now.is_some() && now == self.mark {
            // As when the one in use has been put back.
            if self.refused.take().is_some() {
                self.status.set_refused(None);
            }
            return None;
        }
        if self.refused == Some(now) {
            return None;
        }
        match steady(&self.table, &self.path) {
            Ok((rows, mark)) => {
                self.mark = Some(mark);
                self.refused = None;
                self.status.set_refused(None);
                Some(rows)
            }
            // It is read again when it has come to rest.
            Err(CsvError::Moving { .. }) => None,
            Err(error) => {
                self.refused = Some(now);
                tracing::error!(table = self.table.name, "{error}; the version before stays");
                self.status.set_refused(Some(error.to_string()));
                if let Some((metrics, at)) = &self.metrics
                    && let Some(table) = metrics.tables.get(*at)
                {
                    table.failures.add(1);
                }
                None
            }
        }
    }
}

/// The rows of a file that was the same before and after it was read.
fn steady(table: &TablePlan, path: &Path) -> Result<(Vec<TableRow>, Mark), CsvError> {
    let file = path.display().to_string();
    let unreadable = |why: std::io::Error| CsvError::Unreadable {
        table: table.name.clone(),
        file: file.clone(),
        why,
    };
    if is_standard(path) {
        return Ok((read(table, path, &file)?, Mark::default()));
    }
    for _ in 0..ATTEMPTS {
        let before = mark(&std::fs::metadata(path).map_err(unreadable)?);
        let rows = read(table, path, &file);
        if mark(&std::fs::metadata(path).map_err(unreadable)?) == before {
            return Ok((rows?, before));
        }
    }
    Err(CsvError::Moving { table: table.name.clone(), file })
}

fn read(table: &TablePlan, path: &Path, file: &str) -> Result<Vec<TableRow>, CsvError> {
    let unreadable = |why: std::io::Error| CsvError::Unreadable {
        table: table.name.clone(),
        file: file.to_owned(),
        why,
    };
    let mut csv = named_file::open(path).map_err(unreadable)?;
    let head = form::head(&mut csv).map_err(unreadable)?;
    match Form::of(&head) {
        Form::Lines | Form::Csv => {}
        form => {
            let what = form.remedy(file).map_or("no CSV", |(what, _)| what);
            let (table, file) = (table.name.clone(), file.to_owned());
            return Err(CsvError::Form { table, file, what });
        }
    }
    let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&head);
    csv::read(table, file, valid_from(table), head.chain(csv))
}

/// The column that says from when on a row is valid; for a file in the place of a topic the one that
/// is called as its event time.
fn valid_from(table: &TablePlan) -> Option<&str> {
    match &table.from {
        TableFrom::File { valid_from, .. } | TableFrom::Shipped { valid_from, .. } => {
            valid_from.as_deref()
        }
        TableFrom::Topic { source, .. } => source.time.path.last().map(String::as_str),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_operators::plan::{Matching, Plan, TableColumn};
    use tidemark_operators::value::Type;

    fn plan() -> TablePlan {
        let column = TableColumn { name: "level".to_owned(), ty: Type::Int, required: true };
        TablePlan {
            name: "levels".to_owned(),
            key: "user".to_owned(),
            matching: Matching::Exact(Type::Text),
            columns: vec![column],
            rows_max: 100,
            from: TableFrom::File { path: String::new(), valid_from: None, reload: 1 },
        }
    }

    fn metrics() -> Arc<WorkerMetrics> {
        let mut plan = Plan::clone(&crate::job_file::load("fraud").unwrap().plan);
        plan.tables = vec![self::plan()];
        Arc::new(WorkerMetrics::new(0, &plan))
    }

    #[test]
    fn a_bad_version_is_refused_once_and_counted_and_the_next_good_one_is_taken() {
        let name = format!("tidemark-table-{}.csv", std::process::id());
        let path = std::env::temp_dir().join(name);
        let missing = FileTable::once(&plan(), &path).err().unwrap().to_string();
        assert!(missing.starts_with("cannot read the table \"levels\" from "), "{missing}");
        std::fs::write(&path, "user,level\na,1\n").unwrap();
        let table = FileTable::once(&plan(), &path).unwrap();
        let (metrics, status) = (metrics(), Arc::<TableStatus>::default());
        let mut watch = FileWatch {
            table: plan(),
            path: path.clone(),
            mark: table.mark,
            refused: None,
            waits: false,
            metrics: Some((Arc::clone(&metrics), 0)),
            status: Arc::clone(&status),
        };
        assert!(watch.look().is_none(), "it is as it was");
        let before = path.with_extension("before");
        std::fs::rename(&path, &before).unwrap();
        std::fs::write(&path, "user,level\na,many\n").unwrap();
        for _ in 0..3 {
            assert!(watch.look().is_none());
            assert_eq!(metrics.tables[0].failures.get(), 1);
            assert!(status.refused().is_some_and(|why| why.contains("line 2, column \"level\"")));
        }
        std::fs::rename(&before, &path).unwrap();
        assert!(watch.look().is_none());
        assert_eq!(status.refused(), None, "the one in use is back");
        std::fs::remove_file(&path).unwrap();
        for _ in 0..3 {
            assert!(watch.look().is_none());
            assert_eq!(metrics.tables[0].failures.get(), 2);
        }
        assert!(status.refused().is_some_and(|why| why.contains("see that the file is there")));
        std::fs::write(&path, "user,level\na,1\nbb,22\n").unwrap();
        assert_eq!(watch.look().map(|rows| rows.len()), Some(2));
        assert!(watch.look().is_none());
        assert_eq!(status.refused(), None);
        std::fs::remove_file(&path).unwrap();
    }
}
