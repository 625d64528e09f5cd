//! Rows across chunks, by their sequence numbers: what the log and the batches of windows have in
//! common. The chunks ascend. Between two of them rows may be missing, but none that is asked for.

use super::chunk::Chunk;
use super::lane::Lane;
use crate::time::EventTime;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Where the first chunk that ends after row `seq` stands.
fn find(chunks: &VecDeque<Rc<Chunk>>, seq: u64) -> usize {
    // Windows mostly ask about either end; a binary search over the chunks serves both.
    chunks.partition_point(|c| c.end() <= seq)
}

/// Chunks that hold rows of `lo..hi`.
pub(crate) fn cover(
    chunks: &VecDeque<Rc<Chunk>>,
    lo: u64,
    hi: u64,
) -> impl Iterator<Item = &Rc<Chunk>> {
    let from = if lo < hi { find(chunks, lo) } else { chunks.len() };
    chunks.iter().skip(from).take_while(move |c| c.base() < hi)
}

/// The first of rows `lo..hi` whose time fails `below`, which must be monotone; `hi` when none does.
pub(crate) fn partition(
    chunks: &VecDeque<Rc<Chunk>>,
    (lo, hi): (u64, u64),
    below: impl Fn(EventTime) -> bool,
) -> u64 {
    for chunk in cover(chunks, lo, hi) {
        if !below(chunk.last_time()) {
            let row = (lo.max(chunk.base()) - chunk.base()) as u32;
            return (chunk.base() + u64::from(chunk.partition(row, &below))).min(hi);
        }
    }
    hi
}

/// The time of row `seq`, if they have it.
pub(crate) fn time(chunks: &VecDeque<Rc<Chunk>>, seq: u64) -> Option<EventTime> {
    time_if(chunks, seq, |_| true)
}

/// The same where `wanted`, which must be monotone (true, then false), holds of it: where not even the first
/// row of its chunk has such a time, nothing is read.
pub(crate) fn time_if(
    chunks: &VecDeque<Rc<Chunk>>,
    seq: u64,
    wanted: impl Fn(EventTime) -> bool,
) -> Option<EventTime> {
    let chunk = chunks.get(find(chunks, seq)).filter(|c| c.base() <= seq)?;
    if !wanted(chunk.first_time()) {
        return None;
    }
    let row = (seq - chunk.base()) as u32;
    let time = match row {
        0 => chunk.first_time(),
        row if row + 1 == chunk.len() => chunk.last_time(),
        row => {
            let columns = chunk.columns()?;
            chunk.first_time() + u64::from(columns.times().get(row as usize)?.get())
        }
    };
    wanted(time).then_some(time)
}

/// Appends rows `lo..hi` to `lane`.
pub(crate) fn copy(chunks: &VecDeque<Rc<Chunk>>, (lo, hi): (u64, u64), lane: &mut Lane) {
    for chunk in cover(chunks, lo, hi) {
        let from = (lo.max(chunk.base()) - chunk.base()) as u32;
        let to = (hi.min(chunk.end()) - chunk.base()) as u32;
        let Some(columns) = chunk.columns() else { continue };
        chunk.copy_times(&columns, from, to, &mut lane.times);
        let slots = &columns.slots()[from as usize..to as usize];
        lane.slots.extend(slots.iter().map(Cell::get));
        columns.copy_bits(from, to, &mut lane.bits);
        for (attribute, values) in lane.values.iter_mut().enumerate() {
            if let Some(values) = values {
                columns.copy_values(attribute, from, to, values);
            }
        }
    }
}
