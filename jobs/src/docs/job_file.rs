//! The keys of a job file: what the crate's own documentation says about them, so that there is one
//! text to keep true.

use super::page::{Page, Section};

const CRATE: &str = include_str!("../lib.rs");

/// Where the part about job files begins.
const BEGIN: &str = "//! # A job file";

/// The page about job files: every key.
pub fn job_file_page() -> Page {
    let lines = CRATE.lines().skip_while(|line| *line != BEGIN).skip(1);
    let lines = lines.map_while(|line| line.strip_prefix("//!"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let body = lines.collect::<Vec<_>>().join("\n");
    let lead = "A job is a TOML file. `tidemark check FILE` says what it means, or all that is \
                wrong with it; `tidemark docs --expressions` is about the expressions in it.";
    Page {
        title: "Job files".to_owned(),
        lead: lead.to_owned(),
        sections: vec![Section::new(2, "All keys", None, body)],
    }
}
