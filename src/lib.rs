//! Tidemark: the process around the dataflow, with everything that touches the outside.
//!
//! - [`cli`] and [`dispatch`]: the command line, and what carries a command out;
//! - [`demo`], [`run`], [`replay`], [`get`], [`check`], [`cases`], [`docs`], [`generate`], [`dlq`],
//!   [`completions`]: the commands;
//! - [`job_file`]: reading the job that a command names;
//! - [`config`]: `cluster.toml`, the environment and flags, as one value;
//! - [`connect`]: what the clients of servers are told of the settings;
//! - [`failure`], [`panics`]: how a command fails;
//! - [`source`], [`kafka`], [`file_source`], [`memory_partition`], [`generator`]: where records come
//!   from;
//! - [`registry`]: the schemas of Avro records;
//! - [`engine`]: the workers, and the loop that drives each;
//! - [`sealed_file`]: sealed rows in a file;
//! - [`dead_letters`]: records that did not become events, in a file;
//! - `outbox`: dead letters on their way to Kafka;
//! - `entity_id`: what a row is asked for by;
//! - [`online`]: the newest rows, in process and in Redis;
//! - [`service`]: what a running job says about itself;
//! - [`http`]: metrics, health, readiness and feature rows over HTTP;
//! - [`metrics`]: `/metrics`, from what the workers count and the sinks report;
//! - [`screen`], [`progress`], [`logging`]: what is shown while a command runs;
//! - [`output`]: what a command prints; [`signals`]: how it is asked to end;
//! - [`process`]: what the process uses of the machine;
//! - [`text`]: durations, sizes and counts as people write them; [`version`]: which Tidemark this is.

pub mod cases;
pub mod check;
pub mod cli;
pub mod completions;
pub mod config;
pub mod connect;
mod created_file;
pub mod dead_letters;
pub mod demo;
pub mod dispatch;
pub mod dlq;
pub mod docs;
pub mod engine;
mod entity_id;
pub mod failure;
mod feed;
pub mod file_source;
pub mod generate;
pub mod generator;
pub mod get;
pub mod http;
pub mod job_file;
pub mod kafka;
pub mod logging;
pub mod memory_partition;
pub mod metrics;
pub mod online;
mod outbox;
pub mod output;
pub mod panics;
pub mod process;
pub mod progress;
pub mod registry;
pub mod replay;
pub mod run;
pub mod screen;
pub mod sealed_file;
pub mod service;
pub mod signals;
pub mod source;
pub mod tables;
pub mod text;
pub mod version;
