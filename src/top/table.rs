//! Columns of text.

use crate::text::printable;

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
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(safe).collect()).collect();
    let named: Vec<String> =
        heads.iter().map(|head| head.trim_start_matches('>').to_uppercase()).collect();
    let all = || std::iter::once(&named).chain(&rows);
    let width = |at: usize| {
        all().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(heads).enumerate().map(|(at, (cell, head))| {
            let width = width(at);
            if head.starts_with('>') {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}
