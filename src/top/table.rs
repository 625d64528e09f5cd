//! Columns of text.

use crate::text::{columns, printable};

/// Characters of a cell at most.
const CELL_MAX: usize = 60;

/// Text from records, for a terminal: nothing in it does anything, and it ends.
pub(super) fn safe(text: &str, most: usize) -> String {
    let shown = printable(text);
    if shown.chars().count() <= most {
        return shown.into_owned();
    }
    let mut cut: String = shown.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Rows under their heads: a head that begins with `>` has its column at the right.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let safe = |cell: &String| safe(cell, CELL_MAX);
    let named = heads.iter().map(|head| head.trim_start_matches('>').to_uppercase()).collect();
    let rows = rows.iter().map(|row| row.iter().map(safe).collect());
    let lines: Vec<Vec<String>> = std::iter::once(named).chain(rows).collect();
    let right: Vec<bool> = heads.iter().map(|head| head.starts_with('>')).collect();
    columns(&lines, &right)
}
