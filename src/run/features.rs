//! The feature server of a run.

use crate::config::Settings;
use crate::connect;
use crate::engine::Observer;
use crate::failure::Failure;
use crate::http::HostNames;
use crate::online::OnlineStore;
use crate::service::Service;
use crate::serving::{EngineRows, FeatureServer, RankedSources};
use std::sync::Arc;
use tidemark_jobs::Job;

/// Serves the features of a running job from its table and what else the settings name, when that is
/// asked for.
///
/// # Errors
/// When the address cannot be listened on, or no thread can be had.
pub(super) fn serve(
    job: &Job,
    settings: &Settings,
    observer: &Observer,
    store: &Arc<dyn OnlineStore>,
    service: &Arc<Service>,
) -> Result<Option<FeatureServer>, Failure> {
    if !settings.serve.enabled {
        return Ok(None);
    }
    let (store, service) = (Arc::clone(store), Arc::clone(service));
    let told = Arc::clone(&service);
    let rows = EngineRows::new(store, observer.metrics.clone(), move || service.caught_up())
        .with_incomplete(move || told.incomplete());
    let sources = RankedSources::open(&job.plan, settings, Some(rows))?;
    let names = HostNames::new(settings.http.named());
    let project = connect::redis(settings).placing().project(&job.plan.name);
    FeatureServer::start((job, project), &settings.serve, names, sources).map(Some)
}
