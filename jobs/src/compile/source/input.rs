//! What an expression over a source reads: its columns, and what is looked up for its events.
//!
//! While a job is compiled inputs are numbered by their place in the job file: the fields, the event
//! time, whether each of the fields is invalid, the lookups.

use super::SourceBuild;
use crate::declare::EVENT_TIME;
use crate::expression::invalid_field;
use tidemark_operators::plan::Invalid;
use tidemark_operators::value::Type;

/// An input of an expression over a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Input {
    /// The field at this place in the job file.
    Field(usize),
    /// The event time.
    Time,
    /// Whether this field was there and could not be read.
    Invalid(usize),
    /// The lookup at this place in the job file.
    Lookup(usize),
}

/// A column of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct SourceColumn {
    /// Its number.
    pub(in super::super) index: usize,
    pub(in super::super) ty: Type,
    pub(in super::super) nullable: bool,
}

impl SourceBuild<'_> {
    /// How many columns there are, lookups aside.
    pub(in super::super) fn columns(&self) -> usize {
        2 * self.declared.fields.len() + 1
    }

    /// What the input of this number is.
    pub(in super::super) fn input(&self, index: usize) -> Input {
        let fields = self.declared.fields.len();
        match index {
            field if field < fields => Input::Field(field),
            time if time == fields => Input::Time,
            invalid if invalid < self.columns() => Input::Invalid(invalid - fields - 1),
            lookup => Input::Lookup(lookup - self.columns()),
        }
    }

    /// The number of an input.
    pub(in super::super) fn number(&self, input: Input) -> usize {
        let fields = self.declared.fields.len();
        match input {
            Input::Field(field) => field,
            Input::Time => fields,
            Input::Invalid(field) => fields + 1 + field,
            Input::Lookup(lookup) => self.columns() + lookup,
        }
    }

    /// What expressions call an input.
    pub(in super::super) fn input_name(&self, index: usize) -> Option<String> {
        let declared = self.declared;
        let field = |at: usize| declared.fields.get(at).map(|field| field.name.clone());
        match self.input(index) {
            Input::Field(at) => field(at),
            Input::Time => Some(EVENT_TIME.to_owned()),
            Input::Invalid(at) => field(at).map(|field| format!("invalid({field})")),
            Input::Lookup(at) => declared.lookups.get(at).map(|it| it.name.value.clone()),
        }
    }

    /// The column of this name: a field, the event time, or whether a field is invalid.
    pub(in super::super) fn column(&self, name: &str) -> Option<SourceColumn> {
        let declared = self.declared;
        let time = || SourceColumn {
            index: self.number(Input::Time),
            ty: Type::Timestamp,
            nullable: false,
        };
        if name == EVENT_TIME {
            return Some(time());
        }
        if let Some(field) = invalid_field(name) {
            let index = self.number(Input::Invalid(declared.field(field)?.0));
            return Some(SourceColumn { index, ty: Type::Bool, nullable: false });
        }
        match declared.field(name) {
            Some((index, field)) => {
                Some(SourceColumn { index, ty: field.ty?, nullable: !field.required })
            }
            None => (name == declared.time_name()).then(time),
        }
    }

    /// Whether the field is one whose records are dead letters when it cannot be read, so that it
    /// is never seen to be invalid.
    pub(in super::super) fn rejects_invalid(&self, field: &str) -> bool {
        let declared = self.declared.field(field);
        declared.is_some_and(|(_, field)| field.reading.invalid == Invalid::Reject)
    }
}
