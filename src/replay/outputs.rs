//! Where a replay writes: files that get their names together, once all of them are whole.

use super::online_rows;
use super::row_outputs::{RowOutputs, SealedTo};
use crate::dead_letters::{DeadLetterFile, FileLimits, FileSink};
use crate::engine::{Observer, Settings};
use crate::failure::Failure;
use crate::online::Embedded;
use crate::sealed_file::LineSink;
use crate::whole_file::WholeFile;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::plan::Plan;

/// Which of them are wanted, and what they are called.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OutputPaths<'a> {
    pub sealed: Option<&'a SealedTo>,
    pub dlq: Option<&'a Path>,
    pub online: Option<&'a Path>,
}

/// See the module.
pub(crate) struct Outputs {
    sealed: Option<RowOutputs>,
    letters: Option<(WholeFile, DeadLetterFile)>,
    live: Option<(WholeFile, PathBuf)>,
    pub store: Option<Arc<Embedded>>,
}

/// Dead letters into a file. Where nobody asked for them they are let go.
pub(crate) struct ReplayLetters(Option<FileSink>);

impl DeadLetterSink for ReplayLetters {
    fn has_room(&self) -> bool {
        self.0.as_ref().is_none_or(FileSink::has_room)
    }

    fn push(&mut self, letter: DeadLetter) {
        if let Some(file) = &mut self.0 {
            file.push(letter);
        }
    }
}

impl Outputs {
    /// Makes them.
    ///
    /// # Errors
    /// When a file cannot be made, or its thread cannot be started.
    pub fn create(
        paths: &OutputPaths<'_>,
        settings: &Settings,
        observer: &Observer,
    ) -> Result<Self, Failure> {
        let whole = |path: &Path| WholeFile::create(path).map_err(Failure::failed);
        let sealed = |to: &SealedTo| RowOutputs::create(to, &settings.plan, observer);
        let letters = |path: &Path| -> Result<_, Failure> {
            let (file, stop) = (whole(path)?, observer.clone());
            let failed = move |reason| stop.fail(reason);
            let limits = FileLimits::default();
            let letters = DeadLetterFile::start_once(path, limits, file.writer(), failed);
            Ok((file, letters.map_err(Failure::failed)?))
        };
        let live = |path: &Path| -> Result<_, Failure> { Ok((whole(path)?, path.to_owned())) };
        let store = || Arc::new(Embedded::in_process(&settings.plan, settings.shape));
        Ok(Outputs {
            sealed: paths.sealed.map(sealed).transpose()?,
            letters: paths.dlq.map(letters).transpose()?,
            live: paths.online.map(live).transpose()?,
            store: paths.online.is_some().then(store),
        })
    }

    /// Where sealed lines go; for one worker.
    pub fn lines(&self) -> Option<LineSink> {
        self.sealed.as_ref().map(RowOutputs::sink)
    }

    /// Where the dead letters of a worker go.
    pub fn letters(&self) -> ReplayLetters {
        ReplayLetters(self.letters.as_ref().map(|(_, letters)| letters.sink()))
    }

    /// Writes what waits, and gives all files their names; without `rows` only that of the dead
    /// letters: files of rows from before stay. All workers must be gone.
    ///
    /// # Errors
    /// When not all of it could be written: no file has its name then.
    pub fn finish(self, plan: &Plan, rows: bool) -> Result<(), Failure> {
        let mut files = Vec::new();
        if let Some(sealed) = self.sealed {
            let written = sealed.finish()?;
            files.extend(written.into_iter().filter(|_| rows));
        }
        if let Some((file, letters)) = self.letters {
            // A write that fails is not tried again: there is nothing to wait for.
            letters.finish(Duration::ZERO).map_err(Failure::failed)?;
            files.push(file);
        }
        if let (Some((file, path)), Some(store), true) = (self.live, &self.store, rows) {
            online_rows::write(&path, &file, plan, store.as_ref())?;
            files.push(file);
        }
        WholeFile::finish(files).map_err(Failure::failed)
    }
}
