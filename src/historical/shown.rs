//! What a terminal shows while examples are read and written: which of both it is, how far, and how fast.

use crate::progress::DrawnProgress;
use std::io::IsTerminal as _;
use std::time::Instant;

/// How many rows go by between two looks at the clock.
const ROWS: u64 = 4_096;

/// Rows that go by. What is shown is gone once they have.
pub(super) struct ShownRows {
    bar: DrawnProgress,
    started: Instant,
    rows: u64,
}

impl ShownRows {
    /// None yet, of `total` where that is known; what is done with them in a word, such as `read`.
    pub fn new(done: &'static str, total: Option<u64>) -> Self {
        let bar = DrawnProgress::of_examples(done, total, std::io::stderr().is_terminal());
        ShownRows { bar, started: Instant::now(), rows: 0 }
    }

    /// One more has gone by.
    pub fn one_more(&mut self) {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS) {
            self.bar.set_examples(self.rows, self.started.elapsed().as_secs_f64());
        }
    }
}
