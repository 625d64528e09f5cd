//! What a panic does to the process.

use crate::exit::Exit;
use crate::whole_file;
use std::cell::Cell;

thread_local! {
    /// Whether a panic of this thread is an answer of [`contained`].
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// From now on a panic of any thread is printed, logged, and ends the process with
/// [`Exit::Defect`]: a worker that is gone would leave the others waiting for ever, with a job that
/// looks alive. But for what is [`contained`].
pub fn end_the_process() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if CONTAINED.get() {
            return;
        }
        before(panic);
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        tracing::error!(thread = name, "a thread panicked and the process ends: {panic}");
        whole_file::remove_unfinished();
        Exit::Defect.now()
    }));
}

/// Does `work` of a library that panics where what it reads is damaged. It must not be asked again of
/// anything that it has touched once it has panicked.
///
/// # Errors
/// What it said when it panicked.
#[cfg(any(feature = "parquet", test))]
pub fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = CONTAINED.replace(true);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    CONTAINED.set(before);
    done.map_err(|said| match (said.downcast_ref::<&str>(), said.downcast_ref::<String>()) {
        (Some(said), _) => (*said).to_owned(),
        (_, Some(said)) => said.clone(),
        _ => "a panic without words".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::contained;

    #[test]
    fn a_panic_that_is_contained_is_an_error_with_its_words() {
        assert_eq!(contained(|| 7), Ok(7));
        let none: &[u8] = &[];
        let said = contained(|| none[std::hint::black_box(3)]).unwrap_err();
        assert!(said.contains("index out of bounds"), "{said}");
    }
}
