//! A job over files while it runs.

use crate::engine::{self, MakeParts, Observer, Settings};
use crate::failure::Failure;
use crate::{file_source, progress};
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs the job with a progress bar beside it.
///
/// # Errors
/// When the job ends before its files do.
pub(crate) fn watched(
    settings: &Settings,
    observer: &Observer,
    make: &MakeParts,
    read: &Arc<file_source::Progress>,
) -> Result<(), Failure> {
    let terminal = std::io::stderr().is_terminal();
    let done = std::sync::atomic::AtomicBool::new(false);
    let run = std::thread::scope(|scope| {
        if terminal {
            scope.spawn(|| show(observer, read, &done));
        }
        let run = engine::run(settings, observer, make);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        run
    });
    run.map(|_| ()).map_err(Failure::failed)
}

fn show(observer: &Observer, read: &file_source::Progress, done: &std::sync::atomic::AtomicBool) {
    let started = Instant::now();
    let mut bar = None;
    while !done.load(std::sync::atomic::Ordering::Relaxed) {
        let bar = bar.get_or_insert_with(|| progress::DrawnProgress::new(read.total(), true));
        let verdicts = observer.metrics.iter().flat_map(|m| &m.verdicts);
        let events = verdicts.map(|v| v.total()).sum();
        bar.set(read.read(), events, started.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_millis(100));
    }
    if let Some(bar) = bar {
        bar.finish();
    }
}
