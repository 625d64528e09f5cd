//! The feature server of a run.

use crate::config::ServeSettings;
use crate::failure::Failure;
use crate::online::OnlineStore;
use crate::service::Service;
use crate::serving::{EngineRows, FeatureServer, RowSource};
use std::sync::Arc;
use tidemark_jobs::Job;
use tidemark_operators::metrics::WorkerMetrics;

/// Serves the features of a running job from its table, when that is asked for.
///
/// # Errors
/// When the address cannot be listened on.
pub(super) fn serve(
    job: &Job,
    settings: &ServeSettings,
    metrics: &[Arc<WorkerMetrics>],
    store: &Arc<dyn OnlineStore>,
    service: &Arc<Service>,
) -> Result<Option<FeatureServer>, Failure> {
    if !settings.enabled {
        return Ok(None);
    }
    let (store, service) = (Arc::clone(store), Arc::clone(service));
    let rows = EngineRows::new(store, metrics.to_vec(), move || service.caught_up());
    FeatureServer::start(job, settings, RowSource::Engine(rows)).map(Some)
}
