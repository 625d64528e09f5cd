//! How a feature comes from what is read of its entity's state.

use tidemark_operators::expression::{Arithmetic, Expr};
use tidemark_operators::plan::Read;
use tidemark_operators::value::{Type, Value};

/// One value read from state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateRead {
    /// How it is read.
    pub(crate) read: Read,
    /// Its type.
    pub(crate) ty: Type,
    /// Whether it can be null.
    pub(crate) nullable: bool,
}

/// Values read from state, and the feature as an expression over them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    reads: Vec<StateRead>,
    /// Inputs are indices into `reads`.
    value: Expr,
}

impl Reading {
    /// What is read, as it is.
    pub(crate) fn of(read: Read, ty: Type, nullable: bool) -> Self {
        let value = Expr::Input { index: 0, ty, nullable };
        Reading { reads: vec![StateRead { read, ty, nullable }], value }
    }

    /// Divided by a number that is not 0: a double.
    pub(crate) fn over(self, divisor: i64) -> Self {
        Reading { value: quotient(self.value, divisor), ..self }
    }

    /// The same, and 0 where it is null. A number.
    pub(crate) fn or_zero(self) -> Self {
        let zero = match self.value.ty() {
            Type::Double => Value::Double(0.0),
            _ => Value::Int(0),
        };
        Reading { value: Expr::Coalesce(vec![self.value, Expr::Literal(zero)]), ..self }
    }

    /// The milliseconds from one time to this one: an int.
    pub(crate) fn since(self, earlier: Reading) -> Self {
        self.with(Arithmetic::Subtract, earlier)
    }

    /// Divided by another number: a double, null where that is 0.
    pub(crate) fn divided_by(self, divisor: Reading) -> Self {
        self.with(Arithmetic::Divide, divisor)
    }

    fn with(self, op: Arithmetic, other: Reading) -> Self {
        let Reading { mut reads, value } = self;
        let place = |read| match reads.iter().position(|there| *there == read) {
            Some(at) => at,
            None => {
                reads.push(read);
                reads.len() - 1
            }
        };
        let places: Vec<usize> = other.reads.into_iter().map(place).collect();
        let right = moved(other.value, &places);
        Reading {
            reads,
            value: Expr::Arithmetic { op, left: Box::new(value), right: Box::new(right) },
        }
    }

    /// The feature as an expression over the columns that `column` gives the reads.
    pub(crate) fn over_columns(&self, column: impl FnMut(StateRead) -> usize) -> Expr {
        let columns: Vec<usize> = self.reads.iter().copied().map(column).collect();
        moved(self.value.clone(), &columns)
    }
}

/// A quotient, which is a double by definition: by 1 a decimal becomes the double nearest to it.
pub(crate) fn quotient(expr: Expr, divisor: i64) -> Expr {
    let divisor = Expr::Literal(Value::Int(divisor));
    Expr::Arithmetic { op: Arithmetic::Divide, left: Box::new(expr), right: Box::new(divisor) }
}

/// Inputs renumbered: input `at` becomes `places[at]`.
fn moved(expr: Expr, places: &[usize]) -> Expr {
    // Every input has a place: reads and values are made together.
    expr.map_inputs(&mut |at| places.get(at).copied().unwrap_or(at))
}
