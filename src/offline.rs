//! Rows that are kept for training: files of examples, and what their features were.
//!
//! - [`spine`]: examples, each an entity (or several) and a time, with labels;
//! - [`external_sort`]: more of them than memory holds, in another order;
//! - [`answers`]: what was found of them, in theirs;
//! - [`example_file`]: examples with their features, as they are written; [`parquet_file`]: as columns;
//! - [`row_view`]: the columns of sealed rows; [`row_line`]: rows as they are read again, [`row_files`]:
//!   and as they are written, a file a view; [`row_rolls`]: as a running job writes them, roll by roll;
//! - [`table_rows`]: rows as tables of PostgreSQL take them; [`table_schema`]: these tables.

pub mod answers;
pub mod example_file;
pub mod external_sort;
#[cfg(feature = "parquet")]
pub mod parquet_file;
#[cfg(feature = "parquet")]
pub mod row_files;
#[cfg(feature = "parquet")]
mod row_group;
#[cfg(feature = "parquet")]
pub mod row_line;
#[cfg(feature = "parquet")]
pub mod row_rolls;
#[cfg(feature = "parquet")]
pub mod row_view;
pub mod spine;
#[cfg(feature = "postgres")]
pub mod table_rows;
#[cfg(feature = "postgres")]
pub mod table_schema;
