//! What somebody has to know who reads a job's page and has not seen the code.

use super::inputs::Inputs;
use super::markdown::{code, codes, prose};
use crate::document::quantity::show_duration;
use crate::job::Job;
use std::collections::BTreeSet;
use tidemark_operators::plan::{EntityPlan, Read};

/// The section "How to read this".
pub(super) fn how_to_read(job: &Job) -> String {
    let zone = code(&job.plan.zone.name);
    let (lateness, windows) = (lateness(job), windows(job));
    let entity = job.plan.entities.first().map_or("entity".into(), |entity| prose(&entity.name));
    let examples = "**Examples** are computed by this job from generated events: they show what \
                    values look like, and say nothing about real traffic.";
    format!(
        "A **feature** is a value that describes an entity, such as one {entity}, at a moment *t*. \
         Features that are read together form a **view**; a view has one row for each entity. \
         *t* is **event time**: the time that events carry themselves, not the time at which they \
         are processed. It moves on as events come in.

{windows}- **Null** means that there is no value; it is never 0. The column \"Null\" says when that is, \
  and what the feature is while there are no events at all. A row that does not exist reads like \
  that too. In a type, `?` marks a feature that can be null.
- **Expressions**, which begin with `=`, are computed from other features, and from fields of the \
  latest event. Null goes through them: where an operand is null, so is the result, but for \
  `coalesce(a, b)`, which is *b* where *a* is null. `clamp01(x)` is *x* held between 0 and 1; \
  `tidemark docs --expressions` is about the whole language.
- **Order.** Events of one millisecond are all in the row of that millisecond. Rows do not depend \
  on the order in which events arrive, nor on how many workers there are.
{lateness}- **Calendar.** Hours and days are those of the time zone {zone}.
- **Memory** in a table is what the feature keeps for one entity if it shares nothing; features \
  that need the same, in whichever view, share it. What an entity takes in all is said with the \
  entity, and is less than the sum. It is a bound for the state of features: ids and texts are kept \
  besides, once for all that have them, and where final rows are written besides those that are \
  served, all but the events is kept twice.
- {examples}
"
    )
}

/// What features are over: windows, and what else the job has.
fn windows(job: &Job) -> String {
    let entities = || job.plan.entities.iter();
    let mut out = String::new();
    if let Some(shortest) = entities().flat_map(|entity| &entity.windows).min() {
        let length = show_duration(shortest.length);
        out.push_str(&format!(
            "- **Windows.** A feature over {} sees the entity's events with *t* − {length} < *time* \
             ≤ *t*, exact to the millisecond: an event at *t* itself is in, one that is exactly \
             {length} old is out. Nothing is rounded to minutes, and nothing hops.",
            code(&length)
        ));
    }
    let mut windows = entities().flat_map(|entity| &entity.windows);
    if let Some(window) = windows.find(|window| window.delay > 0) {
        let (length, delay) = (show_duration(window.length), show_duration(window.delay));
        out.push_str(&format!(
            " One that is \"{length}, delayed {delay}\" sees at *t* what the window of {length} held \
             at *t* − {delay}."
        ));
    }
    if !out.is_empty() {
        out.push_str(
            "\n- **Values decay by themselves.** When an event becomes as old as the window is long \
             it leaves, and the value changes, though nothing new has happened to the entity.\n",
        );
    }
    let gaps = entities().flat_map(|entity| &entity.sessions).map(|session| session.gap);
    let gaps: BTreeSet<_> = gaps.collect();
    if !gaps.is_empty() {
        let gaps = gaps.into_iter().map(show_duration).collect::<Vec<_>>().join(" or ");
        out.push_str(&format!(
            "- **Sessions.** A session is a longest run of the entity's events in which no pause \
             between two of them is longer than the gap ({gaps}); only pauses end it, no event and no \
             id does. It is open up to its last event's time plus the gap, that millisecond \
             included; from the next one on its features are what they are without events. \
             At *t* only its events up to *t* are known.\n"
        ));
    }
    if entities().any(at_latest) {
        out.push_str(
            "- **Latest.** A feature over \"latest, 30d\" is about the entity's latest event: it is \
             computed as of that event's time, stays as it is until there is a newer event, and \
             becomes null when the event is 30 days old. Latest means by event time, not by \
             arrival; of events of one millisecond it is the last by source (as they are listed \
             here), partition and offset.\n",
        );
    }
    out
}

/// Whether a feature is about the latest event, and not only of a session.
fn at_latest(entity: &EntityPlan) -> bool {
    entity.views.iter().any(|view| {
        let inputs = Inputs { entity, view };
        view.reads.iter().any(|read| match read {
            Read::Latest { horizon, .. }
            | Read::LatestTime { horizon, .. }
            | Read::Gap { horizon, .. } => inputs.gap(*horizon).is_none(),
            _ => false,
        })
    })
}

fn lateness(job: &Job) -> String {
    let sources = &job.plan.sources;
    let mut out = String::from("- **Late events.** ");
    let lengths = sources.iter().map(|source| source.out_of_orderness);
    let same = lengths.clone().max() == lengths.clone().min();
    for (at, source) in sources.iter().enumerate() {
        let length = show_duration(source.out_of_orderness);
        if same && at > 0 {
            continue;
        }
        let name = match same {
            true => "An event".to_owned(),
            false => format!("An event of {}", codes([source.name.as_str()])),
        };
        out.push_str(&format!(
            "{name} may arrive up to {length} behind the newest of its partition (by event time), \
             and counts as if it had come in order. "
        ));
    }
    out.push_str(
        "One that is further behind is late: it changes nothing and is put aside as a dead letter, \
         with the reason, as are records that cannot be read.\n",
    );
    out
}
