//! Finding and checking the job a command names.

use crate::failure::Failure;
use tidemark_jobs::Job;

/// The job `name`: a file, or else a shipped job.
///
/// # Errors
/// A usage failure when there is neither, or when the job has mistakes: all of them, with file,
/// line and key.
pub fn load(name: &str) -> Result<Job, Failure> {
    let (file, text) = match std::fs::read_to_string(name) {
        Ok(text) => (name.to_owned(), text),
        Err(error) => match tidemark_jobs::shipped(name) {
            Some((file, text)) => (file.to_owned(), text.to_owned()),
            None => {
                let shipped: Vec<_> = tidemark_jobs::SHIPPED.to_vec();
                return Err(Failure::usage(format!("reading job file \"{name}\": {error}")).hint(
                    format!("name a TOML file, or a shipped job: {}", shipped.join(", ")),
                ));
            }
        },
    };
    tidemark_jobs::load(&file, &text).map_err(Failure::usage)
}
