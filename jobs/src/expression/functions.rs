//! The catalogue of functions: what the checker knows and what the reference page says.

use tidemark_operators::expression::Function;

/// What the reference says about a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionDoc {
    /// Its name.
    pub name: &'static str,
    /// How it is called and what it gives; `?` marks a result that can be null.
    pub signature: &'static str,
    /// What it means, in one line.
    pub doc: &'static str,
}

/// All functions, in the order of the reference.
pub fn functions() -> &'static [FunctionDoc] {
    &FUNCTIONS
}

/// The function that asks how a field was read.
pub(super) const INVALID: &str = "invalid";

/// The field that `name` asks about, if it is `invalid(field)`: the parser makes a name of the call.
pub fn invalid_field(name: &str) -> Option<&str> {
    name.strip_prefix(INVALID)?.strip_prefix('(')?.strip_suffix(')')
}

const FUNCTIONS: [FunctionDoc; 12] = [
    FunctionDoc {
        name: "if",
        signature: "if(condition: bool, a: T, b: T) -> T",
        doc: "a where the condition is true, b where it is false or null",
    },
    FunctionDoc {
        name: "is_null",
        signature: "is_null(x) -> bool",
        doc: "whether x has no value; never null itself",
    },
    FunctionDoc {
        name: INVALID,
        signature: "invalid(field) -> bool",
        doc: "whether a field was there, was not null, and could not be read as what it is, so that \
              it is null; never null itself",
    },
    FunctionDoc {
        name: "coalesce",
        signature: "coalesce(a: T, b: T, ..) -> T",
        doc: "the first argument that is not null; null when all are",
    },
    FunctionDoc {
        name: "min",
        signature: "min(a: T, b: T, ..) -> T, T a number or timestamp",
        doc: "the least argument; null when one is null",
    },
    FunctionDoc {
        name: "max",
        signature: "max(a: T, b: T, ..) -> T, T a number or timestamp",
        doc: "the greatest argument; null when one is null",
    },
    FunctionDoc {
        name: "clamp01",
        signature: "clamp01(x: T) -> T, T a number",
        doc: "min(1, max(0, x)); null when x is null",
    },
    FunctionDoc { name: "abs", signature: "abs(x: T) -> T, T a number", doc: "the magnitude of x" },
    FunctionDoc {
        name: "sqrt",
        signature: "sqrt(x: number) -> double?",
        doc: "the square root of x; null when x is negative",
    },
    FunctionDoc {
        name: "ln",
        signature: "ln(x: number) -> double?",
        doc: "the natural logarithm of x; null when x is 0 or negative",
    },
    FunctionDoc {
        name: "hour",
        signature: "hour(t: timestamp) -> int",
        doc: "the hour of the day, 0 to 23, in the job's time zone",
    },
    FunctionDoc {
        name: "weekday",
        signature: "weekday(t: timestamp) -> int",
        doc: "the day of the week, 0 (Monday) to 6 (Sunday), in the job's time zone",
    },
];

/// How the checker treats a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    If,
    IsNull,
    /// The name of one field; the parser has taken care of it where it is that.
    Invalid,
    Coalesce,
    Least,
    Greatest,
    /// One number, the result in its type.
    Numeric(Function),
    /// One number, taken as a double.
    Real(Function),
    /// One timestamp.
    Calendar(Function),
}

impl Builtin {
    /// The function of this name.
    pub(super) fn named(name: &str) -> Option<Builtin> {
        Some(match name {
            "if" => Builtin::If,
            "is_null" => Builtin::IsNull,
            INVALID => Builtin::Invalid,
            "coalesce" => Builtin::Coalesce,
            "min" => Builtin::Least,
            "max" => Builtin::Greatest,
            "clamp01" => Builtin::Numeric(Function::Clamp01),
            "abs" => Builtin::Numeric(Function::Abs),
            "sqrt" => Builtin::Real(Function::Sqrt),
            "ln" => Builtin::Real(Function::Ln),
            "hour" => Builtin::Calendar(Function::Hour),
            "weekday" => Builtin::Calendar(Function::Weekday),
            _ => return None,
        })
    }

    /// How few and how many arguments it takes.
    pub(super) fn arity(self) -> (usize, usize) {
        match self {
            Builtin::If => (3, 3),
            Builtin::Coalesce | Builtin::Least | Builtin::Greatest => (2, usize::MAX),
            _ => (1, 1),
        }
    }
}
