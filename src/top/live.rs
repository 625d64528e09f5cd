//! The lines in a terminal, until somebody has seen enough.

use super::ask::{self, ProcessAsked};
use super::lines::{self, LineKind};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};
use ratatui::{DefaultTerminal, Frame};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How often keys are looked for.
const KEYS_EVERY: Duration = Duration::from_millis(100);

/// Takes the terminal over until `q`, Esc or Ctrl-C. It is given back in every case, a panic included.
///
/// # Errors
/// When the terminal fails.
pub(super) fn show(urls: &[String], every: Duration) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    // A process that hangs keeps no key waiting.
    let (urls, (sender, told), (ended, goes_on)) = (urls.to_vec(), channel(), channel());
    let asking = std::thread::spawn(move || ask_again(&urls, every, &sender, &goes_on));
    let shown = until_left(&mut terminal, &told);
    drop(ended);
    ratatui::restore();
    // It ends with the process, or when it has its answers.
    drop(asking);
    shown
}

fn ask_again(
    urls: &[String],
    every: Duration,
    to: &Sender<Vec<ProcessAsked>>,
    goes_on: &Receiver<()>,
) {
    loop {
        if to.send(ask::all(urls)).is_err() {
            return;
        }
        if goes_on.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

fn until_left(
    terminal: &mut DefaultTerminal,
    told: &Receiver<Vec<ProcessAsked>>,
) -> io::Result<()> {
    let mut asked = Vec::new();
    let mut from = 0;
    terminal.draw(|frame| frame.render_widget(Paragraph::new("asking .."), frame.area()))?;
    loop {
        let mut changed = false;
        while let Ok(newest) = told.try_recv() {
            (asked, changed) = (newest, true);
        }
        if event::poll(KEYS_EVERY)? {
            changed = true;
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                        return Ok(());
                    }
                    KeyCode::Down | KeyCode::Char('j') => from = u16::saturating_add(from, 1),
                    KeyCode::Up | KeyCode::Char('k') => from = u16::saturating_sub(from, 1),
                    KeyCode::Home => from = 0,
                    _ => {}
                },
                _ => {}
            }
        }
        if changed && !asked.is_empty() {
            terminal.draw(|frame| draw(frame, &asked, from))?;
        }
    }
}

fn draw(frame: &mut Frame<'_>, asked: &[ProcessAsked], from: u16) {
    let style = |kind| match kind {
        LineKind::Well => Style::new().fg(Color::Green).add_modifier(Modifier::BOLD),
        LineKind::Wrong => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        LineKind::Noted => Style::new().fg(Color::Yellow),
        LineKind::Head => Style::new().add_modifier(Modifier::BOLD),
        LineKind::Plain => Style::new(),
    };
    let lines = lines::of_all(asked).into_iter();
    let lines: Vec<Line<'_>> =
        lines.map(|line| Line::styled(line.text, style(line.kind))).collect();
    let text = Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((from, 0));
    frame.render_widget(text, frame.area());
}
