//! Entries whose keys are names, and values as errors show them.

use super::super::{At, Problems};
use super::{Literal, Table};
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

    /// The value as a single one, if it is one; `None` for lists and tables.
    pub fn as_literal(&self) -> Option<At<Literal>> {
        let literal = Literal::of(self.value.get_ref())?;
        Some(At { value: literal, span: self.value.span() })
    }

    /// Records that the value of `what` (`field "amount"`) is not of the kind that is `wanted`.
    pub fn mistyped(&self, what: &str, wanted: &str) {
        let found = found(self.value.get_ref());
        let message = format!("{what} must be {wanted}, found {found}");
        self.problems.push(self.value.span().start, Some(&self.name.value), message, None);
    }
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
