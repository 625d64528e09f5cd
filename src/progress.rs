//! The progress bar of commands that read a known number of bytes.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the bar is drawn, at most, times a second.
const DRAWS_PER_SECOND: u8 = 10;

const BAR: &str = "{bar:32} {percent:>3}%  {bytes} of {total_bytes}  {msg}  {eta} left";

/// Progress through some files, drawn on stderr. Cleared when it is finished or dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Progress through `total_bytes`; drawn only when stderr is a `terminal`.
    pub fn new(total_bytes: u64, terminal: bool) -> Self {
        let target = if terminal {
            ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total_bytes), target);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        Progress { bar }
    }

    /// Sets how many bytes have been read and how many events that gave, over `seconds`.
    pub fn set(&self, bytes: u64, events: u64, seconds: f64) {
        self.bar.set_position(bytes);
        if seconds > 0.0 {
            let rate = crate::metrics::float(events) / seconds / 1e6;
            self.bar.set_message(format!("{rate:.2} M events/s"));
        }
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

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one_and_positions_are_kept() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
        let progress = Progress::new(100, false);
        progress.set(40, 1_000, 0.5);
        assert_eq!(progress.bytes(), 40);
        progress.finish();
    }
}
