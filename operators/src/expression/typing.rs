//! Types, nullability, and walks over an expression.

use super::{Arithmetic, Expr, Function};
use crate::value::{Type, Value};

impl Type {
    /// The type that holds values of both: a type with itself, int with decimal is decimal, of two
    /// decimals the one with more of them, a number with a double is double; otherwise none.
    pub fn unify(self, other: Type) -> Option<Type> {
        match (self, other) {
            _ if self == other => Some(self),
            _ if !self.is_numeric() || !other.is_numeric() => None,
            (Type::Double, _) | (_, Type::Double) => Some(Type::Double),
            (Type::Decimal(one), Type::Decimal(other)) => Some(Type::Decimal(one.max(other))),
            (Type::Decimal(scale), _) | (_, Type::Decimal(scale)) => Some(Type::Decimal(scale)),
            _ => None,
        }
    }
}

impl Arithmetic {
    /// The type of the result, or `None` where the operation is not defined.
    pub fn result(self, left: Type, right: Type) -> Option<Type> {
        match (self, left, right) {
            (Arithmetic::Subtract, Type::Timestamp, Type::Timestamp) => Some(Type::Int),
            _ if !left.is_numeric() || !right.is_numeric() => None,
            (Arithmetic::Divide, ..) => Some(Type::Double),
            _ => left.unify(right),
        }
    }
}

impl Expr {
    /// The type of its values.
    pub fn ty(&self) -> Type {
        match self {
            Expr::Input { ty, .. } => *ty,
            Expr::Literal(value) => literal_type(value),
            Expr::Negate(arg) => arg.ty(),
            Expr::Arithmetic { op, left, right } => {
                op.result(left.ty(), right.ty()).unwrap_or(Type::Int)
            }
            Expr::Compare { .. }
            | Expr::In { .. }
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull(_) => Type::Bool,
            Expr::If { yes, no, .. } => yes.ty().unify(no.ty()).unwrap_or(yes.ty()),
            Expr::Coalesce(args) | Expr::Least(args) | Expr::Greatest(args) => common_type(args),
            Expr::Apply { function, arg } => match function {
                Function::Abs | Function::Clamp01 => arg.ty(),
                Function::Sqrt | Function::Ln => Type::Double,
                Function::Hour | Function::Weekday => Type::Int,
            },
        }
    }

    /// Whether it can be null: by a nullable input, by a division whose divisor is no literal other
    /// than 0, by a root or a logarithm, or by an overflow of int or decimal. A double beyond
    /// 1.8e308 becomes null too, and is not counted as a possibility here.
    pub fn nullable(&self) -> bool {
        match self {
            Expr::Input { nullable, .. } => *nullable,
            Expr::Literal(value) => *value == Value::Null,
            Expr::Arithmetic { op, left, right } => arithmetic_nullable(*op, left, right),
            Expr::Compare { left, right, .. } => left.nullable() || right.nullable(),
            Expr::Negate(arg) | Expr::Not(arg) | Expr::In { arg, .. } => arg.nullable(),
            Expr::And(args) | Expr::Or(args) => args.iter().any(Expr::nullable),
            Expr::If { yes, no, .. } => {
                let ty = self.ty();
                nullable_as(yes, ty) || nullable_as(no, ty)
            }
            Expr::IsNull(_) => false,
            Expr::Coalesce(args) => {
                let ty = self.ty();
                args.iter().all(|arg| nullable_as(arg, ty))
            }
            Expr::Least(args) | Expr::Greatest(args) => {
                let ty = self.ty();
                args.is_empty() || args.iter().any(|arg| nullable_as(arg, ty))
            }
            Expr::Apply { function, arg } => match function {
                Function::Sqrt | Function::Ln => !is_positive_literal(arg),
                _ => arg.nullable(),
            },
        }
    }

    /// The indices of the input columns it reads, ascending, each once.
    pub fn inputs(&self) -> Vec<usize> {
        fn collect(expr: &Expr, into: &mut Vec<usize>) {
            if let Expr::Input { index, .. } = expr {
                into.push(*index);
            }
            for child in expr.children() {
                collect(child, into);
            }
        }
        let mut inputs = Vec::new();
        collect(self, &mut inputs);
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }

    /// The same expression over inputs renumbered by `map`.
    pub fn map_inputs(mut self, map: &mut impl FnMut(usize) -> usize) -> Expr {
        fn renumber(expr: &mut Expr, map: &mut impl FnMut(usize) -> usize) {
            if let Expr::Input { index, .. } = expr {
                *index = map(*index);
            }
            for child in expr.children_mut() {
                renumber(child, map);
            }
        }
        renumber(&mut self, map);
        self
    }

    /// How many nodes it has, the values of `in` sets included.
    pub fn nodes(&self) -> usize {
        let own = match self {
            Expr::In { set, .. } => 1 + set.len(),
            _ => 1,
        };
        own + self.children().into_iter().map(Expr::nodes).sum::<usize>()
    }

    /// How many nodes its longest branch has.
    pub fn depth(&self) -> usize {
        1 + self.children().into_iter().map(Expr::depth).max().unwrap_or(0)
    }

    /// What it is directly made of, in the order it is written.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Input { .. } | Expr::Literal(_) => Vec::new(),
            Expr::Negate(arg) | Expr::Not(arg) | Expr::IsNull(arg) => vec![arg],
            Expr::In { arg, .. } | Expr::Apply { arg, .. } => vec![arg],
            Expr::Arithmetic { left, right, .. } | Expr::Compare { left, right, .. } => {
                vec![left, right]
            }
            Expr::If { condition, yes, no } => vec![condition, yes, no],
            Expr::And(args)
            | Expr::Or(args)
            | Expr::Coalesce(args)
            | Expr::Least(args)
            | Expr::Greatest(args) => args.iter().collect(),
        }
    }

    fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Expr::Input { .. } | Expr::Literal(_) => Vec::new(),
            Expr::Negate(arg) | Expr::Not(arg) | Expr::IsNull(arg) => vec![arg],
            Expr::In { arg, .. } | Expr::Apply { arg, .. } => vec![arg],
            Expr::Arithmetic { left, right, .. } | Expr::Compare { left, right, .. } => {
                vec![left, right]
            }
            Expr::If { condition, yes, no } => vec![condition, yes, no],
            Expr::And(args)
            | Expr::Or(args)
            | Expr::Coalesce(args)
            | Expr::Least(args)
            | Expr::Greatest(args) => args.iter_mut().collect(),
        }
    }
}

/// The type of a literal; of a null, which no checked expression holds, it is int.
fn literal_type(value: &Value) -> Type {
    match value {
        Value::Null | Value::Int(_) => Type::Int,
        Value::Decimal(_, scale) => Type::Decimal(*scale),
        Value::Double(_) => Type::Double,
        Value::Bool(_) => Type::Bool,
        Value::Text(_) => Type::Text,
        Value::Timestamp(_) => Type::Timestamp,
        Value::Ip(_) => Type::Ip,
    }
}

/// The type all of them fit in; the first one's where there is none, int for no arguments.
pub(super) fn common_type(args: &[Expr]) -> Type {
    let first = args.first().map_or(Type::Int, Expr::ty);
    args.iter().try_fold(first, |ty, arg| ty.unify(arg.ty())).unwrap_or(first)
}

fn arithmetic_nullable(op: Arithmetic, left: &Expr, right: &Expr) -> bool {
    if left.nullable() || right.nullable() {
        return true;
    }
    match op.result(left.ty(), right.ty()) {
        None => true,
        Some(_) if op == Arithmetic::Divide => match right {
            Expr::Literal(Value::Int(value) | Value::Decimal(value, _)) => *value == 0,
            Expr::Literal(Value::Double(value)) => *value == 0.0,
            _ => true,
        },
        Some(Type::Double) => false,
        Some(_) => !matches!((left, right), (Expr::Literal(_), Expr::Literal(_))),
    }
}

/// Whether an argument can be null once it is converted to `ty`: an int beyond 9.2e12 is no decimal
/// of 6 decimals.
fn nullable_as(arg: &Expr, ty: Type) -> bool {
    let factor = ty.unit() / arg.ty().unit();
    let converted = match arg {
        Expr::Literal(Value::Int(value) | Value::Decimal(value, _)) if ty != Type::Double => {
            value.checked_mul(factor).is_none()
        }
        Expr::Literal(_) => false,
        _ => factor > 1,
    };
    converted || arg.nullable()
}

fn is_positive_literal(arg: &Expr) -> bool {
    match arg {
        Expr::Literal(Value::Int(value) | Value::Decimal(value, _)) => *value > 0,
        Expr::Literal(Value::Double(value)) => *value > 0.0,
        _ => false,
    }
}
