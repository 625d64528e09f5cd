//! Tidemark.

pub mod online;
