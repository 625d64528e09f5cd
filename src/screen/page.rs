//! The page of one entity: its row, and its events with the time each stays in each window.

use crate::screen::model::{Look, Model};
use crate::screen::{EntityPage, PageEvent, table, values};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};

/// The width of a name and a value.
const PAIR: u16 = 37;
/// The height of the events at least, with their frame and head.
const EVENT_LINES: u16 = 8;
/// The width of a window's column.
const WINDOW: u16 = 8;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws it over `area`.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let Some(page) = &model.state.page else { return };
    if !page.known {
        let text = format!("no row of {}: no event of it is in any window", page.entity.id);
        let block = bordered(format!(" {} ", page.entity.id));
        return frame.render_widget(Paragraph::new(text).block(block), area);
    }
    let columns = usize::from((area.width.saturating_sub(2) / PAIR).max(1));
    let all = page.entity.values.len();
    let most = usize::from(area.height.saturating_sub(EVENT_LINES + 2)).max(1);
    let lines = all.div_ceil(columns).min(most);
    let height = u16::try_from(lines + 2).unwrap_or(area.height);
    let [row, events] =
        Layout::vertical([Constraint::Length(height), Constraint::Min(0)]).areas(area);
    draw_row(frame, row, model, page, (lines, columns));
    draw_events(frame, events, model, page);
}

fn bordered(title: String) -> Block<'static> {
    Block::bordered().title(title).title_style(BOLD).border_style(table::DIM)
}

fn draw_row(
    frame: &mut Frame<'_>,
    area: Rect,
    model: &Model,
    page: &EntityPage,
    (lines, columns): (usize, usize),
) {
    let entity = &page.entity;
    let grounds = entity.grounds.as_ref().map(|g| format!("{} ", g.full)).unwrap_or_default();
    let gap = if grounds.is_empty() { "" } else { ": " };
    let mut block = bordered(format!(" {}{gap}{grounds}", entity.id));
    let (shown, all) = ((lines * columns).min(entity.values.len()), entity.values.len());
    if shown < all {
        let rest = format!(" {shown} of {all} features; all of them in a higher terminal ");
        block = block.title_bottom(Line::from(rest).right_aligned());
    }
    let pair = |at: usize| {
        let (name, value) = (model.state.features.get(at)?, entity.values.get(at)?);
        let shown = values::shown(value);
        let room = usize::from(PAIR - 3).saturating_sub(name.chars().count());
        let style = table::style(value, model.look(&entity.id, at));
        let cell = [
            Span::styled(format!(" {name} "), table::DIM),
            Span::styled(format!("{shown:>room$}"), style),
            Span::raw(" "),
        ];
        Some(cell)
    };
    let line = |first: usize| {
        let pairs = (first..shown).step_by(lines.max(1)).filter_map(pair);
        Line::from(pairs.flatten().collect::<Vec<_>>())
    };
    let text: Vec<Line<'_>> = (0..lines).map(line).collect();
    frame.render_widget(Paragraph::new(text).block(block), area);
}

fn draw_events(frame: &mut Frame<'_>, area: Rect, model: &Model, page: &EntityPage) {
    let clock = model.state.live_clock.unwrap_or(0);
    let title =
        format!(" Its {} newest events, and how long each stays in a window ", page.events.len());
    let passed = model.wishes.events.min(page.events.len().saturating_sub(1));
    let windows = u16::try_from(page.windows.len()).unwrap_or(u16::MAX);
    let told = area.width.saturating_sub(3 + 9 + windows.saturating_mul(WINDOW + 1));
    let head = |text: String| Cell::from(Line::from(text).right_aligned()).style(table::DIM);
    let header = [Cell::from("time").style(table::DIM), Cell::from("event").style(table::DIM)];
    let header = header.into_iter().chain(page.windows.iter().cloned().map(head));
    let row = |event: &PageEvent| {
        let leaves = event.leaves.iter().map(|at| {
            let (text, style) = match at.checked_sub(clock) {
                None | Some(0) => ("left".to_owned(), table::DIM),
                Some(left) if left <= 10_000 => (values::until(left), table::colour(Look::Decayed)),
                Some(left) => (values::until(left), Style::new()),
            };
            Cell::from(Line::from(text).right_aligned()).style(style)
        });
        let time = Cell::from(values::time_of_day(event.time));
        Row::new([time, Cell::from(event.told.clone())].into_iter().chain(leaves))
    };
    let widths = [8, told].into_iter().chain(page.windows.iter().map(|_| WINDOW));
    let table =
        Table::new(page.events.iter().skip(passed).map(row), widths.map(Constraint::Length))
            .header(Row::new(header))
            .column_spacing(1)
            .block(bordered(title));
    frame.render_widget(table, area);
}
