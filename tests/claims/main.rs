//! What Tidemark claims, against real servers and naive twins. One binary; a module for each part.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, its harness included"
)]

mod online;
mod servers;
