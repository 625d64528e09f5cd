//! Where a job's state is kept, so that a restart goes on from it.

use crate::cli::HOT_WINDOW;
use crate::config::keys::{Keys, not_empty};
use crate::config::place::is_store;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where checkpoints go, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// The store: a folder or an object store. By default nothing is kept.
    pub url: Option<String>,
    /// A checkpoint is begun so often at the latest, when anything has changed; default 10 s.
    pub checkpoint_interval: Duration,
    /// The file with the keys that blocks are encrypted with; by default they are not.
    pub keys: Option<String>,
    /// The state of all entities is written so often; between these a checkpoint has the new rows
    /// only. Default 10 min.
    pub snapshot_interval: Duration,
    /// Events that lie so far behind the clock leave memory; by default none do.
    pub hot_window: Option<Duration>,
    /// The folder that they are kept in meanwhile; by default one in the folder of the state.
    pub cold: Option<String>,
}

impl Default for StateSettings {
    fn default() -> Self {
        StateSettings {
            url: None,
            checkpoint_interval: Duration::from_secs(10),
            keys: None,
            snapshot_interval: Duration::from_secs(600),
            hot_window: None,
            cold: None,
        }
    }
}

/// The bounds of `checkpoint_interval`.
pub(super) const CHECKPOINT_INTERVAL: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(3_600));
/// The bounds of `snapshot_interval`.
pub(super) const SNAPSHOT_INTERVAL: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(86_400));

/// The folder of events that have left memory, in that of the state.
const COLD_FOLDER: &str = "cold";

impl StateSettings {
    /// The folder of events that have left memory; `None`: none is named, and none is known.
    pub fn cold_folder(&self) -> Option<PathBuf> {
        let own = || self.folder().map(|folder| folder.join(COLD_FOLDER));
        self.cold.as_ref().map(PathBuf::from).or_else(own)
    }

    /// What is wrong with these settings beside each other.
    pub(super) fn contradictions(&self) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        if self.hot_window.is_some() && self.cold_folder().is_none() {
            wrong.push(
                "\"hot_window\" in [state] needs a folder for the events that leave memory: name one by \"cold\" \
                 there, on a disk of this machine (\"url\" names none)",
            );
        }
        if self.cold.is_some() && self.hot_window.is_none() {
            wrong.push(
                "\"cold\" in [state] needs \"hot_window\" there: without it no event leaves memory",
            );
        }
        wrong
    }

    /// The folder that it is in; `None`: there is none, or an object store has it.
    pub fn folder(&self) -> Option<&Path> {
        let url = self.url.as_deref()?;
        let folder = url.strip_prefix("file://").unwrap_or(url);
        (!folder.contains("://")).then(|| Path::new(folder))
    }

    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        let bounds = |(least, most)| least..=most;
        keys.optional_text("url", &is_store, &mut self.url);
        keys.duration(
            "checkpoint_interval",
            bounds(CHECKPOINT_INTERVAL),
            &mut self.checkpoint_interval,
        );
        keys.duration("snapshot_interval", bounds(SNAPSHOT_INTERVAL), &mut self.snapshot_interval);
        keys.optional_duration("hot_window", bounds(HOT_WINDOW), &mut self.hot_window);
        keys.optional_text("cold", &not_empty, &mut self.cold);
        let file = &mut self.keys;
        keys.section("encrypt", &mut |keys| keys.optional_text("keys", &not_empty, file));
    }
}
