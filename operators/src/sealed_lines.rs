//! Sealed rows as lines of JSON, in one order whatever the workers.
//!
//! Each worker writes the lines of its own rows; one writer merges them, a frontier step at a time,
//! in the order (as_of, source, partition, offset, view in job order). A line is
//! `{"view","entity_type","entity_id","as_of","source","partition","offset","features":{..}}`.

mod merge;

use crate::cut::Cut;
use crate::json::{push_int, push_json, push_json_text, quoted};
use crate::origin::Origin;
use crate::plan::{FeaturePlan, Plan};
use crate::sealed::{SealedOutput, SealedRows};
use crate::time::EventTime;
use crate::timeline::names::Names;
use crate::value::Column;
pub use merge::merge_lines;
use serde::{Deserialize, Serialize};

/// A line's place in the order of all lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineKey {
    /// The row's time.
    pub as_of: EventTime,
    /// The event it belongs to.
    pub origin: Origin,
    /// The view's place in the job.
    pub view: u32,
}

/// Lines of one worker and entity type, in order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SealedLines {
    /// Which worker and entity type they come from: their order is one of these streams' own.
    pub stream: (u32, u32),
    /// For each line its place and where it is in `bytes`.
    pub lines: Vec<(LineKey, u64, u64)>,
    /// The lines, each with its newline, in no particular order.
    pub bytes: Vec<u8>,
}

/// Where merged lines go. The implementations write on threads of their own; nothing blocks.
pub trait SealedSink {
    /// Takes lines, in order.
    fn write(&mut self, lines: Vec<u8>);

    /// The lines of rows before `cut` are the first `bytes` of all bytes given so far.
    fn cut(&mut self, cut: Cut, bytes: u64) {
        let _ = (cut, bytes);
    }
}

/// Writes rows as lines.
pub struct LineWriter {
    views: Vec<ViewNames>,
    /// For each source `,"source":"s","partition":`
    sources: Vec<String>,
    pending: SealedLines,
}

struct ViewNames {
    /// `{"view":"v","entity_type":"e","entity_id":`
    head: String,
    /// For each feature `"name":`, with a comma before it unless it is the first, and its plan.
    features: Vec<(String, FeaturePlan)>,
}

impl LineWriter {
    /// For the rows of `plan` that worker `worker` computes for entity `entity`.
    pub fn new(plan: &Plan, worker: usize, entity: usize) -> Self {
        let view = |at: usize| {
            let (view, entity) = (plan.view(at), &plan.entities[plan.views[at].entity]);
            let name = view.map_or("", |v| &v.name);
            let features = view.map_or(&[][..], |v| &v.features).iter().enumerate();
            let named = |(at, feature): (usize, &FeaturePlan)| {
                let comma = if at > 0 { "," } else { "" };
                (format!("{comma}{}:", quoted(&feature.name)), feature.clone())
            };
            ViewNames {
                head: format!(
                    "{{\"view\":{},\"entity_type\":{},\"entity_id\":",
                    quoted(name),
                    quoted(&entity.name)
                ),
                features: features.map(named).collect(),
            }
        };
        LineWriter {
            views: (0..plan.views.len()).map(view).collect(),
            sources: plan
                .sources
                .iter()
                .map(|s| format!(",\"source\":{},\"partition\":", quoted(&s.name)))
                .collect(),
            pending: SealedLines {
                stream: (worker as u32, entity as u32),
                ..SealedLines::default()
            },
        }
    }

    /// Takes out what was written since the last call, in order.
    pub fn take(&mut self) -> Option<SealedLines> {
        if self.pending.lines.is_empty() {
            return None;
        }
        let empty = SealedLines { stream: self.pending.stream, ..SealedLines::default() };
        let mut lines = std::mem::replace(&mut self.pending, empty);
        // Rows come a view at a time.
        lines.lines.sort();
        Some(lines)
    }
}

impl SealedOutput for LineWriter {
    fn rows(&mut self, rows: &SealedRows<'_>, names: &Names) {
        let view = &self.views[rows.view];
        let out = &mut self.pending.bytes;
        for (row, slot) in rows.slots.iter().enumerate() {
            let start = out.len();
            let (as_of, origin) = (rows.times[row], rows.origins[row]);
            out.extend_from_slice(view.head.as_bytes());
            push_json_text(names.entities.bytes(*slot), out);
            out.extend_from_slice(b",\"as_of\":");
            push_int(as_of, out);
            out.extend_from_slice(self.sources[usize::from(origin.source)].as_bytes());
            push_int(origin.partition, out);
            out.extend_from_slice(b",\"offset\":");
            push_int(origin.offset, out);
            out.extend_from_slice(b",\"features\":{");
            push_features(&view.features, rows.columns, row, out);
            out.extend_from_slice(b"}}\n");
            let key = LineKey { as_of, origin, view: rows.view as u32 };
            self.pending.lines.push((key, start as u64, out.len() as u64));
        }
    }
}

fn push_features(
    features: &[(String, FeaturePlan)],
    columns: &[Column],
    row: usize,
    out: &mut Vec<u8>,
) {
    for (name, feature) in features {
        out.extend_from_slice(name.as_bytes());
        push_json(&columns[feature.column], feature.ty, row, out);
    }
}
