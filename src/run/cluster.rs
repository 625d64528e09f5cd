//! How a process takes part: the state it goes on from, and the connections to the others.

use super::checkpoints::failed_with;
use super::letters;
use super::place::ClusterPlace;
use crate::checkpoint::StateKeys;
use crate::config::Settings;
use crate::engine::Observer;
use crate::failure::Failure;
use crate::mesh::Mesh;
use crate::recovery::{Recovery, RecoveryConfig, RecoveryError};
use crate::signals::Stop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;

/// What a process has once it takes part.
pub(super) struct Joined {
    /// The job's checkpoints, when they are to be made.
    pub recovery: Option<Arc<Recovery>>,
    /// `None`: there is one process.
    pub mesh: Option<Mesh>,
}

/// Where and how often checkpoints are made; `None`: the settings name no state.
///
/// # Errors
/// When the keys of the state cannot be read.
pub(super) fn config(
    plan: &Arc<Plan>,
    settings: &Settings,
    shape: Shape,
) -> Result<Option<RecoveryConfig>, Failure> {
    let Some(url) = &settings.state.url else { return Ok(None) };
    let limits = &settings.limits;
    let keys = settings.state.keys.as_ref().map(|file| StateKeys::read(Path::new(file)));
    let keys = keys.transpose().map_err(Failure::usage)?;
    Ok(Some(RecoveryConfig {
        plan: Arc::clone(plan),
        shape,
        url: url.clone(),
        intervals: (settings.state.checkpoint_interval, settings.state.snapshot_interval),
        letters_max: (limits.dead_letter_queue as u64, limits.dead_letter_queue_bytes),
        sealed_file: settings.sealed.path.as_ref().map(PathBuf::from),
        start_empty: Vec::new(),
        keys: keys.map(Arc::new),
        history: None,
    }))
}

/// Stops the job of `observer` where checkpoints cannot be made.
pub(super) fn fails(observer: &Observer) -> impl Fn(&RecoveryError) + Send + use<> {
    let observer = observer.clone();
    move |error| match error.is_taken_over() {
        true => observer.taken_over(error.to_string()),
        false => observer.fail(error.to_string()),
    }
}

/// Takes part. The first process takes the state over, which says which run this is; the others hear of
/// it from that one. `None`: somebody asked to stop.
///
/// # Errors
/// When the state cannot be had, or another process does not take this one.
pub(super) fn join(
    plan: &Arc<Plan>,
    settings: &Settings,
    observer: &Observer,
    (place, start_empty, stop): (&ClusterPlace, Vec<String>, &Stop),
) -> Result<Option<Joined>, Failure> {
    let Some(config) = config(plan, settings, place.shape())? else {
        return Ok(Some(Joined { recovery: None, mesh: None }));
    };
    let config = RecoveryConfig { start_empty, ..config };
    let failed = fails(observer);
    let (recovery, mesh) = if place.is_first() {
        let letters = letters::published(settings);
        let recovery = Recovery::open(config, letters, failed).map_err(failed_with)?;
        let mesh = place.form(plan, settings, Some(&recovery.run()), stop)?;
        (recovery, mesh)
    } else {
        let Some(mesh) = place.form(plan, settings, None, stop)? else { return Ok(None) };
        (Recovery::follow(config, mesh.run(), failed).map_err(failed_with)?, Some(mesh))
    };
    if mesh.is_none() && place.shape().processes() > 1 {
        return Ok(None);
    }
    Ok(Some(Joined { recovery: Some(Arc::new(recovery)), mesh }))
}
