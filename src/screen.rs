//! What the demo shows: a live screen in a terminal, one line a second elsewhere.
//!
//! The screen asks a closure for a [`ScreenState`] a few times a second and works out by itself
//! what changed: rates, recent latencies, which values rose and fell, and whether an event did it.
//! It never waits for the job, and the job never waits for it.
//!
//! Modules: `values` (as they are shown), `model` (what is remembered between two looks), `keys` (what
//! keys do), `table`, `page`, `legend` and `draw` (what is drawn), `live`, `plain` and `picture` (where).

mod draw;
mod keys;
mod legend;
mod live;
mod model;
mod page;
mod picture;
mod plain;
mod table;
mod values;

pub use live::live;
pub use picture::picture;
pub use plain::plain;
pub use values::number;

use std::io::{self, IsTerminal};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tidemark_operators::metrics::HistogramSnapshot;
use tidemark_operators::time::{EventTime, Millis};
use tidemark_operators::value::Value;
use tidemark_operators::verdict::Reason;

/// Everything the screen needs, as of one moment. Counts are totals since the start.
#[derive(Clone, Debug, Default)]
pub struct ScreenState {
    /// The job's name.
    pub job: String,
    /// How long the job has run.
    pub uptime: Duration,
    /// Where HTTP listens: `127.0.0.1:8088`.
    pub http: Option<String>,
    /// Workers.
    pub workers: usize,
    /// Records that became events.
    pub accepted: u64,
    /// Dead letters by reason, in the order of
    /// [`Reason::ALL`]: late, future,
    /// malformed, schema, tombstone, duplicate.
    pub dead: [u64; Reason::ALL.len()],
    /// The newest dead letter in a few words: `late by 7.2 s: card_000123`.
    pub newest_dead: Option<String>,
    /// The live clock.
    pub live_clock: Option<EventTime>,
    /// The frontier: every accepted event before it is known.
    pub frontier: Option<EventTime>,
    /// From arrival to the online store, in ns.
    pub latency_ns: HistogramSnapshot,
    /// Rows handed to the online store.
    pub rows: u64,
    /// Entities that hold state, over all types.
    pub entities: u64,
    /// Events in the timelines.
    pub timeline_rows: u64,
    /// Bytes of the timelines.
    pub timeline_bytes: u64,
    /// Memory of the process in bytes.
    pub rss_bytes: u64,
    /// How much of the simulated past has been played, in hundredths; `None`: it is live.
    pub past_percent: Option<u64>,
    /// The entity type of the table: `card`.
    pub entity: String,
    /// Whom the table shows: `Cards being tested`.
    pub title: String,
    /// What is said when it shows nobody.
    pub nobody: String,
    /// The features in the table, the most interesting first: as many are shown as fit. By the first
    /// one it is sorted, unless somebody wants another.
    pub features: Vec<String>,
    /// The entities in the table, in any order.
    pub shown: Vec<ShownEntity>,
    /// How many there are to be shown, which may be more.
    pub shown_of: usize,
    /// The entity that was asked for, see [`Ask::page`].
    pub page: Option<EntityPage>,
    /// The newest log lines, oldest first; the last one is shown.
    pub log: Vec<String>,
    /// Whether the job has ended.
    pub ended: bool,
}

impl ScreenState {
    /// Records read: the four verdicts together.
    pub fn read(&self) -> u64 {
        self.dead.iter().fold(self.accepted, |sum, count| sum.saturating_add(*count))
    }

    /// How far the frontier is behind the live clock.
    pub fn watermark_lag(&self) -> Option<Millis> {
        Some((self.live_clock? + 1).saturating_sub(self.frontier?))
    }
}

/// One entity of the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShownEntity {
    /// Its id.
    pub id: String,
    /// One value for each of [`ScreenState::features`].
    pub values: Vec<Value>,
    /// Why it is shown; `None`: nothing about it is unusual.
    pub grounds: Option<Grounds>,
    /// How often an event of it has changed its values since it is looked at.
    pub arrivals: u64,
    /// The command that asks for its row over HTTP.
    pub command: String,
}

/// Why an entity is shown, by its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// In up to 25 characters.
    pub brief: String,
    /// In more words.
    pub full: String,
}

/// All that is known of one entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntityPage {
    /// The entity.
    pub entity: ShownEntity,
    /// Whether it has a row at all.
    pub known: bool,
    /// The lengths of its windows as texts, the shortest first: `5m`.
    pub windows: Vec<String>,
    /// Its newest events that are in a window, the newest first.
    pub events: Vec<PageEvent>,
}

/// An event of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageEvent {
    /// When it happened.
    pub time: EventTime,
    /// What happened.
    pub told: String,
    /// For each of [`EntityPage::windows`], when it leaves.
    pub leaves: Vec<EventTime>,
}

/// What the screen wants to be told of besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Whether the table is of whoever has new events, not only of those who are unusual.
    pub everybody: bool,
    /// The id of the entity whose page is shown.
    pub page: Option<String>,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Until<'a> {
    /// After the job has run this long; `None`: only by the other ways.
    pub uptime: Option<Duration>,
    /// When this becomes true, for example by a signal.
    pub stop: &'a AtomicBool,
}

impl Until<'_> {
    fn reached(&self, state: &ScreenState) -> bool {
        state.ended
            || self.stop.load(std::sync::atomic::Ordering::Relaxed)
            || self.uptime.is_some_and(|uptime| state.uptime >= uptime)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By `q` or Ctrl-C.
    ByKey,
    /// As [`Until`] or the job said, or because nobody reads the lines any more.
    ByItself,
}

/// Shows the job until it ends: [`live`] when standard output is a terminal, else [`plain`].
///
/// # Errors
/// When the terminal or standard output fails.
pub fn show(state: impl FnMut(&Ask) -> ScreenState, until: Until<'_>) -> io::Result<Ended> {
    let out = io::stdout();
    if out.is_terminal() { live(state, until) } else { plain(state, until, &mut out.lock()) }
}

/// A state as the whole text of a screen.
#[cfg(test)]
pub fn text(state: ScreenState, width: u16, height: u16) -> String {
    let mut model = model::Model::default();
    if let Some(page) = &state.page {
        model.wishes.foreground = keys::Foreground::Page(page.entity.id.clone());
    }
    model.observe(state);
    let backend = ratatui::backend::TestBackend::new(width, height);
    let mut terminal = ratatui::Terminal::new(backend).unwrap();
    terminal.draw(|frame| draw::draw(frame, &model)).unwrap();
    let lines = terminal.backend().to_string();
    lines.lines().map(|line| format!("{}\n", line.trim_matches('"').trim_end())).collect()
}

#[cfg(test)]
mod tests;
