//! One view's rows in one shard: fixed-width rows by slot, in pages.
//!
//! ```text
//! head       flags << 48 | as_of          why the row is queued, and its event time
//! life       epoch << 40 | refresh_due    which Redis it was asserted in, when its TTL is due (ms)
//! sent       sent_at                      when it was last sent (ms)
//! valid      1 bit a feature              not null
//! pending    1 bit a feature              changed since it was last sent
//! written    1 bit a feature              believed present in Redis
//! values     1 word a feature             as in `Column`; text and ip: a word of `Texts`
//! ```
//!
//! Bound: one row for each slot that ever held one, a page (256 rows) at a time; slots are reused.

use std::hint::black_box;
use tidemark_operators::metrics::HeldBytes;

/// Rows of a page.
const PAGE: usize = 256;
/// Rows that are read in at once: they fit the first cache of a processor.
const WARM_ROWS: usize = 64;
/// Words of a line of a processor's cache.
const LINE: usize = 8;

/// The entity has a row.
pub(crate) const PRESENT: u64 = 1 << 48;
/// Something of it is not in Redis yet.
pub(crate) const DIRTY: u64 = 1 << 49;
/// The arrival queue has an entry for this slot.
pub(crate) const QUEUED_ARRIVAL: u64 = 1 << 50;
/// The decay queue has an entry for this slot.
pub(crate) const QUEUED_DECAY: u64 = 1 << 51;
/// The calendar of TTL refreshes has an entry for this slot.
pub(crate) const SCHEDULED: u64 = 1 << 52;
/// A flush on its way has an entry for this slot.
pub(crate) const IN_FLIGHT: u64 = 1 << 53;
/// What is in flight belongs to a row that was deleted since.
pub(crate) const STALE: u64 = 1 << 54;
/// What Redis holds is in doubt: write every feature.
pub(crate) const UPSERT: u64 = 1 << 55;
/// What Redis holds is wrong: replace the whole key.
pub(crate) const REPLACE: u64 = 1 << 56;
/// It was sent to Redis at least once, so its key may be there.
pub(crate) const SENT: u64 = 1 << 57;

/// It waits for its time, because it was written a moment ago (`Spaced` has an entry).
pub(crate) const QUEUED_SPACED: u64 = 1 << 58;
/// An event arrived while it waited so.
pub(crate) const ARRIVED: u64 = 1 << 59;
/// Fields may be in Redis that are not believed to be: counts in replies tell nothing.
pub(crate) const DOUBT: u64 = 1 << 60;

/// Redis was taken to have it as it was made again from a checkpoint, and nothing of it was sent since:
/// whatever happens to it, what Redis holds of it is in doubt.
pub(crate) const KEPT: u64 = 1 << 61;

/// Its key is no hash, and is removed before it is written.
pub(crate) const FOREIGN: u64 = 1 << 62;

/// It waits for a server of the cluster to be there again.
pub(crate) const PARKED: u64 = 1 << 63;

/// Flags that belong to the slot and outlive the row.
const SLOT_FLAGS: u64 =
    QUEUED_ARRIVAL | QUEUED_DECAY | QUEUED_SPACED | SCHEDULED | IN_FLIGHT | STALE | PARKED;

const AS_OF: u64 = (1 << 48) - 1;
const DUE: u64 = (1 << 40) - 1;

/// How wide a view's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowWidth {
    features: usize,
    masks: usize,
}

impl RowWidth {
    pub(crate) fn new(features: usize) -> Self {
        RowWidth { features, masks: features.div_ceil(64).max(1) }
    }

    /// The bytes of a row.
    pub(crate) fn row_bytes(self) -> u64 {
        (self.stride() * size_of::<u64>()) as u64
    }

    fn stride(self) -> usize {
        3 + 3 * self.masks + self.features
    }
}

/// The bits of group `group` that belong to one of `features` features.
pub(crate) fn mask(features: usize, group: usize) -> u64 {
    match features.saturating_sub(group * 64) {
        0 => 0,
        count @ 1..=63 => (1 << count) - 1,
        _ => u64::MAX,
    }
}

/// A row, taken apart.
pub(crate) struct Row<'a> {
    head: &'a mut u64,
    life: &'a mut u64,
    sent: &'a mut u64,
    pub(crate) valid: &'a mut [u64],
    pub(crate) pending: &'a mut [u64],
    pub(crate) written: &'a mut [u64],
    pub(crate) values: &'a mut [u64],
}

impl Row<'_> {
    #[inline]
    pub(crate) fn has(&self, flags: u64) -> bool {
        *self.head & flags != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, flags: u64) {
        *self.head |= flags;
    }

    #[inline]
    pub(crate) fn clear(&mut self, flags: u64) {
        *self.head &= !flags;
    }

    pub(crate) fn as_of(&self) -> u64 {
        *self.head & AS_OF
    }

    #[inline]
    pub(crate) fn set_as_of(&mut self, as_of: u64) {
        *self.head = (*self.head & !AS_OF) | as_of.min(AS_OF);
    }

    /// When the TTL is to be refreshed, in ms on the store's clock; 0: there is nothing to refresh.
    pub(crate) fn refresh_due(&self) -> u64 {
        *self.life & DUE
    }

    pub(crate) fn set_refresh_due(&mut self, due: u64) {
        *self.life = (*self.life & !DUE) | due.min(DUE);
    }

    pub(crate) fn epoch(&self) -> u64 {
        *self.life >> 40
    }

    /// The lower 24 bits of `epoch` are kept.
    pub(crate) fn set_epoch(&mut self, epoch: u64) {
        *self.life = (*self.life & DUE) | epoch << 40;
    }

    /// When it was last sent, in ms on the store's clock.
    pub(crate) fn sent_at(&self) -> u64 {
        *self.sent
    }

    pub(crate) fn set_sent_at(&mut self, ms: u64) {
        *self.sent = ms;
    }

    /// Of `features` features, those that are null as last sent are to be removed: Redis may have
    /// them from an earlier run.
    pub(crate) fn doubt_nulls(&mut self, features: usize) {
        let masks = self.pending.iter_mut().zip(self.written.iter_mut()).enumerate();
        for (group, (pending, written)) in masks {
            *pending |= mask(features, group) & !*written;
            *written |= mask(features, group);
        }
        self.set(DOUBT);
    }

    /// Whether every feature is null.
    pub(crate) fn is_null(&self) -> bool {
        self.valid.iter().all(|group| *group == 0)
    }

    /// Forgets the row and keeps what belongs to the slot.
    pub(crate) fn reset(&mut self) {
        *self.head &= SLOT_FLAGS;
        (*self.life, *self.sent) = (0, 0);
        for part in [&mut self.valid, &mut self.pending, &mut self.written, &mut self.values] {
            part.fill(0);
        }
    }
}

/// All rows of one view in one shard.
#[derive(Debug)]
pub(crate) struct Rows {
    width: RowWidth,
    pages: Vec<Option<Box<[u64]>>>,
    /// Pages that were made.
    made: usize,
    /// Rows that are present.
    present: u64,
}

impl Rows {
    pub(crate) fn new(width: RowWidth) -> Self {
        Rows { width, pages: Vec::new(), made: 0, present: 0 }
    }

    /// So many rows have appeared, and so many are present no more.
    pub(crate) fn count(&mut self, appeared: u64, deleted: u64) {
        self.present = (self.present + appeared).saturating_sub(deleted);
    }

    /// What its pages take.
    pub(crate) fn memory(&self) -> HeldBytes {
        let slots = (self.made * PAGE) as u64;
        let free = slots.saturating_sub(self.present);
        let places = (self.pages.capacity() * size_of::<Option<Box<[u64]>>>()) as u64;
        let row = self.width.row_bytes();
        HeldBytes { held: slots * row + places, reusable: free * row }
    }

    /// The first slot that has never been written to.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.pages.len() * PAGE).unwrap_or(u32::MAX)
    }

    /// Now and then reads in the rows of the next slots from `at` on, so that who writes them one by one does
    /// not wait for each.
    #[inline]
    pub(crate) fn warm(&self, slots: &[u32], at: usize) {
        if at.is_multiple_of(WARM_ROWS) {
            let slots = slots.get(at..).unwrap_or_default();
            self.read_in(slots.get(..WARM_ROWS).unwrap_or(slots));
        }
    }

    fn read_in(&self, slots: &[u32]) {
        let stride = self.width.stride();
        black_box(slots.iter().fold(0, |sum, slot| {
            let slot = *slot as usize;
            let page = self.pages.get(slot / PAGE).and_then(Option::as_ref);
            let row = page.and_then(|page| page.chunks_exact(stride).nth(slot % PAGE));
            let words = row.into_iter().flat_map(|row| row.iter().step_by(LINE).chain(row.last()));
            words.fold(sum, |sum, word| sum ^ word)
        }));
    }

    /// The row at `slot`, present or not; `None` when its page was never written to.
    #[inline]
    pub(crate) fn get(&mut self, slot: u32) -> Option<Row<'_>> {
        let slot = slot as usize;
        let page = self.pages.get_mut(slot / PAGE)?.as_mut()?;
        part(page, slot % PAGE, self.width)
    }

    /// As `get`, making the page if need be.
    #[inline]
    pub(crate) fn entry(&mut self, slot: u32) -> Option<Row<'_>> {
        let slot = slot as usize;
        if slot / PAGE >= self.pages.len() {
            self.pages.resize_with(slot / PAGE + 1, || None);
        }
        let width = self.width;
        let made = &mut self.made;
        let page = self.pages.get_mut(slot / PAGE)?;
        let page = page.get_or_insert_with(|| {
            *made += 1;
            vec![0; PAGE * width.stride()].into()
        });
        part(page, slot % PAGE, width)
    }
}

#[inline]
fn part(page: &mut [u64], at: usize, width: RowWidth) -> Option<Row<'_>> {
    let words = page.chunks_exact_mut(width.stride()).nth(at)?;
    let [head, life, sent, rest @ ..] = words else { return None };
    let (valid, rest) = rest.split_at_mut(width.masks);
    let (pending, rest) = rest.split_at_mut(width.masks);
    let (written, values) = rest.split_at_mut(width.masks);
    Some(Row { head, life, sent, valid, pending, written, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_row_do_not_overlap() {
        for features in [0, 1, 12, 63, 64, 65, 130] {
            let mut rows = Rows::new(RowWidth::new(features));
            for slot in [3, 255, 256, 700] {
                let mut row = rows.entry(slot).unwrap();
                row.set_as_of(u64::from(slot));
                row.set(PRESENT | SENT | QUEUED_DECAY);
                row.set_refresh_due(u64::from(slot) + 1);
                row.set_epoch(u64::from(slot) + 2);
                row.set_sent_at(u64::from(slot) + 3);
                row.valid.fill(3);
                row.pending.fill(4);
                row.written.fill(5);
                row.values.fill(u64::from(slot));
            }
            for slot in [3, 255, 256, 700] {
                let mut row = rows.get(slot).unwrap();
                assert_eq!(row.as_of(), u64::from(slot));
                assert_eq!(row.refresh_due(), u64::from(slot) + 1);
                assert_eq!(row.epoch(), u64::from(slot) + 2);
                assert_eq!(row.sent_at(), u64::from(slot) + 3);
                assert!(row.valid.iter().all(|w| *w == 3));
                assert!(row.pending.iter().all(|w| *w == 4));
                assert!(row.written.iter().all(|w| *w == 5));
                assert_eq!(row.values.len(), features);
                assert!(row.values.iter().all(|w| *w == u64::from(slot)));
                row.reset();
                assert!(row.has(QUEUED_DECAY) && !row.has(PRESENT | SENT) && row.is_null());
            }
            assert!(rows.get(1_024).is_none());
            assert!(rows.get(4).is_some_and(|row| !row.has(PRESENT)));
        }
    }
}
