//! The expression language: filters, derived attributes and derived features.
//!
//! [`parse`] reads a text, [`check`] types it against the names in scope and gives an
//! [`Expr`](tidemark_operators::expression::Expr), which says what the operations mean for nulls,
//! overflows and rounding. [`functions`] lists the functions.
//!
#![doc = concat!("```text\n", include_str!("expression/grammar.txt"), "```")]
//!
//! A comparison does not chain. Letters and digits are ASCII; white space (line ends included)
//! separates and means nothing else.
//!
//! **Literals** take their type from what stands beside them. A number stays exact decimal text
//! until then: compared with an int or a decimal it compares exactly (`count > 2.5`), beside a
//! double it is the nearest double; in arithmetic with ints and decimals it is an int when written
//! without point and exponent, else a decimal, of at most 6 decimals. A string beside a timestamp is
//! RFC 3339, beside an ip an address.

mod ast;
mod check;
mod functions;
mod lexer;
mod number;
mod parser;
#[cfg(test)]
mod tests;

pub use ast::{Ast, NameUse};
pub use check::{Binding, check};
pub use functions::{FunctionDoc, functions, invalid_field};
pub use parser::parse;

/// The grammar, as the reference shows it.
pub const GRAMMAR: &str = include_str!("expression/grammar.txt");

/// The longest expression, in bytes.
pub const LENGTH_MAX: usize = 16_384;

/// The most nodes (values, operators, calls, members of sets) an expression has, those of the
/// definitions it names included.
pub const NODES_MAX: usize = 4_096;

/// How deep parentheses, calls and signs nest.
pub const NESTING_MAX: usize = 64;

/// The most operators on a path from the whole expression to one of its values, which is also how
/// many terms a sum without parentheses may have. `and` and `or` count once however many terms
/// they join.
pub const DEPTH_MAX: usize = 256;

/// All operators, as they are written: every symbol but punctuation, and the words.
#[cfg(test)]
pub(crate) fn operator_words() -> impl Iterator<Item = &'static str> {
    let symbols = lexer::SYMBOLS.into_iter().filter(|symbol| !"(){},".contains(symbol));
    symbols.chain(["or", "and", "not", "in"])
}

/// Why a text is no expression, or none of the right types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}{}", .hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct ExpressionError {
    /// Where: the character of the text, from 1; one past the last where the text ends too early.
    pub column: usize,
    /// What is wrong, quoting what is.
    pub message: String,
    /// What to do about it, where that can be said.
    pub hint: Option<String>,
    /// The name that is called and is no function's, if that is what is wrong.
    pub unknown_function: Option<String>,
    /// What else is wrong with the same text.
    pub others: Vec<ExpressionError>,
}

impl ExpressionError {
    fn new(column: usize, message: impl Into<String>) -> ExpressionError {
        ExpressionError {
            column,
            message: message.into(),
            hint: None,
            unknown_function: None,
            others: Vec::new(),
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> ExpressionError {
        self.hint = Some(hint.into());
        self
    }

    /// This one, and `other`, which is wrong whether this one is or not.
    fn beside(mut self, other: ExpressionError) -> ExpressionError {
        self.others.push(other);
        self
    }
}

/// A piece of an expression as messages quote it: in backquotes, on one line, cut when long.
fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    let mut shown: String = text.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
