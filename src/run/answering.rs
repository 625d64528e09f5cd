//! What a run answers over HTTP: metrics, health and pages to everybody, and rows of its entities to the other
//! processes of its job.

use crate::config::Settings;
use crate::engine::Observer;
use crate::failure::Failure;
use crate::http::{HostNames, HttpServer, Introspect};
use crate::mesh::Mesh;
use crate::online::OnlineStore;
use crate::run::place::ClusterPlace;
use crate::service::Service;
use crate::serving::{EngineRows, row_hops};
use crate::version::VERSION;
use std::sync::Arc;
use tidemark_operators::plan::Plan;

/// Starts to answer; gives also the rows of the job: those in the table of this process, and by way of `mesh` those
/// of the others.
///
/// # Errors
/// When the address cannot be listened on, or no thread can be had.
pub(super) fn start(
    (plan, settings): (&Plan, &Settings),
    (observer, store, service): (&Observer, &Arc<dyn OnlineStore>, &Arc<Service>),
    place: &ClusterPlace,
    mesh: Option<&Mesh>,
) -> Result<(Arc<EngineRows>, HttpServer), Failure> {
    let [caught_up, incomplete] = [(); 2].map(|()| Arc::clone(service));
    let rows =
        EngineRows::new(Arc::clone(store), observer.metrics.clone(), move || caught_up.caught_up());
    let owners = place.owners(mesh.map(Mesh::run), settings.serve.answer_timeout);
    let rows = rows.with_incomplete(move || incomplete.incomplete()).with_owners(owners);
    let rows = Arc::new(rows);

    let names = HostNames::new(settings.http.named().chain(place.hosts()));
    let at = (settings.http.address(), names);
    let hops = row_hops(&rows, settings.serve.values_in_flight);
    let job = Arc::clone(service) as Arc<dyn Introspect>;
    let http = HttpServer::start_among(at, (job, hops), place.identity())?;
    service.life_signs().ready();
    let (job, workers, online) = (&plan.name, place.shape().workers(), service.online().kind);
    tracing::info!(job, ?workers, http = %http.address(), online, version = VERSION, "starting");
    Ok((rows, http))
}
