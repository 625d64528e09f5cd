//! Reference tables, and looking up events in them.

use crate::expression::Expr;
use crate::plan::source::SourcePlan;
use crate::time::Millis;
use crate::value::{Cell, Type};

/// A reference table: rows that events are looked up in.
#[derive(Clone, Debug)]
pub struct TablePlan {
    /// Its name in the job.
    pub name: String,
    /// The name of its key column.
    pub key: String,
    /// How a row is found by it.
    pub matching: Matching,
    /// What a row has besides its key.
    pub columns: Vec<TableColumn>,
    /// The most rows it may have; more are an error.
    pub rows_max: usize,
    /// Where it is read from.
    pub from: TableFrom,
}

/// How the row of a key is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// The row whose key, of this type, is the same.
    Exact(Type),
    /// The row with the longest IP prefix that the address is in.
    Prefix,
}

impl Matching {
    /// The type of what is looked up.
    pub const fn ty(self) -> Type {
        match self {
            Matching::Exact(ty) => ty,
            Matching::Prefix => Type::Ip,
        }
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Whether every row must have it.
    pub required: bool,
}

/// Where a table is read from.
#[derive(Clone, Debug)]
pub enum TableFrom {
    /// A CSV file; a new version of it takes the place of the old one.
    File {
        /// Its path, relative to the job file.
        path: String,
        /// The column that says from when on a row is valid; `None`: always.
        valid_from: Option<String>,
        /// How often to look whether it has changed, in ms.
        reload: Millis,
    },
    /// CSV that comes with the program; it never changes.
    Shipped {
        /// What it is called.
        name: String,
        /// The CSV.
        text: &'static str,
        /// As of a file.
        valid_from: Option<String>,
    },
    /// A compacted topic: the key of a record is the row's, as text, or has it; its value is a JSON
    /// object with the columns, and an empty one deletes the row. Its fields are the table's columns.
    Topic {
        /// Where the row's key is in that of a record, which is then a JSON object: the dotted path,
        /// split. Empty: the record's key is the row's.
        key_path: Vec<String>,
        /// How it is read, like a source of events.
        source: Box<SourcePlan>,
    },
}

/// What an entity looks up for each of its events, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupPlan {
    /// Index into [`Plan::tables`](super::Plan::tables).
    pub table: usize,
    /// The attribute with the key: a symbol that comes with the event, of the type of the table's
    /// [`Matching`].
    pub key: usize,
    /// Index into [`TablePlan::columns`].
    pub column: usize,
    /// The derived attribute that gets the value, of the column's type.
    pub target: usize,
    /// The value where there is no row, no value in it, or no key.
    pub default: Cell,
    /// By source of the job: whether its events are looked up; others have no value.
    pub sources: Vec<bool>,
}

/// A filter bit that depends on what is looked up, so that it is set where the entity is kept.
#[derive(Clone, Debug)]
pub struct LatePredicate {
    /// The number of the bit, below [`EntityPlan::filters`](super::EntityPlan::filters).
    pub bit: usize,
    /// By source of the job: a bool expression whose inputs are indices of the entity's attributes;
    /// `None`: never set.
    pub by_source: Vec<Option<Expr>>,
}
