//! What `tidemark explain` says, for people.

use crate::explained::{ContributingEvent, Explained, ExplainedFeature, ExplainedInput};
use crate::text::{count_text, duration_text, printable, time_text};
use std::fmt::Write as _;
use tidemark_operators::time::EventTime;

/// All of it.
pub(super) fn text(explained: &Explained) -> String {
    let Explained { job, view, entity, id, at, events, features } = explained;
    let mut out = format!(
        "{entity} {} in {view} of {job} at {}: {} events up to then\n",
        printable(id),
        time_text(*at),
        count_text(*events)
    );
    for feature in features {
        of_feature(feature, *at, &mut out);
    }
    out
}

/// Appends what is said of a feature at `at`.
// Writing to a text does not fail.
pub(crate) fn of_feature(feature: &ExplainedFeature, at: EventTime, out: &mut String) {
    let ExplainedFeature { name, value, definition, changes, more_changes, inputs } = feature;
    let _ = writeln!(out, "\n{name} = {}    {definition}", printable(value.get()));
    for input in inputs {
        of_input(input, inputs.len() > 1, at, out);
    }
    let changes = changes
        .iter()
        .map(|change| format!("{} from {}", printable(change.value.get()), short(change.at, at)));
    let changes: Vec<String> = changes.collect();
    let more = if *more_changes { ", and there may be more" } else { "" };
    if !changes.is_empty() {
        let _ = writeln!(out, "  then, if nothing comes: {}{more}", changes.join(", "));
    } else if *more_changes {
        let _ = writeln!(out, "  whether it changes later was not looked at to the end");
    }
}

fn of_input(input: &ExplainedInput, several: bool, at: EventTime, out: &mut String) {
    let of = input.of.as_deref().map_or_else(String::new, |of| format!(" of {of}"));
    let over = match (input.window_ms, input.delay_ms, input.horizon_ms) {
        (Some(window), Some(delay), _) => {
            format!(" over {}, delayed {}", duration_text(window), duration_text(delay))
        }
        (Some(window), None, _) => format!(" over {}", duration_text(window)),
        (_, _, Some(horizon)) => format!(" seen for {}", duration_text(horizon)),
        _ => String::new(),
    };
    let value = match several {
        true => format!(" = {}", printable(input.value.get())),
        false => String::new(),
    };
    let events = if input.count == 1 { "event" } else { "events" };
    let count = count_text(input.count as u64);
    let _ = writeln!(out, "  {}{of}{over}{value}: {count} {events}", input.what);
    if !input.values.is_empty() {
        let values = input.values.iter().map(|counted| {
            format!("{} x {}", printable(counted.value.get()), count_text(counted.events as u64))
        });
        let more = and_more(input.more_values, ", ");
        let _ = writeln!(out, "    {}{more}", values.collect::<Vec<_>>().join(", "));
    }
    let width = input.events.iter().map(|event| place(event).chars().count()).max().unwrap_or(0);
    for event in &input.events {
        of_event(event, width, at, out);
    }
    if input.more > 0 {
        let _ = writeln!(out, "    {}", and_more(input.more, ""));
    }
    if input.enter_later > 0 {
        let later = count_text(input.enter_later as u64);
        let _ = writeln!(out, "    {later} that have happened enter later");
    }
}

fn and_more(more: usize, before: &str) -> String {
    match more {
        0 => String::new(),
        more => format!("{before}and {} more", count_text(more as u64)),
    }
}

/// Where an event is; nothing where that is not known.
fn place(event: &ContributingEvent) -> &str {
    event.origin.as_ref().map_or("", |origin| &origin.place)
}

fn of_event(event: &ContributingEvent, width: usize, at: EventTime, out: &mut String) {
    let place = printable(place(event));
    let _ = write!(out, "    {}  {place:width$}", time_text(event.at));
    if let Some(value) = &event.value {
        let _ = write!(out, "  {}", printable(value.get()));
    }
    if let Some(role) = event.role {
        let _ = write!(out, "  {role}");
    }
    if let Some(compared) = &event.compared {
        let place = compared.place.as_deref().unwrap_or_default();
        let (value, place) = (printable(compared.value.get()), printable(place));
        let _ = write!(out, "  after {value} at {} ({place})", short(compared.at, event.at));
    }
    if let (Some(leaves), Some(then)) = (event.leaves, &event.then) {
        let _ = write!(out, "  leaves {}, then {}", short(leaves, at), printable(then.get()));
    }
    out.push('\n');
}

/// A time, without its day where that is the same as that of `beside`.
fn short(at: EventTime, beside: EventTime) -> String {
    let (at, beside) = (time_text(at), time_text(beside));
    match (at.split_once('T'), beside.split_once('T')) {
        (Some((day, time)), Some((other, _))) if day == other => time.to_owned(),
        _ => at,
    }
}
