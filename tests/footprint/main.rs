//! What `tidemark check` says about memory is what a run takes, within a fifth.

// `cfg(test)` is always so here; it tells clippy that these are tests, where a panic is a verdict.
#[cfg(test)]
mod counting;
#[cfg(test)]
mod jobs;
