//! Sealed rows of a replay: lines of JSON in one file, or columns of Parquet in a file for each view.

use crate::cli::RowTimes;
use crate::engine::Observer;
use crate::failure::Failure;
use crate::sealed_file::{LineSink, SealedFile};
use crate::whole_file::WholeFile;
use std::path::{Path, PathBuf};
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::plan::Plan;

/// What stands for a view in the name of a file.
const VIEW: &str = "{view}";

/// What `--sealed` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SealedTo {
    /// Lines in this file.
    Lines(PathBuf),
    /// Columns in these files: one for each view of the job, in its order.
    Columns(Vec<PathBuf>),
}

impl SealedTo {
    /// What `path` means for `plan`: columns, where it ends in `.parquet`.
    ///
    /// # Errors
    /// When several views would be in one file, or a view's columns have no names of their own; exit
    /// code 2.
    pub fn of(plan: &Plan, path: &Path) -> Result<Self, Failure> {
        if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("parquet")) {
            if path.to_str().is_some_and(|text| text.contains(VIEW)) {
                let why = format!("--sealed \"{}\" would be one file of that name", path.display());
                return Err(Failure::usage(why).hint(
                    "rows go to a file for each view as Parquet, \"rows/{view}.parquet\", and as JSON lines \
                     of all views to one file",
                ));
            }
            return Ok(SealedTo::Lines(path.to_owned()));
        }
        if cfg!(not(feature = "parquet")) {
            let why = "this program was built without its feature \"parquet\"";
            return Err(Failure::usage(why).hint("name a file .jsonl for --sealed"));
        }
        let text = path.to_str();
        let views = (0..plan.views.len()).filter_map(|at| plan.view(at));
        match text.filter(|text| text.contains(VIEW)) {
            Some(text) => Ok(SealedTo::Columns(
                views.map(|view| text.replace(VIEW, &view.name).into()).collect(),
            )),
            None if plan.views.len() == 1 => Ok(SealedTo::Columns(vec![path.to_owned()])),
            None => {
                let (path, views) = (path.display(), plan.views.len());
                let why = format!(
                    "--sealed \"{path}\" is one file, and the rows of the {views} views have columns of their \
                     own"
                );
                Err(Failure::usage(why)
                    .hint("name a file for each view, as \"rows/{view}.parquet\""))
            }
        }
    }

    /// What sealed windows have to write, at these times.
    pub fn sealing(&self, rows: RowTimes) -> Sealing {
        match self {
            #[cfg(feature = "parquet")]
            SealedTo::Columns(_) => rows.packed(),
            _ => rows.sealing(),
        }
    }

    /// The files that are written.
    pub fn files(&self) -> &[PathBuf] {
        match self {
            SealedTo::Lines(path) => std::slice::from_ref(path),
            SealedTo::Columns(paths) => paths,
        }
    }
}

/// Sealed rows being written.
pub(super) struct RowOutputs {
    files: Vec<WholeFile>,
    lines: SealedFile,
    #[cfg(feature = "parquet")]
    columns: Option<columns::SharedColumns>,
}

impl RowOutputs {
    /// Makes the files, and their folders. A disk that refuses stops the job.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn create(to: &SealedTo, plan: &Plan, observer: &Observer) -> Result<Self, Failure> {
        let stop = observer.clone();
        let failed = move |reason| stop.fail(reason);
        match to {
            SealedTo::Lines(path) => {
                let file = WholeFile::create(path).map_err(Failure::failed)?;
                let lines =
                    SealedFile::start(path, file.writer(), failed).map_err(Failure::failed)?;
                Ok(RowOutputs {
                    files: vec![file],
                    lines,
                    #[cfg(feature = "parquet")]
                    columns: None,
                })
            }
            #[cfg(feature = "parquet")]
            SealedTo::Columns(paths) => columns::create(paths, plan, failed),
            #[cfg(not(feature = "parquet"))]
            SealedTo::Columns(_) => {
                let views = plan.views.len();
                Err(Failure::usage(format!("columns of {views} views cannot be written")))
            }
        }
    }

    /// The end that a worker writes to.
    pub fn sink(&self) -> LineSink {
        self.lines.sink()
    }

    /// Waits for all rows to be in their files, which have no names yet.
    ///
    /// # Errors
    /// When the disk refused.
    pub fn finish(self) -> Result<Vec<WholeFile>, Failure> {
        self.lines.finish().map_err(Failure::failed)?;
        #[cfg(feature = "parquet")]
        if let Some(columns) = self.columns {
            columns.finish()?;
        }
        Ok(self.files)
    }
}

#[cfg(feature = "parquet")]
mod columns {
    use super::RowOutputs;
    use crate::failure::Failure;
    use crate::offline::row_files::RowFiles;
    use crate::sealed_file::SealedFile;
    use crate::whole_file::{WholeFile, WholeFileWriter};
    use std::io::{self, BufWriter, Write};
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex, PoisonError};
    use tidemark_operators::plan::Plan;

    /// Files of columns: a thread writes them, and another one ends them.
    #[derive(Clone)]
    pub(super) struct SharedColumns(Arc<Mutex<Option<RowFiles<BufWriter<WholeFileWriter>>>>>);

    pub(super) fn create(
        paths: &[PathBuf],
        plan: &Plan,
        failed: impl Fn(String) + Send + 'static,
    ) -> Result<RowOutputs, Failure> {
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            folder.map_or(Ok(()), std::fs::create_dir_all).map_err(|why| {
                Failure::failed(format!("cannot make the folder of {}: {why}", path.display()))
            })?;
            files.push(WholeFile::create(path).map_err(Failure::failed)?);
        }
        let mut each = files.iter();
        let rows = RowFiles::new(plan, |_| {
            let next = each.next().map(|file| BufWriter::new(file.writer()));
            next.ok_or_else(|| io::Error::other("a view has no file"))
        });
        let rows = rows.map_err(|why| Failure::usage(why.to_string()))?;
        let columns = SharedColumns(Arc::new(Mutex::new(Some(rows))));
        let first = paths.first().map_or(Path::new(""), PathBuf::as_path);
        let lines = SealedFile::start(first, columns.clone(), failed).map_err(Failure::failed)?;
        Ok(RowOutputs { files, lines, columns: Some(columns) })
    }

    impl SharedColumns {
        /// Ends the files.
        pub fn finish(self) -> Result<(), Failure> {
            let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            let ended = rows.map_or(Ok(()), RowFiles::finish);
            ended.map_err(|why| Failure::failed(format!("writing sealed rows: {why}")))
        }
    }

    impl Write for SharedColumns {
        fn write(&mut self, packed: &[u8]) -> io::Result<usize> {
            let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            rows.as_mut().map_or(Ok(()), |rows| rows.take(packed))?;
            Ok(packed.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
