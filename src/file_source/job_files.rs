//! The files that the sources of a job are read from.

use super::{ColumnUnits, Dumps, FilePartitions, FileSourceError, Progress, Reading, share};
use crate::source::Waker;
use std::path::PathBuf;
use std::sync::Arc;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{Format, Plan};

/// See the module. A clone reads the same files from their beginning, and counts with this one.
#[derive(Clone, Debug)]
pub struct JobFiles {
    /// By source, but for dumps.
    files: Vec<(u16, Vec<PathBuf>)>,
    dumps: Dumps,
    /// By source, with the units of its timestamps.
    formats: Vec<(Format, ColumnUnits)>,
    record_bytes_max: usize,
    progress: Arc<Progress>,
}

impl JobFiles {
    /// Those of the sources of `plan`: `files` by source. Of a record that is longer than
    /// `record_bytes_max` no more is kept. Blocks until all that are dumps have been read once.
    ///
    /// # Errors
    /// When a file is no dump that has to be one.
    pub fn new(
        plan: &Plan,
        mut files: Vec<(u16, Vec<PathBuf>)>,
        record_bytes_max: usize,
    ) -> Result<Self, FileSourceError> {
        let dumps = Dumps::take(plan, &mut files)?;
        let formats = plan.sources.iter().map(|source| (source.format, ColumnUnits::of(source)));
        let formats = formats.collect();
        Ok(JobFiles { files, dumps, formats, record_bytes_max, progress: Arc::default() })
    }

    /// The files, by source, but for dumps.
    pub fn files(&self) -> &[(u16, Vec<PathBuf>)] {
        &self.files
    }

    /// How much of them has been read.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// How many partitions belong to `worker` out of `workers`.
    pub fn count(&self, worker: usize, workers: usize) -> usize {
        let dealt = |all: usize| (worker..all).step_by(workers.max(1)).count();
        dealt(self.files.iter().map(|(_, files)| files.len()).sum()) + dealt(self.dumps.count())
    }

    /// Starts to read what belongs to `worker` out of `workers`.
    ///
    /// # Errors
    /// When a file cannot be opened, or a thread cannot be had.
    pub fn open(
        &self,
        worker: usize,
        workers: usize,
        waker: &Waker,
    ) -> Result<FilePartitions, FileSourceError> {
        let mine = share(&self.files, worker, workers)?;
        let reading = |id: PartitionId| {
            let known = self.formats.get(usize::from(id.source)).cloned();
            let (format, units) = known.unwrap_or((Format::Json, ColumnUnits::default()));
            Reading { format, units, record_bytes_max: self.record_bytes_max }
        };
        let mut files = FilePartitions::open_read(mine, reading, waker, &self.progress)?;
        files.appeared.extend(self.dumps.open(worker, workers, waker, &self.progress)?);
        Ok(files)
    }
}
