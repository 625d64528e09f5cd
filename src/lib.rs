//! Tidemark.

pub mod kafka;
pub mod source;
