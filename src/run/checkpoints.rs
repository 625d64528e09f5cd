//! What a run is told of its checkpoints, and how they fail.

use crate::engine::Observer;
use crate::failure::Failure;
use crate::recovery::{Recovery, RecoveryError};
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

/// The failure of a run, told apart when it is that a later one has taken over, or has to be followed.
pub(super) fn failed_with(error: RecoveryError) -> Failure {
    let failure = Failure::failed(&error);
    match error {
        error if error.is_taken_over() => failure.taken_over(),
        RecoveryError::OtherRun { .. } => failure.peer_lost(),
        _ => failure,
    }
}

/// Why a run stopped, told apart when it is that a later one has taken over, or that the job asks for what
/// its state does not have.
pub(super) fn superseded(
    failure: Failure,
    observer: &Observer,
    recovery: Option<&Recovery>,
) -> Failure {
    if observer.is_taken_over() {
        return failure.taken_over();
    }
    if recovery.is_some_and(Recovery::is_refused) {
        return failure.wrong();
    }
    // What a later run has taken away is missing to this one: that is the effect, not the cause.
    match recovery.map(Recovery::leads) {
        Some(Err(error)) if error.is_taken_over() => {
            tracing::warn!("{failure}");
            failed_with(error)
        }
        _ => failure,
    }
}
