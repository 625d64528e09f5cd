//! Tidemark jobs.
