//! Texts as JSON strings, for targets whose input is a text in a record.

use std::fmt::Write as _;

/// A JSON string.
pub fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\0'..='\x1f' => write!(json, "\\u{:04x}", u32::from(c)).expect("a text"),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
