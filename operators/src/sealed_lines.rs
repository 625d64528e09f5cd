//! Sealed rows as lines of JSON, in one order whatever the workers.
//!
//! Each worker writes the lines of its own rows; one writer merges them, a frontier step at a time,
//! in the order (as_of, source, partition, offset, view in job order). A line is
//! `{"view","entity_type","entity_id","as_of","source","partition","offset","features":{..}}`.

use crate::origin::Origin;
use crate::plan::{FeaturePlan, Plan};
use crate::sealed::{SealedOutput, SealedRows};
use crate::time::EventTime;
use crate::timeline::names::Names;
use crate::value::{Column, Type};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

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
    fn write(&mut self, lines: &[u8]);
}

/// Writes rows as lines.
pub struct LineWriter {
    views: Vec<ViewNames>,
    sources: Vec<String>,
    pending: SealedLines,
}

struct ViewNames {
    /// `{"view":"v","entity_type":"e","entity_id":`
    head: String,
    /// For each feature `"name":` and its plan.
    features: Vec<(String, FeaturePlan)>,
}

/// `text` as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl LineWriter {
    /// For the rows of `plan` that worker `worker` computes for entity `entity`.
    pub fn new(plan: &Plan, worker: usize, entity: usize) -> Self {
        let view = |at: usize| {
            let (view, entity) = (plan.view(at), &plan.entities[plan.views[at].entity]);
            let name = view.map_or("", |v| &v.name);
            let features = view.map_or(&[][..], |v| &v.features).iter();
            ViewNames {
                head: format!(
                    "{{\"view\":{},\"entity_type\":{},\"entity_id\":",
                    quoted(name),
                    quoted(&entity.name)
                ),
                features: features.map(|f| (format!("{}:", quoted(&f.name)), f.clone())).collect(),
            }
        };
        LineWriter {
            views: (0..plan.views.len()).map(view).collect(),
            sources: plan.sources.iter().map(|s| quoted(&s.name)).collect(),
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
            out.extend_from_slice(b",\"source\":");
            out.extend_from_slice(self.sources[usize::from(origin.source)].as_bytes());
            out.extend_from_slice(b",\"partition\":");
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
    for (at, (name, feature)) in features.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name.as_bytes());
        push_json(&columns[feature.column], feature.ty, row, out);
    }
}

fn push_int(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the value at `row` as JSON: doubles as the shortest decimal that reads back the same.
pub fn push_json(column: &Column, ty: Type, row: usize, out: &mut Vec<u8>) {
    let Some(word) = column.word(row) else {
        return out.extend_from_slice(b"null");
    };
    match ty {
        Type::Text => push_json_text(column.bytes(row).unwrap_or_default(), out),
        Type::Ip => match column.bytes(row).and_then(crate::value::address) {
            Some(address) => {
                // Writing to a vector does not fail.
                let _ = write!(out, "\"{address}\"");
            }
            None => out.extend_from_slice(b"null"),
        },
        _ => push_word(ty, word, out),
    }
}

/// Appends the text of a value by its word, the same wherever values are shown; nothing for text
/// and ip, which are bytes.
pub fn push_word(ty: Type, word: u64, out: &mut Vec<u8>) {
    let double = match ty {
        Type::Int | Type::Timestamp => return push_int(word.cast_signed(), out),
        Type::Bool => {
            return out.extend_from_slice(if word != 0 { b"true" } else { b"false" });
        }
        Type::Double => f64::from_bits(word),
        Type::Decimal(_) => word.cast_signed() as f64 / ty.unit() as f64,
        Type::Text | Type::Ip => return,
    };
    out.extend_from_slice(ryu::Buffer::new().format(double).as_bytes());
}

/// Appends `text` as a JSON string. It came from one, so it is UTF-8.
pub fn push_json_text(text: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    if text.iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    out.extend_from_slice(quoted(&String::from_utf8_lossy(text)).as_bytes());
}

/// The operator that merges the workers' lines on worker 0.
///
/// Made on every worker; only worker 0's `sink` is given anything. Bounded by what the workers seal
/// between two frontiers, which their slices bound.
///
/// ```
/// use tidemark_operators::in_memory::Kept;
/// use tidemark_operators::origin::Origin;
/// use tidemark_operators::sealed_lines::{LineKey, SealedLines, merge_lines};
/// use timely::dataflow::operators::Input;
///
/// let merged = timely::execute_directly(|worker| {
///     let lines = Kept::<u8>::default();
///     let sink = Box::new(lines.clone());
///     let mut input = worker.dataflow(|scope| {
///         let (input, stream) = scope.new_input::<Vec<SealedLines>>();
///         merge_lines(stream, Some(sink));
///         input
///     });
///     // Two entities' lines, each in order.
///     for (entity, as_of, text) in [(0, 2_000, "b\n"), (1, 1_000, "a\n")] {
///         let key = LineKey { as_of, origin: Origin::default(), view: entity };
///         let bytes = text.as_bytes().to_vec();
///         input.send(SealedLines { stream: (0, entity), lines: vec![(key, 0, 2)], bytes });
///     }
///     input.advance_to(3_000);
///     (0..10).for_each(|_| { worker.step(); });
///     drop(input);
///     lines.take()
/// });
/// assert_eq!(merged, b"a\nb\n");
/// ```
pub fn merge_lines(
    lines: StreamVec<'_, EventTime, SealedLines>,
    mut sink: Option<Box<dyn SealedSink>>,
) {
    let mut builder = OperatorBuilder::new("MergeSealedLines".to_owned(), lines.scope());
    let mut input = builder.new_input(lines, Exchange::new(|_: &SealedLines| 0));
    let (output, _closed) = builder.new_output::<Vec<()>>();
    let _output: OutputBuilder<_, timely::container::CapacityContainerBuilder<Vec<()>>> =
        OutputBuilder::from(output);
    builder.build(move |capabilities| {
        drop(capabilities);
        let mut streams = Streams::new();
        let mut merged = Vec::new();
        move |frontiers| {
            input.for_each(|_, batches| {
                for batch in batches.drain(..) {
                    streams.entry(batch.stream).or_default().push_back((batch, 0));
                }
            });
            let frontier = frontiers[0].frontier().first().copied();
            merge(&mut streams, frontier, &mut merged);
            if let (Some(sink), false) = (&mut sink, merged.is_empty()) {
                sink.write(&merged);
            }
            merged.clear();
        }
    });
}

/// Batches of one stream, and the next line of each.
type Queue = VecDeque<(SealedLines, usize)>;
type Streams = BTreeMap<(u32, u32), Queue>;

/// Appends the lines before `frontier` (all for `None`) to `merged`, in order.
fn merge(streams: &mut Streams, frontier: Option<EventTime>, merged: &mut Vec<u8>) {
    let head = |queue: &Queue| queue.front().map(|(lines, at)| lines.lines[*at].0);
    let ready = |key: LineKey| frontier.is_none_or(|f| key.as_of < f);
    loop {
        let heads = streams.iter().filter_map(|(stream, queue)| Some((head(queue)?, *stream)));
        let mut heads: Vec<_> = heads.filter(|(key, _)| ready(*key)).collect();
        heads.sort_unstable();
        let Some((_, first)) = heads.first() else { return };
        // Up to the next stream's head, the first stream's lines go out in one run.
        let until = heads.get(1).map(|(key, _)| *key);
        let Some(queue) = streams.get_mut(first) else { return };
        while let Some((lines, at)) = queue.front_mut() {
            let (key, start, end) = lines.lines[*at];
            if !ready(key) || until.is_some_and(|until| key > until) {
                break;
            }
            merged.extend_from_slice(&lines.bytes[start as usize..end as usize]);
            *at += 1;
            if *at == lines.lines.len() {
                queue.pop_front();
            }
        }
    }
}
