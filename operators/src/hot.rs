//! Which entities are the busiest: a space-saving sketch (Metwally et al. 2005) of sampled arrivals.
//!
//! [`COUNTERS`] entities are counted. One that is not yet counted takes the place of the least, and
//! that count becomes the error of its own: an entity's arrivals lie between `count - error` and
//! `count`, and whoever has more than one in [`COUNTERS`] of the sample is counted. Shares are given
//! by the lower end, so that even traffic has no busy entities.
//!
//! One arrival in [`SAMPLE_EVERY`] is looked at. All counts are halved every [`HALVE_AFTER`] looks:
//! what was busy long ago is forgotten, by arrivals and not by a clock. Memory: 12 KiB, and 2 bytes a
//! slot.
//!
//! A slot that is given to another entity keeps its count until that has decayed.

use crate::metrics::EntityMetrics;
use crate::online::EntityIds;

/// Entities that are counted.
pub const COUNTERS: usize = 1_024;
/// One arrival in so many is looked at.
pub const SAMPLE_EVERY: usize = 16;
/// Looks until all counts are halved.
pub const HALVE_AFTER: u32 = 8_192;
/// The most entities that are told of.
pub const TOLD_MAX: usize = 32;
/// Told of once in so many calls.
const TELL_EVERY: u32 = 64;
/// The place of a slot that is not counted.
const NONE: u16 = u16::MAX;

/// The sketch.
///
/// ```
/// use tidemark_operators::hot::HotEntities;
///
/// let mut hot = HotEntities::default();
/// // Slot 7 has three of four arrivals.
/// for slot in 0..10_000 {
///     hot.arrive(&[7, 7, 100 + slot, 7]);
/// }
/// let (slot, per_mille) = hot.hottest()[0];
/// assert_eq!(slot, 7);
/// assert!(per_mille > 500, "{per_mille}");
/// ```
#[derive(Clone, Debug, Default)]
pub struct HotEntities {
    counters: Vec<HotCounter>,
    /// The place in `counters` of each slot.
    places: Vec<u16>,
    /// No count is less. Counts only grow between two halvings, and so does this: finding the least
    /// costs a round over the counters for each time it grows.
    floor: u32,
    /// Where the search for the least goes on.
    cursor: usize,
    /// All looks, halved as the counts are.
    total: u32,
    looks: u32,
    /// Arrivals until the next look.
    skip: usize,
    calls: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HotCounter {
    slot: u32,
    count: u32,
    error: u32,
}

impl HotEntities {
    /// Takes in the slots of arrivals, in their order.
    pub fn arrive(&mut self, slots: &[u32]) {
        for slot in slots.iter().skip(self.skip).step_by(SAMPLE_EVERY) {
            self.count(*slot);
        }
        self.skip = (self.skip + SAMPLE_EVERY - slots.len() % SAMPLE_EVERY) % SAMPLE_EVERY;
    }

    fn count(&mut self, slot: u32) {
        let place = match self.places.get(slot as usize) {
            Some(place) if *place != NONE => usize::from(*place),
            _ => self.place(slot),
        };
        self.counters[place].count += 1;
        self.total += 1;
        self.looks += 1;
        if self.looks == HALVE_AFTER {
            self.halve();
        }
    }

    /// A counter for a slot that has none: a new one, or that of the least.
    fn place(&mut self, slot: u32) -> usize {
        if self.counters.len() < COUNTERS {
            self.counters.push(HotCounter { slot, count: 0, error: 0 });
            return self.note(slot, self.counters.len() - 1);
        }
        while self.counters[self.cursor].count > self.floor {
            self.cursor += 1;
            if self.cursor == COUNTERS {
                self.cursor = 0;
                self.floor += 1;
            }
        }
        let least = &mut self.counters[self.cursor];
        self.places[least.slot as usize] = NONE;
        *least = HotCounter { slot, error: least.count, ..*least };
        self.note(slot, self.cursor)
    }

    fn note(&mut self, slot: u32, place: usize) -> usize {
        let slot = slot as usize;
        if self.places.len() <= slot {
            self.places.resize(slot + 1, NONE);
        }
        self.places[slot] = place as u16;
        place
    }

    fn halve(&mut self) {
        for counter in &mut self.counters {
            counter.count /= 2;
            counter.error /= 2;
        }
        (self.looks, self.total) = (0, self.total / 2);
        (self.floor, self.cursor) = (self.floor / 2, 0);
    }

    /// The busiest slots and their share of the newest arrivals in thousandths, the busiest first;
    /// those whose share rounds to nothing are left out.
    pub fn hottest(&self) -> Vec<(u32, u32)> {
        let per_mille = |count: u32| count.saturating_mul(1_000) / self.total.max(1);
        let sure = self.counters.iter().map(|c| (c.slot, c.count.saturating_sub(c.error)));
        let mut hottest: Vec<(u32, u32)> = sure.filter(|(_, n)| per_mille(*n) > 0).collect();
        hottest.sort_unstable_by_key(|(slot, count)| (std::cmp::Reverse(*count), *slot));
        hottest.truncate(TOLD_MAX);
        hottest.iter().map(|(slot, count)| (*slot, per_mille(*count))).collect()
    }

    /// Tells `metrics`, at one call in 64: made for once a step.
    pub fn tell(&mut self, ids: &dyn EntityIds, metrics: &EntityMetrics) {
        self.calls += 1;
        if self.calls < TELL_EVERY {
            return;
        }
        self.calls = 0;
        let hottest = self.hottest();
        let named = hottest.iter().map(|(slot, share)| (ids.id(*slot), *share));
        let named = named.filter(|(id, _)| !id.is_empty());
        metrics.set_hottest(named.map(|(id, n)| (String::from_utf8_lossy(id).into_owned(), n)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Slots with much skew: slot `n` about half as often as slot `n - 1`, over a long even tail.
    fn arrivals(seed: u64, count: usize) -> Vec<u32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut slot = || match random() % 3 {
            0 => 1_000 + u32::try_from(random() % 5_000).unwrap(),
            _ => random().trailing_zeros(),
        };
        (0..count).map(|_| slot()).collect()
    }

    #[test]
    fn counts_bound_the_truth_and_nobody_busy_is_missing() {
        for seed in 1..20 {
            let mut hot = HotEntities::default();
            let mut twin: HashMap<u32, u32> = HashMap::new();
            let stream = arrivals(seed, (HALVE_AFTER as usize - 1) * SAMPLE_EVERY);
            hot.arrive(&stream);
            for slot in stream.iter().step_by(SAMPLE_EVERY) {
                *twin.entry(*slot).or_default() += 1;
            }
            assert_eq!(hot.counters.len(), COUNTERS);
            for HotCounter { slot, count, error } in &hot.counters {
                let truth = twin.get(slot).copied().unwrap_or(0);
                assert!(count - error <= truth && truth <= *count, "slot {slot}");
            }
            for (slot, count) in twin {
                let busy = count as usize > HALVE_AFTER as usize / COUNTERS;
                assert!(!busy || hot.places[slot as usize] != NONE, "slot {slot}, {count} times");
            }
            let first: Vec<u32> = hot.hottest().iter().take(3).map(|(slot, _)| *slot).collect();
            assert_eq!(first, [0, 1, 2]);
        }
    }

    #[test]
    fn the_sample_is_the_same_however_arrivals_are_cut_into_batches() {
        let stream = arrivals(7, 10_000);
        let mut whole = HotEntities::default();
        whole.arrive(&stream);
        for length in [1, 3, 15, 16, 17, 33, 1_000] {
            let mut cut = HotEntities::default();
            stream.chunks(length).for_each(|batch| cut.arrive(batch));
            assert_eq!(cut.counters, whole.counters, "{length}");
        }
    }

    #[test]
    fn what_was_busy_long_ago_is_forgotten() {
        let mut hot = HotEntities::default();
        let half = HALVE_AFTER as usize * SAMPLE_EVERY / 2;
        hot.arrive(&vec![1; 10 * half]);
        assert_eq!(hot.hottest(), [(1, 1_000)]);
        hot.arrive(&vec![2; 2 * half]);
        assert_eq!(hot.hottest().first().map(|(slot, _)| *slot), Some(2));
        hot.arrive(&vec![2; 40 * half]);
        assert_eq!(hot.hottest().len(), 1, "{:?}", hot.hottest());
    }

    #[test]
    fn even_traffic_has_no_busy_entities() {
        let mut hot = HotEntities::default();
        let even: Vec<u32> = (0..1_000_000).map(|n| n / 16 % 10_000).collect();
        hot.arrive(&even);
        assert!(hot.hottest().iter().all(|(_, share)| *share <= 1), "{:?}", hot.hottest());
        assert_eq!(HotEntities::default().hottest(), []);
    }
}
