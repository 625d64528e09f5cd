//! Entries whose keys are names, and values as errors show them.

use super::super::{At, Problems};
use super::Table;
use toml::Spanned;
use toml::de::DeValue;

/// One entry of a table whose keys are names that the file's author chose.
#[derive(Debug)]
pub struct Named<'d> {
    /// The name.
    pub name: At<String>,
    pub(super) value: &'d Spanned<DeValue<'d>>,
    pub(super) problems: &'d Problems<'d>,
}

impl<'d> Named<'d> {
    /// The value as a table, if it is one; `label` is what errors call it.
    pub fn as_table(&self, label: String) -> Option<Table<'d>> {
        let table = self.value.get_ref().as_table()?;
        Some(Table::new(label, self.name.span.start, table, self.problems))
    }

    /// The value as a text, if it is one.
    pub fn as_text(&self) -> Option<At<String>> {
        let text = self.value.get_ref().as_str()?;
        Some(At { value: text.to_owned(), span: self.value.span() })
    }

    /// The value as a single one, if it is one: numbers by their digits, so that none are lost.
    /// `None` for lists, tables and dates, and for what is no finite number.
    pub fn as_scalar(&self) -> Option<At<Scalar>> {
        let value = match self.value.get_ref() {
            DeValue::String(text) => Scalar::Text(text.clone().into_owned()),
            DeValue::Boolean(flag) => Scalar::Boolean(*flag),
            DeValue::Integer(number) => {
                let read = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
                Scalar::Integer(read.to_string())
            }
            DeValue::Float(number) => {
                let digits = number.as_str().trim_start_matches('+');
                digits.parse::<f64>().ok().filter(|read| read.is_finite())?;
                Scalar::Float(digits.to_owned())
            }
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => return None,
        };
        Some(At { value, span: self.value.span() })
    }

    /// Records that the value of `what` (`field "amount"`) is not of the kind that is `wanted`.
    pub fn mistyped(&self, what: &str, wanted: &str) {
        let found = found(self.value.get_ref());
        let message = format!("{what} must be {wanted}, found {found}");
        self.problems.push(self.value.span().start, Some(&self.name.value), message, None);
    }
}

/// A single value as the file's author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A whole number within 64 bits, in decimal digits with an optional `-`.
    Integer(String),
    /// A finite number with a fraction or an exponent, as JSON writes it.
    Float(String),
    /// `true` or `false`.
    Boolean(bool),
}

/// A value as errors show it.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "a text".into(),
        DeValue::Integer(number) => format!("the integer {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(flag) => format!("{flag}"),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}
