//! Whether all is well.

use crate::http::{State, Status};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Whether all is well with a job, in a sentence, and what there is to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCondition {
    /// As in `/health`.
    pub status: Status,
    /// As in `/ready`.
    pub ready: bool,
    /// One sentence for a person.
    pub sentence: String,
    /// What is wrong, the worst first.
    pub troubles: Vec<JobTrouble>,
    /// What there is to know although nothing is wrong.
    pub notes: Vec<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobTrouble {
    /// How bad it is.
    pub state: State,
    /// What, in a few words.
    pub what: String,
    /// How long it has been so, in ms; it is looked for each second.
    #[serde(default)]
    pub lasts: u64,
    /// The part's own reason.
    pub why: String,
    /// What follows from it, and what to do.
    pub remedy: Cow<'static, str>,
    /// What of the page tells more: `partitions`, `sinks`, ..
    pub section: Cow<'static, str>,
}
