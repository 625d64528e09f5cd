//! Last-event state of the sealed windows.

use crate::aggregate::last::{Last, LastReading};
use crate::origin::Origin;
use crate::time::{EventTime, Millis};
use crate::timeline::lane::Lane;
use crate::timeline::names::Names;
use crate::value::Column;

/// Last-event state, and what is read of it.
pub(super) struct LastSlot {
    pub last: Last,
    pub readings: Vec<((LastReading, Millis), usize)>,
    /// Whether it is kept up to date.
    pub is_read: bool,
}

/// The rows of a block in groups, and the slots that are read at the time of each.
pub(super) struct LastStep<'a> {
    pub rows: &'a Lane,
    /// Empty where the rows come in their order alone.
    pub origins: &'a [Origin],
    pub times: &'a [EventTime],
    /// For each group the end of its rows; then the end of all rows.
    pub ends: &'a [u32],
    pub reads: &'a [u32],
    pub read_ends: &'a [u32],
}

impl LastSlot {
    pub fn new(last: Last) -> Self {
        LastSlot { last, readings: Vec::new(), is_read: true }
    }

    /// Takes note of the rows, group by group, and reads what is read then.
    pub fn replay(&mut self, step: &LastStep<'_>, names: &mut Names, outs: &mut [Column]) {
        let LastStep { rows, origins, times, ends, reads, read_ends } = *step;
        let (mut from, mut read) = (0, 0);
        for (group, (end, read_end)) in ends.iter().zip(read_ends).enumerate() {
            let (to, read_to) = (*end as usize, *read_end as usize);
            for row in from..to {
                let origin = origins.get(row).copied().unwrap_or_default();
                self.last.observe(rows, origin, row, names);
            }
            for slot in &reads[read..read_to] {
                for (reading, out) in &self.readings {
                    self.last.read(*slot, times[group], *reading, names, &mut outs[*out]);
                }
            }
            (from, read) = (to, read_to);
        }
    }
}
