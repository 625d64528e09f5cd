//! Which partition is read next, and which logs are opened for that.
//!
//! A log that rests has a watermark as any other: the one that its first records gave it, or none before
//! these are read. It is opened when that is the least of the worker's logs of its kind, as it would be read
//! then if it were open; until then it takes no part. So logs that follow one another in time are open
//! one at a time, and logs that overlap are open together, however many they are: each of them holds
//! the frontier before long.
//!
//! Why this way: what is opened is decided from the watermarks of one worker alone, and no verdict, no
//! value depends on it. Topics are left out of it: one that is silent at its beginning holds
//! the frontier, and files are read ahead of it, as they would be if they were open.

use super::OwnedPartitions;
use crate::ingest::partition::Owned;
use crate::shared::Room;
use crate::time::EventTime;

/// Logs that are opened at once, of those that hold the worker's others back: their first records, or
/// what a checkpoint has of them already, are read side by side.
const OPENED_AT_ONCE: usize = 4;

/// Which of a worker's logs that rest may be asked for records.
struct Openings {
    /// The least watermark of those that are opened as they are needed.
    least: Option<EventTime>,
    /// How many more may be opened.
    left: usize,
}

impl Openings {
    fn of(owned: &[Owned]) -> Self {
        let all = || owned.iter().filter(|owned| owned.opens && !owned.ended);
        let least = all().map(Owned::watermark).min();
        let open = all().filter(|owned| !owned.reader.rests() && Some(owned.watermark()) <= least);
        Openings { least, left: OPENED_AT_ONCE.saturating_sub(open.count()) }
    }

    /// Whether `owned` may be asked; one that rests is opened by that.
    fn allow(&mut self, owned: &Owned) -> bool {
        if !owned.reader.rests() || owned.has_records() {
            return true;
        }
        let allowed = self.left > 0 && Some(owned.watermark()) <= self.least;
        self.left -= usize::from(allowed);
        allowed
    }
}

impl OwnedPartitions {
    /// The partition to read next: of those that have records and may go on, the one whose
    /// watermark is least.
    ///
    /// # Errors
    /// When a log cannot be read on, or holds the frontier back and has too much above it.
    pub(super) fn choose(&mut self) -> Result<Option<usize>, String> {
        loop {
            let ended = self.ended();
            match self.least_ready()? {
                // The next one is opened now: nobody would wake the source for it.
                None if self.ended() > ended => {}
                chosen => return Ok(chosen),
            }
        }
    }

    fn ended(&self) -> usize {
        self.owned.iter().filter(|owned| owned.ended).count()
    }

    fn least_ready(&mut self) -> Result<Option<usize>, String> {
        let (frontier, now) = (self.config.shared.frontier.get(), self.config.shared.now.get());
        let limit = self.config.limits.stash_bytes;
        let little = self.config.shared.room.get() == Room::Little;
        self.owned.iter_mut().for_each(|o| o.unsealed.seal(frontier));
        let unsealed: u64 = self.owned.iter().map(|o| o.unsealed.bytes).sum();
        let mut openings = Openings::of(&self.owned);
        let mut chosen: Option<(EventTime, usize)> = None;
        for (at, owned) in self.owned.iter_mut().enumerate() {
            let watermark = owned.watermark();
            let holds = watermark <= frontier;
            if holds && owned.unsealed.bytes >= limit {
                return Err(overfull(&owned.reader.describe(), owned.unsealed.bytes, limit));
            }
            owned.paused = !holds && (little || unsealed >= limit / 2);
            let better = chosen.is_none_or(|(least, _)| watermark < least);
            let may_be_asked = !owned.paused && !owned.waiting && !owned.ended && better;
            if may_be_asked && openings.allow(owned) && owned.ready(now)? {
                chosen = Some((watermark, at));
            }
        }
        Ok(chosen.map(|(_, at)| at))
    }
}

fn overfull(partition: &str, bytes: u64, limit: u64) -> String {
    format!(
        "reading {partition}: its accepted events ahead of its own watermark take {bytes} bytes, \
         and limits.stash_bytes is {limit}; waiting cannot free them, because this partition holds \
         the frontier back: raise limits.stash_bytes, or lower the source's out_of_orderness"
    )
}
