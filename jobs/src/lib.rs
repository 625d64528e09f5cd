//! Tidemark jobs.
pub mod document;
