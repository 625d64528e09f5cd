//! What a replay says of sources of which it has read no event.

use crate::engine::Observer;
use crate::output;
use crate::text::by_operation;
use std::collections::BTreeMap;
use tidemark_operators::plan::{Plan, SourcePlan};

/// Says for each source of which operations records were skipped, and where that is all there was, what
/// reads them; and which sources have no record at all.
pub(super) fn say(plan: &Plan, observer: &Observer) {
    for (at, source) in plan.sources.iter().enumerate() {
        let verdicts = || observer.metrics.iter().filter_map(|m| m.verdicts.get(at));
        let mut skipped = BTreeMap::new();
        for (operation, count) in verdicts().flat_map(|verdicts| verdicts.skipped_by_operation()) {
            *skipped.entry(operation).or_insert(0) += count;
        }
        let is_read = verdicts().any(|verdicts| verdicts.judged() > 0);
        let all_skipped = !skipped.is_empty();
        if all_skipped {
            let by = by_operation(skipped);
            output::note(&format!("skipped: {}, by operation: {by}", source.name));
        }
        if !is_read {
            output::note(&unread(source, all_skipped));
        }
    }
}

/// Why there is no event of `source`.
fn unread(source: &SourcePlan, all_skipped: bool) -> String {
    let name = &source.name;
    match &source.envelope {
        Some(envelope) if all_skipped => {
            let ops: Vec<_> = envelope.ops.iter().map(|it| format!("\"{it}\"")).collect();
            format!(
                "warning: every record of source {name} was skipped: it reads ops = [{}]; name more of them \
                 there if these are events too",
                ops.join(", ")
            )
        }
        _ => format!(
            "warning: not one record of source {name} was read: features of it are empty in every row"
        ),
    }
}
