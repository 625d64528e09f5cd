//! Records that are there twice: the ids of a partition's events, for as long as a copy is looked for.
//!
//! ```text
//!  id ── BLAKE3, 128 bits ──→ seen: id → the clock time of the event that had it
//!                             due:  by clock time in 64 parts of `within` → ids
//! ```
//!
//! A record is a duplicate when an event before it in its partition has the same id, and that one's
//! clock time + `within` is greater than the partition's clock, as it would stand with the record.
//! So what is a duplicate follows from the partition's log and the job alone, as lateness does: it
//! is the same on any number of workers, in a replay, and after a restart. A copy in another partition
//! is not found.
//!
//! Bound: `ids_max` ids, of [`ID_BYTES_MAX`] bytes each at most. Nobody's id is forgotten before its
//! time to make room for another's: a new one is not kept instead, which is counted, and a copy of its
//! record is an event. Once half of the room is taken, one entity (by the first of the record's
//! entity keys) gets no more than a 64th of it, so that whoever makes up ids leaves room for others.
//!
//! Why this way: an id comes from outside, so its hash must be hard to collide on purpose. The key is
//! part of the program, because verdicts must not depend on the process, so a hash that is safe only
//! as long as its key is secret (SipHash) would not do. Two ids of 128 bits of BLAKE3 are the same by
//! chance once in 2^128 pairs: among 10 million ids at once, 5e13 pairs, once in 10^24 such sets. To
//! find some two that are takes 2^64 tries, and gains no more than an id used twice does; to find one
//! for the id of somebody else's record takes 2^128. The table over the hashes has random keys of its
//! own, so that crafted ids do not share its buckets.
//!
//! A checkpoint takes the ids that have come since the one before, which lie at the ends of their lists.
//!
//! What is over is forgotten in steps of a 64th of `within`, as the clock goes by: nothing is scanned.
//! What is forgotten later than its time is never taken for seen, because the time is compared first.

use super::decode::Decoded;
use crate::cut::{HeldIds, SeenId};
use crate::interner::stable_hash;
use crate::plan::{SourcePlan, UniquePlan};
use crate::time::{EventTime, Millis};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::rc::Rc;

/// The most bytes that are held for an id: of the table 25, at a load of no less than 7/16, and of
/// the list it is due in 21, in a list that is no less than half full.
pub const ID_BYTES_MAX: u64 = 100;

/// Entities' ids are counted in so many classes, by the hash of the entity's id.
const ENTITIES: usize = 256;
/// Once half of the room is taken, an entity has this part of it at most.
const SHARES: usize = 64;
/// Below this the tables are not made smaller.
const SMALL: usize = 1_024;
/// The key of the hash: its use, and no secret.
const KEY: [u8; 32] = *b"tidemark: the ids of a partition";

/// The hash of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id([u8; 16]);

impl Hash for Id {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_le_bytes(self.0));
    }
}

/// Hashes of the ids' hashes: one multiplication, by two keys that only this process knows.
#[derive(Clone, Debug)]
struct IdHashes {
    keys: [u64; 2],
}

impl IdHashes {
    fn new() -> Self {
        let random = RandomState::new();
        IdHashes { keys: [random.hash_one(0), random.hash_one(1)] }
    }
}

impl BuildHasher for IdHashes {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { keys: self.keys, hash: 0 }
    }
}

struct IdHasher {
    keys: [u64; 2],
    hash: u64,
}

impl Hasher for IdHasher {
    #[inline]
    fn write_u128(&mut self, id: u128) {
        let [one, other] = halves(id);
        let product = u128::from(one ^ self.keys[0]) * u128::from(other ^ self.keys[1]);
        let [low, high] = halves(product);
        self.hash ^= low ^ high;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte) ^ u128::from(self.hash));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.hash
    }
}

fn halves(wide: u128) -> [u64; 2] {
    [wide as u64, (wide >> 64) as u64]
}

/// An id that is to be forgotten.
#[derive(Clone, Copy, Debug)]
struct DueId {
    id: Id,
    /// The class that its entity is counted in.
    class: u8,
    /// How long after the beginning of its part its time lies, in ms; as bytes, to take no more.
    after: [u8; 4],
}

/// The ids of one part of `within`.
#[derive(Debug, Default)]
struct DuePart {
    ids: Vec<DueId>,
    /// So many of them have a checkpoint.
    told: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SeenIds {
    within: Millis,
    /// A part of it: how often something is forgotten.
    width: Millis,
    ids_max: usize,
    /// The clock time of the latest event with this id.
    seen: HashMap<Id, EventTime, IdHashes>,
    /// By clock time in parts of `within`: what is to be forgotten, and whose it is.
    due: BTreeMap<u64, DuePart>,
    /// How many there are in `due`, in all and by entity.
    held: usize,
    by_entity: Vec<usize>,
    /// How many were not kept for want of room.
    unkept: u64,
}

impl SeenIds {
    fn new(plan: &UniquePlan) -> Self {
        SeenIds {
            within: plan.within,
            width: plan.step(),
            ids_max: plan.ids_max,
            seen: HashMap::with_hasher(IdHashes::new()),
            due: BTreeMap::new(),
            held: 0,
            by_entity: vec![0; ENTITIES],
            unkept: 0,
        }
    }

    /// Whether the record with this id, of the entity with this hash, is not a duplicate: its clock
    /// time is `at`, and the partition's clock is `clock` if it is accepted, as it then is.
    fn admit(&mut self, id: Id, entity: u64, at: EventTime, clock: EventTime) -> bool {
        let over = |time: EventTime| time.saturating_add(self.within) <= clock;
        if self.seen.get(&id).is_some_and(|time| !over(*time)) {
            return false;
        }
        let over = over(at);
        self.forget(clock);
        if !over {
            self.keep(id, entity, at);
        }
        true
    }

    fn keep(&mut self, id: Id, entity: u64, at: EventTime) {
        let [entity, ..] = entity.to_le_bytes();
        let Some(own) = self.by_entity.get_mut(usize::from(entity)) else { return };
        let crowded = self.held >= self.ids_max / 2;
        if self.held >= self.ids_max || (crowded && *own >= (self.ids_max / SHARES).max(1)) {
            self.unkept += 1;
            return;
        }
        *own += 1;
        self.held += 1;
        self.seen.insert(id, at);
        let after = after(at, self.width);
        self.due.entry(at / self.width).or_default().ids.push(DueId { id, class: entity, after });
    }

    /// Holds what a checkpoint has told of the partition, whose clock was at `clock` then: all that it
    /// held but for what is over now. A checkpoint has these already.
    pub fn resume(&mut self, ids: Vec<SeenId>, clock: EventTime) {
        for SeenId { at, hash, class } in ids {
            let (id, part) = (Id(hash), at / self.width);
            if self.is_over(part, clock) {
                continue;
            }
            if self.held >= self.ids_max {
                self.unkept += 1;
                continue;
            }
            let Some(own) = self.by_entity.get_mut(usize::from(class)) else { continue };
            *own += 1;
            self.held += 1;
            let latest = self.seen.entry(id).or_insert(at);
            *latest = at.max(*latest);
            let due = self.due.entry(part).or_default();
            due.ids.push(DueId { id, class, after: after(at, self.width) });
            due.told = due.ids.len();
        }
    }

    /// Whether all ids of a part are over at `clock`.
    fn is_over(&self, part: u64, clock: EventTime) -> bool {
        let last = part.saturating_add(1).saturating_mul(self.width) - 1;
        last.saturating_add(self.within) <= clock
    }

    /// Forgets the parts that are over at `clock`.
    fn forget(&mut self, clock: EventTime) {
        let width = self.width;
        while let Some((part, _)) = self.due.first_key_value() {
            if !self.is_over(*part, clock) {
                return;
            }
            let Some((part, due)) = self.due.pop_first() else { return };
            for DueId { id, class, .. } in due.ids {
                self.held -= 1;
                if let Some(own) = self.by_entity.get_mut(usize::from(class)) {
                    *own -= 1;
                }
                // It may have been accepted again since.
                if self.seen.get(&id).is_some_and(|at| at / width == part) {
                    self.seen.remove(&id);
                }
            }
            if self.seen.capacity() > SMALL.max(4 * self.seen.len()) {
                self.seen.shrink_to(2 * self.seen.len());
            }
        }
    }
}

impl HeldIds for SeenIds {
    fn take_new(&mut self) -> Vec<SeenId> {
        let (mut new, width) = (Vec::new(), self.width);
        for (part, due) in &mut self.due {
            let from = part.saturating_mul(width);
            let untold = due.ids.iter().skip(std::mem::replace(&mut due.told, due.ids.len()));
            new.extend(untold.map(|due| SeenId {
                at: from.saturating_add(u64::from(u32::from_le_bytes(due.after))),
                hash: due.id.0,
                class: due.class,
            }));
        }
        new
    }
}

/// How long after the beginning of its part, each of `width`, the time `at` lies: less than that is,
/// which is six days at most.
fn after(at: EventTime, width: Millis) -> [u8; 4] {
    u32::try_from(at % width).unwrap_or(u32::MAX).to_le_bytes()
}

/// The ids of one partition's events.
#[derive(Debug)]
pub(crate) struct Unique {
    /// Shared with what tells a checkpoint where the partition stands.
    ids: Rc<RefCell<SeenIds>>,
    /// The fields that are the id, and whether their values are bytes.
    fields: Vec<(usize, bool)>,
    /// The fields that are entity keys, the same.
    keys: Vec<(usize, bool)>,
    id: Vec<u8>,
}

impl Unique {
    /// For a partition of `source`; `None` when it says nothing of ids.
    pub fn new(source: &SourcePlan) -> Option<Self> {
        let plan = source.unique.as_ref()?;
        let bytes = |at: &usize| (*at, source.fields.get(*at).is_some_and(|f| f.ty.is_bytes()));
        Some(Unique {
            ids: Rc::new(RefCell::new(SeenIds::new(plan))),
            fields: plan.id.iter().map(bytes).collect(),
            keys: source.keys.iter().map(bytes).collect(),
            id: Vec::new(),
        })
    }

    /// Whether the record at `row` is not a duplicate; see [`SeenIds::admit`]. One without an id is
    /// none.
    pub fn admit(
        &mut self,
        decoded: &Decoded,
        row: usize,
        at: EventTime,
        clock: EventTime,
    ) -> bool {
        self.id.clear();
        for field in &self.fields {
            let mut word = [0; 8];
            let Some(part) = value(decoded, *field, row, &mut word) else { return true };
            // Every part with its length, so that no two lists of parts are one text.
            self.id.extend_from_slice(&part.len().to_le_bytes());
            self.id.extend_from_slice(part);
        }
        let mut word = [0; 8];
        let mut entities = self.keys.iter();
        let entity =
            entities.find_map(|key| Some(stable_hash(value(decoded, *key, row, &mut word)?)));
        let hash = blake3::keyed_hash(&KEY, &self.id);
        let id = Id(hash.as_bytes().first_chunk().copied().unwrap_or_default());
        self.ids.borrow_mut().admit(id, entity.unwrap_or(0), at, clock)
    }

    /// The ids themselves.
    pub fn shared(&self) -> Rc<RefCell<SeenIds>> {
        Rc::clone(&self.ids)
    }

    /// How many ids are held.
    pub fn held(&self) -> u64 {
        self.ids.borrow().held as u64
    }

    /// How many ids were not kept for want of room since this was asked last.
    pub fn take_unkept(&mut self) -> u64 {
        std::mem::take(&mut self.ids.borrow_mut().unkept)
    }
}

/// The bytes of a value that is there, and no empty text.
fn value<'a>(
    decoded: &'a Decoded,
    (field, is_bytes): (usize, bool),
    row: usize,
    word: &'a mut [u8; 8],
) -> Option<&'a [u8]> {
    let column = decoded.columns.get(field)?;
    if is_bytes {
        return column.bytes(row).filter(|bytes| !bytes.is_empty());
    }
    *word = column.word(row)?.to_le_bytes();
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::judge::{Judge, clock};
    use crate::plan::{Duplicates, TimeBounds};
    use crate::verdict::Verdict::{self, Accepted, Duplicate};
    use proptest::prelude::*;

    fn id(of: u64) -> Id {
        let hash = blake3::keyed_hash(&KEY, &of.to_le_bytes());
        Id(*hash.as_bytes().first_chunk().unwrap())
    }

    /// A partition, and what has become of its records.
    struct Partition {
        judge: Judge,
        ids: SeenIds,
    }

    impl Partition {
        fn new(out_of_orderness: Millis, within: Millis, ids_max: usize) -> Self {
            let bounds = TimeBounds { out_of_orderness, max_ahead: None, max_future_skew: None };
            let (id, duplicates) = (Vec::new(), Duplicates::Skip);
            let plan = UniquePlan { id, within, ids_max, duplicates };
            Partition { judge: Judge::new(bounds), ids: SeenIds::new(&plan) }
        }

        fn read(&mut self, of: u64, entity: u64, ts: EventTime, arrival: Option<u64>) -> Verdict {
            let ids = &mut self.ids;
            let new = |at, clock| ids.admit(id(of), entity, at, clock);
            self.judge.judge_new(ts, arrival, new).verdict
        }
    }

    #[test]
    fn a_copy_is_a_duplicate_until_the_clock_is_within_beyond_its_event() {
        let mut partition = Partition::new(10_000, 1_000, 100);
        assert_eq!(partition.read(1, 0, 5_000, None), Accepted);
        assert_eq!(partition.read(1, 0, 5_000, None), Duplicate);
        assert_eq!(partition.read(2, 0, 5_999, None), Accepted);
        assert_eq!(partition.read(1, 0, 5_000, None), Duplicate, "999 ms beyond it");
        assert_eq!(partition.read(3, 0, 6_000, None), Accepted);
        assert_eq!(partition.read(1, 0, 5_000, None), Accepted, "1,000 ms beyond it");
        assert_eq!(partition.read(1, 0, 5_000, None), Accepted, "that one was over at once");
    }

    #[test]
    fn the_record_itself_says_what_time_it_is() {
        let mut partition = Partition::new(0, 1_000, 100);
        assert_eq!(partition.read(1, 0, 5_000, None), Accepted);
        assert_eq!(partition.read(1, 0, 5_999, None), Duplicate);
        assert_eq!(partition.judge.clock(), Some(5_000), "a duplicate moves nothing");
        assert_eq!(partition.read(1, 0, 6_000, None), Accepted);
    }

    #[test]
    fn an_event_ahead_of_its_arrival_keeps_its_id_no_longer_than_others() {
        let mut partition = Partition::new(0, 1_000, 100);
        assert_eq!(partition.read(1, 0, 90_000, Some(5_000)), Accepted);
        assert_eq!(partition.read(1, 0, 90_000, Some(5_999)), Duplicate);
        assert_eq!(partition.read(1, 0, 90_000, Some(6_000)), Accepted);
    }

    #[test]
    fn what_is_over_is_forgotten_and_the_memory_of_a_flood_given_back() {
        let mut partition = Partition::new(0, 640, 200_000);
        for of in 0..100_000 {
            assert_eq!(partition.read(of, of, 1_000, None), Accepted);
        }
        assert_eq!(partition.ids.held, 100_000);
        for (of, ts) in (100_000..).zip(1_000..2_000) {
            assert_eq!(partition.read(of, of, ts, None), Accepted);
        }
        assert!(partition.ids.held <= 650 && partition.ids.seen.len() == partition.ids.held);
        assert!(partition.ids.seen.capacity() < 8_192, "{}", partition.ids.seen.capacity());
        assert!(partition.ids.due.len() <= 66);
        assert_eq!(partition.ids.by_entity.iter().sum::<usize>(), partition.ids.held);
    }

    #[test]
    fn a_flood_of_one_entitys_ids_leaves_room_and_pushes_nobody_out() {
        let mut partition = Partition::new(0, 60_000, 1_280);
        assert_eq!(partition.read(1, 7, 1_000, None), Accepted);
        for of in 10_000..20_000 {
            assert_eq!(partition.read(of, 1, 1_000, None), Accepted);
        }
        assert_eq!(partition.ids.held, 640, "half of the room is anybody's");
        assert_eq!(std::mem::take(&mut partition.ids.unkept), 10_000 - 639);
        assert_eq!(partition.read(1, 7, 1_000, None), Duplicate, "the oldest is kept");
        assert_eq!(partition.read(2, 8, 1_000, None), Accepted);
        assert_eq!(partition.read(2, 8, 1_000, None), Duplicate, "there is room for others");
        // All room taken, by many entities: the new id is not kept, and what is kept stays.
        for of in 20_000..30_000 {
            partition.read(of, of, 1_000, None);
        }
        assert!(partition.ids.held <= 1_280 && partition.ids.unkept > 0);
        assert_eq!(partition.read(2, 8, 1_000, None), Duplicate);
    }

    #[test]
    fn an_id_takes_no_more_bytes_than_check_says() {
        // The table doubles at a load of 7/8, and has a byte of its own for each place.
        let place = size_of::<(Id, EventTime)>() + 1;
        assert_eq!(place, 25);
        let listed = 2 * size_of::<DueId>();
        assert_eq!(ID_BYTES_MAX, (place * 16).div_ceil(7) as u64 + listed as u64);
    }

    /// The naive twin: all events, looked through for every record.
    fn twin(
        records: &[(u64, EventTime, Option<EventTime>)],
        out_of_orderness: Millis,
        within: Millis,
    ) -> Vec<Verdict> {
        let mut events: Vec<(u64, EventTime)> = Vec::new();
        let mut verdicts = Vec::new();
        for (of, ts, arrival) in records {
            let before = events.iter().map(|(_, at)| *at).max();
            let watermark = before.map_or(0, |clock| clock.saturating_sub(out_of_orderness));
            let at = clock(*ts, *arrival);
            let now = before.map_or(at, |before| before.max(at));
            verdicts.push(if *ts < watermark {
                Verdict::Late { by: watermark - ts, idle_floor: false }
            } else if events.iter().any(|(other, then)| other == of && then + within > now) {
                Duplicate
            } else {
                events.push((*of, at));
                Accepted
            });
        }
        verdicts
    }

    proptest! {
        #[test]
        fn on_any_history_the_verdicts_are_those_of_looking_through_all_events(
            out_of_orderness in 0u64..300,
            within in 1u64..300,
            steps in prop::collection::vec(
                (0u64..6, 0u64..40, 0u64..80, prop::option::of(0u64..60)),
                0..120,
            ),
        ) {
            let mut now = 1_000;
            let records: Vec<(u64, EventTime, Option<EventTime>)> = steps
                .into_iter()
                .map(|(of, later, back, ahead)| {
                    now += later;
                    let ts = now - back;
                    (of, ts, ahead.map(|ahead| ts - ahead))
                })
                .collect();
            let mut partition = Partition::new(out_of_orderness, within, 1_000);
            let read = records.iter().map(|(of, ts, arrival)| partition.read(*of, 0, *ts, *arrival));
            prop_assert_eq!(read.collect::<Vec<_>>(), twin(&records, out_of_orderness, within));
        }

        #[test]
        fn a_partition_that_goes_on_with_the_ids_it_told_is_the_same_in_all(
            within in 1u64..300,
            ids_max in prop::sample::select(vec![4usize, 20, 1_000]),
            steps in prop::collection::vec((0u64..9, 0u64..3, 0u64..40, 0u64..60, 0u8..12), 1..150),
        ) {
            let (mut steady, mut now) = (Partition::new(50, within, ids_max), 1_000);
            let mut stopped = Partition::new(50, within, ids_max);
            // What checkpoints hold of it.
            let mut told: Vec<SeenId> = Vec::new();
            for (of, entity, later, back, what) in steps {
                now += later;
                let verdicts = [&mut steady, &mut stopped].map(|it| it.read(of, entity, now - back, None));
                prop_assert_eq!(verdicts[0], verdicts[1]);
                if what < 3 {
                    told.extend(stopped.ids.take_new());
                }
                if what == 0 {
                    let (clock, newest) = (stopped.judge.clock(), stopped.judge.newest());
                    stopped = Partition::new(50, within, ids_max);
                    stopped.judge.resume(clock, newest);
                    stopped.ids.resume(told.clone(), clock.unwrap_or(0));
                    prop_assert!(stopped.ids.take_new().is_empty(), "checkpoints have them");
                }
                let [a, b] = [&steady, &stopped].map(|it| (it.ids.held, it.ids.by_entity.clone()));
                prop_assert_eq!(a, b);
            }
        }
    }
}
