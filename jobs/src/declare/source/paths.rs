//! Paths into a record: names of objects with dots between them, and elements of arrays.
//!
//! A path that can never find anything is a mistake, and told before a job runs: the field would be
//! null in every event, or every record that has it malformed.

use super::fields::FieldDeclared;
use crate::document::{At, Problems, Table};
use tidemark_operators::plan::path::{ELEMENT_MAX, PARTS_MAX, element, shown};
use tidemark_operators::plan::{Format, Place};

/// Reads a path into records of this format: a text is split at its dots, a list has the parts as
/// they are, and of CSV a text is the whole name of a column. Its place is that of its first part.
pub(super) fn read_path(
    table: &mut Table<'_>,
    key: &str,
    format: Format,
) -> Option<At<Vec<String>>> {
    if !table.is_list(key) {
        let text = table.text(key)?;
        let parts = path_of(&text, key, format, table)?;
        return Some(text.map(|_| parts));
    }
    let list = table.texts(key)?;
    let Some(first) = list.first() else {
        refuse(table.at(), key, "an empty list".to_owned(), table);
        return None;
    };
    let at = first.clone();
    let parts: Vec<String> = list.into_iter().map(|part| part.value).collect();
    let too_many = parts.len() > PARTS_MAX || parts.iter().any(String::is_empty);
    let wrong = match format {
        Format::Csv { .. } => parts.len() > 1,
        Format::Json | Format::Avro => too_many,
    };
    if wrong {
        refuse(at.span.start, key, format!("{parts:?}"), table);
        return None;
    }
    can_match(&at, &parts, key, format, table).then(|| at.map(|_| parts))
}

/// The parts of a path that is written as a text.
pub(super) fn path_of(
    path: &At<String>,
    key: &str,
    format: Format,
    table: &Table<'_>,
) -> Option<Vec<String>> {
    match format {
        Format::Csv { .. } if path.value.is_empty() => {
            refuse(path.span.start, key, "\"\"".to_owned(), table);
            None
        }
        Format::Csv { .. } => Some(vec![path.value.clone()]),
        Format::Json | Format::Avro => split(path, key, format, table),
    }
}

/// Splits a path into JSON; one that is none, or can never match, is recorded.
pub(in super::super) fn split_path(
    path: &At<String>,
    key: &str,
    table: &Table<'_>,
) -> Option<Vec<String>> {
    split(path, key, Format::Json, table)
}

fn split(path: &At<String>, key: &str, format: Format, table: &Table<'_>) -> Option<Vec<String>> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.value.split('.') {
        let (name, elements) = brackets(part);
        if !name.is_empty() || elements.is_empty() {
            parts.push(name.to_owned());
        }
        parts.extend(elements.into_iter().map(str::to_owned));
    }
    if parts.len() > PARTS_MAX || parts.iter().any(String::is_empty) {
        refuse(path.span.start, key, format!("\"{}\"", path.value), table);
        return None;
    }
    (can_match(path, &parts, key, format, table) && is_as_meant(path, &parts, key, table))
        .then_some(parts)
}

fn refuse(at: usize, key: &str, found: String, table: &Table<'_>) {
    let message = format!("\"{key}\" in {} is no path to a field: {found}", table.label());
    let hint = format!(
        "write names with dots between them, at most {PARTS_MAX}, as in \"data.source_ip\""
    );
    table.problems().push(at, Some(key), message, Some(hint));
}

/// Records that a path can never match, and why.
fn never(
    path: &At<String>,
    parts: &[String],
    key: &str,
    table: &Table<'_>,
    why: &str,
    hint: String,
) {
    let (label, parts) = (table.label(), shown(parts));
    let message = format!("\"{key}\" in {label} can never match: \"{parts}\" {why}");
    table.problems().push(path.span.start, Some(key), message, Some(hint));
}

/// Whether records of the format can have the path; if not, that is recorded.
fn can_match(
    path: &At<String>,
    parts: &[String],
    key: &str,
    format: Format,
    table: &Table<'_>,
) -> bool {
    if parts.first().is_some_and(|first| element(first).is_some()) {
        let hint = "a record is an object: begin with one of its names".to_owned();
        never(path, parts, key, table, "begins with an element of an array", hint);
        return false;
    }
    if format == Format::Avro && parts.iter().any(|part| element(part).is_some()) {
        let hint = "let the producer write the value outside of the array".to_owned();
        let why = "names an element of an array, and of Avro records none are read";
        never(path, parts, key, table, why, hint);
        return false;
    }
    true
}

/// Whether a path that was written as a text means what it says; if not, that is recorded.
fn is_as_meant(path: &At<String>, parts: &[String], key: &str, table: &Table<'_>) -> bool {
    let problems = table.problems();
    if parts.iter().any(|part| is_unread_element(part)) {
        let hint = format!(
            "write the number of an element, as in \"items[0].price\", or as in \"items[-1]\" from the \
             end, at most {ELEMENT_MAX}"
        );
        let why = "names elements of an array in a way that is not read";
        never(path, parts, key, table, why, hint);
        return false;
    }
    if parts.len() > 1 && parts.first().is_some_and(|first| first == "$") {
        let rest = path.value.get(2..).unwrap_or_default();
        let hint = format!("paths begin at the record itself: write \"{rest}\"");
        never(path, parts, key, table, "begins at a name \"$\"", hint);
        return false;
    }
    if let Some(number) = parts.iter().skip(1).find(|part| is_number(part)) {
        let message = format!(
            "\"{key}\" in {} reads what an object has under the name \"{number}\"; an element of an \
             array is written \"[{number}]\"",
            table.label()
        );
        problems.note(path.span.start, Some(key), message, None);
    }
    true
}

/// A part of a path, and the elements that are named behind it: `items[0][1]`.
fn brackets(part: &str) -> (&str, Vec<&str>) {
    let (mut name, mut elements) = (part, Vec::new());
    while let Some(at) = name.rfind('[') {
        let Some(last) = name.get(at..).filter(|last| element(last).is_some()) else { break };
        elements.insert(0, last);
        name = name.get(..at).unwrap_or_default();
    }
    (name, elements)
}

/// `items[*]`, `items[]`, `["a"]`, `[1000]`: as other languages write elements, or too far away.
fn is_unread_element(part: &str) -> bool {
    let Some((_, index)) = part.rsplit_once('[') else { return false };
    let Some(index) = index.strip_suffix(']') else { return false };
    element(part).is_none()
        && (index.is_empty()
            || index == "*"
            || is_number(index)
            || index.starts_with(['"', '\'', '?', '-']))
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

/// What reads the times of a source, and its fields.
pub(super) fn readers<'a>(fields: &'a [FieldDeclared], times: Vec<Reader<'a>>) -> Vec<Reader<'a>> {
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
    readers
}

/// Records paths that lead through what is read as a value: a record has a value there or an object,
/// so one of the two never finds anything.
pub(super) fn refuse_below_values(readers: &[Reader<'_>], problems: &Problems<'_>) {
    // The paths above each: few parts each, so that many fields cost little.
    let mut values = std::collections::HashMap::new();
    for reader in readers {
        values.entry((reader.place == &Place::Value, reader.path)).or_insert(&reader.what);
    }
    for reader in readers.iter().filter(|reader| reader.path.len() > 1) {
        let above = (1..reader.path.len()).filter_map(|parts| reader.path.get(..parts));
        for above in above {
            let within = (reader.place == &Place::Value, above);
            let Some(value) = values.get(&within) else { continue };
            let (path, above) = (shown(reader.path), shown(above));
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
    use super::*;

    #[test]
    fn elements_of_arrays_are_told_from_names_with_brackets() {
        for (part, name, elements) in [
            ("items", "items", &[][..]),
            ("items[0]", "items", &["[0]"]),
            ("a[0][-1]", "a", &["[0]", "[-1]"]),
            ("[2]", "", &["[2]"]),
            ("a[b]", "a[b]", &[]),
            ("a[", "a[", &[]),
            ("a[0]b", "a[0]b", &[]),
            ("a[*][0]", "a[*]", &["[0]"]),
            ("a[1000]", "a[1000]", &[]),
        ] {
            assert_eq!(brackets(part), (name, elements.to_vec()));
        }
        for part in ["items[*]", "items[]", "a[\"b\"]", "a[-x]", "a[1000]", "[00]", "a[?x]"] {
            assert!(is_unread_element(part), "{part}");
        }
        for name in ["items", "a[b]", "a[", "a]", "0", "a[0]b", "[0]", "[-1]"] {
            assert!(!is_unread_element(name), "{name}");
        }
    }
}
