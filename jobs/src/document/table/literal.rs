//! Values of any kind, as they are written.

use std::fmt;
use tidemark_operators::ingest::decode::Scalar;
use toml::de::DeValue;

/// A value whose kind the author chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A text.
    Text(String),
    /// A number, finite or not, in decimal digits.
    Number(String),
    /// `true` or `false`.
    Bool(bool),
    /// A date, a time or both, as it is written.
    Date(String),
}

impl Literal {
    /// `None` for a list and a table.
    pub(super) fn of(value: &DeValue<'_>) -> Option<Literal> {
        Some(match value {
            DeValue::String(text) => Literal::Text(text.clone().into_owned()),
            DeValue::Boolean(flag) => Literal::Bool(*flag),
            DeValue::Datetime(date) => Literal::Date(date.to_string()),
            DeValue::Float(number) => Literal::Number(unsigned(number.as_str())),
            DeValue::Integer(number) if number.radix() == 10 => {
                Literal::Number(unsigned(number.as_str()))
            }
            DeValue::Integer(number) => {
                let (digits, radix) = (number.as_str(), number.radix());
                // What does not fit is no value of any type.
                let read = i64::from_str_radix(digits, radix);
                Literal::Number(read.map_or_else(|_| digits.to_owned(), |n| n.to_string()))
            }
            DeValue::Array(_) | DeValue::Table(_) => return None,
        })
    }

    /// As a record could have it; `None` for a date.
    pub fn scalar(&self) -> Option<Scalar<'_>> {
        match self {
            Literal::Text(text) => Some(Scalar::Text(text)),
            Literal::Number(number) => Some(Scalar::Number(number)),
            Literal::Bool(flag) => Some(Scalar::Bool(*flag)),
            Literal::Date(_) => None,
        }
    }
}

/// Without a sign that says nothing.
fn unsigned(number: &str) -> String {
    number.strip_prefix('+').unwrap_or(number).to_owned()
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Text(text) => write!(f, "\"{text}\""),
            Literal::Number(text) | Literal::Date(text) => f.write_str(text),
            Literal::Bool(flag) => write!(f, "{flag}"),
        }
    }
}
