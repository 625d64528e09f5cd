//! What a backfill was asked for, checked as far as that goes without a server.

use crate::checkpoint::ReadHistory;
use crate::cli::BackfillArgs;
use crate::config::Settings;
use crate::connect::with_topic;
use crate::failure::Failure;
use crate::named_file::is_standard;
use crate::replay::inputs;
use std::path::Path;
use std::sync::Arc;
use tidemark_jobs::Job;
use tidemark_operators::cut::Cut;
use tidemark_operators::plan::Plan;

/// See the module.
pub(super) struct HistoryAsked {
    /// The job, reading its topics.
    pub topics: Arc<Plan>,
    /// The same, reading the files of its history.
    pub files: Arc<Plan>,
    pub history: ReadHistory,
    /// Where the state is written.
    pub state: String,
}

impl HistoryAsked {
    /// # Errors
    /// Exit code 2: no state is named, a source has no files or is no topic, a file is not there.
    pub fn of(args: &BackfillArgs, job: &Job, settings: &Settings) -> Result<Self, Failure> {
        let topics = with_topic(Arc::clone(&job.plan), settings.topic.as_deref())?;
        let Some(state) = settings.state.url.clone() else {
            let failure = "a backfill writes a state, and nothing says where that is";
            let hint = "set \"url\" in [state] of cluster.toml: an empty folder or prefix";
            return Err(Failure::usage(failure).hint(hint));
        };
        if let Some(source) = topics.sources.iter().find(|source| !source.files.is_empty()) {
            let failure = format!(
                "the job reads its source \"{}\" from files, and a backfill is for topics that go on",
                source.name
            );
            return Err(
                Failure::usage(failure).hint("name a topic in the source, or `tidemark run` it")
            );
        }
        let until = args.until.map(Cut::below);
        if until.is_none() && topics.sources.len() > 1 {
            let failure = format!(
                "the job has {} sources, whose files may end at different times",
                topics.sources.len()
            );
            let hint = "say by --until up to when the files of all of them have everything";
            return Err(Failure::usage(failure).hint(hint));
        }
        let mut history = ReadHistory { until, ..ReadHistory::default() };
        let mut files = Plan::clone(&topics);
        for (at, paths) in inputs::sources(job, &args.sources)? {
            let Some(source) = files.sources.get_mut(usize::from(at)) else { continue };
            source.topic = None;
            source.files =
                paths.iter().map(|path| file(&source.name, path)).collect::<Result<_, _>>()?;
            history.files.insert(source.name.clone(), source.files.clone());
        }
        Ok(HistoryAsked { topics, files: Arc::new(files), history, state })
    }
}

/// The name of a file that can be read again.
fn file(source: &str, path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let refused = |why: &str| {
        let failure = format!("cannot read the history of \"{source}\" from {shown}: {why}");
        Err(Failure::usage(failure).hint("name files that stay until the backfill is done"))
    };
    if is_standard(path) {
        return refused("it can be read once only, and a backfill that was stopped goes on");
    }
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => refused("it is no file"),
        Ok(_) => {
            path.to_str().map_or_else(|| refused("its name is not UTF-8"), |p| Ok(p.to_owned()))
        }
        Err(error) => refused(&error.to_string()),
    }
}
