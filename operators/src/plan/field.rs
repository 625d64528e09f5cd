//! Fields of a source: where they are in a record, and what they take.

use crate::value::{Type, Value};

/// One field of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldPlan {
    /// Its name in the job.
    pub name: String,
    /// Where it is in the record: the dotted path, split.
    pub path: Vec<String>,
    /// Where else it may be: of `path` and these, in this order, the first that a record has is
    /// read. No two fields share a path.
    pub aliases: Vec<Vec<String>>,
    /// Its type.
    pub ty: Type,
    /// Whether a record without it (or with null) is malformed.
    pub required: bool,
    /// What stands in for it in a record that has none of its paths (a null is no absence). Never
    /// [`Value::Null`], and of the field's type.
    pub default: Option<Value>,
    /// How its values are read.
    pub reading: Reading,
}

/// How the values of a field are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whether a value of another kind is taken that says the same: a number in a text, a whole
    /// number as an id. Else only the type's own form is.
    pub coerce: bool,
    /// Texts that mean null, whatever the type. An empty or blank text is null for every type but
    /// string in any case, as long as `coerce` is set.
    pub null_values: Vec<String>,
    /// What becomes of a value that is there and cannot be read.
    pub invalid: Invalid,
}

impl Default for Reading {
    fn default() -> Self {
        Reading { coerce: true, null_values: Vec::new(), invalid: Invalid::Reject }
    }
}

/// What becomes of a value that is there and cannot be read as its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The field is null, and that is counted.
    Null,
    /// The record is malformed.
    Reject,
}
