//! One picture of the job.

use crate::screen::keys::Foreground;
use crate::screen::model::{Look, Model};
use crate::screen::table::DIM;
use crate::screen::{legend, page, table, values};
use crate::text::{count_text, duration_short, latency_short};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, RenderDirection, Sparkline, Wrap};
use tidemark_operators::verdict::Reason;

/// The height of the boxes above the table.
const BOXES: u16 = 6;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// The least terminal that there is room for everything in.
const LEAST: (u16, u16) = (72, 18);

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (width, height) = LEAST;
        let text = format!(
            "the demo needs {width} columns and {height} lines; this terminal has {} and {}. Make it \
             larger, or press q",
            area.width, area.height
        );
        return frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
    }
    let is_table = matches!(model.wishes.foreground, Foreground::Table | Foreground::Search);
    let boxes = if is_table { BOXES } else { 0 };
    let [title, boxes, main, held, command, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(boxes),
        Constraint::Min(0),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    draw_title(frame, title, model);
    match &model.wishes.foreground {
        Foreground::Table | Foreground::Search => {
            draw_boxes(frame, boxes, model);
            table::draw(frame, main, model);
        }
        Foreground::Page(_) => page::draw(frame, main, model),
        Foreground::Legend => legend::draw(frame, main, model),
    }
    draw_held(frame, held, model);
    draw_command(frame, command, model);
    draw_foot(frame, foot, model);
}

fn draw_boxes(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let [rate, clocks, dead] =
        Layout::horizontal([Constraint::Min(22), Constraint::Length(27), Constraint::Length(29)])
            .areas(area);
    draw_rate(frame, rate, model);
    draw_clocks(frame, clocks, model);
    draw_dead(frame, dead, model);
}

fn bordered(title: &str) -> Block<'_> {
    Block::bordered().title(title).title_style(BOLD).border_style(DIM)
}

fn draw_title(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let state = &model.state;
    let uptime = u64::try_from(state.uptime.as_millis()).unwrap_or(u64::MAX) / 1_000 * 1_000;
    let bar = Style::new().bg(Color::Blue).fg(Color::White);
    let workers = match state.workers {
        1 => "1 worker".to_owned(),
        n => format!("{n} workers"),
    };
    let left = Line::from(vec![
        Span::styled(" tidemark ", BOLD),
        Span::raw(format!(" job {}  {workers}  ", state.job)),
        match state.past_percent {
            Some(percent) => Span::styled(format!("playing the past, {percent} %"), BOLD),
            None => Span::raw(format!("live {}", duration_short(uptime))),
        },
    ]);
    let taken = u16::try_from(left.width() + 2).unwrap_or(area.width);
    frame.render_widget(Paragraph::new(left).style(bar), area);
    let Some(http) = state.http.as_ref().map(|http| format!("http://{http} ")) else { return };
    let width = u16::try_from(http.chars().count()).unwrap_or(area.width);
    if taken.saturating_add(width) <= area.width {
        let area = Rect { x: area.right() - width, width, ..area };
        frame.render_widget(Paragraph::new(http).style(bar), area);
    }
}

fn draw_rate(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let block = bordered(" Events ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [numbers, bars] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(inner);
    let line = Line::from(vec![
        Span::styled(count_text(model.rate()), BOLD.fg(Color::LightGreen)),
        Span::raw("/s  "),
        Span::styled(format!("{} read", count_text(model.state.read())), DIM),
    ]);
    frame.render_widget(Paragraph::new(line), numbers);
    let history = model.history(usize::from(bars.width));
    let top = top(&history);
    // The newest bar stands at the right edge.
    let bar = Sparkline::default()
        .data(history.iter().rev())
        .max(top)
        .direction(RenderDirection::RightToLeft)
        .style(Style::new().fg(Color::Blue));
    frame.render_widget(bar, bars);
}

/// The rate that fills the height: twice the usual one, so that a short rush (a job that catches up)
/// does not flatten everything after it.
fn top(history: &[u64]) -> u64 {
    let mut rates: Vec<u64> = history.iter().copied().filter(|rate| *rate > 0).collect();
    rates.sort_unstable();
    let usual = rates.get(rates.len() / 2).copied().unwrap_or(0);
    let most = rates.last().copied().unwrap_or(0);
    (most + most / 8).min(usual.saturating_mul(2)) + 1
}

/// `name` to the left and `value` to the right of a line `width` wide.
fn pair(name: &'static str, value: String, width: u16, style: Style) -> Line<'static> {
    let used = name.chars().count() + value.chars().count();
    let gap = usize::from(width).saturating_sub(used);
    Line::from(vec![
        Span::styled(name, DIM),
        Span::raw(" ".repeat(gap)),
        Span::styled(value, style),
    ])
}

fn draw_clocks(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let state = &model.state;
    let block = bordered(" Clocks and latency ");
    let inner = block.inner(area);
    let width = inner.width;
    let clock = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), values::clock);
    let of = |per_mille| model.latency(per_mille).map_or_else(|| "-".to_owned(), latency_short);
    let lag = state.watermark_lag().map_or_else(|| "-".to_owned(), values::lag);
    let lines = vec![
        pair("live", clock(state.live_clock), width, BOLD.fg(Color::LightGreen)),
        pair("frontier", clock(state.frontier), width, Style::new()),
        pair("watermark lag", lag, width, Style::new()),
        pair("p50  p99", format!("{}  {}", of(500), of(990)), width, BOLD),
    ];
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_dead(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let state = &model.state;
    let block = bordered(" Dead letters ");
    let inner = block.inner(area);
    let read = state.read().max(1);
    let colours: [Color; Reason::ALL.len()] = [
        Color::Yellow,
        Color::Magenta,
        Color::LightRed,
        Color::LightRed,
        Color::LightYellow,
        Color::LightBlue,
    ];
    let mut lines: Vec<_> = Reason::ALL
        .iter()
        .zip(state.dead)
        .zip(colours)
        .filter(|((reason, count), _)| *count > 0 || !reason.is_rare())
        .map(|((reason, count), colour)| {
            let share = u128::from(count) * 10_000 / u128::from(read);
            let shown = format!("{} {:>3}.{:02}%", count_text(count), share / 100, share % 100);
            let style = if count == 0 { DIM } else { Style::new().fg(colour) };
            pair(reason.name(), shown, inner.width, style)
        })
        .collect();
    lines.push(match &state.newest_dead {
        Some(newest) => Line::styled(newest.clone(), DIM),
        None => Line::styled("none yet", DIM),
    });
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_held(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let state = &model.state;
    let mib = |bytes: u64| count_text(bytes.div_ceil(1 << 20));
    let bytes = match state.timeline_bytes {
        0 => String::new(),
        bytes => format!(" ({} MiB)", mib(bytes)),
    };
    let text = format!(
        " {} entities  {} events{bytes}  {} rows  {} MiB",
        count_text(state.entities),
        count_text(state.timeline_rows),
        count_text(state.rows),
        mib(state.rss_bytes),
    );
    let line = match state.log.last() {
        Some(log) if log.contains("WARN") || log.contains("ERROR") => {
            Line::styled(format!(" {log}"), Style::new().fg(Color::Yellow))
        }
        _ => Line::styled(text, DIM),
    };
    frame.render_widget(Paragraph::new(line), area);
}

/// How the row of the entity in the foreground is asked for from outside.
fn draw_command(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let entity = match &model.wishes.foreground {
        Foreground::Page(_) => model.state.page.as_ref().map(|page| &page.entity),
        _ => model.chosen(),
    };
    let command = entity.map_or("", |entity| entity.command.as_str());
    frame.render_widget(Paragraph::new(format!(" {command}")), area);
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let keys: &[(&str, &str)] = match model.wishes.foreground {
        Foreground::Table => {
            &[("q", "quit"), ("?", "keys"), ("s", "sort"), ("/", "search"), ("Enter", "page")]
        }
        Foreground::Search => &[("Enter", "its page"), ("Esc", "no search")],
        Foreground::Page(_) => {
            &[("q", "quit"), ("Esc", "back"), ("\u{2191}\u{2193}", "earlier events")]
        }
        Foreground::Legend => &[("q", "quit"), ("Esc", "back")],
    };
    let keys = keys.iter().flat_map(|(key, what)| {
        [Span::styled(format!(" {key}"), BOLD), Span::styled(format!(" {what} "), DIM)]
    });
    let legend = [
        Span::styled("  rose", table::colour(Look::Rose)),
        Span::raw(" "),
        Span::styled("fell", table::colour(Look::Fell)),
        Span::styled(" by an event ", DIM),
        Span::styled("by time", table::colour(Look::Decayed)),
    ];
    let line = Line::from(keys.chain(legend).collect::<Vec<_>>());
    frame.render_widget(Paragraph::new(line), area);
}

#[cfg(test)]
mod tests {
    use super::top;

    #[test]
    fn a_rush_at_the_start_does_not_flatten_the_rates_after_it() {
        assert_eq!(top(&[0, 150_000, 140_000, 2_000, 2_000, 2_000]), 4_001);
        assert_eq!(top(&[1_000, 1_000, 1_100]), 1_238);
        assert_eq!(top(&[]), 1);
    }
}
