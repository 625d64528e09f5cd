//! What a replay says of sources of which it has read no event.

use crate::engine::Observer;
use crate::output;
use crate::text::by_operation;
use std::collections::BTreeMap;
use tidemark_operators::plan::Plan;

/// Says for each source of which operations records were skipped, and where that is all there was, what
/// reads them.
pub(super) fn say(plan: &Plan, observer: &Observer) {
    for (at, source) in plan.sources.iter().enumerate() {
        let Some(envelope) = &source.envelope else { continue };
        let verdicts = || observer.metrics.iter().filter_map(|m| m.verdicts.get(at));
        let mut skipped = BTreeMap::new();
        for (operation, count) in verdicts().flat_map(|verdicts| verdicts.skipped_by_operation()) {
            *skipped.entry(operation).or_insert(0) += count;
        }
        if skipped.is_empty() {
            continue;
        }
        let by = by_operation(skipped);
        output::note(&format!("skipped: {}, by operation: {by}", source.name));
        if verdicts().map(|verdicts| verdicts.judged()).sum::<u64>() == 0 {
            let ops: Vec<_> = envelope.ops.iter().map(|it| format!("\"{it}\"")).collect();
            output::note(&format!(
                "warning: every record of source {} was skipped: it reads ops = [{}]; name more of them \
                 there if these are events too",
                source.name,
                ops.join(", ")
            ));
        }
    }
}

/// Says which sources have no record at all, whose features are then empty.
pub(super) fn say_empty(plan: &Plan, observer: &Observer) {
    for (at, source) in plan.sources.iter().enumerate() {
        let verdicts = || observer.metrics.iter().filter_map(|m| m.verdicts.get(at));
        let skipped = verdicts().any(|verdicts| verdicts.skipped_by_operation().next().is_some());
        if !skipped && verdicts().map(|verdicts| verdicts.judged()).sum::<u64>() == 0 {
            output::note(&format!(
                "warning: not one record of source {} was read: features of it are empty in every row",
                source.name
            ));
        }
    }
}
