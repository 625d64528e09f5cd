//! One line a second, for pipes and logs.

use crate::screen::model::Model;
use crate::screen::{Ask, Ended, ScreenState, Until, values};
use crate::text::{count_text, duration_short, latency_short};
use std::io::{self, Write};
use std::time::Duration;
use tidemark_operators::verdict::Reason;

/// How often a line is written.
const TICK: Duration = Duration::from_secs(1);
/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// Features of the first entity on a line.
const FEATURES: usize = 3;

/// Writes one line a second to `out` until the job ends, and a last one then. A reader that goes
/// away (`| head`) ends it too.
///
/// # Errors
/// When writing fails otherwise.
pub fn plain(
    mut state: impl FnMut(&Ask) -> ScreenState,
    until: Until<'_>,
    out: &mut impl Write,
) -> io::Result<Ended> {
    let mut model = Model::default();
    let mut due = Duration::ZERO;
    loop {
        let seen = state(&Ask::default());
        let last = until.reached(&seen);
        if last || seen.uptime >= due {
            due = seen.uptime + TICK;
            model.observe(seen);
            match writeln!(out, "{}", line(&model)).and_then(|()| out.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(Ended::ByItself);
                }
                written => written?,
            }
        }
        if last {
            return Ok(Ended::ByItself);
        }
        std::thread::sleep(LOOK);
    }
}

/// The job on one line.
pub(super) fn line(model: &Model) -> String {
    let state = &model.state;
    let ms = u64::try_from(state.uptime.as_millis()).unwrap_or(u64::MAX);
    let mut line = format!(
        "{:>8}  {:>7} events/s  {} read",
        duration_short(ms),
        count_text(model.rate()),
        count_text(state.read())
    );
    for (reason, count) in Reason::ALL.iter().zip(state.dead) {
        if count == 0 && reason.is_rare() {
            continue;
        }
        line.push_str(&format!("  {} {}", reason.name(), count_text(count)));
    }
    if let Some(lag) = state.watermark_lag() {
        line.push_str(&format!("  watermark lag {}", values::lag(lag)));
    }
    if let (Some(p50), Some(p99)) = (model.latency(500), model.latency(990)) {
        line.push_str(&format!("  p50 {}  p99 {}", latency_short(p50), latency_short(p99)));
    }
    if let Some(percent) = state.past_percent {
        line.push_str(&format!("  playing the past, {percent} %"));
        return line;
    }
    if let Some(first) = model.rows().next() {
        line.push_str(&format!("  {}: {}  {}", state.title, state.shown_of, first.id));
        for (name, value) in state.features.iter().zip(&first.values).take(FEATURES) {
            line.push_str(&format!(" {name}={}", values::shown(value)));
        }
        if let Some(grounds) = &first.grounds {
            line.push_str(&format!(" ({})", grounds.brief));
        }
    } else if !state.title.is_empty() {
        line.push_str(&format!("  {}: {}", state.title, state.shown_of));
    }
    line
}
