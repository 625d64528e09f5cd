//! The columns of a spine, and what their values are.

use super::record::ExampleValue;
use std::collections::HashMap;
use tidemark_operators::ingest::decode::csv::COLUMNS_MAX;

/// What all values of a column are, those that are nothing aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Whole numbers of 64 bits.
    Int,
    /// Numbers.
    Double,
    /// True or false.
    Bool,
    /// Anything else.
    Text,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleColumn {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub ty: ColumnType,
}

/// What has been seen of a column.
#[derive(Clone, Debug, Default)]
struct SeenColumn {
    name: String,
    numbers: bool,
    fractions: bool,
    /// A whole number that a double does not hold to the last digit, or one of more than 64 bits.
    long: bool,
    bools: bool,
    others: bool,
    /// Some value was a text, which may read as a number.
    texts: bool,
    /// Texts stay texts: what reads as a number would be another id.
    ids: bool,
}

impl SeenColumn {
    fn see(&mut self, value: &ExampleValue<'_>) {
        match value {
            ExampleValue::Null => {}
            ExampleValue::Number(text) => self.see_number(text),
            ExampleValue::Bool(_) => self.bools = true,
            ExampleValue::Nested(_) => self.others = true,
            ExampleValue::Text(text) => {
                self.texts = true;
                match (&**text, is_number(text)) {
                    _ if self.others => {}
                    ("true" | "false", _) => self.bools = true,
                    (text, true) => self.see_number(text),
                    _ => self.others = true,
                }
            }
        }
    }

    fn see_number(&mut self, text: &str) {
        self.numbers = true;
        match text.parse::<i64>() {
            Ok(number) => self.long |= number.unsigned_abs() > DOUBLE_WHOLE_MAX,
            Err(_) => {
                self.fractions = true;
                self.long |= is_whole(text);
            }
        }
    }

    fn ty(&self) -> ColumnType {
        match (self.numbers, self.bools) {
            _ if self.others || self.ids && self.texts => ColumnType::Text,
            // Ids, which differ in their last digits.
            (true, false) if self.fractions && self.long => ColumnType::Text,
            (true, false) if self.fractions => ColumnType::Double,
            (true, false) => ColumnType::Int,
            (false, true) => ColumnType::Bool,
            _ => ColumnType::Text,
        }
    }
}

/// Doubles tell whole numbers apart up to here.
const DOUBLE_WHOLE_MAX: u64 = 1 << 53;

/// Whether a number is written as a whole one.
fn is_whole(number: &str) -> bool {
    number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// Whether a text is a number as JSON writes them: `007` and `+1` are none, and stay as they are.
pub(crate) fn is_number(text: &str) -> bool {
    let (first, last) = (text.as_bytes().first(), text.as_bytes().last());
    // What stands around a number is none of it: a newline in a cell would be one in the row.
    first.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
        && last.is_some_and(u8::is_ascii_digit)
        && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// The columns seen so far.
#[derive(Debug, Default)]
pub(super) struct ColumnSurvey {
    columns: Vec<SeenColumn>,
    places: HashMap<String, usize>,
}

impl ColumnSurvey {
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The texts of a column are ids.
    pub fn has_ids(&mut self, column: usize) {
        if let Some(column) = self.columns.get_mut(column) {
            column.ids = true;
        }
    }

    /// Makes columns of these names: those of a header, which are not too many.
    pub fn name(&mut self, names: &[String]) {
        for name in names {
            self.place(name);
        }
    }

    /// Where the column of this name is, which is made if need be; `None`: there are too many.
    fn place(&mut self, name: &str) -> Option<usize> {
        if let Some(place) = self.find(name) {
            return Some(place);
        }
        let place = self.columns.len();
        if place >= COLUMNS_MAX {
            return None;
        }
        self.columns.push(SeenColumn { name: name.to_owned(), ..SeenColumn::default() });
        self.places.insert(name.to_owned(), place);
        Some(place)
    }

    /// Takes note of the value `at` of a row; says where its column is, and whether it is new.
    pub fn see(
        &mut self,
        at: usize,
        name: &str,
        value: &ExampleValue<'_>,
    ) -> Option<(usize, bool)> {
        // Rows are mostly alike.
        let likely = self.columns.get(at).is_some_and(|column| column.name == name);
        let known = self.columns.len();
        let place = if likely { at } else { self.place(name)? };
        self.columns.get_mut(place)?.see(value);
        Some((place, self.columns.len() > known))
    }

    pub fn finish(self) -> Vec<ExampleColumn> {
        let column = |seen: SeenColumn| {
            let ty = seen.ty();
            ExampleColumn { name: seen.name, ty }
        };
        self.columns.into_iter().map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn ty(cells: &[&str]) -> ColumnType {
        let mut survey = ColumnSurvey::default();
        for cell in cells {
            let value = ExampleValue::Text(Cow::Borrowed(*cell));
            survey.see(0, "c", if cell.is_empty() { &ExampleValue::Null } else { &value });
        }
        survey.finish()[0].ty
    }

    #[test]
    fn a_column_is_what_all_its_values_are() {
        assert_eq!(ty(&["1", "", "-7"]), ColumnType::Int);
        assert_eq!(ty(&["1", "2.50"]), ColumnType::Double);
        assert_eq!(ty(&["9007199254740993"]), ColumnType::Int);
        // No double tells these from their neighbours.
        assert_eq!(ty(&["9223372036854775808"]), ColumnType::Text);
        assert_eq!(ty(&["9007199254740993", "1.5"]), ColumnType::Text);
        assert_eq!(ty(&["9007199254740992", "1e300"]), ColumnType::Double);
        assert_eq!(ty(&["true", "", "false"]), ColumnType::Bool);
        for texts in [&["1", "x"][..], &["007"], &["true", "1"], &[""], &["+1"], &["0x1"]] {
            assert_eq!(ty(texts), ColumnType::Text, "{texts:?}");
        }
    }

    #[test]
    fn ids_that_were_texts_stay_texts_and_those_that_were_numbers_stay_numbers() {
        let mut survey = ColumnSurvey::default();
        let text = |text: &'static str| ExampleValue::Text(Cow::Borrowed(text));
        for (a, b, c) in [("7.10", "7", "12e5"), ("8", "1", "true")] {
            survey.see(0, "card", &text(a));
            survey.see(1, "label", &text(b));
            survey.see(2, "user", &ExampleValue::Number("12"));
            survey.see(3, "device", &text(c));
        }
        [0, 2, 3].into_iter().for_each(|ids| survey.has_ids(ids));
        let types: Vec<_> = survey.finish().into_iter().map(|column| column.ty).collect();
        assert_eq!(types, [ColumnType::Text, ColumnType::Int, ColumnType::Int, ColumnType::Text]);
    }
}
