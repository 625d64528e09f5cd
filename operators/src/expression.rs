//! Typed expressions, evaluated a column at a time.

use crate::value::Type;

/// A typed expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// The input column at this index.
    Input {
        /// Which column.
        index: usize,
        /// Its type.
        ty: Type,
        /// Whether it can be null.
        nullable: bool,
    },
}
