//! Any text is either a job, which has a report, or has mistakes, which have places.
//!
//! `cargo +nightly fuzz run job_file`; `jobs/*.toml` and `benches/*.toml` make a good corpus.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match tidemark_jobs::load("job.toml", text) {
    Ok(job) => {
        assert!(!job.report().is_empty());
        assert_eq!(job.plan.views.len(), job.views.len());
    }
    Err(errors) => {
        assert!(!errors.problems.is_empty());
        assert!(errors.problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
    }
});
