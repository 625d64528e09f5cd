//! Collecting what is wrong with a file.

use super::{At, JobErrors, Problem, nearest};
use std::cell::RefCell;

/// How many mistakes are listed; the rest is counted.
const LISTED_MAX: usize = 100;
/// How many mistakes are kept at all.
const KEPT_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PlacedProblem {
    offset: usize,
    message: String,
    key: Option<String>,
    hint: Option<String>,
}

/// What is wrong with a file so far.
#[derive(Debug)]
pub struct Problems<'i> {
    file: String,
    text: &'i str,
    found: RefCell<Vec<PlacedProblem>>,
    noted: RefCell<Vec<PlacedProblem>>,
}

impl<'i> Problems<'i> {
    pub(super) fn new(file: &str, text: &'i str) -> Self {
        Problems {
            file: file.to_owned(),
            text,
            found: RefCell::default(),
            noted: RefCell::default(),
        }
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Records a mistake at byte `offset` of the file.
    pub fn push(&self, offset: usize, key: Option<&str>, message: String, hint: Option<String>) {
        let mut found = self.found.borrow_mut();
        if found.len() < KEPT_MAX {
            found.push(PlacedProblem { offset, message, key: key.map(str::to_owned), hint });
        }
    }

    /// Records what is allowed at byte `offset` of the file, and may not mean what its author
    /// thinks.
    pub fn note(&self, offset: usize, key: Option<&str>, message: String, hint: Option<String>) {
        let mut noted = self.noted.borrow_mut();
        if noted.len() < KEPT_MAX {
            noted.push(PlacedProblem { offset, message, key: key.map(str::to_owned), hint });
        }
    }

    /// What was noted so far, in the order of the file.
    pub fn notes(&self) -> Vec<Problem> {
        let mut noted = self.noted.borrow().clone();
        noted.sort();
        noted.dedup();
        placed(self.text, noted)
    }

    /// Records that the name at `name` is wrong.
    pub fn wrong(&self, name: &At<String>, message: String, hint: Option<String>) {
        self.push(name.span.start, Some(&name.value), message, hint);
    }

    /// Records that `name` names nothing: `message` and the nearest of `candidates`, or all of
    /// them when none is near.
    pub fn unknown<'a>(
        &self,
        name: &At<String>,
        message: String,
        candidates: impl IntoIterator<Item = &'a str> + Clone,
    ) {
        self.wrong(name, message, suggestion(&name.value, candidates));
    }

    /// The byte offset of the character at 1-based `column` of the string `text` was read from.
    /// Exact unless the string has escapes; then it is the start of the string.
    pub fn inside(&self, text: &At<String>, column: usize) -> usize {
        let start = text.span.start;
        let Some(raw) = self.text.get(text.span.clone()) else { return start };
        let fence = ["'''", "\"\"\"", "'", "\""].into_iter().find(|fence| raw.starts_with(fence));
        let Some(fence) = fence else { return start };
        let mut skip = fence.len();
        if fence.len() == 3 {
            let rest = raw.get(skip..).unwrap_or_default();
            // TOML drops a newline right after the opening quotes.
            skip += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
        }
        if raw.get(skip..skip + text.value.len()) != Some(text.value.as_str()) {
            return start;
        }
        let chars = column.saturating_sub(1);
        let within = text.value.char_indices().nth(chars).map_or(text.value.len(), |(at, _)| at);
        start + skip + within
    }

    /// All of it, by place.
    pub(super) fn into_errors(self) -> JobErrors {
        let mut found = self.found.into_inner();
        found.sort();
        found.dedup();
        let unlisted = found.len().saturating_sub(LISTED_MAX);
        found.truncate(LISTED_MAX);
        JobErrors { problems: placed(self.text, found), file: self.file, unlisted }
    }
}

fn placed(text: &str, found: Vec<PlacedProblem>) -> Vec<Problem> {
    let found = found.into_iter();
    found
        .map(|PlacedProblem { offset, key, message, hint }| {
            let (line, column) = place(text, offset);
            Problem { line, column, key, message, hint }
        })
        .collect()
}

/// What to say next about an unknown `name`: the nearest valid one, or the valid ones.
pub(crate) fn suggestion<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(near) = nearest(name, candidates.clone()) {
        return Some(format!("did you mean \"{near}\"?"));
    }
    let all: Vec<&str> = candidates.into_iter().collect();
    let shown = all.join(", ");
    match all.len() {
        0 => None,
        1 => Some(format!("the only valid name is \"{shown}\"")),
        _ => Some(format!("the valid names are: {shown}")),
    }
}

/// Line and column (in characters) of a byte offset, both from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = text.get(..offset).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
