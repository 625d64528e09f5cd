//! The checkpoints of a run.

use crate::checkpoint::StateKeys;
use crate::config::Settings;
use crate::engine::Observer;
use crate::failure::Failure;
use crate::recovery::{Recovery, RecoveryConfig, RecoveryError};
use crate::run::letters;
use std::path::Path;
use std::sync::Arc;
use tidemark_operators::plan::Plan;

/// The entity types that may start empty.
///
/// # Errors
/// When the job has none of a name.
pub(super) fn start_empty(plan: &Plan, names: &[String]) -> Result<Vec<String>, Failure> {
    let all = || plan.entities.iter().map(|entity| entity.name.as_str());
    match names.iter().find(|name| !all().any(|entity| entity == *name)) {
        None => Ok(names.to_vec()),
        Some(name) => {
            let failure = format!("--start-empty \"{name}\": the job has no such entity type");
            let all = all().map(|entity| format!("\"{entity}\"")).collect::<Vec<_>>().join(", ");
            Err(Failure::usage(failure).hint(format!("name one of: {all}")))
        }
    }
}

/// The job's checkpoints, when they are to be made.
pub(super) fn open(
    plan: &Arc<Plan>,
    settings: &Settings,
    observer: &Observer,
    start_empty: Vec<String>,
) -> Result<Option<Arc<Recovery>>, Failure> {
    let Some(url) = &settings.state.url else { return Ok(None) };
    let limits = &settings.limits;
    let keys = settings.state.keys.as_ref().map(|file| StateKeys::read(Path::new(file)));
    let keys = keys.transpose().map_err(Failure::usage)?;
    let config = RecoveryConfig {
        plan: Arc::clone(plan),
        workers: settings.workers,
        url: url.clone(),
        intervals: (settings.state.checkpoint_interval, settings.state.snapshot_interval),
        letters_max: (limits.dead_letter_queue as u64, limits.dead_letter_queue_bytes),
        sealed_rows: settings.sealed.path.is_some(),
        start_empty,
        keys: keys.map(Arc::new),
    };
    let stop = observer.clone();
    let letters = letters::published(settings);
    let failed = move |error: &RecoveryError| match error.is_taken_over() {
        true => stop.taken_over(error.to_string()),
        false => stop.fail(error.to_string()),
    };
    let recovery = Recovery::open(config, letters, failed).map_err(failed_with)?;
    Ok(Some(Arc::new(recovery)))
}

/// The failure of a run, told apart when it is that a later one has taken over.
pub(super) fn failed_with(error: RecoveryError) -> Failure {
    let failure = Failure::failed(&error);
    if error.is_taken_over() { failure.taken_over() } else { failure }
}
