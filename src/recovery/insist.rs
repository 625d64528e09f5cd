//! Writing to a store that fails now and then.

use super::RecoveryError;
use super::due::CheckpointProgress;
use crate::checkpoint::CheckpointError;
use std::time::Duration;

/// The first and the longest pause after the store has failed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Tries `what` until the store does it, while `keep_trying` says so; `progress` tells meanwhile why not.
pub(super) fn insist<T>(
    progress: &CheckpointProgress,
    keep_trying: &dyn Fn() -> bool,
    mut what: impl FnMut() -> Result<T, CheckpointError>,
) -> Result<T, RecoveryError> {
    let mut pause = PAUSES.0;
    loop {
        match what() {
            Ok(done) => {
                progress.fail(None);
                return Ok(done);
            }
            Err(CheckpointError::Objects(error)) if keep_trying() => {
                tracing::warn!(%error, "a checkpoint cannot be written; it is tried again");
                progress.fail(Some(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSES.1);
    }
}
