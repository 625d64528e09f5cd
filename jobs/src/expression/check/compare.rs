//! Comparisons and `in`.

use super::super::ast::{Node, NodeKind};
use super::super::number::Number;
use super::super::{ExpressionError, quoted};
use super::operand::{Operand, number_value, text_value};
use tidemark_operators::expression::{Comparison, Expr};
use tidemark_operators::value::{Type, Value};

/// Types `left op right`; `column` is the operator's.
pub(super) fn compare(
    column: usize,
    op: Comparison,
    left: Operand,
    right: Operand,
) -> Result<Operand, ExpressionError> {
    let expr = match (left.as_number(), right.as_number()) {
        (Some(a), Some(b)) => {
            let order = a.compare(b);
            Expr::Literal(Value::Bool(match op {
                Comparison::Equal => order.is_eq(),
                Comparison::NotEqual => order.is_ne(),
                Comparison::Less => order.is_lt(),
                Comparison::LessOrEqual => order.is_le(),
                Comparison::Greater => order.is_gt(),
                Comparison::GreaterOrEqual => order.is_ge(),
            }))
        }
        (None, Some(number)) => with_number(op, left, number, right.column)?,
        (Some(number), None) => with_number(flipped(op), right, number, left.column)?,
        (None, None) => of_one_type(column, op, left, right)?,
    };
    Ok(Operand::expr(column, expr))
}

/// A comparison with a number literal: exact beside int and decimal.
fn with_number(
    op: Comparison,
    operand: Operand,
    number: &Number,
    column: usize,
) -> Result<Expr, ExpressionError> {
    let (op, value) = match operand.ty() {
        Type::Double => (op, number_value(column, number, Type::Double)?),
        Type::Int => {
            let (op, bound) = number.bound(op, 0);
            (op, Value::Int(bound))
        }
        Type::Decimal(scale) => {
            let (op, bound) = number.bound(op, u32::from(scale));
            (op, Value::Decimal(bound, scale))
        }
        _ => {
            let number = quoted(&number.text());
            let message = format!("cannot compare {number} with {}", shown(&operand));
            let error = ExpressionError::new(column, message);
            return Err(match operand.ty() {
                Type::Text => error.hint("write it in quotes to compare it as a string"),
                Type::Timestamp => error.hint("write timestamps as RFC 3339 in quotes"),
                _ => error,
            });
        }
    };
    let left = Box::new(operand.settled()?);
    Ok(Expr::Compare { op, left, right: Box::new(Expr::Literal(value)) })
}

/// A comparison of two operands, at most strings among them literals.
fn of_one_type(
    column: usize,
    op: Comparison,
    left: Operand,
    right: Operand,
) -> Result<Expr, ExpressionError> {
    let (left_type, right_type) = (left.ty(), right.ty());
    let (left, right) = (left.beside(right_type)?, right.beside(left_type)?);
    let Some(ty) = left.ty().unify(right.ty()) else {
        let message = format!("cannot compare {} with {}", shown(&left), shown(&right));
        let error = ExpressionError::new(column, message);
        let numeric = left.ty().is_numeric() || right.ty().is_numeric();
        return Err(match numeric && (left.is_text_literal() || right.is_text_literal()) {
            true => error.hint("write numbers without quotes"),
            false => error,
        });
    };
    let ordered = !matches!(op, Comparison::Equal | Comparison::NotEqual);
    if ordered && matches!(ty, Type::Bool | Type::Ip) {
        let message = format!("values of type {ty} have no order");
        return Err(ExpressionError::new(column, message).hint("compare them with `=` or `!=`"));
    }
    let (left, right) = (Box::new(left.settled()?), Box::new(right.settled()?));
    Ok(Expr::Compare { op, left, right })
}

/// Types `arg in {set}`; `column` is the operator's.
pub(super) fn among(column: usize, arg: Operand, set: &[Node]) -> Result<Expr, ExpressionError> {
    if let Some(number) = arg.as_number() {
        let mut found = false;
        for member in set {
            match &member.kind {
                NodeKind::Number(other) => found |= number.compare(other).is_eq(),
                _ => return Err(no_member(member, &arg)),
            }
        }
        return Ok(Expr::Literal(Value::Bool(found)));
    }
    let ty = arg.ty();
    if ty == Type::Bool {
        let message = "`in` takes numbers, strings, timestamps and ips, this is of type bool";
        return Err(ExpressionError::new(column, message).hint("use the bool itself, or `not`"));
    }
    let mut values = Vec::with_capacity(set.len());
    for member in set {
        match &member.kind {
            // A number that the type does not hold is equal to none of its values.
            NodeKind::Number(number) if ty == Type::Int => {
                values.extend(number.to_units(0).map(Value::Int));
            }
            NodeKind::Number(number) if let Type::Decimal(scale) = ty => {
                let units = number.to_units(u32::from(scale));
                values.extend(units.map(|units| Value::Decimal(units, scale)));
            }
            NodeKind::Number(number) if ty == Type::Double => {
                values.push(number_value(member.column, number, ty)?);
            }
            NodeKind::Text(text) if !ty.is_numeric() => {
                values.push(text_value(member.column, text.clone(), ty)?);
            }
            _ => return Err(no_member(member, &arg)),
        }
    }
    Ok(Expr::In { arg: Box::new(arg.settled()?), set: values })
}

fn no_member(member: &Node, arg: &Operand) -> ExpressionError {
    let (text, hint) = match &member.kind {
        NodeKind::Number(number) => (number.text(), "write it in quotes"),
        NodeKind::Text(text) => (text.clone(), "write numbers without quotes"),
        _ => (String::new(), "a set holds numbers and strings"),
    };
    let message = format!("cannot look for {} among {}", shown(arg), quoted(&text));
    ExpressionError::new(member.column, message).hint(hint)
}

/// How a message names an operand of a comparison.
fn shown(operand: &Operand) -> String {
    if operand.is_literal() { operand.described() } else { format!("type {}", operand.ty()) }
}

/// The relation with its sides exchanged.
fn flipped(op: Comparison) -> Comparison {
    match op {
        Comparison::Equal | Comparison::NotEqual => op,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
    }
}
