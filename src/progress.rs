//! The progress bar of commands that read or write a known amount.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the bar is drawn, at most, times a second.
const DRAWS_PER_SECOND: u8 = 10;

const BAR: &str = "{bar:32} {percent:>3}%  {bytes} of {total_bytes}  {msg}  {eta} left";
const COUNTER: &str = "{spinner} {human_pos} records  {elapsed}";
const BAR_EVENTS: &str = "{bar:32} {percent:>3}%  {human_pos} of {human_len} events  {eta} left";

const BAR_EXAMPLES: &str =
    "{bar:32} {percent:>3}%  {human_pos} of {human_len} examples {prefix}  {msg}  {eta} left";
const COUNTER_EXAMPLES: &str = "{spinner} {human_pos} examples {prefix}  {msg}  {elapsed}";

/// Progress through something whose size is known, drawn on stderr. Cleared when it is finished or dropped.
#[derive(Debug)]
pub struct DrawnProgress {
    bar: ProgressBar,
}

impl DrawnProgress {
    /// Progress through `total_bytes`; drawn only when stderr is a `terminal`.
    pub fn new(total_bytes: u64, terminal: bool) -> Self {
        DrawnProgress::drawn(Some(total_bytes), terminal, BAR)
    }

    /// Progress through a number of events; drawn only when stderr is a `terminal`.
    pub fn of_events(total: u64, terminal: bool) -> Self {
        DrawnProgress::drawn(Some(total), terminal, BAR_EVENTS)
    }

    /// Progress through so many records, or through records without an end.
    pub fn of_records(total: Option<u64>, terminal: bool) -> Self {
        let template = if total.is_some() { BAR_EVENTS } else { COUNTER };
        DrawnProgress::drawn(total, terminal, template)
    }

    /// Progress through so many examples, or through a file of them; what is done with them in a word.
    pub fn of_examples(done: &'static str, total: Option<u64>, terminal: bool) -> Self {
        let template = if total.is_some() { BAR_EXAMPLES } else { COUNTER_EXAMPLES };
        let progress = DrawnProgress::drawn(total, terminal, template);
        progress.bar.set_prefix(done);
        progress
    }

    fn drawn(total: Option<u64>, terminal: bool, template: &str) -> Self {
        let target = if terminal {
            ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(total, target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        DrawnProgress { bar }
    }

    /// Sets how many bytes have been read and how many events that gave, over `seconds`.
    pub fn set(&self, bytes: u64, events: u64, seconds: f64) {
        self.bar.set_position(bytes);
        if seconds > 0.0 {
            let rate = crate::metrics::float(events) / seconds / 1e6;
            self.bar.set_message(format!("{rate:.2} M events/s"));
        }
    }

    /// Sets how many examples are through, over `seconds`.
    pub fn set_examples(&self, examples: u64, seconds: f64) {
        self.bar.set_position(examples);
        if seconds > 0.0 {
            let rate = crate::metrics::float(examples) / seconds / 1e6;
            self.bar.set_message(format!("{rate:.2} M examples/s"));
        }
    }

    /// Sets how many events are through.
    pub fn set_events(&self, events: u64) {
        self.bar.set_position(events);
    }

    /// How many bytes have been read.
    pub fn bytes(&self) -> u64 {
        self.bar.position()
    }

    /// Ends and clears it.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for DrawnProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one_and_positions_are_kept() {
        let all = [BAR, BAR_EVENTS, COUNTER, BAR_EXAMPLES, COUNTER_EXAMPLES];
        assert!(all.iter().all(|bar| ProgressStyle::with_template(bar).is_ok()));
        let progress = DrawnProgress::new(100, false);
        progress.set(40, 1_000, 0.5);
        assert_eq!(progress.bytes(), 40);
        progress.finish();
    }
}
