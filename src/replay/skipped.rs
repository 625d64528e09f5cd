//! What a replay says of records whose operations the job does not read.

use crate::engine::Observer;
use crate::output;
use crate::text::count_text;
use tidemark_operators::plan::{Operation, Plan};

/// Says for each source of which operations records were skipped, and where that is all there was, what
/// reads them.
pub(super) fn say(plan: &Plan, observer: &Observer) {
    for (at, source) in plan.sources.iter().enumerate() {
        let Some(envelope) = &source.envelope else { continue };
        let verdicts = || observer.metrics.iter().filter_map(|m| m.verdicts.get(at));
        let skipped = |operation: &Operation| -> u64 {
            let all = verdicts().flat_map(|verdicts| verdicts.skipped_by_operation());
            all.filter(|(known, _)| known == operation).map(|(_, count)| count).sum()
        };
        let told = Operation::ALL.iter().map(|operation| (operation, skipped(operation)));
        let told = told.filter(|(_, count)| *count > 0);
        let told: Vec<_> = told.map(|(op, count)| format!("{} {op}", count_text(count))).collect();
        if told.is_empty() {
            continue;
        }
        output::note(&format!("skipped: {}, by operation: {}", source.name, told.join(", ")));
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
