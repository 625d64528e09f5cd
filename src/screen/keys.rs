//! What keys do.

use crate::screen::Ask;
use crate::screen::model::Model;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Characters of a search at most.
const SEARCH_MAX: usize = 64;

/// What is in the foreground.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Foreground {
    /// The table.
    #[default]
    Table,
    /// The table, and a search is being typed.
    Search,
    /// The page of the entity with this id.
    Page(String),
    /// What the keys and colours mean.
    Legend,
}

/// What somebody wants to see.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    /// What is in the foreground.
    pub foreground: Foreground,
    /// The first feature in the table.
    pub first: usize,
    /// The feature that the table is sorted by, the greatest first.
    pub sort: usize,
    /// The least first.
    pub ascending: bool,
    /// See [`Ask::everybody`].
    pub everybody: bool,
    /// What shown ids contain.
    pub search: String,
    /// The id of the chosen row; `None`: the first one.
    pub chosen: Option<String>,
    /// Events of the page that are passed over.
    pub events: usize,
}

impl Wishes {
    /// What has to be asked for.
    pub fn ask(&self) -> Ask {
        let page = match &self.foreground {
            Foreground::Page(id) => Some(id.clone()),
            _ => None,
        };
        Ask { everybody: self.everybody, page }
    }
}

/// What came of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    /// The screen ends.
    Quit,
    /// It looks different.
    Changed,
    /// Something else has to be asked for.
    Asked,
    /// Nothing.
    Ignored,
}

/// Does what a key says.
pub(super) fn press(model: &mut Model, key: KeyEvent) -> Pressed {
    if key.kind != KeyEventKind::Press {
        return Pressed::Ignored;
    }
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return Pressed::Quit;
    }
    match model.wishes.foreground {
        Foreground::Search => in_search(model, key.code),
        _ if matches!(key.code, KeyCode::Char('q' | 'Q')) => Pressed::Quit,
        Foreground::Table => in_table(model, key.code),
        Foreground::Page(_) if matches!(key.code, KeyCode::Down | KeyCode::Up) => {
            let events = model.state.page.as_ref().map_or(0, |page| page.events.len());
            let at = model.wishes.events.min(events.saturating_sub(1));
            let is_down = key.code == KeyCode::Down;
            model.wishes.events = if is_down { at + 1 } else { at.saturating_sub(1) };
            Pressed::Changed
        }
        Foreground::Page(_) | Foreground::Legend => {
            model.wishes.events = 0;
            let back = matches!(key.code, KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace);
            if back || key.code == KeyCode::Char('?') {
                model.wishes.foreground = Foreground::Table;
                return Pressed::Asked;
            }
            Pressed::Ignored
        }
    }
}

fn in_table(model: &mut Model, code: KeyCode) -> Pressed {
    match code {
        KeyCode::Right => model.scroll(true),
        KeyCode::Left => model.scroll(false),
        KeyCode::Down => model.choose(true),
        KeyCode::Up => model.choose(false),
        KeyCode::Char('s') => {
            let features = model.state.features.len().max(1);
            model.wishes.sort = (model.wishes.sort + 1) % features;
            model.reorder();
        }
        KeyCode::Char('r') => {
            model.wishes.ascending = !model.wishes.ascending;
            model.reorder();
        }
        KeyCode::Char('/') => model.wishes.foreground = Foreground::Search,
        KeyCode::Char('?' | 'h') => model.wishes.foreground = Foreground::Legend,
        KeyCode::Char('a') => {
            model.wishes.everybody = !model.wishes.everybody;
            return Pressed::Asked;
        }
        KeyCode::Enter => match model.chosen().map(|row| row.id.clone()) {
            Some(id) => {
                model.wishes.foreground = Foreground::Page(id);
                return Pressed::Asked;
            }
            None => return Pressed::Ignored,
        },
        KeyCode::Esc => model.wishes.search.clear(),
        _ => return Pressed::Ignored,
    }
    Pressed::Changed
}

fn in_search(model: &mut Model, code: KeyCode) -> Pressed {
    let wishes = &mut model.wishes;
    match code {
        KeyCode::Char(typed) if wishes.search.len() < SEARCH_MAX => wishes.search.push(typed),
        KeyCode::Backspace => drop(wishes.search.pop()),
        KeyCode::Esc => {
            wishes.search.clear();
            wishes.foreground = Foreground::Table;
        }
        KeyCode::Enter if wishes.search.is_empty() => wishes.foreground = Foreground::Table,
        KeyCode::Enter => {
            let found = model.rows().next().map(|row| row.id.clone());
            let id = found.unwrap_or_else(|| whole_id(model));
            model.wishes.search.clear();
            model.wishes.foreground = Foreground::Page(id);
            return Pressed::Asked;
        }
        _ => return Pressed::Ignored,
    }
    Pressed::Changed
}

/// What was typed as an id: generated ones are numbered, so a number is enough.
fn whole_id(model: &Model) -> String {
    let typed = &model.wishes.search;
    match typed.parse::<u32>() {
        Ok(number) => format!("{}_{number:07}", model.state.entity),
        Err(_) => typed.clone(),
    }
}
