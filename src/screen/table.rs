//! The table of entities and their features.

use crate::screen::model::{Look, Model};
use crate::screen::values;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Cell, Row, Table};
use tidemark_operators::value::Value;

/// The narrowest column of values.
const COLUMN_MIN: u16 = 8;
/// The widest column of values and of ids.
const COLUMN_MAX: u16 = 18;
/// Space between columns.
const GAP: u16 = 2;

/// Draws the table over `area`: as many features and rows as fit.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let state = &model.state;
    let title = format!(" Hottest {}s, as of now ", state.entity);
    let mut block = Block::bordered()
        .title(title)
        .title_style(Style::new().add_modifier(Modifier::BOLD))
        .border_style(Style::new().fg(Color::DarkGray));
    let inner = block.inner(area);
    let ids = state.hottest.iter().map(|row| row.id.chars().count()).max().unwrap_or(0);
    let id_width = u16::try_from(ids).unwrap_or(COLUMN_MAX).clamp(COLUMN_MIN, COLUMN_MAX);
    let widths = fitting(model, inner.width.saturating_sub(id_width));
    let (first, all) = (model.first(), state.features.len());
    if widths.len() < all {
        let range = format!(" features {} to {} of {all} ", first + 1, first + widths.len());
        block = block.title(Line::from(range).right_aligned());
    }
    let head = |text: Text<'static>| Cell::from(text).style(Style::new().fg(Color::DarkGray));
    let entity = Text::from(vec![Line::from(""), Line::from(state.entity.clone())]);
    let names = state.features.iter().skip(first).take(widths.len());
    let header = std::iter::once(head(entity))
        .chain(names.map(|name| head(Text::from(heading(name)).right_aligned())));
    let rows = state.hottest.iter().map(|row| {
        let shown = row.values.iter().enumerate().skip(first).take(widths.len());
        let cells = shown.map(|(column, value)| {
            let text = Text::from(values::shown(value)).right_aligned();
            Cell::from(text).style(style(value, model.look(&row.id, column)))
        });
        Row::new(std::iter::once(Cell::from(row.id.clone())).chain(cells))
    });
    let constraints =
        std::iter::once(id_width).chain(widths.iter().copied()).map(Constraint::Length);
    let table = Table::new(rows, constraints)
        .header(Row::new(header).height(2))
        .column_spacing(GAP)
        .block(block);
    frame.render_widget(table, area);
}

/// A name on two lines: `txn_count` over `5m`.
fn heading(name: &str) -> Vec<Line<'static>> {
    let (first, second) = match name.rsplit_once('_') {
        Some((head, tail)) if name.len() > usize::from(COLUMN_MIN) => halves(name, head, tail),
        _ => ("", name),
    };
    vec![Line::from(first.to_owned()), Line::from(second.to_owned())]
}

/// Splits at the last underscore for a window (`5m`), else at the one nearest the middle.
fn halves<'a>(name: &'a str, head: &'a str, tail: &'a str) -> (&'a str, &'a str) {
    if tail.starts_with(|c: char| c.is_ascii_digit()) {
        return (head, tail);
    }
    let middle = name.len() / 2;
    let nearest = name.match_indices('_').min_by_key(|(at, _)| at.abs_diff(middle));
    match nearest.and_then(|(at, _)| Some((name.get(..at)?, name.get(at + 1..)?))) {
        Some(halves) => halves,
        None => (head, tail),
    }
}

/// The widths of the first features, as many as fit in `room`.
fn fitting(model: &Model, room: u16) -> Vec<u16> {
    let mut widths = Vec::new();
    let mut used: u16 = 0;
    for name in model.state.features.iter().skip(model.first()) {
        let widest = heading(name).iter().map(Line::width).max().unwrap_or(0);
        let width = u16::try_from(widest).unwrap_or(COLUMN_MAX).clamp(COLUMN_MIN, COLUMN_MAX);
        used = used.saturating_add(width + GAP);
        if used > room {
            break;
        }
        widths.push(width);
    }
    widths
}

fn style(value: &Value, look: Look) -> Style {
    match look {
        Look::Rose => Style::new().fg(Color::LightGreen).add_modifier(Modifier::BOLD),
        Look::Fell => Style::new().fg(Color::Cyan).add_modifier(Modifier::DIM),
        Look::Still if values::is_empty(value) => Style::new().fg(Color::DarkGray),
        Look::Still if *value == Value::Bool(true) => Style::new().fg(Color::LightRed),
        Look::Still => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_split_at_their_window_or_in_the_middle() {
        let texts = |name| heading(name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts("txn_count_5m"), ["txn_count", "5m"]);
        assert_eq!(texts("high_risk_txn_ratio"), ["high_risk", "txn_ratio"]);
        assert_eq!(texts("fail_60s"), ["", "fail_60s"]);
        assert_eq!(texts("velocityscore"), ["", "velocityscore"]);
    }
}
