//! Rows of one chunk in (slot, row) order.

/// Rows `lo..hi` (not necessarily all of them) ordered by slot.
pub struct Run {
    /// The first row it may have.
    pub lo: u32,
    /// One past the last row it may have.
    pub hi: u32,
    /// The distinct slots, ascending: cursors hand out references to these.
    pub slots: Box<[u32]>,
    starts: Box<[u32]>,
    rows: Box<[u16]>,
}

impl Run {
    /// Sorts `rows`, when `slot` says whose each is.
    pub fn build(rows: impl Iterator<Item = u32>, slot: impl Fn(u32) -> u32) -> Self {
        let (mut lo, mut hi) = (u32::MAX, 0);
        let mut pairs: Vec<u64> = rows
            .map(|row| {
                (lo, hi) = (lo.min(row), hi.max(row + 1));
                u64::from(slot(row)) << 16 | u64::from(row)
            })
            .collect();
        pairs.sort_unstable();
        let (mut slots, mut starts) = (Vec::new(), Vec::new());
        let mut sorted = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let slot = (pair >> 16) as u32;
            if slots.last() != Some(&slot) {
                slots.push(slot);
                starts.push(sorted.len() as u32);
            }
            sorted.push(pair as u16);
        }
        Run { lo, hi, slots: slots.into(), starts: starts.into(), rows: sorted.into() }
    }

    /// Joins two runs; the rows of `b` come after those of `a`.
    pub fn merge(a: &Run, b: &Run) -> Self {
        let (mut slots, mut starts) = (Vec::new(), Vec::new());
        let mut rows = Vec::with_capacity(a.len() + b.len());
        let (mut i, mut j) = (0, 0);
        loop {
            let slot = match (a.slots.get(i), b.slots.get(j)) {
                (Some(x), Some(y)) => *x.min(y),
                (Some(x), None) => *x,
                (None, Some(y)) => *y,
                (None, None) => break,
            };
            slots.push(slot);
            starts.push(rows.len() as u32);
            if a.slots.get(i) == Some(&slot) {
                rows.extend_from_slice(a.rows(i));
                i += 1;
            }
            if b.slots.get(j) == Some(&slot) {
                rows.extend_from_slice(b.rows(j));
                j += 1;
            }
        }
        Run { lo: a.lo, hi: b.hi, slots: slots.into(), starts: starts.into(), rows: rows.into() }
    }

    /// The rows of the slot at place `at` of [`Run::slots`].
    pub fn rows(&self, at: usize) -> &[u16] {
        let lo = self.starts[at] as usize;
        let hi = self.starts.get(at + 1).map_or(self.rows.len(), |s| *s as usize);
        &self.rows[lo..hi]
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
