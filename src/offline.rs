//! Rows that are kept for training: files of examples, and what their features were.
//!
//! - [`spine`]: examples, each an entity (or several) and a time, with labels;
//! - [`external_sort`]: more of them than memory holds, in another order;
//! - [`answers`]: what was found of them, in theirs;
//! - [`example_file`]: examples with their features, as they are written; [`parquet_file`]: as columns.

pub mod answers;
pub mod example_file;
pub mod external_sort;
#[cfg(feature = "parquet")]
pub mod parquet_file;
pub mod spine;
