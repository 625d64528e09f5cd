//! What the demo shows: a live screen in a terminal, one line a second elsewhere.
//!
//! The screen asks a closure for a [`ScreenState`] a few times a second and works out by itself
//! what changed: rates, recent latencies, which values rose and which decay. It never waits for
//! the job, and the job never waits for it.

mod draw;
mod live;
mod model;
mod plain;
mod table;
mod values;
mod watchlist;

pub use live::live;
pub use plain::plain;
pub use watchlist::Watchlist;

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
    /// malformed, schema, tombstone.
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
    /// The entity type of the table: `card`.
    pub entity: String,
    /// The features in the table, the most interesting first: as many are shown as fit.
    pub features: Vec<String>,
    /// The entities in the table, in the order they are shown (see [`Watchlist`]).
    pub hottest: Vec<HotEntity>,
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
pub struct HotEntity {
    /// Its id.
    pub id: String,
    /// One value for each of [`ScreenState::features`].
    pub values: Vec<Value>,
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
    /// By `q`, Escape or Ctrl-C.
    ByKey,
    /// As [`Until`] or the job said, or because nobody reads the lines any more.
    ByItself,
}

/// Shows the job until it ends: [`live`] when standard output is a terminal, else [`plain`].
///
/// # Errors
/// When the terminal or standard output fails.
pub fn show(state: impl FnMut() -> ScreenState, until: Until<'_>) -> io::Result<Ended> {
    let out = io::stdout();
    if out.is_terminal() { live(state, until) } else { plain(state, until, &mut out.lock()) }
}

#[cfg(test)]
mod tests;
