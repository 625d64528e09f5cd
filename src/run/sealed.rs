//! Where a job's sealed rows go: a file, and topics that they are published to from there.

use super::checkpoints;
use crate::config::Settings;
use crate::connect;
use crate::engine::Observer;
use crate::failure::Failure;
use crate::kafka::{SealedTopicSettings, SealedTopics};
use crate::recovery::Recovery;
use crate::sealed_file::{LineSink, SealedFile};
use crate::sealed_publisher::{PublishedFile, SealedPublisher};
use crate::service::LogStatus;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::plan::Plan;

/// What helps when the file of sealed rows cannot be written.
const REMEDY: &str =
    "make room, or choose another \"path\" in [sealed] of cluster.toml, and run the job again";

/// Sealed rows being written.
pub(super) struct RunSealed {
    file: SealedFile,
    publisher: Option<SealedPublisher>,
}

/// Checks the settings without reaching for anything.
///
/// # Errors
/// When a topic of rows is one that the job reads.
pub(super) fn check(plan: &Plan, settings: &Settings) -> Result<(), Failure> {
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
        plan: &Plan,
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
            return Ok(Some(RunSealed { file, publisher: None }));
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
        let publisher = publisher(plan, settings, recovery, (read, begins))?;
        Ok(Some(RunSealed { file, publisher }))
    }

    /// The end that the worker writes to.
    pub fn sink(&self) -> LineSink {
        self.file.sink()
    }

    /// How the topics fare, where there are any; may be kept and asked after the end.
    pub fn status(&self) -> Option<LogStatus> {
        self.publisher.as_ref().map(|publisher| Box::new(publisher.status()) as _)
    }

    /// Waits for all lines to be in the file; all sinks must be gone. What is left publishes them.
    ///
    /// # Errors
    /// When the disk refused.
    pub fn finish_file(self) -> (Option<SealedPublisher>, Result<(), Failure>) {
        let written = self.file.finish().map(drop);
        (self.publisher, written.map_err(|error| Failure::failed(error).hint(REMEDY)))
    }
}

/// Publishes what is left of the rows of checkpoints.
pub(super) fn finish(publisher: Option<SealedPublisher>, within: Duration) {
    let bytes = publisher.map_or(0, |publisher| publisher.finish(within));
    if bytes > 0 {
        tracing::warn!(bytes, "sealed rows are left in their file: the next start publishes them");
    }
}

/// Who publishes the rows of a file into topics, where there are any.
fn publisher(
    plan: &Plan,
    settings: &Settings,
    recovery: &Arc<Recovery>,
    (file, begins): (Option<File>, u64),
) -> Result<Option<SealedPublisher>, Failure> {
    let Some(topic) = settings.sealed.topic.clone() else { return Ok(None) };
    let keep = settings.sealed.keep;
    let Some(file) = file else {
        let why =
            "sealed rows cannot be published from what \"path\" in [sealed] names: it is no file";
        return Err(Failure::usage(why).hint("name a file there, or leave out \"topic\""));
    };
    let to = SealedTopicSettings {
        kafka: connect::kafka(&settings.kafka),
        topic,
        progress: format!("{}.sealed.published", plan.name),
        state: recovery.generation().store,
        sources: plan.sources.iter().filter_map(|source| source.topic.clone()).collect(),
    };
    let topics = SealedTopics::new(to, recovery.leading());
    let durable = Box::new(recovery.sealed_durable(begins));
    let from = PublishedFile { file, begins, keep, durable };
    let started = SealedPublisher::start(from, topics);
    let failed = |why| Failure::failed(format!("cannot start to publish sealed rows: {why}"));
    started.map(Some).map_err(failed)
}
