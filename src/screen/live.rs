//! The live screen.

use crate::screen::keys::{Pressed, press};
use crate::screen::model::Model;
use crate::screen::{Ask, Ended, ScreenState, Until, draw};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the job is looked at.
const TICK: Duration = Duration::from_millis(250);

/// Takes the terminal over and shows the job until it ends or somebody presses `q` or Ctrl-C. The terminal is given back in every case, a panic of any thread included.
///
/// # Errors
/// When the terminal fails, or a thread panicked.
pub fn live(state: impl FnMut(&Ask) -> ScreenState, until: Until<'_>) -> io::Result<Ended> {
    // Also sets a panic hook that gives the terminal back before the message is printed.
    let mut terminal = ratatui::try_init()?;
    let panicked = watch_panics();
    let restore = Restore(&panicked);
    let ended = watch(&mut terminal, state, until, &panicked);
    drop(restore);
    ended
}

/// Notices the first panic of any thread before its message is printed: the screen must not be
/// drawn over it.
fn watch_panics() -> Arc<Panics> {
    let panics = Arc::new(Panics::default());
    let seen = Arc::clone(&panics);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        seen.begun.store(true, Ordering::SeqCst);
        before(panic);
        seen.told.store(true, Ordering::SeqCst);
    }));
    panics
}

#[derive(Debug, Default)]
struct Panics {
    /// A thread panicked.
    begun: AtomicBool,
    /// Its message has been printed.
    told: AtomicBool,
}

impl Panics {
    /// Whether a thread panicked; waits a little for its message, so that the process does not end
    /// in the middle of it.
    fn any(&self) -> bool {
        let begun = self.begun.load(Ordering::SeqCst);
        for _ in 0..if begun { 20 } else { 0 } {
            if self.told.load(Ordering::SeqCst) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        begun
    }
}

/// Gives the terminal back when dropped, unless a panic did: twice would overwrite its message.
struct Restore<'a>(&'a Panics);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        if !self.0.begun.load(Ordering::SeqCst) {
            ratatui::restore();
        }
    }
}

fn watch(
    terminal: &mut DefaultTerminal,
    mut state: impl FnMut(&Ask) -> ScreenState,
    until: Until<'_>,
    panicked: &Panics,
) -> io::Result<Ended> {
    let mut model = Model::default();
    loop {
        let next = Instant::now() + TICK;
        let seen = state(&model.wishes.ask());
        let last = until.reached(&seen);
        model.observe(seen);
        if panicked.any() {
            return Err(io::Error::other("a thread of the job panicked"));
        }
        terminal.draw(|frame| draw::draw(frame, &model))?;
        if last {
            return Ok(Ended::ByItself);
        }
        while event::poll(next.saturating_duration_since(Instant::now()))? {
            match event::read()? {
                Event::Key(key) => match press(&mut model, key) {
                    Pressed::Quit => return Ok(Ended::ByKey),
                    Pressed::Ignored => continue,
                    Pressed::Changed => {}
                    Pressed::Asked => model.observe(state(&model.wishes.ask())),
                },
                Event::Resize(..) => {}
                _ => continue,
            }
            terminal.draw(|frame| draw::draw(frame, &model))?;
        }
    }
}
