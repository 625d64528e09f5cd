//! The table of entities, their features, and why each is shown.

use crate::screen::keys::Foreground;
use crate::screen::model::{Look, Model};
use crate::screen::{ShownEntity, values};
use crate::text::count_text;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState};
use tidemark_operators::value::Value;

/// The narrowest column of values.
const COLUMN_MIN: u16 = 8;
/// The widest column of values and of ids.
const COLUMN_MAX: u16 = 18;
/// Space between columns.
const GAP: u16 = 1;
/// The width of the reasons and of a space before them: of brief ones, of full ones at most.
const GROUNDS: (u16, u16) = (26, 52);
/// The width of a table with the latter.
const FULL_FROM: u16 = 110;

pub(super) const DIM: Style = Style::new().fg(Color::DarkGray);

/// Draws the table over `area`: as many features and rows as fit.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let state = &model.state;
    let rows: Vec<&ShownEntity> = model.rows().collect();
    let is_full = area.width >= FULL_FROM;
    let grounds = rows.iter().filter_map(|row| row.grounds.as_ref());
    let longest = grounds.map(|g| g.full.chars().count() + 1).max();
    let has_grounds = longest.is_some();
    let grounds_width = match longest {
        None => 0,
        Some(_) if !is_full => GROUNDS.0,
        Some(longest) => u16::try_from(longest).unwrap_or(GROUNDS.1).clamp(GROUNDS.0, GROUNDS.1),
    };
    let ids = rows.iter().map(|row| row.id.chars().count()).max().unwrap_or(0);
    let id_width = u16::try_from(ids).unwrap_or(COLUMN_MAX).clamp(COLUMN_MIN, COLUMN_MAX);
    let inner = area.width.saturating_sub(2);
    let taken = id_width + if has_grounds { grounds_width + GAP } else { 0 };
    let widths = fitting(model, inner.saturating_sub(taken));
    let block = block(model, rows.len(), widths.len());
    if rows.is_empty() {
        return frame.render_widget(Paragraph::new(nobody(model)).style(DIM).block(block), area);
    }
    let first = model.first();
    let head = |text: Text<'static>| Cell::from(text).style(DIM);
    let entity = Text::from(vec![Line::from(""), Line::from(state.entity.clone())]);
    let names = state.features.iter().enumerate().skip(first).take(widths.len());
    let names = names.map(|(at, name)| {
        let lines = heading(name);
        let style = if at == model.wishes.sort { BOLD } else { DIM };
        Cell::from(Text::from(lines).right_aligned()).style(style)
    });
    let why = has_grounds.then(|| head(Text::from(vec![Line::from(""), Line::from(" why")])));
    let header = std::iter::once(head(entity)).chain(names).chain(why);
    let lines = rows.iter().map(|row| {
        let shown = row.values.iter().enumerate().skip(first).take(widths.len());
        let cells = shown.map(|(column, value)| {
            let text = Text::from(values::shown(value)).right_aligned();
            Cell::from(text).style(style(value, model.look(&row.id, column)))
        });
        let grounds = row.grounds.as_ref().map(|g| if is_full { &g.full } else { &g.brief });
        let why =
            has_grounds.then(|| Cell::from(grounds.map(|g| format!(" {g}")).unwrap_or_default()));
        Row::new(std::iter::once(Cell::from(row.id.clone())).chain(cells).chain(why))
    });
    let constraints = std::iter::once(id_width).chain(widths.iter().copied());
    let constraints = constraints.map(Constraint::Length);
    let constraints = constraints.chain(has_grounds.then_some(Constraint::Min(grounds_width)));
    let table = Table::new(lines, constraints)
        .header(Row::new(header).height(2))
        .column_spacing(GAP)
        .row_highlight_style(Style::new().add_modifier(Modifier::UNDERLINED))
        .block(block);
    let mut chosen = TableState::default().with_selected(Some(model.chosen_place()));
    frame.render_stateful_widget(table, area, &mut chosen);
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Who is shown, in which order, and which features.
fn block(model: &Model, rows: usize, columns: usize) -> Block<'static> {
    let (state, wishes) = (&model.state, &model.wishes);
    let count = count_text(u64::try_from(state.shown_of).unwrap_or(u64::MAX));
    let mut title = match wishes.everybody {
        true => format!(" Any {} with new events", state.entity),
        false => format!(" {}: {count}", state.title),
    };
    if let Some(feature) = state.features.get(wishes.sort) {
        let way = if wishes.ascending { "\u{25b2}" } else { "\u{25bc}" };
        title.push_str(&format!(", by {feature} {way}"));
    }
    if wishes.foreground == Foreground::Search || !wishes.search.is_empty() {
        title.push_str(&format!("  /{}", wishes.search));
    }
    title.push(' ');
    let block = Block::bordered().title(title).title_style(BOLD).border_style(DIM);
    let (first, all) = (model.first(), state.features.len());
    if rows == 0 || columns >= all {
        return block;
    }
    let range = format!(" features {} to {} of {all} ", first + 1, first + columns);
    block.title_bottom(Line::from(range).right_aligned())
}

/// What is said when there is no row.
fn nobody(model: &Model) -> String {
    let (state, wishes) = (&model.state, &model.wishes);
    if !wishes.search.is_empty() {
        return format!(
            "no {} here has \"{}\" in its id; Enter looks for it among all",
            state.entity, wishes.search
        );
    }
    match state.past_percent {
        Some(_) => "the past is being played, to fill the windows; then it is live".to_owned(),
        None => state.nobody.clone(),
    }
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

/// How a value looks.
pub(super) fn style(value: &Value, look: Look) -> Style {
    match look {
        Look::Still if values::is_empty(value) => DIM,
        look => colour(look),
    }
}

/// How values look that moved in this way.
pub(super) fn colour(look: Look) -> Style {
    match look {
        Look::Rose => Style::new().fg(Color::LightGreen).add_modifier(Modifier::BOLD),
        Look::Fell => Style::new().fg(Color::Yellow),
        Look::Decayed => Style::new().fg(Color::Cyan),
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
