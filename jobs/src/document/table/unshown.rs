//! Values that may hold a secret: errors say of what kind they are, and never what they are.

use super::{Named, Table};
use crate::document::At;
use toml::de::DeValue;

impl Table<'_> {
    /// A text that is shown to nobody: where the value is none, the error does not show that either.
    pub fn secret(&mut self, key: &str) -> Option<At<String>> {
        let value = self.take(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some(At { value: text.clone().into_owned(), span: value.span() });
        }
        let (label, found) = (self.label(), kind(value.get_ref()));
        let message = format!("\"{key}\" in {label} must be a text in quotes, found {found}");
        self.problems().push(value.span().start, Some(key), message, None);
        None
    }
}

impl Named<'_> {
    /// What [`Named::mistyped`] records, without the value.
    pub fn mistyped_secret(&self, what: &str, wanted: &str) {
        let message = format!("{what} must be {wanted}, found {}", kind(self.value.get_ref()));
        self.problems.push(self.value.span().start, Some(&self.name.value), message, None);
    }
}

/// What a value is, without it.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
