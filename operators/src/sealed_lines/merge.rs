//! One order of the lines of all workers and entities.

use super::{LineKey, SealedLines, SealedSink};
use crate::cut::SecondSteps;
use crate::shared::SharedRef;
use crate::time::EventTime;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::rc::Rc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// Lines of at least so many bytes that are next as they stand go out without being copied.
const WHOLE_BYTES: usize = 64 << 10;
/// Bytes of lines that are copied together, about.
const PIECE_BYTES: usize = 1 << 20;

/// The operator that merges the workers' lines on worker 0.
///
/// Made on every worker; only worker 0's `sink` is given anything, and told of the cuts in `shared`.
/// Bounded by what entity types and workers seal while they wait for one another: who is far ahead waits
/// until the frontier here, of which `shared` is told on every worker, has come up.
///
/// ```
/// use tidemark_operators::in_memory::Kept;
/// use tidemark_operators::origin::Origin;
/// use tidemark_operators::sealed_lines::{LineKey, SealedLines, merge_lines};
/// use tidemark_operators::shared::SharedRef;
/// use timely::dataflow::operators::Input;
///
/// let merged = timely::execute_directly(|worker| {
///     let lines = Kept::<u8>::default();
///     let sink = Box::new(lines.clone());
///     let shared = SharedRef::default();
///     let mut input = worker.dataflow(|scope| {
///         let (input, stream) = scope.new_input::<Vec<SealedLines>>();
///         merge_lines(stream, Some(sink), &shared);
///         input
///     });
///     // Two entities' lines, each in order.
///     for (entity, as_of, text) in [(0, 2_000, "b\n"), (1, 1_000, "a\n")] {
///         let key = LineKey { as_of, origin: Origin::default().into(), view: entity };
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
    shared: &SharedRef,
) {
    let scope = lines.scope();
    let mut builder = OperatorBuilder::new("MergeSealedLines".to_owned(), scope);
    let wake = scope.activator_for(builder.operator_info().address);
    shared.windows.borrow_mut().push(wake);
    let (shared, mut cut) = (Rc::clone(shared), None);
    let mut input = builder.new_input(lines, Exchange::new(|_: &SealedLines| 0));
    let (output, _closed) = builder.new_output::<Vec<()>>();
    let _output: OutputBuilder<_, CapacityContainerBuilder<Vec<()>>> = OutputBuilder::from(output);
    builder.build(move |capabilities| {
        drop(capabilities);
        let mut streams = Streams::default();
        streams.given.is_asked = shared.marks.is_some();
        move |frontiers| {
            input.for_each(|_, batches| batches.drain(..).for_each(|batch| streams.add(batch)));
            let frontier = frontiers[0].frontier().first().copied();
            let merged = frontier.unwrap_or(EventTime::MAX);
            if shared.merged.replace(merged) != merged && shared.merge_awaited.take() {
                shared.wake_windows();
            }
            let Some(sink) = &mut sink else { return };
            streams.merge(frontier, &mut |lines| sink.write(lines));
            let last = shared.last_cut.get().filter(|_| frontier.is_none());
            let asked = last.or_else(|| shared.cut.get());
            let asked = asked.filter(|asked| cut != Some(*asked));
            if let Some(asked) = asked.filter(|asked| frontier.is_none_or(|f| f >= asked.at)) {
                cut = Some(asked);
                sink.cut(asked, streams.bytes_before(asked.at));
            }
        }
    });
}

/// A stream's name: its worker and entity.
type StreamId = (u32, u32);

/// The lines that are not given out yet.
#[derive(Default)]
struct Streams {
    /// Batches of each stream, and the next line of the first.
    queues: BTreeMap<StreamId, (VecDeque<SealedLines>, usize)>,
    /// The next line of each stream that has one.
    heads: BinaryHeap<Reverse<(LineKey, StreamId)>>,
    given: GivenBytes,
}

/// How many bytes have been given out, and how many of them before each second that had a line.
#[derive(Default)]
struct GivenBytes {
    /// Whether anybody asks: where there are checkpoints.
    is_asked: bool,
    bytes: u64,
    seconds: SecondSteps,
}

impl GivenBytes {
    /// These lines are given out.
    fn lines(&mut self, lines: &[(LineKey, u64, u64)]) {
        if !self.is_asked {
            return;
        }
        for (key, start, end) in lines {
            self.seconds.reach(key.as_of, self.bytes);
            self.bytes += end - start;
        }
    }
}

impl Streams {
    /// The bytes of the lines before `cut`, all of which have been given out. No earlier cut is asked
    /// for any more.
    fn bytes_before(&mut self, cut: EventTime) -> u64 {
        self.given.seconds.first_at(cut).unwrap_or(self.given.bytes)
    }

    fn add(&mut self, batch: SealedLines) {
        let Some((key, ..)) = batch.lines.first() else { return };
        let (queue, next) = self.queues.entry(batch.stream).or_default();
        if queue.is_empty() {
            *next = 0;
            self.heads.push(Reverse((*key, batch.stream)));
        }
        queue.push_back(batch);
    }

    /// Gives out the lines before `frontier` (all for `None`), in order.
    fn merge(&mut self, frontier: Option<EventTime>, give: &mut impl FnMut(Vec<u8>)) {
        let mut merged = Vec::new();
        while let Some(Reverse((key, id))) = self.heads.peek().copied() {
            if frontier.is_some_and(|frontier| key.as_of >= frontier) {
                break;
            }
            self.heads.pop();
            // Up to the next stream's head, this stream's lines go out in one run.
            let until = self.heads.peek().map(|Reverse((key, _))| *key);
            let goes = |key: LineKey| {
                until.is_none_or(|until| key <= until) && frontier.is_none_or(|f| key.as_of < f)
            };
            let Some((queue, next)) = self.queues.get_mut(&id) else { continue };
            while let Some(batch) = queue.front_mut() {
                let first = *next;
                if *next == 0 && batch.bytes.len() >= WHOLE_BYTES && goes_whole(batch, goes) {
                    if !merged.is_empty() {
                        give(std::mem::take(&mut merged));
                    }
                    give(std::mem::take(&mut batch.bytes));
                    *next = batch.lines.len();
                } else {
                    *next = copy_run(batch, *next, goes, &mut merged);
                }
                self.given.lines(batch.lines.get(first..*next).unwrap_or_default());
                if merged.len() >= PIECE_BYTES {
                    give(std::mem::take(&mut merged));
                }
                if *next < batch.lines.len() {
                    break;
                }
                queue.pop_front();
                *next = 0;
            }
            let head = queue.front().and_then(|batch| batch.lines.get(*next));
            self.heads.extend(head.map(|(key, ..)| Reverse((*key, id))));
        }
        if !merged.is_empty() {
            give(merged);
        }
    }
}

/// Whether all lines of `batch` go out, and stand one behind the other.
fn goes_whole(batch: &SealedLines, goes: impl Fn(LineKey) -> bool) -> bool {
    let mut at = 0;
    let follow =
        batch.lines.iter().all(|(_, start, end)| std::mem::replace(&mut at, *end) == *start);
    follow && batch.lines.last().is_some_and(|(key, ..)| goes(*key))
}

/// Appends the lines of `batch` that go out, from `next` on; returns the first that does not.
fn copy_run(
    batch: &SealedLines,
    next: usize,
    goes: impl Fn(LineKey) -> bool,
    merged: &mut Vec<u8>,
) -> usize {
    let mut at = next;
    let mut run = (0, 0);
    let mut copy = |(start, end): (u64, u64)| {
        merged.extend_from_slice(&batch.bytes[start as usize..end as usize]);
    };
    while let Some((_, start, end)) = batch.lines.get(at).filter(|(key, ..)| goes(*key)) {
        if run.1 != *start {
            copy(run);
            run.0 = *start;
        }
        run.1 = *end;
        at += 1;
    }
    copy(run);
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;
    use crate::time::SECOND;
    use proptest::prelude::*;

    fn key(as_of: EventTime, view: u32) -> LineKey {
        LineKey { as_of, origin: Origin::default().into(), view }
    }

    fn line(key: LineKey) -> String {
        // Some batches are long enough to go out whole.
        format!("{} {} {}\n", key.as_of, key.view, "x".repeat(40))
    }

    /// A batch whose lines stand in its bytes in order, or by turns.
    fn batch(stream: StreamId, keys: &[LineKey], in_order: bool) -> SealedLines {
        let (mut bytes, mut lines) = (Vec::new(), Vec::new());
        let order = (0..keys.len()).filter(|at| in_order || at % 2 == 1);
        let rest = (0..keys.len()).filter(|at| !in_order && at % 2 == 0);
        for at in order.chain(rest) {
            let start = bytes.len() as u64;
            bytes.extend_from_slice(line(keys[at]).as_bytes());
            lines.push((keys[at], start, bytes.len() as u64));
        }
        lines.sort();
        SealedLines { stream, lines, bytes }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn lines_come_out_as_if_all_had_been_sorted(
            steps in prop::collection::vec((1_u64..40, 0_u64..2_500, any::<bool>()), 1..12),
            streams in 1_u32..5,
        ) {
            let (mut merging, mut out, mut all) = (Streams::default(), Vec::new(), Vec::new());
            let (mut time, mut given) = (0, 0);
            for (length, density, in_order) in steps {
                for stream in 0..streams {
                    // The views of two streams take turns within one time.
                    let count = density * u64::from(stream + 1) / u64::from(streams);
                    let keys = (0..count).map(|n| key(time + n * length / count, stream));
                    let mut keys: Vec<_> = keys.collect();
                    keys.dedup();
                    all.extend_from_slice(&keys);
                    merging.add(batch((0, stream), &keys, in_order));
                }
                time += length;
                let frontier = time - length / 2;
                merging.merge(Some(frontier), &mut |lines| out.extend_from_slice(&lines));
                let below = all.iter().filter(|key| key.as_of < frontier).count();
                prop_assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), below);
                prop_assert!(below >= given, "what was given stays given");
                given = below;
            }
            merging.merge(None, &mut |lines| out.extend_from_slice(&lines));
            all.sort();
            let expected: String = all.into_iter().map(line).collect();
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
            prop_assert!(merging.heads.is_empty());
        }

        #[test]
        fn the_bytes_before_a_cut_are_those_of_the_lines_before_it(
            times in prop::collection::btree_set(0_u64..30_000, 1..60),
            cuts in prop::collection::btree_set(0_u64..40, 1..5),
        ) {
            let keys: Vec<_> = times.iter().map(|ts| key(*ts, 0)).collect();
            let mut merging = Streams::default();
            merging.given.is_asked = true;
            let mut out = Vec::new();
            for (at, keys) in keys.chunks(7).enumerate() {
                merging.add(batch((0, 0), keys, at % 2 == 0));
            }
            merging.merge(None, &mut |lines| out.extend_from_slice(&lines));
            for second in cuts {
                let before = keys.iter().filter(|key| key.as_of < second * SECOND);
                let expected: usize = before.map(|key| line(*key).len()).sum();
                prop_assert_eq!(merging.bytes_before(second * SECOND), expected as u64);
            }
        }
    }

    #[test]
    fn many_lines_that_are_next_as_they_stand_are_not_copied() {
        let keys: Vec<_> = (0..2_000).map(|ts| key(ts, 0)).collect();
        let whole = batch((0, 0), &keys, true);
        let bytes = whole.bytes.as_ptr();
        let mut streams = Streams::default();
        streams.add(batch((0, 1), &[key(0, 0)], true));
        streams.add(whole);
        let mut given = Vec::new();
        streams.merge(Some(1_500), &mut |lines| given.push(lines));
        assert_eq!(given.len(), 1, "part of it is copied");
        let mut streams = Streams::default();
        let whole = SealedLines { stream: (0, 0), ..batch((0, 0), &keys, true) };
        let same = whole.bytes.as_ptr();
        streams.add(whole);
        streams.merge(None, &mut |lines| given.push(lines));
        assert_eq!(given[1].as_ptr(), same);
        assert_ne!(given[0].as_ptr(), bytes);
    }
}
