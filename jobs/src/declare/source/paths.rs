//! Paths into a record: names of objects with dots between them.
//!
//! A path that can never find anything is a mistake, and told before a job runs: the field would be
//! null in every event, or every record that has it malformed.

use super::fields::FieldDeclared;
use crate::document::{At, Problems, Table};
use tidemark_operators::plan::Place;

/// The most parts of a path.
const PARTS_MAX: usize = 16;

/// Splits a path; one that is none, or can never match, is recorded.
pub(in super::super) fn split_path(
    path: &At<String>,
    key: &str,
    table: &Table<'_>,
) -> Option<Vec<String>> {
    let parts: Vec<String> = path.value.split('.').map(str::to_owned).collect();
    let problems = table.problems();
    if parts.len() > PARTS_MAX || parts.iter().any(String::is_empty) {
        let message =
            format!("\"{key}\" in {} is no path to a field: \"{}\"", table.label(), path.value);
        let hint = format!(
            "write names with dots between them, at most {PARTS_MAX}, as in \"data.source_ip\""
        );
        problems.push(path.span.start, Some(key), message, Some(hint));
        return None;
    }
    if parts.iter().any(|part| is_element(part)) {
        let message = format!(
            "\"{key}\" in {} can never match: \"{}\" names an element of an array, and no elements \
             of arrays are read",
            table.label(),
            path.value
        );
        let hint = "a path is names of objects with dots between them: let the producer write the \
                    value outside of the array, or one record for each element"
            .to_owned();
        problems.push(path.span.start, Some(key), message, Some(hint));
        return None;
    }
    if parts.len() > 1 && parts.first().is_some_and(|first| first == "$") {
        let message = format!(
            "\"{key}\" in {} can never match: \"{}\" begins at a name \"$\"",
            table.label(),
            path.value
        );
        let rest = path.value.get(2..).unwrap_or_default();
        let hint = format!("paths begin at the record itself: write \"{rest}\"");
        problems.push(path.span.start, Some(key), message, Some(hint));
        return None;
    }
    if let Some(number) = parts.iter().skip(1).find(|part| is_number(part)) {
        let message = format!(
            "\"{key}\" in {} reads what an object has under the name \"{number}\"; no elements of \
             arrays are read",
            table.label()
        );
        problems.note(path.span.start, Some(key), message, None);
    }
    Some(parts)
}

/// `items[0]`, `items[*]`, `items[]`, `["a"]`: as other languages write elements.
fn is_element(part: &str) -> bool {
    let Some((_, index)) = part.rsplit_once('[') else { return false };
    let Some(index) = index.strip_suffix(']') else { return false };
    index.is_empty() || index == "*" || is_number(index) || index.starts_with(['"', '\'', '?', '-'])
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Something that reads a value at a path.
pub(super) struct Reader<'a> {
    /// What it is, as messages call it.
    pub(super) what: String,
    /// The key that is wrong when the path is.
    pub(super) key: &'static str,
    pub(super) place: &'a Place,
    pub(super) path: &'a [String],
    /// Where in the file.
    pub(super) at: usize,
}

/// Records paths that lead through what is read as a value: a record has a value there or an object,
/// so one of the two never finds anything.
pub(super) fn refuse_below_values(
    fields: &[FieldDeclared],
    times: Vec<Reader<'_>>,
    problems: &Problems<'_>,
) {
    let mut readers = times;
    for field in fields {
        readers.extend(field.paths().zip(&field.at).enumerate().map(|(nth, (path, at))| Reader {
            what: format!("field \"{}\"", field.name),
            key: if nth == 0 { "path" } else { "aliases" },
            place: &field.place,
            path,
            at: *at,
        }));
    }
    // The paths above each: few parts each, so that many fields cost little.
    let mut values = std::collections::HashMap::new();
    for reader in &readers {
        values.entry((reader.place == &Place::Value, reader.path)).or_insert(&reader.what);
    }
    for reader in readers.iter().filter(|reader| reader.path.len() > 1) {
        let above = (1..reader.path.len()).filter_map(|parts| reader.path.get(..parts));
        for above in above {
            let within = (reader.place == &Place::Value, above);
            let Some(value) = values.get(&within) else { continue };
            let (path, above) = (reader.path.join("."), above.join("."));
            let message = format!(
                "{} can never match: \"{path}\" leads through \"{above}\", which {value} reads as \
                 a value",
                reader.what
            );
            let hint = format!(
                "a record has a value at \"{above}\" or an object: leave out the one that yours do \
                 not have"
            );
            problems.push(reader.at, Some(reader.key), message, Some(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_element;

    #[test]
    fn elements_of_arrays_are_told_from_names_with_brackets() {
        for element in ["items[0]", "items[*]", "items[]", "[0]", "a[\"b\"]", "a[-1]", "a[0][1]"] {
            assert!(is_element(element), "{element}");
        }
        for name in ["items", "a[b]", "a[", "a]", "0", "a[0]b"] {
            assert!(!is_element(name), "{name}");
        }
    }
}
