//! The feature server of a run.

use crate::config::Settings;
use crate::connect;
use crate::failure::Failure;
use crate::http::HostNames;
use crate::serving::{EngineRows, FeatureServer, RankedSources};
use std::sync::Arc;
use tidemark_jobs::Job;

/// Serves the features of a running job from these rows and what else the settings name, when that is
/// asked for.
///
/// # Errors
/// When the address cannot be listened on, or no thread can be had.
pub(super) fn serve(
    job: &Job,
    settings: &Settings,
    rows: &Arc<EngineRows>,
) -> Result<Option<FeatureServer>, Failure> {
    if !settings.serve.enabled {
        return Ok(None);
    }
    let sources = RankedSources::open(&job.plan, settings, Some(Arc::clone(rows)))?;
    let names = HostNames::new(settings.http.named());
    let project = connect::redis(settings).placing().project(&job.plan.name);
    FeatureServer::start((job, project), &settings.serve, names, sources).map(Some)
}
