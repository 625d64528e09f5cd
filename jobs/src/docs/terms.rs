//! The words that definitions are made of, as far as a job uses them.

use super::markdown::Rows;
use crate::job::Job;
use crate::report::thousands;
use tidemark_operators::plan::{EntityPlan, Feed, Kind, Read, Sequence};

/// The body of the section "Words in definitions".
pub(super) fn words(job: &Job) -> String {
    let entities = || job.plan.entities.iter();
    let reads = |is: fn(&Read) -> bool| {
        entities().flat_map(|it| &it.views).any(|view| view.reads.iter().any(is))
    };
    let kept = |is: fn(Kind) -> bool| {
        entities().any(|entity| entity.accumulators.iter().any(|it| is(it.kind)))
    };
    let derives = |is: fn(&Sequence) -> bool| {
        entities().any(|entity| entity.sequences.iter().any(|it| is(&it.what)))
    };
    let mut rows = Rows::new(&["Words", "Meaning"]);
    let mut word = |used: bool, words: &str, meaning: &str| {
        if used {
            rows.push([words.to_owned(), meaning.to_owned()]);
        }
    };
    word(
        true,
        "*A* where *c*",
        "only events for which *c* holds; where *c* is null, mostly because the event lacks a field that \
         *c* compares, it does not hold",
    );
    let ratios = reads(|it| matches!(it, Read::Ratio { .. }));
    word(
        ratios,
        "*A* / *B*",
        "the number of the one over that of the other; 0 when there are no *B*",
    );
    let sums = |kind| matches!(kind, Kind::Sum | Kind::Moments | Kind::Max | Kind::Min);
    word(
        kept(sums) || reads(|it| matches!(it, Read::SessionSum { .. })),
        "sum, average, greatest, least of *x*",
        "over the events that have *x*; those without it are left out, also of what an average is \
         divided by",
    );
    word(
        reads(|it| matches!(it, Read::Stddev { .. })),
        "population standard deviation",
        "the root of the mean squared distance from the average; 0 for a single value",
    );
    let most = job.plan.distinct_max.map(|most| format!(" and written up to {}", thousands(most)));
    word(
        reads(|it| matches!(it, Read::Distinct { .. })),
        "distinct values of *x*",
        &format!(
            "how many different values there are, counted exactly{}; events without *x* add none",
            most.unwrap_or_default()
        ),
    );
    word(
        reads(|it| matches!(it, Read::Entropy { .. })),
        "entropy of *x*",
        "how evenly events spread over the values of *x*: −Σ *p* ln *p* over their shares *p*; 0 when \
         all have the same. Events without *x* are left out",
    );
    word(
        reads(|it| matches!(it, Read::Entropy { normalised: true, .. })),
        "normalised entropy",
        "the same over the logarithm of the number of values, so from 0 to 1: 1 when all values are \
         equally frequent, 0 when there is at most one",
    );
    word(
        derives(|it| matches!(it, Sequence::Changed { .. })),
        "changes of *x* (looking back 30d)",
        "events that have *x*, and another one than the nearest event before them that has *x*, if \
         that is less than 30 days older. The entity's first one is no change",
    );
    word(
        derives(|it| matches!(it, Sequence::New { .. })),
        "whether no event of the 30d before the latest one has its *x*",
        "true when the latest event's *x* is new to the entity, or was last seen 30 days before it \
         or longer ago",
    );
    word(
        reads(|it| matches!(it, Read::Gap { .. })),
        "between the latest event and the one before it",
        "at the time of the latest event, so it does not grow while nothing happens; 0 when both are \
         of the same millisecond",
    );
    word(
        kept(|kind| kind == Kind::Hours),
        "events in the latest one's hour of the day / in the busiest hour",
        "of the events in the window those in the same hour of the day as the latest of them, over \
         those in the hour of the day that has most: 1 in the entity's usual hour, near 0 in an \
         unusual one",
    );
    word(
        entities().any(has_tuples),
        "(*x*, *y*)",
        "several fields as one value; it is missing only when all of them are",
    );
    rows.finish()
}

fn has_tuples(entity: &EntityPlan) -> bool {
    let feeds = entity.sources.iter().flatten().flat_map(|source| &source.attributes);
    feeds.into_iter().any(|feed| matches!(feed, Feed::Tuple(_)))
}
