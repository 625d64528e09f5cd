//! Where a job's state is kept, so that a restart goes on from it.

use crate::config::keys::{Keys, not_empty};
use std::path::Path;
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
}

impl Default for StateSettings {
    fn default() -> Self {
        StateSettings {
            url: None,
            checkpoint_interval: Duration::from_secs(10),
            keys: None,
            snapshot_interval: Duration::from_secs(600),
        }
    }
}

/// The bounds of `checkpoint_interval`.
pub(super) const CHECKPOINT_INTERVAL: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(3_600));
/// The bounds of `snapshot_interval`.
pub(super) const SNAPSHOT_INTERVAL: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(86_400));

impl StateSettings {
    /// The folder that it is in; `None`: there is none, or an object store has it.
    pub fn folder(&self) -> Option<&Path> {
        let url = self.url.as_deref()?;
        let folder = url.strip_prefix("file://").unwrap_or(url);
        (!folder.contains("://")).then(|| Path::new(folder))
    }

    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        let bounds = |(least, most)| least..=most;
        keys.optional_text("url", &not_empty, &mut self.url);
        keys.duration(
            "checkpoint_interval",
            bounds(CHECKPOINT_INTERVAL),
            &mut self.checkpoint_interval,
        );
        keys.duration("snapshot_interval", bounds(SNAPSHOT_INTERVAL), &mut self.snapshot_interval);
        let file = &mut self.keys;
        keys.section("encrypt", &mut |keys| keys.optional_text("keys", &not_empty, file));
    }
}
