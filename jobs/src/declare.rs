//! What a job file says, read key by key, with nothing looked up yet: names are still names.
//!
//! A part that is wrong is recorded and left out, or kept as unknown where other parts name it, so
//! that one mistake is reported once.

mod entity;
mod feature;
mod job;
mod name;
mod service;
mod source;
mod table;
mod view;

pub(crate) use entity::{EntityDeclared, Keys};
pub(crate) use feature::{Body, FeatureDeclared, filter};
pub(crate) use job::JobDeclared;
pub(crate) use service::ServiceDeclared;
pub(crate) use source::{
    Asked, EVENT_TIME, FieldDeclared, HOLD_DEFAULT, LookupDeclared, SourceDeclared,
};
pub(crate) use table::TableDeclared;
pub(crate) use view::ViewDeclared;

use crate::document::{At, Problems};
use crate::expression::{self, Ast};
use std::ops::RangeInclusive;
use tidemark_operators::time::{DAY, Millis};

/// The longest window, delay or horizon.
pub(crate) const LENGTH_MAX: Millis = 366 * DAY;
/// What a window or horizon may be.
pub(crate) const LENGTHS: RangeInclusive<Millis> = 1..=LENGTH_MAX;
/// The horizon of features at the latest event that name none.
pub(crate) const HORIZON_DEFAULT: Millis = 30 * DAY;

/// An expression as it was written, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// What errors call it: `"where" in feature "x"`.
    pub(crate) what: String,
    /// The text and its place.
    pub(crate) text: At<String>,
    /// Its syntax tree.
    pub(crate) ast: Ast,
}

impl Written {
    /// Parses `text`, which errors call `what` (`"where" in feature "x"`).
    pub(crate) fn parse(text: At<String>, what: &str, problems: &Problems<'_>) -> Option<Self> {
        match expression::parse(&text.value) {
            Ok(ast) => Some(Written { what: what.to_owned(), text, ast }),
            Err(error) => {
                let at = problems.inside(&text, error.column);
                problems.push(at, None, format!("{what}: {}", error.message), error.hint);
                None
            }
        }
    }

    /// Records that it is wrong at the character at 1-based `column`.
    pub(crate) fn wrong(
        &self,
        column: usize,
        message: &str,
        hint: Option<String>,
        problems: &Problems<'_>,
    ) {
        let at = problems.inside(&self.text, column);
        problems.push(at, None, format!("{}: {message}", self.what), hint);
    }

    /// Notes what it may not mean to its author.
    pub(crate) fn note(&self, message: &str, hint: &str, problems: &Problems<'_>) {
        let at = problems.inside(&self.text, 1);
        problems.note(at, None, format!("{} {message}", self.what), Some(hint.to_owned()));
    }

    /// Its text on one line.
    pub(crate) fn shown(&self) -> String {
        self.text.value.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
