//! What a panic does to the process.

use crate::exit::Exit;
use crate::whole_file;

/// From now on a panic of any thread is printed, logged, and ends the process with
/// [`Exit::Defect`]: a worker that is gone would leave the others waiting for ever, with a job that
/// looks alive.
pub fn end_the_process() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        tracing::error!(thread = name, "a thread panicked and the process ends: {panic}");
        whole_file::remove_unfinished();
        Exit::Defect.now()
    }));
}
