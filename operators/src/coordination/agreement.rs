//! What the processes of a job decide together: that all have caught up, which views lack nothing, that
//! the job stops, and how far its dead letters are published.
//!
//! The first worker of a process speaks for it.

use super::Notice;
use crate::time::EventTime;
use std::collections::BTreeMap;

/// What has been heard of it.
///
/// ```
/// use tidemark_operators::coordination::{Agreement, Notice};
///
/// let mut heard = Agreement::new(2);
/// heard.hear(&Notice::AllRead { process: 0, clock: 500 });
/// assert_eq!(heard.all_read(), None, "the other process reads on");
/// heard.hear(&Notice::AllRead { process: 1, clock: 900 });
/// assert_eq!(heard.all_read(), Some(900));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    processes: usize,
    /// By process that has read its partitions up to their ends: their greatest clock then.
    read: BTreeMap<usize, EventTime>,
    /// By view and process, from when on rows lack nothing of its partitions; `None`: nobody knows.
    covered: BTreeMap<(u32, usize), Option<EventTime>>,
    stop_wanted: bool,
    stopped: bool,
}

impl Agreement {
    /// Of a job in `processes` processes.
    pub fn new(processes: usize) -> Self {
        Agreement { processes, ..Agreement::default() }
    }

    /// Takes a notice in; others than those that it is about are passed over.
    pub fn hear(&mut self, notice: &Notice) {
        match notice {
            Notice::AllRead { process, clock } => {
                self.read.entry(*process).or_insert(*clock);
            }
            Notice::Covered { process, view, from } => {
                self.covered.insert((*view, *process), *from);
            }
            Notice::StopWanted => self.stop_wanted = true,
            Notice::Stop => self.stopped = true,
            Notice::LettersPublished(_)
            | Notice::Partition(..)
            | Notice::Reads(_)
            | Notice::Done(_)
            | Notice::MachineClock(_)
            | Notice::Cut(_)
            | Notice::Snapshot(_) => {}
        }
    }

    /// Once every process has read its partitions up to their ends: their greatest clock then.
    pub fn all_read(&self) -> Option<EventTime> {
        let all = self.read.len() >= self.processes;
        self.read.values().max().copied().filter(|_| all)
    }

    /// The event time from which on the rows of the view at job index `view` lack nothing; 0: all is
    /// read. `None`: some process has not told, or does not know.
    pub fn covered_from(&self, view: u32) -> Option<EventTime> {
        let told = self.covered.range((view, 0)..=(view, usize::MAX));
        let told: Option<Vec<EventTime>> = told.map(|(_, from)| *from).collect();
        told.filter(|told| told.len() >= self.processes)?.into_iter().max()
    }

    /// Whether a process was asked to stop.
    pub fn stop_wanted(&self) -> bool {
        self.stop_wanted
    }

    /// Whether all are to stop now.
    pub fn stopped(&self) -> bool {
        self.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_lacks_nothing_from_when_on_no_process_says_so() {
        let mut heard = Agreement::new(2);
        for (process, view, from) in
            [(0, 3, Some(5)), (0, 4, Some(7)), (1, 4, Some(0)), (0, 5, Some(1)), (1, 5, None)]
        {
            heard.hear(&Notice::Covered { process, view, from });
        }
        assert_eq!([3, 4, 5].map(|view| heard.covered_from(view)), [None, Some(7), None]);
    }

    #[test]
    fn the_clock_of_a_process_is_that_of_its_first_word() {
        let mut heard = Agreement::new(1);
        heard.hear(&Notice::AllRead { process: 0, clock: 5 });
        heard.hear(&Notice::AllRead { process: 0, clock: 9 });
        assert_eq!(heard.all_read(), Some(5));
    }
}
