//! Documentation pages: of a job, of the expression language, and of job files.
//!
//! Everything here is text made from what the checker and the planner know, so it says what runs.
//! A page is Markdown in sections ([`Page`]); whoever shows it may turn it into something else.
//!
//! - [`job_page`]: what a job reads, and every feature with its type, definition, window, null rule
//!   and memory;
//! - [`expressions_page`]: the expression language, its examples evaluated;
//! - [`job_file_page`]: the keys of a job file.
//!
//! Inside: `markdown` (escaping and tables), `page`, `reading` (how to read a page), `source`,
//! `entity`, `view`, `nulls` (when a feature is null), `empty` (what it is without events),
//! `values` (how values read).

mod empty;
mod entity;
mod expressions;
mod job;
mod job_file;
mod markdown;
mod nulls;
mod page;
mod reading;
mod source;
#[cfg(test)]
mod tests;
mod values;
mod view;

pub use expressions::expressions_page;
pub use job::{Example, job_page};
pub use job_file::job_file_page;
pub use page::{Page, Section, anchor};
