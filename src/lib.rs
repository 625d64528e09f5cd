//! Tidemark.

pub mod dead_letters;
mod feed;
pub mod file_source;
pub mod generator;
pub mod source;
