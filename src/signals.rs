//! SIGINT and SIGTERM: the first asks a command to end, the second ends the process at once. SIGUSR1
//! switches the log level between `debug` and that of the settings.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::logging;
use signal_hook::consts::signal::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Whether somebody asked the command to end.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    /// Another process of the cluster was asked, or the supervisor asks.
    elsewhere: Arc<AtomicBool>,
    at: Arc<OnceLock<Instant>>,
}

impl Stop {
    /// From now on signals ask to end.
    ///
    /// # Errors
    /// When the system does not let signals be caught.
    pub fn on_signals() -> Result<Self, Failure> {
        let stop = Stop::default();
        for (signal, exit) in [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated)] {
            // In this order: the first signal finds the flag unset and sets it then.
            flag::register_conditional_shutdown(
                signal,
                i32::from(exit.code()),
                Arc::clone(&stop.flag),
            )
            .and_then(|_| flag::register(signal, Arc::clone(&stop.flag)))
            .map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))?;
        }
        debug_on_signal()?;
        Ok(stop)
    }

    /// Asks, as a signal does; a signal that comes after it is a first one.
    pub fn ask(&self) {
        self.elsewhere.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    pub fn asked(&self) -> bool {
        self.flag.load(Ordering::Relaxed) || self.elsewhere.load(Ordering::Relaxed)
    }

    /// When it was asked: when somebody looked first after that.
    pub fn asked_at(&self) -> Option<Instant> {
        self.asked().then(|| *self.at.get_or_init(Instant::now))
    }

    /// What is set once it is asked by a signal.
    pub fn flag(&self) -> &AtomicBool {
        &self.flag
    }
}

/// A thread that waits for SIGUSR1 as long as the process runs.
fn debug_on_signal() -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("cannot listen for SIGUSR1: {error}"));
    let mut signals = Signals::new([SIGUSR1]).map_err(failed)?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let waits = move || signals.forever().for_each(|_| logging::toggle_debug());
    thread.spawn(waits).map(drop).map_err(failed)
}
