//! A screen as a picture: text in SVG, to be shown where no terminal is.

use crate::screen::model::Model;
use crate::screen::{Ask, ScreenState, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

/// The width of a character and the height of a line, in pixels.
const CELL: (u16, u16) = (8, 17);
/// How often the job is looked at.
const TICK: Duration = Duration::from_millis(250);

/// Watches the job until it is live and has been so for `live`, and gives the screen of `width` times
/// `height` as SVG. `None` when the job ends before that.
///
/// # Errors
/// When the screen cannot be drawn.
pub fn picture(
    mut state: impl FnMut(&Ask) -> ScreenState,
    live: Duration,
    (width, height): (u16, u16),
) -> io::Result<Option<String>> {
    let (mut model, mut since) = (Model::default(), None);
    loop {
        let seen = state(&Ask::default());
        if seen.ended {
            return Ok(None);
        }
        if seen.past_percent.is_none() {
            let since = *since.get_or_insert(seen.uptime);
            if seen.uptime.saturating_sub(since) >= live {
                model.observe(seen);
                break;
            }
        }
        model.observe(seen);
        std::thread::sleep(TICK);
    }
    let mut terminal = Terminal::new(TestBackend::new(width, height)).map_err(io::Error::other)?;
    terminal.draw(|frame| draw::draw(frame, &model)).map_err(io::Error::other)?;
    Ok(Some(svg(terminal.backend().buffer())))
}

/// What is in a buffer, as SVG.
pub(super) fn svg(buffer: &Buffer) -> String {
    let area = buffer.area;
    let (width, height) = (area.width * CELL.0, area.height * CELL.1 + 8);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" font-family=\"'DejaVu Sans Mono', Menlo, \
         Consolas, monospace\" font-size=\"13\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#101418\"/>\n"
    );
    for y in 0..area.height {
        let mut x = 0;
        while x < area.width {
            let Some(first) = buffer.cell((x, y)) else { break };
            let from = x;
            let mut run = String::new();
            while let Some(cell) = buffer.cell((x, y)).filter(|cell| alike(cell, first)) {
                run.push_str(cell.symbol());
                x += 1;
            }
            write_run(&mut text, first, &run, (from, y), x - from);
        }
    }
    text.push_str("</svg>\n");
    text
}

fn alike(one: &Cell, other: &Cell) -> bool {
    (one.fg, one.bg, one.modifier) == (other.fg, other.bg, other.modifier)
}

fn write_run(text: &mut String, cell: &Cell, run: &str, (x, y): (u16, u16), cells: u16) {
    let (mut fore, mut back) = (colour(cell.fg), colour(cell.bg));
    if cell.modifier.contains(Modifier::REVERSED) {
        (fore, back) = (back.or(Some("#101418")), fore.or(Some("#d0d6dc")));
    }
    let (left, top, width) = (x * CELL.0, y * CELL.1 + 4, cells * CELL.0);
    if let Some(back) = back {
        let height = CELL.1;
        let _ = writeln!(
            text,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"{back}\"/>"
        );
    }
    let weight = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let fore = fore.unwrap_or("#d0d6dc");
    // Fonts differ in width: what stands apart has a place of its own, and says how wide it is.
    let mut column = usize::from(x);
    for shown in run.split("  ") {
        let cells = shown.chars().count();
        let words = shown.trim_start();
        let first = column + cells - words.chars().count();
        column += cells + 2;
        let words = words.trim_end();
        if words.is_empty() {
            continue;
        }
        let (left, length) =
            (first * usize::from(CELL.0), words.chars().count() * usize::from(CELL.0));
        let escaped = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(
            text,
            "<text x=\"{left}\" y=\"{}\" fill=\"{fore}\"{weight} textLength=\"{length}\">{escaped}</text>",
            top + CELL.1 - 4
        );
    }
}

fn colour(colour: Color) -> Option<&'static str> {
    Some(match colour {
        Color::Blue => "#2f6fd0",
        Color::Cyan => "#4fb3bf",
        Color::DarkGray => "#7a858f",
        Color::LightGreen => "#7be07b",
        Color::LightRed => "#ff8a80",
        Color::LightYellow | Color::Yellow => "#e6c35c",
        Color::Magenta => "#c792ea",
        Color::White => "#ffffff",
        _ => return None,
    })
}
