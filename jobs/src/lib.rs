//! Tidemark jobs.
//!
//! - [`expression`]: the expression language: its grammar, its functions and its type checker.

pub mod expression;
