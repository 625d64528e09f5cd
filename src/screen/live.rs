//! The live screen.

use crate::screen::model::Model;
use crate::screen::{Ended, ScreenState, Until, draw};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::io;
use std::time::{Duration, Instant};

/// How often the job is looked at.
const TICK: Duration = Duration::from_millis(250);

/// Takes the terminal over and shows the job until it ends or somebody presses `q`, Escape or
/// Ctrl-C. The terminal is given back in every case, a panic of any thread included.
///
/// # Errors
/// When the terminal fails.
pub fn live(state: impl FnMut() -> ScreenState, until: Until<'_>) -> io::Result<Ended> {
    // Also sets a panic hook that gives the terminal back before the message is printed.
    let mut terminal = ratatui::try_init()?;
    let restore = Restore;
    let ended = watch(&mut terminal, state, until);
    drop(restore);
    ended
}

/// Gives the terminal back when dropped.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn watch(
    terminal: &mut DefaultTerminal,
    mut state: impl FnMut() -> ScreenState,
    until: Until<'_>,
) -> io::Result<Ended> {
    let mut model = Model::default();
    loop {
        let next = Instant::now() + TICK;
        let seen = state();
        let last = until.reached(&seen);
        model.observe(seen);
        terminal.draw(|frame| draw::draw(frame, &model))?;
        if last {
            return Ok(Ended::ByItself);
        }
        while event::poll(next.saturating_duration_since(Instant::now()))? {
            match event::read()? {
                read if is_quit(&read) => return Ok(Ended::ByKey),
                Event::Resize(..) => {
                    terminal.draw(|frame| draw::draw(frame, &model))?;
                }
                _ => {}
            }
        }
    }
}

fn is_quit(event: &Event) -> bool {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
            KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
            KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
            _ => false,
        },
        _ => false,
    }
}
