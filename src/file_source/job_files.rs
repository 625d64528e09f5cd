//! The files that the sources of a job are read from.

use super::{Dumps, FilePartitions, FileSourceError, Progress, share};
use crate::source::Waker;
use std::path::PathBuf;
use std::sync::Arc;
use tidemark_operators::plan::{Format, Plan};

/// See the module. A clone reads the same files from their beginning, and counts with this one.
#[derive(Clone, Debug)]
pub struct JobFiles {
    /// By source, but for dumps.
    files: Vec<(u16, Vec<PathBuf>)>,
    dumps: Dumps,
    /// By source.
    formats: Vec<Format>,
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
        let formats = plan.sources.iter().map(|source| source.format).collect();
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
        let (formats, most) = (&self.formats, self.record_bytes_max);
        let mut files = FilePartitions::open_formats(mine, formats, most, waker, &self.progress)?;
        files.appeared.extend(self.dumps.open(worker, workers, waker, &self.progress)?);
        Ok(files)
    }
}
