//! How the workers of a job let events leave memory.

use super::Observer;
use std::sync::{Arc, OnceLock};
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::time::Millis;
use tidemark_operators::timeline::cold::{Cold, OpenCold};

/// Makes, on a worker's own thread, what opens where the events of an entity of the plan go.
type OpenWorker = Box<dyn Fn(&Arc<WorkerMetrics>) -> Result<OpenCold, String> + Send + Sync>;

/// What was said of it; nothing: all events stay in memory.
#[derive(Default)]
pub(super) struct KeepingCold(OnceLock<(Millis, OpenWorker)>);

impl Observer {
    /// Has events that lie `hot_window` ms behind the clock leave memory, until a window lets go of them, for
    /// where `open` says: before the job is run. Only the first counts.
    pub fn keep_cold(
        &self,
        hot_window: Millis,
        open: impl Fn(&Arc<WorkerMetrics>) -> Result<OpenCold, String> + Send + Sync + 'static,
    ) {
        let _ = self.progress.cold.0.set((hot_window, Box::new(open)));
    }

    /// What a worker that counts with `metrics` is told of it.
    pub(super) fn cold(&self, metrics: &Arc<WorkerMetrics>) -> Result<Option<Cold>, String> {
        let Some((hot_window, open)) = self.progress.cold.0.get() else { return Ok(None) };
        Ok(Some(Cold { hot_window: *hot_window, open: open(metrics)? }))
    }
}
