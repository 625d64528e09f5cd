//! What keys and colours mean.

use crate::screen::model::{Look, Model};
use crate::screen::table;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

const KEYS: [(&str, &str); 10] = [
    ("\u{2191} \u{2193}", "choose a row"),
    ("Enter", "its page: its row, its events, when each leaves which window"),
    ("s", "sort by the next column"),
    ("r", "the other way round"),
    ("/", "search an id; Enter opens its page, whether it is in the table or not"),
    ("a", "everybody with new events, or only those with a reason"),
    ("\u{2190} \u{2192}", "more features"),
    ("Esc", "back"),
    ("?", "this"),
    ("q", "quit"),
];

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let key = |(key, what): &(&'static str, &'static str)| {
        Line::from(vec![Span::styled(format!(" {key:<7}"), bold), Span::raw(*what)])
    };
    let colour = |name: &'static str, look, what: &'static str| {
        Line::from(vec![Span::styled(format!(" {name:<9}"), table::colour(look)), Span::raw(what)])
    };
    let mut lines: Vec<Line<'_>> = KEYS.iter().map(key).collect();
    lines.extend([
        Line::raw(""),
        colour("rose", Look::Rose, "an event of this one raised the value"),
        colour("fell", Look::Fell, "an event of this one lowered it, such as an average"),
        colour("by time", Look::Decayed, "no event did it: something left a window, or passed"),
    ]);
    if let Some(row) = model.chosen() {
        lines.push(Line::raw(""));
        lines.push(Line::raw(" The row of the chosen one, from another terminal:"));
        lines.push(Line::raw(format!("   {}", row.command)));
    }
    let block =
        Block::bordered().title(" Keys and colours ").title_style(bold).border_style(table::DIM);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
