//! Tidemark: the process around the dataflow, with everything that touches the outside.
//!
//! - [`cli`] and [`dispatch`]: the command line, and what carries a command out;
//! - [`config`]: settings from `cluster.toml`, the environment and flags;
//! - [`failure`]: how a command fails;
//! - [`http`]: metrics, health, readiness and feature rows over HTTP;
//! - [`metrics`]: `/metrics`, from what the workers count and the sinks report;
//! - [`logging`], [`progress`]: what is shown while a command runs;
//! - [`screen`]: the demo's live view;
//! - [`process`]: what the process uses of the machine;
//! - [`text`]: durations, sizes and counts as people write them.

pub mod cli;
pub mod config;
pub mod dispatch;
pub mod failure;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod process;
pub mod progress;
pub mod screen;
pub mod text;
