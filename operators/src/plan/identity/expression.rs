//! Expressions as texts that say all of what they compute, and nothing of how they were written down.

use crate::expression::{Arithmetic, Comparison, Expr, Function};
use crate::value::Value;

/// The text of `expr`: `input` names its inputs, `zone` is where hours and weekdays are told.
pub(super) fn expression(expr: &Expr, zone: &str, input: &dyn Fn(usize) -> String) -> String {
    let text = |expr: &Expr| expression(expr, zone, input);
    let list = |all: &[Expr], between: &str| {
        let texts: Vec<String> = all.iter().map(text).collect();
        texts.join(between)
    };
    match expr {
        Expr::Input { index, .. } => input(*index),
        Expr::Literal(value) => literal(value),
        Expr::Negate(arg) => format!("-({})", text(arg)),
        Expr::Arithmetic { op, left, right } => {
            let op = match op {
                Arithmetic::Add => "+",
                Arithmetic::Subtract => "-",
                Arithmetic::Multiply => "*",
                Arithmetic::Divide => "/",
            };
            format!("({} {op} {})", text(left), text(right))
        }
        Expr::Compare { op, left, right } => {
            let op = match op {
                Comparison::Equal => "=",
                Comparison::NotEqual => "!=",
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
            };
            format!("({} {op} {})", text(left), text(right))
        }
        Expr::In { arg, set } => {
            let mut set: Vec<String> = set.iter().map(literal).collect();
            set.sort_unstable();
            set.dedup();
            format!("({} in {{{}}})", text(arg), set.join(", "))
        }
        Expr::And(all) => format!("and({})", list(all, ", ")),
        Expr::Or(all) => format!("or({})", list(all, ", ")),
        Expr::Not(arg) => format!("not({})", text(arg)),
        Expr::If { condition, yes, no } => {
            format!("if({}, {}, {})", text(condition), text(yes), text(no))
        }
        Expr::IsNull(arg) => format!("is_null({})", text(arg)),
        Expr::Coalesce(all) => format!("coalesce({})", list(all, ", ")),
        Expr::Least(all) => format!("min({})", list(all, ", ")),
        Expr::Greatest(all) => format!("max({})", list(all, ", ")),
        Expr::Apply { function, arg } => {
            let function = match function {
                Function::Abs => "abs".to_owned(),
                Function::Clamp01 => "clamp01".to_owned(),
                Function::Sqrt => "sqrt".to_owned(),
                Function::Ln => "ln".to_owned(),
                Function::Hour => format!("hour[{zone}]"),
                Function::Weekday => format!("weekday[{zone}]"),
            };
            format!("{function}({})", text(arg))
        }
    }
}

/// A value, with its type where two types would be written alike.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Decimal(units, scale) => format!("{units}e-{scale}"),
        Value::Double(number) => format!("double({number:?})"),
        Value::Bool(value) => value.to_string(),
        Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Timestamp(ms) => format!("timestamp({ms})"),
        Value::Ip(address) => format!("ip({address})"),
    }
}
