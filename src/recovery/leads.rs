//! Whether a run of the job still leads: no other one has taken over its state.

use super::RecoveryError;
use crate::checkpoint::{CheckpointError, Leading, Manifest, Manifests, NotLeading};
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

/// Why `error` came: that another run has taken over, where one has.
pub(super) fn cause(
    objects: &dyn Objects,
    begun: &Manifest,
    error: RecoveryError,
) -> RecoveryError {
    let other = leads(objects, begun).err();
    other.filter(RecoveryError::is_taken_over).unwrap_or(error)
}

/// The same for those that write elsewhere, to be asked later.
pub(super) fn leading(objects: &Arc<dyn Objects>, begun: &Manifest) -> Leading {
    let (objects, begun) = (Arc::clone(objects), begun.clone());
    Box::new(move || {
        leads(&*objects, &begun).map_err(|error| match error.is_taken_over() {
            true => NotLeading::TakenOver,
            false => NotLeading::Unknown(error.to_string()),
        })
    })
}
