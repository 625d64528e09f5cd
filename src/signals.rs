//! SIGINT and SIGTERM: asking a command to end.

use crate::failure::Failure;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The exit code of a process that did not wait for its own end.
const EXIT_IMPATIENT: i32 = 130;

/// A flag that the first SIGINT or SIGTERM sets; the second ends the process at once.
///
/// # Errors
/// When the signals cannot be watched.
pub fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset and only sets it.
        flag::register_conditional_shutdown(signal, EXIT_IMPATIENT, Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::failed(format!("cannot watch for signals: {error}")))?;
    }
    Ok(stop)
}
