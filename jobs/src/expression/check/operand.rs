//! Operands: expressions with a type, and literals that have yet to take one.

use super::super::number::Number;
use super::super::{ExpressionError, quoted};
use tidemark_operators::expression::Expr;
use tidemark_operators::value::{SCALE_MAX, Type, Value, parse_address};

/// A checked part of an expression, and its column.
pub(super) struct Operand {
    pub(super) column: usize,
    kind: OperandKind,
}

enum OperandKind {
    Number(Number),
    Text(String),
    Expr(Expr),
}

impl Operand {
    pub(super) fn number(column: usize, number: Number) -> Operand {
        Operand { column, kind: OperandKind::Number(number) }
    }

    pub(super) fn text(column: usize, text: String) -> Operand {
        Operand { column, kind: OperandKind::Text(text) }
    }

    pub(super) fn expr(column: usize, expr: Expr) -> Operand {
        Operand { column, kind: OperandKind::Expr(expr) }
    }

    /// Its type; of a literal, the one it has by itself.
    pub(super) fn ty(&self) -> Type {
        match &self.kind {
            OperandKind::Number(number) if number.is_integer() => Type::Int,
            OperandKind::Number(number) => Type::Decimal(number.scale()),
            OperandKind::Text(_) => Type::Text,
            OperandKind::Expr(expr) => expr.ty(),
        }
    }

    /// Whether it is a literal that takes its type from what stands beside it.
    pub(super) fn is_literal(&self) -> bool {
        !matches!(self.kind, OperandKind::Expr(_))
    }

    pub(super) fn is_text_literal(&self) -> bool {
        matches!(self.kind, OperandKind::Text(_))
    }

    /// The number literal that it is.
    pub(super) fn into_number(self) -> Result<Number, Operand> {
        match self.kind {
            OperandKind::Number(number) => Ok(number),
            _ => Err(self),
        }
    }

    pub(super) fn as_number(&self) -> Option<&Number> {
        match &self.kind {
            OperandKind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// How messages call it: by its text when it is a literal, else by its type.
    pub(super) fn described(&self) -> String {
        match &self.kind {
            OperandKind::Number(number) => format!("the number {}", quoted(&number.text())),
            OperandKind::Text(text) => format!("the string {}", quoted(text)),
            OperandKind::Expr(expr) => format!("of type {}", expr.ty()),
        }
    }

    /// The expression; a literal in the type it has by itself.
    pub(super) fn settled(self) -> Result<Expr, ExpressionError> {
        let ty = self.ty();
        self.typed(ty)
    }

    /// The same with literals in the type they have by themselves.
    pub(super) fn natural(self) -> Result<Operand, ExpressionError> {
        let ty = self.ty();
        self.beside(ty)
    }

    /// The same with a literal in the type `ty`, where such a literal can take it.
    pub(super) fn beside(self, ty: Type) -> Result<Operand, ExpressionError> {
        let takes = match &self.kind {
            OperandKind::Number(_) => ty.is_numeric(),
            OperandKind::Text(_) => matches!(ty, Type::Text | Type::Timestamp | Type::Ip),
            OperandKind::Expr(_) => false,
        };
        let column = self.column;
        if takes { Ok(Operand::expr(column, self.typed(ty)?)) } else { Ok(self) }
    }

    /// The expression, a literal in the type `ty`.
    fn typed(self, ty: Type) -> Result<Expr, ExpressionError> {
        let value = match self.kind {
            OperandKind::Expr(expr) => return Ok(expr),
            OperandKind::Number(number) => number_value(self.column, &number, ty)?,
            OperandKind::Text(text) => text_value(self.column, text, ty)?,
        };
        Ok(Expr::Literal(value))
    }
}

/// A number literal in a numeric type.
pub(super) fn number_value(
    column: usize,
    number: &Number,
    ty: Type,
) -> Result<Value, ExpressionError> {
    let value = match ty {
        Type::Double => number.to_double().map(Value::Double),
        Type::Decimal(scale) => {
            let scale = scale.max(number.scale());
            number.to_units(u32::from(scale)).map(|units| Value::Decimal(units, scale))
        }
        _ => number.to_units(0).map(Value::Int),
    };
    let text = quoted(&number.text());
    value.ok_or_else(|| {
        if ty.is_like(Type::DECIMAL) && number.is_finer_than(SCALE_MAX) {
            let message = format!("{text} has more than the {SCALE_MAX} decimals of a decimal");
            ExpressionError::new(column, message).hint(
                "round it; beside a double, or in a comparison, any number of decimals will do",
            )
        } else {
            ExpressionError::new(column, format!("{text} is beyond the range of {ty}"))
        }
    })
}

/// A string literal in a type that is written as one.
pub(super) fn text_value(column: usize, text: String, ty: Type) -> Result<Value, ExpressionError> {
    match ty {
        Type::Timestamp => timestamp(&text).map(Value::Timestamp).ok_or_else(|| {
            let message = format!("{} is not a timestamp to the millisecond", quoted(&text));
            ExpressionError::new(column, message)
                .hint("write RFC 3339 with an offset, as in \"2024-05-01T12:30:00.250Z\"")
        }),
        Type::Ip => parse_address(&text).map(Value::Ip).ok_or_else(|| {
            ExpressionError::new(column, format!("{} is not an ip address", quoted(&text)))
                .hint("write one like \"10.0.0.1\" or \"2001:db8::1\"")
        }),
        _ => Ok(Value::Text(text)),
    }
}

/// RFC 3339 in ms since the epoch; none when it is finer than that.
fn timestamp(text: &str) -> Option<i64> {
    let timestamp = text.parse::<jiff::Timestamp>().ok()?;
    (timestamp.subsec_nanosecond() % 1_000_000 == 0).then(|| timestamp.as_millisecond())
}
