//! Calls of functions.

use super::super::ast::Node;
use super::super::functions::{Builtin, functions};
use super::super::{ExpressionError, quoted};
use super::operand::Operand;
use super::{Checked, Checker, all, nearest};
use tidemark_operators::expression::Expr;
use tidemark_operators::value::Type;

impl Checker<'_> {
    pub(super) fn call(&mut self, column: usize, name: &str, args: &[Node]) -> Checked {
        let Some(builtin) = Builtin::named(name) else {
            let error = ExpressionError::new(column, format!("unknown function {}", quoted(name)));
            let names: Vec<&str> = functions().iter().map(|function| function.name).collect();
            let error = ExpressionError { unknown_function: Some(name.to_owned()), ..error };
            return Err(match nearest::hint(name, &names) {
                Some(hint) => error.hint(hint),
                None => error,
            });
        };
        check_arity(column, name, builtin, args.len())?;
        if builtin == Builtin::Invalid {
            let message = format!("`{name}` takes the name of a field, and nothing else");
            return Err(ExpressionError::new(column, message)
                .hint("it is about how the field was read: write `invalid(ip_address)`"));
        }
        let operands = all(args.iter().map(|arg| self.node(arg)))?;
        let expr = match builtin {
            Builtin::If => choice(name, operands)?,
            Builtin::IsNull => Expr::IsNull(Box::new(only(operands)?.settled()?)),
            Builtin::Coalesce => Expr::Coalesce(unified(name, operands)?),
            Builtin::Least => Expr::Least(unified(name, ordered(name, operands)?)?),
            Builtin::Greatest => Expr::Greatest(unified(name, ordered(name, operands)?)?),
            Builtin::Invalid => return only(operands),
            Builtin::Numeric(function) => {
                let arg = number(name, only(operands)?)?;
                Expr::Apply { function, arg: Box::new(arg.settled()?) }
            }
            Builtin::Real(function) => {
                let arg = number(name, only(operands)?)?.beside(Type::Double)?;
                Expr::Apply { function, arg: Box::new(arg.settled()?) }
            }
            Builtin::Calendar(function) => {
                let arg = only(operands)?.beside(Type::Timestamp)?;
                if arg.ty() != Type::Timestamp {
                    return Err(unfit(name, "a timestamp", &arg));
                }
                Expr::Apply { function, arg: Box::new(arg.settled()?) }
            }
        };
        Ok(Operand::expr(column, expr))
    }
}

fn check_arity(
    column: usize,
    name: &str,
    builtin: Builtin,
    found: usize,
) -> Result<(), ExpressionError> {
    let (least, most) = builtin.arity();
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let wanted = match (least, most) {
        (1, 1) => "1 argument".to_owned(),
        (least, most) if least == most => format!("{least} arguments"),
        (least, _) => format!("at least {least} arguments"),
    };
    let error = ExpressionError::new(column, format!("`{name}` takes {wanted}, found {found}"));
    let signature = functions().iter().find(|function| function.name == name);
    Err(match signature {
        Some(function) => error.hint(function.signature),
        None => error,
    })
}

/// The one argument of a function that takes one, as [`check_arity`] has seen.
fn only(mut operands: Vec<Operand>) -> Checked {
    operands.pop().ok_or_else(|| ExpressionError::new(1, "an argument is missing"))
}

fn unfit(name: &str, wanted: &str, operand: &Operand) -> ExpressionError {
    let message = format!("`{name}` takes {wanted}, this is {}", operand.described());
    ExpressionError::new(operand.column, message)
}

fn number(name: &str, operand: Operand) -> Checked {
    if operand.ty().is_numeric() {
        return Ok(operand);
    }
    Err(unfit(name, "a number", &operand))
}

fn choice(name: &str, operands: Vec<Operand>) -> Result<Expr, ExpressionError> {
    let mut operands = operands.into_iter();
    let condition = only(operands.by_ref().take(1).collect())?;
    if condition.ty() != Type::Bool {
        return Err(unfit(name, "a bool as its condition", &condition));
    }
    let condition = Box::new(condition.settled()?);
    let mut values = unified(name, operands.collect())?.into_iter();
    match (values.next(), values.next()) {
        (Some(yes), Some(no)) => Ok(Expr::If { condition, yes: Box::new(yes), no: Box::new(no) }),
        _ => Err(ExpressionError::new(1, "an argument is missing")),
    }
}

/// Arguments that have an order: all numbers, or timestamps (a string may be one).
fn ordered(name: &str, operands: Vec<Operand>) -> Result<Vec<Operand>, ExpressionError> {
    let timestamps = operands.iter().any(|operand| operand.ty() == Type::Timestamp);
    let mut ordered = Vec::with_capacity(operands.len());
    for operand in operands {
        let operand = if timestamps { operand.beside(Type::Timestamp)? } else { operand };
        if !operand.ty().is_numeric() && operand.ty() != Type::Timestamp {
            return Err(unfit(name, "numbers or timestamps", &operand));
        }
        ordered.push(operand);
    }
    Ok(ordered)
}

/// Arguments in the one type that holds them all; the engine converts those that are no literals.
fn unified(name: &str, operands: Vec<Operand>) -> Result<Vec<Expr>, ExpressionError> {
    let mut common: Option<Type> = None;
    // Literals adapt to the others, so the others come first.
    let (literals, others): (Vec<&Operand>, Vec<&Operand>) =
        operands.iter().partition(|operand| operand.is_literal());
    for operand in others.into_iter().chain(literals) {
        let ty = operand.ty();
        common = match common {
            None => Some(ty),
            Some(before) if operand.is_text_literal() && takes_text(before) => Some(before),
            Some(before) => match before.unify(ty) {
                Some(unified) => Some(unified),
                None => {
                    let message =
                        format!("`{name}` cannot mix type {before} with {}", shown(operand));
                    return Err(ExpressionError::new(operand.column, message)
                        .hint("its values must be of one type, or all numbers"));
                }
            },
        };
    }
    let common = common.unwrap_or(Type::Int);
    operands.into_iter().map(|operand| operand.beside(common)?.settled()).collect()
}

fn takes_text(ty: Type) -> bool {
    matches!(ty, Type::Text | Type::Timestamp | Type::Ip)
}

fn shown(operand: &Operand) -> String {
    if operand.is_literal() { operand.described() } else { format!("type {}", operand.ty()) }
}
