//! From partition logs to judged, decoded events.
//!
//! - [`reader`]: a partition's log as the dataflow sees it, implemented by Kafka, files and the
//!   generator;
//! - [`decode`]: JSON straight into the projected columns;
//! - [`dead_letter`]: what becomes of records that are late, from the future or malformed.

pub mod dead_letter;
pub mod decode;
pub mod reader;
