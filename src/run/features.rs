//! The feature server of a run.

use crate::config::Settings;
use crate::engine::Observer;
use crate::failure::Failure;
use crate::online::OnlineStore;
use crate::service::Service;
use crate::serving::{EngineRows, FeatureServer, RowSource};
use std::sync::Arc;
use tidemark_jobs::Job;

/// Serves the features of a running job from its table, when that is asked for.
///
/// # Errors
/// When the address cannot be listened on.
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
    let rows = EngineRows::new(store, observer.metrics.clone(), move || service.caught_up());
    FeatureServer::start(job, &settings.serve, RowSource::Engine(rows)).map(Some)
}
