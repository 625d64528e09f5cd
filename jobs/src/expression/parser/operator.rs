//! Operators between two operands, and how tightly they bind.

use super::super::lexer::Kind;
use tidemark_operators::expression::{Arithmetic, Comparison};

/// How tightly operators bind, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Minus,
}

/// An operator between two operands.
#[derive(Clone, Copy)]
pub(super) enum Infix {
    Or,
    And,
    Compare(Comparison),
    In { negated: bool },
    Arithmetic(Arithmetic),
}

impl Infix {
    /// How tightly it binds.
    pub(super) fn level(self) -> Level {
        match self {
            Infix::Or => Level::Or,
            Infix::And => Level::And,
            Infix::Compare(_) | Infix::In { .. } => Level::Comparison,
            Infix::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => Level::Sum,
            Infix::Arithmetic(Arithmetic::Multiply | Arithmetic::Divide) => Level::Product,
        }
    }

    /// The operator of one token that is written so.
    pub(super) fn written(token: &Kind<'_>) -> Option<Infix> {
        Some(match token {
            Kind::Word("or") => Infix::Or,
            Kind::Word("and") => Infix::And,
            Kind::Word("in") => Infix::In { negated: false },
            Kind::Symbol("=" | "==") => Infix::Compare(Comparison::Equal),
            Kind::Symbol("!=") => Infix::Compare(Comparison::NotEqual),
            Kind::Symbol("<") => Infix::Compare(Comparison::Less),
            Kind::Symbol("<=") => Infix::Compare(Comparison::LessOrEqual),
            Kind::Symbol(">") => Infix::Compare(Comparison::Greater),
            Kind::Symbol(">=") => Infix::Compare(Comparison::GreaterOrEqual),
            Kind::Symbol("+") => Infix::Arithmetic(Arithmetic::Add),
            Kind::Symbol("-") => Infix::Arithmetic(Arithmetic::Subtract),
            Kind::Symbol("*") => Infix::Arithmetic(Arithmetic::Multiply),
            Kind::Symbol("/") => Infix::Arithmetic(Arithmetic::Divide),
            _ => return None,
        })
    }
}
