//! How far the lines of one entity type are ahead of those of the others, which they wait for to be merged.

use super::running::Running;
use crate::sealed_lines::{LineWriter, SealedLines};
use crate::time::EventTime;
use std::collections::VecDeque;

/// Bytes of lines that may wait for those of other entity types and workers. An entity type that is further
/// ahead seals nothing until these have come up. What one slice writes comes on top.
const LINES_AHEAD_BYTES: u64 = 8 << 20;

/// The lines that are not known to be merged: for each batch its last time, and its bytes.
#[derive(Debug, Default)]
pub(super) struct LinesAhead {
    batches: VecDeque<(EventTime, u64)>,
    bytes: u64,
}

impl LinesAhead {
    /// These lines are given, behind those before.
    pub fn give(&mut self, lines: &SealedLines) {
        let Some((last, ..)) = lines.lines.last() else { return };
        let bytes = lines.bytes.len() as u64;
        self.batches.push_back((last.as_of, bytes));
        self.bytes += bytes;
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether too many wait, when all lines before `merged` are merged and no more come before `given`.
    /// Who holds the others back is never too far ahead.
    pub fn is_far(&mut self, merged: EventTime, given: EventTime) -> bool {
        while let Some((_, bytes)) = self.batches.front().filter(|(last, _)| *last < merged) {
            self.bytes -= bytes;
            self.batches.pop_front();
        }
        self.bytes > LINES_AHEAD_BYTES && given > merged
    }
}

impl Running {
    /// The lines that were written since they were asked for last.
    pub(super) fn lines(&mut self) -> Option<SealedLines> {
        let lines = self.writer.as_mut().and_then(LineWriter::take)?;
        self.ahead.give(&lines);
        Some(lines)
    }

    /// Whether nothing is sealed until the lines that were given have been merged; this wakes the operator.
    pub(super) fn awaits_merge(&mut self) -> bool {
        let (shared, given) = (&self.config.shared, self.given());
        let is_far = self.ahead.is_far(shared.merged.get(), given);
        if is_far {
            shared.merge_awaited.set(true);
        }
        is_far
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;
    use crate::sealed_lines::LineKey;

    fn lines(as_of: EventTime, bytes: usize) -> SealedLines {
        let key = LineKey { as_of, origin: Origin::default().into(), view: 0 };
        let lines = vec![(key, 0, bytes as u64)];
        SealedLines { stream: (0, 0), lines, bytes: vec![b'x'; bytes] }
    }

    #[test]
    fn who_has_given_too_much_waits_until_it_is_merged_unless_others_wait_for_it() {
        let (mut ahead, many) = (LinesAhead::default(), LINES_AHEAD_BYTES as usize);
        ahead.give(&lines(1_000, many));
        assert!(!ahead.is_far(0, 1_001), "just as much as may wait");
        ahead.give(&lines(2_000, 1));
        assert!(ahead.is_far(0, 2_001));
        assert!(ahead.is_far(1_000, 2_001), "lines at this time may not be merged yet");
        assert!(!ahead.is_far(1_001, 2_001));
        ahead.give(&lines(3_000, many));
        assert!(ahead.is_far(2_000, 3_001));
        assert!(!ahead.is_far(3_001, 3_001) && ahead.bytes == 0);
    }

    #[test]
    fn who_holds_the_others_back_goes_on_however_much_it_has_given() {
        let mut ahead = LinesAhead::default();
        ahead.give(&lines(1_000, 2 * LINES_AHEAD_BYTES as usize));
        assert!(ahead.is_far(900, 1_000));
        assert!(!ahead.is_far(1_000, 1_000));
    }
}
