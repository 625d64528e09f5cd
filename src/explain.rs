//! `tidemark explain`: which events make the features of an entity at a time, when each leaves, and what
//! the value will be then.
//!
//! ```text
//!  log ──> the job's dataflow, as in a replay ──> what its windows hold at the time ──┐
//!               └──> the rows of the entity ──> the same, computed from them alone ──> equal?
//!                                          └──> which of them each feature is over
//! ```

mod text;

use crate::cli::{ExplainArgs, OutputFormat, SourceFiles};
use crate::config::{ClusterFile, Flags, Settings};
use crate::connect::with_topic;
use crate::entity_id;
use crate::exit::Exit;
use crate::explained::Explaining;
use crate::failure::Failure;
use crate::historical::of_reference;
use crate::replay::inputs as job_inputs;
use crate::reread::{AskedHistory, Reread};
use crate::run::{file_text, with_files};
use crate::{job_file, output};
use std::sync::Arc;
pub(crate) use text::of_feature;
use tidemark_jobs::Job;
use tidemark_operators::plan::Plan;

/// Carries out the command.
///
/// # Errors
/// Exit code 2 when the job, the view, a file or the settings are wrong; 1 when the log cannot be read,
/// or the windows and the recomputation differ, which is a defect.
pub fn run(args: &ExplainArgs) -> Result<Exit, Failure> {
    let settings = Settings::load(&ClusterFile::from(args.log.cluster.as_ref()), Flags::default())?;
    let job = job_of(&args.job, &settings, &args.log.sources)?;
    let tables = job_inputs::tables(&job, &args.log.tables)?;
    let wanted = match args.features.as_slice() {
        [] => of_reference(&job, &args.view)?,
        names => {
            let found =
                names.iter().map(|name| of_reference(&job, &format!("{}:{name}", args.view)));
            found.collect::<Result<Vec<_>, _>>()?.concat()
        }
    };
    let view = wanted.first().map_or(0, |(view, _)| *view);
    let Some(index) = job.plan.views.get(view).copied() else {
        return Err(Failure::usage(format!("job \"{}\" has no views", job.plan.name)));
    };
    let id = entity_id::known_as(&job.plan, view, &args.id).into_owned();
    let reread = Reread {
        plan: &job.plan,
        settings: &settings,
        tables,
        workers: args.log.workers.unwrap_or(settings.workers),
        asked: vec![AskedHistory { entity: index.entity, id }],
        at: args.at,
        later: false,
    };
    let found = reread.read()?;
    let Some(history) = found.histories.into_iter().next() else {
        return Err(Failure::failed("nothing was read of the entity"));
    };
    let mut explaining = Explaining {
        job: &job,
        view: (view, index.view),
        at: found.at,
        limit: args.limit,
        places: Some(&found.places),
        id: history.asked.id,
        recomputed: history.recomputed,
        rows: std::collections::BTreeMap::new(),
    };
    explaining.check(history.windows.get(index.view).map(Vec::as_slice).unwrap_or_default())?;
    let explained = explaining.explain(wanted.iter().map(|(_, feature)| *feature))?;
    match args.log.format {
        OutputFormat::Json => output::print_json(&explained),
        OutputFormat::Text => output::print(&text::text(&explained)),
    }
}

/// The job, with `sources` read from these files and from where it says else.
///
/// # Errors
/// When a name is none of the job's.
pub(crate) fn job_of(
    name: &str,
    settings: &Settings,
    sources: &[SourceFiles],
) -> Result<Job, Failure> {
    let job = job_file::load(name)?;
    let mut plan = Plan::clone(&job.plan);
    for (source, files) in job_inputs::given_files(&job, sources)? {
        let files = files.iter().map(|file| file_text(file)).collect::<Result<Vec<_>, _>>()?;
        if let Some(source) = plan.sources.get_mut(usize::from(source)) {
            source.files = files;
        }
    }
    let of_files = plan.sources.iter().all(|source| !source.files.is_empty());
    let topic = settings.topic.as_deref().filter(|_| !of_files);
    let plan = with_files(with_topic(Arc::new(plan), topic)?)?;
    Ok(Job { plan, ..job })
}
