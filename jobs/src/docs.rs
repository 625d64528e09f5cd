//! Documentation pages: of a job, of the expression language, and of job files.
//!
//! Everything here is text made from what the checker and the planner know, so it says what runs.
//! A page is Markdown in sections ([`Page`]); whoever shows it may turn it into something else.
//!
//! - [`job_page`]: what a job reads and looks up, and every feature with its type, definition, window, null rule
//!   and memory;
//! - [`catalogue`]: every feature in a list, in plain text;
//! - [`expressions_page`]: the expression language, its examples evaluated;
//! - [`job_file_page`]: the keys of a job file.
//!
//! Inside: `markdown` (escaping and tables), `page`, `reading` (how to read a page), `terms` (words in
//! definitions), `source`, `table`, `entity`, `view`, `inputs` (what a feature is over), `nulls` (when
//! it is null), `magnitude` (whether it can overflow), `empty` (what it is without events), `values`
//! (how values read), `service` (how a model asks).

mod catalogue;
mod empty;
mod entity;
mod expressions;
mod inputs;
mod job;
mod job_file;
mod magnitude;
mod markdown;
mod nulls;
mod page;
mod reading;
mod service;
mod source;
mod table;
mod terms;
#[cfg(test)]
mod tests;
mod values;
mod view;

pub use catalogue::{CatalogueEntry, catalogue};
pub use empty::values as empty_row;
pub use expressions::expressions_page;
pub use job::{Example, job_page};
pub use job_file::job_file_page;
pub use page::{Page, Section, anchor};
