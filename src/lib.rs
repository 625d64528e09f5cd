//! Tidemark: the process around the dataflow, with everything that touches the outside.
//!
//! - [`cli`] and [`dispatch`]: the command line, and what carries a command out;
//! - [`failure`]: how a command fails;
//! - [`source`], [`kafka`]: where records come from;
//! - [`engine`]: the workers, and the loop that drives each;
//! - [`online`]: the newest rows, in process and in Redis;
//! - [`http`]: metrics, health, readiness and feature rows over HTTP;
//! - [`metrics`]: `/metrics`, from what the workers count and the sinks report;
//! - [`logging`], [`progress`]: what is shown while a command runs;
//! - [`process`]: what the process uses of the machine;
//! - [`text`]: durations, sizes and counts as people write them.

pub mod cli;
pub mod dispatch;
pub mod engine;
pub mod failure;
pub mod http;
pub mod kafka;
pub mod logging;
pub mod metrics;
pub mod online;
pub mod process;
pub mod progress;
pub mod source;
pub mod text;
