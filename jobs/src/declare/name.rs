//! Names that a job file gives.

use crate::document::{At, Problems};

/// The most characters a name may have.
const NAME_CHARS_MAX: usize = 64;

/// Words of the expression language, which cannot be names.
const WORDS: [&str; 9] = ["and", "or", "not", "in", "if", "then", "else", "true", "false"];

/// Whether `name` can be a name; if not, that is recorded. Errors call it a `what` (`field`).
pub(super) fn check(name: &At<String>, what: &str, problems: &Problems<'_>) -> bool {
    let text = &name.value;
    let mut chars = text.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let why = if !starts || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        "is not a name: use letters a to z, digits and _, not starting with a digit".to_owned()
    } else if text.len() > NAME_CHARS_MAX {
        format!("is longer than {NAME_CHARS_MAX} characters")
    } else if WORDS.contains(&text.as_str()) || text == "null" {
        "is a word of the expression language".to_owned()
    } else {
        return true;
    };
    let shown: String = text.chars().take(NAME_CHARS_MAX).collect();
    problems.wrong(name, format!("{what} \"{}\" {why}", shown.escape_debug()), None);
    false
}
