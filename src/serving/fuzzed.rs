//! What fuzz targets see of the feature server: any body, and what is answered.

use crate::config::ServeSettings;
use crate::online::{Embedded, OnlineStore as _};
use crate::serving::catalogue::Catalogue;
use crate::serving::counts::ServingCounts;
use crate::serving::{EngineRows, RankedSources, RowSource, Serving, routes};
use crate::wall_clock::wall_ms;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use std::sync::{Arc, Mutex};
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::online::AppliedEvents;
use tokio::runtime::{Builder, Runtime};

/// Ids of each type, and a service of several entities.
const JOB: &str = include_str!("tests/payments.toml");

/// A feature server without a socket, whose job has no row yet.
pub struct FuzzedServer {
    runtime: Runtime,
    serving: Arc<Serving>,
}

impl FuzzedServer {
    /// A server of a small job: that of the tests. `None`: there
    /// is no runtime to be had.
    pub fn new() -> Option<FuzzedServer> {
        let job = tidemark_jobs::load("payments.toml", JOB).ok()?;
        let metrics = Arc::new(WorkerMetrics::new(0, &job.plan));
        let store = Arc::new(Embedded::new(&job.plan, 1));
        for entity in 0..job.plan.entities.len() {
            store.writer(0).applied(&AppliedEvents { entity, ..AppliedEvents::default() });
        }
        let rows = EngineRows::new(store, vec![Arc::clone(&metrics)], || true);
        for _ in 0..2 {
            metrics.live_clock.set(wall_ms()?);
            metrics.steps.add(3);
            rows.look();
        }
        let catalogue = Catalogue::new(&job, job.plan.name.clone());
        let settings = ServeSettings {
            // However long a target runs.
            stale_after: std::time::Duration::from_secs(86_400),
            behind_max: std::time::Duration::from_secs(86_400 * 365),
            ..ServeSettings::default()
        };
        let serving = Serving {
            counts: ServingCounts::new(catalogue.views.len()),
            catalogue,
            compiled: Mutex::default(),
            sources: RankedSources::new(vec![RowSource::engine(rows)]),
            settings,
            values: Arc::default(),
        };
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        Some(FuzzedServer { runtime, serving: Arc::new(serving) })
    }

    /// Code and body of the answer to this body at this path. `None`: there was none.
    pub fn post(&self, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let request = Request::builder().method("POST").uri(path);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_vec())).ok()?;
        let router = routes::router(Arc::clone(&self.serving), Router::new());
        self.runtime.block_on(async {
            let response = TowerToHyperService::new(router).call(request).await.ok()?;
            let code = response.status().as_u16();
            let body = to_bytes(response.into_body(), usize::MAX).await.ok()?;
            Some((code, body.to_vec()))
        })
    }
}
