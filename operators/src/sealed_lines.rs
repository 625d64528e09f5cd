//! Sealed rows as lines of JSON, or [packed](PackedRow), in one order whatever the workers.
//!
//! Each worker writes the lines of its own rows; one writer merges them, a frontier step at a time,
//! in the order (as_of, source, partition, offset, view in job order). A line is
//! `{"view","entity_type","entity_id","as_of","source","partition","offset","features":{..}}`.
//!
//! A row that [time has changed](crate::sealed::ChangedRow) has null for the three that say which event; it
//! comes before those of events of its time, by (the hash of its id, its view). `"first":true` stands before
//! `"features"` where these were those of no events until then.

mod merge;
mod packed;

use crate::cut::Cut;
use crate::interner::stable_hash;
use crate::json::{push_int, push_json, push_json_text, quoted};
use crate::origin::Origin;
use crate::plan::{FeaturePlan, Plan};
use crate::sealed::{ChangedRow, ChangedRows, SealedOutput, SealedRows};
use crate::time::EventTime;
use crate::timeline::names::Names;
use crate::value::Column;
pub use merge::merge_lines;
pub use packed::{PackedRow, PackedRows, PackedValue, PackedValues};
use serde::{Deserialize, Serialize};

/// Bytes of lines that a slice of work ends behind; a block of rows comes on top. What one step of a source
/// brings is less, so that only storms of decay are cut off there, and nobody falls behind the sources.
const SLICE_BYTES: usize = 8 << 20;

/// A line's place in the order of all lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineKey {
    /// The row's time.
    pub as_of: EventTime,
    /// The event it belongs to.
    pub origin: LineOrigin,
    /// The view's place in the job.
    pub view: u32,
}

/// What a line is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LineOrigin {
    /// Time has changed the features of an entity whose id has this hash. Ids of one hash are of one worker,
    /// whose lines stand in the order of their bytes then.
    Change(u64),
    /// An event.
    Event(Origin),
}

impl From<Origin> for LineOrigin {
    fn from(origin: Origin) -> Self {
        LineOrigin::Event(origin)
    }
}

/// Lines of one worker and entity type, in order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SealedLines {
    /// Which worker and entity type they come from: their order is one of these streams' own.
    pub stream: (u32, u32),
    /// For each line its place and where it is in `bytes`.
    pub lines: Vec<(LineKey, u64, u64)>,
    /// The lines, each with its newline, or packed rows, in no particular order.
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

/// As what rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineForm {
    /// Lines of JSON.
    Json,
    /// Packed: see [`PackedRow`].
    Packed,
}

/// Writes rows as lines.
pub struct LineWriter {
    form: LineForm,
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
    pub fn new(plan: &Plan, worker: usize, entity: usize, form: LineForm) -> Self {
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
            form,
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
        let SealedLines { lines: places, bytes, .. } = &mut lines;
        let text =
            |(_, start, end): &(LineKey, u64, u64)| bytes.get(*start as usize..*end as usize);
        places.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| text(a).cmp(&text(b))));
        Some(lines)
    }

    fn line(&mut self, row: &LineRow, columns: &[Column], names: &Names) {
        let Some(view) = self.views.get(row.view) else { return };
        if names.entities.is_unnamed(row.slot) {
            // Of an entity that is forgotten nothing more is told.
            return;
        }
        let id = names.entities.bytes(row.slot);
        let out = &mut self.pending.bytes;
        let start = out.len();
        match self.form {
            LineForm::Json => push_line(row, (view, &self.sources), id, columns, out),
            LineForm::Packed => packed::push_row(row, id, &view.features, columns, out),
        }
        let origin = row.origin.map_or_else(|| LineOrigin::Change(stable_hash(id)), Into::into);
        let key = LineKey { as_of: row.as_of, origin, view: row.view as u32 };
        self.pending.lines.push((key, start as u64, out.len() as u64));
    }
}

/// Appends a row of a view as a line; `sources`: what it says of each as that of its event.
fn push_line(
    row: &LineRow,
    (view, sources): (&ViewNames, &[String]),
    id: &[u8],
    columns: &[Column],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(view.head.as_bytes());
    push_json_text(id, out);
    out.extend_from_slice(b",\"as_of\":");
    push_int(row.as_of, out);
    match row.origin {
        Some(origin) => {
            out.extend_from_slice(sources[usize::from(origin.source)].as_bytes());
            push_int(origin.partition, out);
            out.extend_from_slice(b",\"offset\":");
            push_int(origin.offset, out);
        }
        None => {
            out.extend_from_slice(b",\"source\":null,\"partition\":null,\"offset\":null");
        }
    }
    if row.first {
        out.extend_from_slice(b",\"first\":true");
    }
    out.extend_from_slice(b",\"features\":{");
    push_features(&view.features, columns, row.at, out);
    out.extend_from_slice(b"}}\n");
}

/// What a line says of a row besides its features.
struct LineRow {
    view: usize,
    slot: u32,
    as_of: EventTime,
    origin: Option<Origin>,
    first: bool,
    /// Where its features are in the columns.
    at: usize,
}

impl SealedOutput for LineWriter {
    fn rows(&mut self, rows: &SealedRows<'_>, names: &Names) {
        names.entities.warm(rows.slots.iter().copied());
        for (at, slot) in rows.slots.iter().enumerate() {
            let (as_of, origin) = (rows.times[at], Some(rows.origins[at]));
            let row = LineRow { view: rows.view, slot: *slot, as_of, origin, first: false, at };
            self.line(&row, rows.columns, names);
        }
    }

    fn changes(&mut self, rows: &ChangedRows<'_>, names: &Names) {
        names.entities.warm(rows.rows.iter().map(|row| row.slot));
        for ChangedRow { time, slot, origin, first, at } in rows.rows.iter().copied() {
            let row = LineRow { view: rows.view, slot, as_of: time, origin, first, at };
            self.line(&row, rows.columns, names);
        }
    }

    fn is_full(&self) -> bool {
        self.pending.bytes.len() >= SLICE_BYTES
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
