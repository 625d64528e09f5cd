//! Whether a run of the job still leads: no other one has taken over its state.

use super::RecoveryError;
use crate::checkpoint::{CheckpointError, Manifest, Manifests};
use crate::objects::Objects;
use std::sync::Arc;

/// Sees that nobody has taken over from the run that began with `begun`.
pub(super) fn leads(objects: &dyn Objects, begun: &Manifest) -> Result<(), RecoveryError> {
    let newest = Manifests::new(objects).newest()?.map(|newest| newest.manifest);
    let Manifest { sequence, generation, .. } = *begun;
    let others = newest.filter(|newest| newest.writer != begun.writer);
    others.map_or(Ok(()), |newest| {
        let (by, store) = (format!("generation {}", newest.generation), objects.url().to_owned());
        Err(CheckpointError::Fenced { sequence, generation, store, by }.into())
    })
}

/// The same, to be asked later.
pub(super) fn leads_of(
    objects: &Arc<dyn Objects>,
    begun: &Manifest,
) -> impl Fn() -> Result<(), String> + Send + use<> {
    let (objects, begun) = (Arc::clone(objects), begun.clone());
    move || leads(&*objects, &begun).map_err(|error| error.to_string())
}
