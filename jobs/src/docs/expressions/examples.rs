//! Examples of the reference, and their values.

use super::super::markdown::code;
use super::super::values::{shown, value};
use crate::expression::{Binding, ExpressionError, check, invalid_field, parse};
use std::sync::Arc;
use tidemark_operators::expression::{Expr, Program};
use tidemark_operators::value::{Column, Type, Value, parse_address};
use tidemark_operators::zone::Zone;

/// A name that examples use.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExampleColumn {
    pub(super) name: &'static str,
    pub(super) ty: Type,
    /// Whether it is null.
    pub(super) null: bool,
    /// Its value as a literal beside its type.
    text: &'static str,
}

const fn there(name: &'static str, ty: Type, text: &'static str) -> ExampleColumn {
    ExampleColumn { name, ty, null: false, text }
}

const fn missing(name: &'static str, ty: Type) -> ExampleColumn {
    ExampleColumn { name, ty, null: true, text: "" }
}

pub(super) const NAMES: [ExampleColumn; 10] = [
    there("amount", Type::DECIMAL, "120.5"),
    there("count", Type::Int, "7"),
    there("score", Type::Double, "0.25"),
    there("approved", Type::Bool, "true"),
    there("country", Type::Text, "DE"),
    there("at", Type::Timestamp, "2024-02-03T22:30:00Z"),
    there("address", Type::Ip, "10.0.0.7"),
    missing("previous_amount", Type::DECIMAL),
    missing("city", Type::Text),
    missing("flag", Type::Bool),
];

/// An example that was checked and computed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Evaluated {
    pub(super) ty: Type,
    pub(super) nullable: bool,
    pub(super) value: Value,
}

/// Checks and computes an example.
pub(super) fn evaluated(text: &str) -> Result<Evaluated, ExpressionError> {
    let mut resolve = |name: &str| {
        if invalid_field(name).is_some() {
            return Some(Binding::Expr(Expr::Literal(Value::Bool(false))));
        }
        let index = NAMES.iter().position(|known| known.name == name)?;
        let known = NAMES.get(index)?;
        Some(Binding::Input { index, ty: known.ty, nullable: known.null })
    };
    let names = NAMES.map(|known| known.name);
    let expr = check(&parse(text)?, &mut resolve, &names)?;
    let columns: Vec<Column> = NAMES.iter().map(column).collect();
    let zone = Zone::utc();
    let mut out = Column::default();
    Program::new(&expr, Arc::new(zone)).eval(&columns, 1, &mut out);
    let (ty, nullable) = (expr.ty(), expr.nullable());
    Ok(Evaluated { ty, nullable, value: value(&out, ty, 0) })
}

/// The value of a name, as Markdown.
pub(super) fn named_value(known: &ExampleColumn) -> String {
    match (known.null, known.ty) {
        (false, Type::Timestamp) => format!("{}, a Saturday", code(known.text)),
        _ => code(&shown(&own_value(known))),
    }
}

fn column(known: &ExampleColumn) -> Column {
    let mut column = Column::default();
    column.push_value(&own_value(known));
    column
}

fn own_value(known: &ExampleColumn) -> Value {
    let text = known.text;
    let value = match known.ty {
        Type::Int => text.parse().ok().map(Value::Int),
        Type::Decimal(scale) => {
            let unit = known.ty.unit() as f64;
            text.parse::<f64>().ok().map(|value| Value::Decimal((value * unit) as i64, scale))
        }
        Type::Double => text.parse().ok().map(Value::Double),
        Type::Bool => text.parse().ok().map(Value::Bool),
        Type::Text => (!known.null).then(|| Value::Text(text.to_owned())),
        Type::Timestamp => {
            let time = crate::times::event_time(text);
            time.and_then(|time| i64::try_from(time).ok()).map(Value::Timestamp)
        }
        Type::Ip => parse_address(text).map(Value::Ip),
    };
    value.unwrap_or(Value::Null)
}

/// What is said about null besides a function's own line.
pub(super) fn null_rule(function: &str) -> Option<&'static str> {
    Some(match function {
        "if" => "when the value that is chosen is null; a null condition chooses b",
        "is_null" | "invalid" => "never",
        "coalesce" => "when all arguments are",
        "min" | "max" => "when an argument is",
        "clamp01" | "abs" | "hour" | "weekday" => "when the argument is",
        "sqrt" => "when the argument is, or is negative",
        "ln" => "when the argument is, or is 0 or negative",
        _ => return None,
    })
}

/// Examples of a function.
pub(super) fn of_function(function: &str) -> &'static [&'static str] {
    match function {
        "if" => &[
            "if(amount > 100, \"large\", \"small\")",
            "if(flag, 1, 0)",
            "if(approved, count, amount)",
        ],
        "is_null" => &["is_null(city)", "is_null(country)", "not is_null(amount / 0)"],
        "invalid" => &["invalid(address)", "invalid(address) or is_null(address)"],
        "coalesce" => &[
            "coalesce(previous_amount, amount)",
            "coalesce(city, \"unknown\")",
            "coalesce(previous_amount, amount / 0)",
        ],
        "min" => &["min(amount, count)", "min(count, 3, 5)", "min(amount, previous_amount)"],
        "max" => &["max(amount, 200)", "max(score, 0.1)", "max(at, \"2024-03-01T00:00:00Z\")"],
        "clamp01" => &["clamp01(score)", "clamp01(amount / 100)", "clamp01(-count)"],
        "abs" => &["abs(count - 10)", "abs(previous_amount)"],
        "sqrt" => &["sqrt(16)", "sqrt(amount - 200)"],
        "ln" => &["ln(1)", "ln(amount)", "ln(count - 7)"],
        "hour" => &["hour(at)"],
        "weekday" => &["weekday(at)", "weekday(at) >= 5"],
        _ => &[],
    }
}
