//! Markdown that shows texts as they are, whatever is in them.

/// A text as prose on one line: nothing in it is markup.
pub(super) fn prose(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(line.len() + 8);
    for (at, c) in line.char_indices() {
        let opens_a_block = match c {
            '#' | '+' | '-' | '=' | '>' => at == 0,
            '.' | ')' => at > 0 && line.bytes().take(at).all(|byte| byte.is_ascii_digit()),
            _ => false,
        };
        let marks_up =
            matches!(c, '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$');
        // An underscore inside of a word is none but itself.
        let emphasises = c == '_' && !within_a_word(&line, at);
        if opens_a_block || marks_up || emphasises {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn within_a_word(line: &str, at: usize) -> bool {
    let before = line.get(..at).and_then(|text| text.chars().next_back());
    let after = line.get(at + 1..).and_then(|text| text.chars().next());
    let of_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    // At the ends of a run of underscores a letter stands on one side only.
    of_word(before) && of_word(after)
}

/// A text as code on one line.
pub(super) fn code(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return String::new();
    }
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // A space is taken off at both ends where a backtick would touch the fence.
    let pad = if line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// Several names as code, with commas.
pub(super) fn codes<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(code).collect::<Vec<_>>().join(", ")
}

/// A paragraph, if there is any text: its lines end where the text's paragraphs do.
pub(super) fn paragraph(text: &str) -> String {
    let line = prose(text);
    if line.is_empty() { line } else { format!("{}\n\n", sentence(&line)) }
}

/// A text with a capital letter at its beginning and a full stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

/// A table. Cells are Markdown; a bar in one, which code may have, does not end it.
pub(super) struct Rows {
    out: String,
    columns: usize,
}

impl Rows {
    pub(super) fn new(heads: &[&str]) -> Rows {
        let mut rows = Rows { out: String::new(), columns: heads.len() };
        rows.push(heads.iter().map(|head| (*head).to_owned()));
        rows.push(heads.iter().map(|_| "---".to_owned()));
        rows
    }

    /// Adds a row of as many cells as there are columns.
    pub(super) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        for cell in cells.into_iter().take(self.columns) {
            self.out.push_str("| ");
            self.out.push_str(&barred(&cell));
            self.out.push(' ');
        }
        self.out.push_str("|\n");
    }

    pub(super) fn finish(self) -> String {
        format!("{}\n", self.out)
    }
}

/// With every bar escaped that is not yet.
fn barred(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len());
    let mut escaped = false;
    for c in cell.chars() {
        if c == '|' && !escaped {
            out.push('\\');
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Rows, code, prose};

    #[test]
    fn prose_is_never_markup() {
        for (text, expected) in [
            ("a  b\n c", "a b c"),
            ("<script>alert(1)</script>", r"\<script\>alert(1)\</script\>"),
            ("[x](http://y)", r"\[x\](http://y)"),
            ("# no heading", r"\# no heading"),
            ("- no item", r"\- no item"),
            ("1. no item", r"1\. no item"),
            ("*a* _b_ c_d", r"\*a\* \_b\_ c_d"),
            ("a|b & c`d", r"a\|b \& c\`d"),
        ] {
            assert_eq!(prose(text), expected);
        }
    }

    #[test]
    fn code_has_a_fence_longer_than_what_is_in_it() {
        assert_eq!(code("a = \"b\""), "`a = \"b\"`");
        assert_eq!(code("a ` b"), "``a ` b``");
        assert_eq!(code("`"), "`` ` ``");
    }

    #[test]
    fn a_bar_does_not_end_a_cell() {
        let mut rows = Rows::new(&["a"]);
        rows.push([code("x | y")]);
        rows.push([prose("x | y")]);
        assert_eq!(rows.finish(), "| a |\n| --- |\n| `x \\| y` |\n| x \\| y |\n\n");
    }
}
