//! Tidemark: the process around the dataflow, with everything that touches the outside.
//!
//! - [`http`]: metrics, health, readiness and feature rows over HTTP;
//! - [`metrics`]: `/metrics`, from what the workers count and the sinks report;
//! - [`process`]: what the process uses of the machine;
//! - [`text`]: durations, sizes and counts as people write them.

pub mod http;
pub mod metrics;
pub mod process;
pub mod text;
