//! `tidemark serve`: the features of a job over HTTP, from Redis and its replicas, in a process of its own.

use crate::cli::ServeArgs;
use crate::config::{ClusterFile, Flags, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::HostNames;
use crate::serving::{FeatureServer, RankedSources};
use crate::signals::Stop;
use crate::{connect, job_file, logging};
use std::sync::Arc;
use std::time::Duration;
use tidemark_jobs::Job;

/// How often it is looked whether the server is to end.
const TICK: Duration = Duration::from_millis(50);

/// Serves until it is asked to end.
///
/// # Errors
/// Exit code 2 when the command line, the job, `cluster.toml` or the environment is wrong; 1 when the
/// address cannot be listened on.
pub fn run(args: &ServeArgs) -> Result<Exit, Failure> {
    let mut settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), Flags::default())?;
    let job = job_file::load(&args.job)?;
    let plan = connect::with_topic(Arc::clone(&job.plan), settings.topic.as_deref())?;
    let job = Job { plan, ..job };
    settings.serve.port = args.port.unwrap_or(settings.serve.port);
    logging::start(&settings.log.level, settings.log.format, logging::LogTarget::Stderr)
        .map_err(Failure::usage)?;
    let stop = Stop::on_signals()?;
    let sources = RankedSources::open(&job.plan, &settings, None)?;
    let names = HostNames::new(settings.http.named());
    let project = connect::redis(&settings).placing().project(&job.plan.name);
    let server = FeatureServer::start((&job, project), &settings.serve, names, sources)?;
    while !stop.asked() {
        std::thread::sleep(TICK);
    }
    drop(server);
    Ok(Exit::Done)
}
