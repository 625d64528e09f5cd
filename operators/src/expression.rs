//! Typed expressions, evaluated a column at a time.
//!
//! - `typing`: the type and the nullability of an expression, and walks over it;
//! - `step`: the instructions of a compiled expression and what each does to a block of rows;
//! - `compile`: from the tree to a list of instructions over registers;
//! - `program`: runs them over blocks of rows ([`Program`]).
//!
//! What an expression means, whichever way it is evaluated:
//!
//! - **Null** goes through every operation, except that `and`, `or` and `not` are Kleene's, that
//!   `if` takes a null condition for false, and that `is_null` and `coalesce` look at it.
//! - **Int and decimal** are exact. A result outside `±(2^63 - 1)` (for a decimal: of its units) is
//!   null and counted ([`Program::int_overflows`]). Where an int meets a decimal it counts as one, and
//!   where two decimals meet the result has as many decimals as the one with more of them: sums
//!   exactly, a product rounded half to even. Comparisons are exact.
//! - **Double**: where a double is involved everything is; an int goes to the nearest (ties to
//!   even), a decimal is its units so converted, `/ 10^scale`. One operation at a time, left to
//!   right, never fused; a result that is NaN or infinite is null, `-0` is `0`. `/` is always
//!   double and null when the divisor is 0.
//! - **Text** is compared by its bytes, which is the order of code points.
//!
//! Why this way: a tree walk per row costs a branch per node and row. Here each node costs one tight
//! loop per block of rows, and the registers between nodes are reused, so a warm program allocates
//! nothing. Every branch of an `if` is evaluated for every row: nothing in the language has an
//! effect, so this shows only in the count of overflows.

mod compile;
mod program;
mod step;
#[cfg(test)]
mod tests;
mod typing;

pub use program::Program;

use crate::value::{Type, Value};

/// A typed expression. Whoever builds one sees to the types; an expression whose types do not fit
/// together evaluates to null.
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
    /// The same value in every row.
    Literal(Value),
    /// Minus a number.
    Negate(Box<Expr>),
    /// Two numbers, or the difference of two timestamps.
    Arithmetic {
        /// What to do with them.
        op: Arithmetic,
        /// The left operand.
        left: Box<Expr>,
        /// The right operand.
        right: Box<Expr>,
    },
    /// Two numbers (of any types), or two values of one type; a bool.
    Compare {
        /// The relation that is asked for.
        op: Comparison,
        /// The left operand.
        left: Box<Expr>,
        /// The right operand.
        right: Box<Expr>,
    },
    /// Whether a value is among some; a bool.
    In {
        /// The value looked for.
        arg: Box<Expr>,
        /// The values looked among. One of another type than the argument's equals nothing.
        set: Vec<Value>,
    },
    /// Kleene's conjunction of bools; of none it is true.
    And(Vec<Expr>),
    /// Kleene's disjunction of bools; of none it is false.
    Or(Vec<Expr>),
    /// Kleene's negation of a bool.
    Not(Box<Expr>),
    /// One of two values, by a bool.
    If {
        /// Decides; null counts as false.
        condition: Box<Expr>,
        /// The value where the condition is true.
        yes: Box<Expr>,
        /// The value where it is false or null.
        no: Box<Expr>,
    },
    /// Whether a value is null; never null itself.
    IsNull(Box<Expr>),
    /// The first value that is not null.
    Coalesce(Vec<Expr>),
    /// The least of some numbers or timestamps; null when one of them is.
    Least(Vec<Expr>),
    /// The greatest of some numbers or timestamps; null when one of them is.
    Greatest(Vec<Expr>),
    /// A function of one argument.
    Apply {
        /// Which.
        function: Function,
        /// Its argument.
        arg: Box<Expr>,
    },
}

/// The four operations of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`, always double; null when the divisor is 0.
    Divide,
}

/// The six relations between values of an ordered type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Functions of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// The magnitude of a number, in its type.
    Abs,
    /// `min(1, max(0, x))` of a number, in its type.
    Clamp01,
    /// The square root, a double; null below 0.
    Sqrt,
    /// The natural logarithm, a double; null at and below 0.
    Ln,
    /// The hour (0 to 23) of a timestamp in the job's time zone, an int.
    Hour,
    /// The day of the week (0 is Monday) of a timestamp in the job's time zone, an int.
    Weekday,
}
