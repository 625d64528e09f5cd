//! When a job that was asked to stop has to be over: `limits.shutdown` after it was asked, whatever
//! hangs. What supervises the process kills it some time after it has asked, without a word.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::signals::Stop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it is looked whether time is up.
const TICK: Duration = Duration::from_millis(50);

/// This part of the time is left for what comes after the sinks.
const REST: u32 = 20;

/// Ends the process at the deadline; no longer when dropped.
pub(super) struct Deadline {
    within: Duration,
    stop: Stop,
    over: Arc<AtomicBool>,
}

impl Deadline {
    /// Watches over the end of a job that `stop` asks to end.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(within: Duration, stop: &Stop) -> Result<Self, Failure> {
        let over = Arc::<AtomicBool>::default();
        let (until, asked) = (Arc::clone(&over), stop.clone());
        let thread = std::thread::Builder::new().name("deadline".to_owned());
        let thread = thread.spawn(move || {
            while !until.load(Ordering::Relaxed) {
                if asked.asked_at().is_some_and(|at| at.elapsed() >= within) {
                    tracing::error!(
                        ?within,
                        "the job did not end in time: something hangs, and is left as it is"
                    );
                    Exit::Failed.now()
                }
                std::thread::sleep(TICK);
            }
        });
        thread.map_err(|error| {
            Failure::failed(format!("cannot start the thread that ends a stopped job: {error}"))
        })?;
        Ok(Deadline { within, stop: stop.clone(), over })
    }

    /// How long sinks and connections may still take; all of it until somebody asks to stop.
    pub fn left(&self) -> Duration {
        let spent = self.stop.asked_at().map_or(Duration::ZERO, |at| at.elapsed());
        (self.within - self.within / REST).saturating_sub(spent)
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
