//! One table of a file: getters by type, and the unknown keys at the end.

mod literal;
mod named;
mod unshown;

pub use literal::Literal;
pub use named::Named;

use super::problems::suggestion;
use super::quantity::{self, DURATION_HINT, SIZE_HINT};
use super::{At, Problems};
use named::found;
use std::ops::RangeInclusive;
use tidemark_operators::time::Millis;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One table of a file while it is being read. Getters return `None` when the key is absent and
/// when its value is wrong, which is then recorded; [`need`](Table::need) records the absence of a
/// key that must be there. Reading ends with [`finish`](Table::finish).
#[derive(Debug)]
pub struct Table<'d> {
    label: String,
    at: usize,
    entries: Vec<Entry<'d>>,
    asked: Vec<String>,
    problems: &'d Problems<'d>,
}

#[derive(Debug)]
struct Entry<'d> {
    key: At<&'d str>,
    value: &'d Spanned<DeValue<'d>>,
    taken: bool,
}

impl<'d> Table<'d> {
    pub(super) fn new(
        label: String,
        at: usize,
        table: &'d DeTable<'d>,
        problems: &'d Problems<'d>,
    ) -> Self {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| Entry {
                key: At { value: key.get_ref().as_ref(), span: key.span() },
                value,
                taken: false,
            })
            .collect();
        entries.sort_by_key(|entry| entry.key.span.start);
        Table { label, at, entries, asked: Vec::new(), problems }
    }

    /// What errors call this table: `feature "txn_count_5m"`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The byte of the file at which it begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Where mistakes are recorded.
    pub fn problems(&self) -> &'d Problems<'d> {
        self.problems
    }

    /// Whether `key` is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key.value == key)
    }

    /// Whether `key` is not there, but a key that may have been meant for it.
    pub fn resembles(&self, key: &str) -> bool {
        let mut keys = self.entries.iter().map(|entry| entry.key.value);
        !self.has(key) && keys.any(|there| super::nearest(there, [key]).is_some())
    }

    /// Whether `key` is there; if not, that is recorded.
    pub fn need(&mut self, key: &str) -> bool {
        self.ask(key);
        let there = self.has(key);
        if !there {
            // A key that was probably meant is named now, and not again as unknown.
            let unasked = self.entries.iter_mut().filter(|entry| !entry.taken);
            let meant = unasked.into_iter().find(|entry| {
                super::nearest(entry.key.value, [key]).is_some()
                    && !self.asked.iter().any(|asked| asked == entry.key.value)
            });
            let (at, hint) = match meant {
                Some(entry) => {
                    entry.taken = true;
                    let hint =
                        format!("\"{}\" is unknown; did you mean \"{key}\"?", entry.key.value);
                    (entry.key.span.start, Some(hint))
                }
                None => (self.at, None),
            };
            self.problems.push(
                at,
                Some(key),
                format!("missing key \"{key}\" in {}", self.label),
                hint,
            );
        }
        there
    }

    /// Records that `key`, if it is there, does not belong here: `why`, after its name.
    pub fn refuse(&mut self, key: &str, why: &str) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.key.value == key) {
            entry.taken = true;
            let message = format!("\"{key}\" in {} {why}", self.label);
            self.problems.push(entry.key.span.start, Some(key), message, None);
        }
    }

    /// Records that `key`, if it is there, is unknown, and `hint` instead of the nearest name.
    pub fn unknown(&mut self, key: &str, hint: &str) {
        let mut unasked = self.entries.iter_mut().filter(|entry| !entry.taken);
        if let Some(entry) = unasked.find(|entry| entry.key.value == key) {
            entry.taken = true;
            let message = format!("unknown key \"{key}\" in {}", self.label);
            self.problems.push(entry.key.span.start, Some(key), message, Some(hint.into()));
        }
    }

    /// Where `key` stands in the file, if it is there.
    pub fn place(&self, key: &str) -> Option<usize> {
        let entry = self.entries.iter().find(|entry| entry.key.value == key);
        entry.map(|entry| entry.key.span.start)
    }

    /// A text.
    pub fn text(&mut self, key: &str) -> Option<At<String>> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::String(text) => {
                Some(At { value: text.clone().into_owned(), span: value.span() })
            }
            _ => self.mistyped(key, value, "a text in quotes"),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str) -> Option<At<bool>> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(At { value: *flag, span: value.span() }),
            _ => self.mistyped(key, value, "true or false"),
        }
    }

    /// A single value of any kind, as it is written.
    pub fn literal(&mut self, key: &str) -> Option<At<Literal>> {
        let value = self.take(key)?;
        match Literal::of(value.get_ref()) {
            Some(literal) => Some(At { value: literal, span: value.span() }),
            None => self.mistyped(key, value, "a single value"),
        }
    }

    /// An integer within `bounds`.
    pub fn integer(&mut self, key: &str, bounds: RangeInclusive<i64>) -> Option<At<i64>> {
        let value = self.take(key)?;
        let wanted = format!("an integer from {} to {}", bounds.start(), bounds.end());
        match value.get_ref() {
            DeValue::Integer(number) => {
                let read = i64::from_str_radix(number.as_str(), number.radix()).ok();
                match read.filter(|number| bounds.contains(number)) {
                    Some(number) => Some(At { value: number, span: value.span() }),
                    None => self.refused(key, value, &wanted, number.as_str(), None),
                }
            }
            _ => self.mistyped(key, value, &wanted),
        }
    }

    /// A number within `bounds`, with or without a fraction.
    pub fn float(&mut self, key: &str, bounds: RangeInclusive<f64>) -> Option<At<f64>> {
        let value = self.take(key)?;
        let wanted = format!("a number from {} to {}", bounds.start(), bounds.end());
        let digits = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return self.mistyped(key, value, &wanted),
        };
        match digits.parse().ok().filter(|number| bounds.contains(number)) {
            Some(number) => Some(At { value: number, span: value.span() }),
            None => self.refused(key, value, &wanted, digits, None),
        }
    }

    /// A duration within `bounds`, in milliseconds.
    pub fn duration(&mut self, key: &str, bounds: RangeInclusive<Millis>) -> Option<At<Millis>> {
        let (least, most) =
            (quantity::show_duration(*bounds.start()), quantity::show_duration(*bounds.end()));
        let wanted = format!("a duration from {least} to {most}");
        self.measured(key, &wanted, DURATION_HINT, quantity::duration, |length| {
            bounds.contains(length)
        })
    }

    /// A duration within `bounds`, in milliseconds, or the word `none`, which is inside as `None`.
    pub fn duration_or(
        &mut self,
        key: &str,
        bounds: RangeInclusive<Millis>,
        none: &str,
    ) -> Option<At<Option<Millis>>> {
        let (least, most) =
            (quantity::show_duration(*bounds.start()), quantity::show_duration(*bounds.end()));
        let wanted = format!("a duration from {least} to {most}, or \"{none}\"");
        let read = |text: &str| {
            if text == none { Some(None) } else { quantity::duration(text).map(Some) }
        };
        self.measured(key, &wanted, DURATION_HINT, read, |length| {
            length.is_none_or(|length| bounds.contains(&length))
        })
    }

    /// A size within `bounds`, in bytes.
    pub fn size(&mut self, key: &str, bounds: RangeInclusive<u64>) -> Option<At<u64>> {
        let (least, most) =
            (quantity::show_size(*bounds.start()), quantity::show_size(*bounds.end()));
        let wanted = format!("a size from {least} to {most}");
        self.measured(key, &wanted, SIZE_HINT, quantity::size, |bytes| bounds.contains(bytes))
    }

    /// One of the `names`.
    pub fn choice(&mut self, key: &str, names: &[&'static str]) -> Option<At<&'static str>> {
        let text = self.text(key)?;
        if let Some(name) = names.iter().find(|name| **name == text.value) {
            return Some(text.map(|_| *name));
        }
        let message = format!("\"{key}\" in {} cannot be \"{}\"", self.label, text.value);
        let hint = suggestion(&text.value, names.iter().copied());
        self.problems.push(text.span.start, Some(key), message, hint);
        None
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &str) -> Option<Vec<At<String>>> {
        let value = self.take(key)?;
        let DeValue::Array(array) = value.get_ref() else {
            return self.mistyped(key, value, "a list of texts, such as [\"a\", \"b\"]");
        };
        let texts: Vec<_> = array
            .iter()
            .filter_map(|element| match element.get_ref() {
                DeValue::String(text) => {
                    Some(At { value: text.clone().into_owned(), span: element.span() })
                }
                _ => self.mistyped(key, element, "a list of texts, such as [\"a\", \"b\"]"),
            })
            .collect();
        // A list with a wrong element is wrong, and that is recorded.
        (texts.len() == array.len()).then_some(texts)
    }

    /// A table; `label` is what errors call it.
    pub fn table(&mut self, key: &str, label: &str) -> Option<Table<'d>> {
        self.ask(key);
        let at = self.entries.iter().find(|entry| entry.key.value == key)?.key.span.start;
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Table::new(label.into(), at, table, self.problems)),
            _ => self.mistyped(key, value, "a table"),
        }
    }

    /// An array of tables, `[[key]]` in the file; empty when it is absent or wrong. Errors call its
    /// elements by `label` and their number from 1.
    pub fn tables(&mut self, key: &str, label: &str) -> Vec<Table<'d>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            let _: Option<()> = self.mistyped(key, value, "an array of tables");
            return Vec::new();
        };
        let numbered =
            array.iter().enumerate().filter_map(|(i, element)| match element.get_ref() {
                DeValue::Table(table) => {
                    let label = format!("{label} {}", i + 1);
                    Some(Table::new(label, element.span().start, table, self.problems))
                }
                _ => self.mistyped(key, element, "an array of tables"),
            });
        numbered.collect()
    }

    /// Whether the value of `key` is a table; for keys that may be written short as a text.
    pub fn is_table(&self, key: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.key.value == key);
        entry.is_some_and(|entry| entry.value.get_ref().is_table())
    }

    /// Whether the value of `key` is a list; for keys that take one text or several.
    pub fn is_list(&self, key: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.key.value == key);
        entry.is_some_and(|entry| entry.value.get_ref().is_array())
    }

    /// All entries that were not asked for, in the order of the file: for tables whose keys are
    /// names of the author's choice.
    pub fn named(&mut self) -> Vec<Named<'d>> {
        let problems = self.problems;
        let rest = self.entries.iter_mut().filter(|entry| !entry.taken);
        rest.map(|entry| {
            entry.taken = true;
            Named { name: entry.key.clone().map(str::to_owned), value: entry.value, problems }
        })
        .collect()
    }

    /// Ends the reading: what nobody asked for is an unknown key.
    pub fn finish(self) {
        for entry in self.entries.iter().filter(|entry| !entry.taken) {
            let key = entry.key.value;
            let message = format!("unknown key \"{key}\" in {}", self.label);
            // A key that is there already was not meant.
            let free = self.asked.iter().map(String::as_str).filter(|asked| !self.has(asked));
            let hint = match super::nearest(key, free) {
                Some(near) => Some(format!("did you mean \"{near}\"?")),
                None => suggestion(key, self.asked.iter().map(String::as_str)),
            };
            self.problems.push(entry.key.span.start, Some(key), message, hint);
        }
    }

    fn ask(&mut self, key: &str) {
        if !self.asked.iter().any(|asked| asked == key) {
            self.asked.push(key.to_owned());
        }
    }

    fn take(&mut self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.ask(key);
        let entry = self.entries.iter_mut().find(|entry| entry.key.value == key)?;
        entry.taken = true;
        Some(entry.value)
    }

    fn measured<T>(
        &mut self,
        key: &str,
        wanted: &str,
        hint: &str,
        read: impl Fn(&str) -> Option<T>,
        allowed: impl Fn(&T) -> bool,
    ) -> Option<At<T>> {
        let value = self.take(key)?;
        let DeValue::String(text) = value.get_ref() else {
            return self.mistyped_hint(key, value, wanted, Some(hint.to_owned()));
        };
        match read(text) {
            Some(read) if allowed(&read) => Some(At { value: read, span: value.span() }),
            Some(_) => self.refused(key, value, wanted, text, None),
            None => self.refused(key, value, wanted, text, Some(hint.to_owned())),
        }
    }

    fn mistyped<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) -> Option<T> {
        self.mistyped_hint(key, value, wanted, None)
    }

    fn mistyped_hint<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        wanted: &str,
        hint: Option<String>,
    ) -> Option<T> {
        let found = found(value.get_ref());
        let message = format!("\"{key}\" in {} must be {wanted}, found {found}", self.label);
        self.problems.push(value.span().start, Some(key), message, hint);
        None
    }

    fn refused<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        wanted: &str,
        found: &str,
        hint: Option<String>,
    ) -> Option<T> {
        let message = format!("\"{key}\" in {} must be {wanted}, not \"{found}\"", self.label);
        self.problems.push(value.span().start, Some(key), message, hint);
        None
    }
}
