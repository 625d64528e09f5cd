//! The thread beside a history that is read: it says how far that is, and ends it.

use crate::engine::Observer;
use crate::file_source::Progress;
use crate::metrics::float;
use crate::recovery::Recovery;
use crate::run::refused::RefusedWatch;
use crate::run::watch::{count, dead};
use crate::signals::Stop;
use crate::text::{bytes_short, count_text, time_text};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidemark_operators::metrics::VerdictCounts;
use tidemark_operators::time::EventTime;

/// How often it looks.
const TICK: Duration = Duration::from_millis(20);
/// How often it says how far reading is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What is watched.
pub(super) struct ReadWatch<'a> {
    pub observer: &'a Observer,
    pub recovery: &'a Arc<Recovery>,
    pub files: Arc<Progress>,
    /// Where the history ends, where that was said.
    pub until: Option<EventTime>,
    /// How long a last checkpoint may take when somebody asks to stop.
    pub within: Duration,
}

impl ReadWatch<'_> {
    /// Watches until `over`.
    pub fn run(&self, stop: &Stop, over: &AtomicBool, refused: &mut RefusedWatch) {
        let (cut, begun) = (self.recovery.sealed_cut(), self.recovery.begun_at());
        let (mut said, mut records) = (Instant::now(), 0);
        while !over.load(Ordering::Acquire) {
            if stop.asked() && !self.observer.stopping() {
                tracing::info!("asked to stop; a second signal ends the process at once");
                self.recovery.checkpoint(self.within, || !self.observer.stopping());
                self.observer.stop();
            }
            let cut = cut().max(begun);
            if self.until.is_some_and(|until| cut >= until) {
                // What lies behind it comes from the topics.
                self.observer.stop();
            }
            refused.say(self.observer, false);
            if said.elapsed() >= SAY_EVERY {
                let now = count(self.observer, VerdictCounts::total);
                let rate = float(now.saturating_sub(records)) / said.elapsed().as_secs_f64();
                self.say(now, rate, cut);
                (said, records) = (Instant::now(), now);
            }
            std::thread::sleep(TICK);
        }
        refused.say(self.observer, true);
    }

    fn say(&self, records: u64, rate: f64, cut: EventTime) {
        let (read, of) = (self.files.read(), self.files.total());
        tracing::info!(
            read = format!("{} of {}", bytes_short(read), bytes_short(of)),
            records = count_text(records),
            records_per_s = format!("{rate:.0}"),
            dead_letters = count(self.observer, dead),
            kept_up_to = time_text(cut),
            "the history is being read"
        );
    }
}
