//! Tidemark's definition language: job files, checked in full before anything starts.
//!
//! In the order a job file goes through them:
//!
//! - [`document`]: TOML against a schema that code spells out; also for other settings files;
//! - `declare`: what a job file says, key by key;
//! - [`expression`]: the expression language: its grammar, its functions and its type checker;
//! - `aggregate`: the aggregates, one a file;
//! - `compile`: names become indices, equal state is shared, views get their columns: a
//!   [`Plan`](tidemark_operators::plan::Plan);
//! - `job`: the result ([`Job`], by [`load`]);
//! - `report`: what `tidemark check` prints ([`Job::report`]);
//! - `shipped`: the jobs that come with the program.

pub mod document;
pub mod expression;

mod aggregate;
mod compile;
mod declare;
mod job;
mod report;
mod shipped;
#[cfg(test)]
mod tests;
mod times;
mod zone;

pub use document::{JobErrors, Problem};
pub use job::{FeatureText, Job, Service, SourceText, ViewText, load, plan_hash};
pub use shipped::{FRAUD, SHIPPED, shipped};
