//! SIGINT and SIGTERM: the first asks a command to end, the second ends the process at once.

use crate::failure::Failure;
use signal_hook::consts::signal::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody asked the command to end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on signals ask to end.
    ///
    /// # Errors
    /// When the system does not let signals be caught.
    pub fn on_signals() -> Result<Self, Failure> {
        let stop = Stop::default();
        for (signal, code) in [(SIGINT, 130), (SIGTERM, 143)] {
            // In this order: the first signal finds the flag unset and sets it then.
            flag::register_conditional_shutdown(signal, code, Arc::clone(&stop.0))
                .and_then(|_| flag::register(signal, Arc::clone(&stop.0)))
                .map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))?;
        }
        Ok(stop)
    }

    /// Whether it was asked.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What is set once it is asked.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }
}
