//! What somebody has to know who reads a job's page and has not seen the code.

use super::markdown::{code, codes, prose};
use crate::document::quantity::show_duration;
use crate::job::Job;
use crate::report::thousands;
use std::collections::BTreeSet;

/// The section "How to read this".
pub(super) fn how_to_read(job: &Job) -> String {
    let zone = code(&job.plan.zone.name);
    let most = thousands(job.plan.distinct_max);
    let (lateness, windows) = (lateness(job), windows(job));
    format!(
        "A **feature** is a value that describes an entity, such as one {}, at a moment *t*. \
         Features that are read together form a **view**; a view has one row for each entity. \
         *t* is **event time**: the time that events carry themselves, not the time at which they \
         are processed. It moves on as events come in.

{windows}- **Null** means that there is no value; it is never 0. The column \"Null\" says when, and what \
  the feature is while there are no events at all. A row that does not exist reads like that too. \
  In a type, `?` marks a feature that can be null.
- **Expressions**, which begin with `=`, are computed from other features, and from fields of the \
  latest event. Null goes through them: where an operand is null, so is the result. `clamp01(x)` \
  is *x* held between 0 and 1; `tidemark docs --expressions` is about the whole language.
- **Order.** Events of one millisecond are all in the row of that millisecond; rows do not depend \
  on the order in which events arrive.
{lateness}- **Calendar.** Hours and days are those of the time zone {zone}.
- **Distinct counts** are exact, and shown up to {most}.
- **Memory** is what a feature keeps for one entity if it shares nothing; features that need the \
  same, in whichever view, share it. What an entity takes in all is said with the entity.
- **Examples** are rows that this job has computed from generated events. They show what values \
  look like; they say nothing about real traffic.
",
        job.plan.entities.first().map_or("entity".into(), |entity| prose(&entity.name)),
    )
}

/// What features are over: windows, and what else the job has.
fn windows(job: &Job) -> String {
    let entities = || job.plan.entities.iter();
    let mut out = String::from(
        "- **Windows.** A feature over `5m` sees the entity's events with *t* − 5m < *time* ≤ *t*, \
         exact to the millisecond: nothing is rounded to minutes, and nothing hops.",
    );
    if entities().flat_map(|entity| &entity.windows).any(|window| window.delay > 0) {
        out.push_str(
            " One that is \"24h, delayed 7d\" sees at *t* what the window of 24h has held seven \
             days before.",
        );
    }
    out.push_str(
        "\n- **Values decay by themselves.** When an event becomes as old as the window is long it \
         leaves, and the value changes, though nothing new has happened to the entity.\n",
    );
    let gaps = entities().flat_map(|entity| &entity.sessions).map(|session| session.gap);
    let gaps: BTreeSet<_> = gaps.collect();
    if !gaps.is_empty() {
        let gaps = gaps.into_iter().map(show_duration).collect::<Vec<_>>().join(" or ");
        out.push_str(&format!(
            "- **Sessions.** A session is a run of the entity's events with no pause between them \
             that is longer than its gap ({gaps}). It is open until the gap has passed since its \
             last event; a millisecond later features of a session are what they are without \
             events.\n"
        ));
    }
    if entities().any(|entity| !entity.lasts.is_empty()) {
        out.push_str(
            "- **Latest.** A feature over \"latest, 30d\" is about the entity's latest event, and \
             holds until that is 30 days old. Latest means by event time, not by arrival.\n",
        );
    }
    out
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
            "{name} may be up to {length} older than the newest of its partition, and counts as \
             if it had come in order. "
        ));
    }
    out.push_str(
        "One that is older still is late: it changes nothing and is put aside with the reason, \
         as are records that cannot be read.\n",
    );
    out
}
