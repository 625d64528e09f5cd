//! Maximum and minimum by a monotone queue.
//!
//! For each slot the queue keeps, oldest first, the values that no younger (or equally old) value
//! dominates: values strictly fall from head to tail, and the head is the maximum. What is kept is
//! a function of the set of events inside, so rows may be added in any order. The queues of all
//! slots share one pool of nodes, so a silent entity costs 8 bytes.
//!
//! A slot's words are the places of its head and tail in the pool. By value a queue is its (time,
//! value) pairs, oldest first: adding them to an empty slot makes it again.

use super::{Algebra, ByValue, Reading};
use crate::cut::{Encoded, Unreadable, put, put_signed};
use crate::event_batch::NULL;
use crate::slab::Slab;
use crate::time::EventTime;
use crate::value::{Type, double_word};

/// No node.
const NONE: u32 = 0;

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    ts: EventTime,
    value: i64,
    /// Towards the tail: younger.
    next: u32,
    /// Towards the head: older.
    previous: u32,
}

/// The bytes of a value that is kept.
pub(crate) const NODE_BYTES: u64 = size_of::<Node>() as u64;

/// Head and tail of a slot's queue.
type Ends = [u32; 2];

/// Maxima, or minima when `MIN`.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, extreme::Extreme};
/// use tidemark_operators::value::Type;
///
/// let (mut most, mut card) = (Extreme::<false>::new(Type::Int), [0; 2]);
/// most.add(&mut card, 0, 9, 1_000);
/// most.add(&mut card, 0, 5, 2_000);
/// assert_eq!(most.read(&card, Reading::Extreme), Some(9));
/// // Events leave in the order of their times.
/// most.remove(&mut card, 0, 9, 1_000);
/// assert_eq!(most.read(&card, Reading::Extreme), Some(5));
/// ```
#[derive(Clone)]
pub struct Extreme<const MIN: bool> {
    ty: Type,
    nodes: Slab<Node>,
    used: u32,
    free: u32,
    /// How many nodes are free.
    freed: u32,
}

impl<const MIN: bool> Extreme<MIN> {
    /// Over an attribute of type `ty`.
    pub fn new(ty: Type) -> Self {
        let mut nodes = Slab::new();
        nodes.grow(1);
        Extreme { ty, nodes, used: 1, free: NONE, freed: 0 }
    }

    /// Whether `a` makes `b` superfluous when it is not older.
    #[inline]
    fn dominates(a: i64, b: i64) -> bool {
        if MIN { a <= b } else { a >= b }
    }

    fn allocate(&mut self, node: Node) -> u32 {
        let at = if self.free == NONE {
            let at = self.used;
            self.used += 1;
            self.nodes.grow(self.used as usize);
            at
        } else {
            let at = self.free;
            self.free = self.nodes[at].next;
            self.freed -= 1;
            at
        };
        self.nodes[at] = node;
        at
    }

    fn free(&mut self, at: u32) {
        self.nodes[at].next = self.free;
        self.free = at;
        self.freed += 1;
    }

    /// Joins `older` and `younger`, either of which may be an end of the queue.
    #[inline]
    fn link(&mut self, [head, tail]: &mut Ends, older: u32, younger: u32) {
        match older {
            NONE => *head = younger,
            _ => self.nodes[older].next = younger,
        }
        match younger {
            NONE => *tail = older,
            _ => self.nodes[younger].previous = older,
        }
    }
}

impl<const MIN: bool> Algebra for Extreme<MIN> {
    type State = Ends;
    const WARMS: bool = true;

    #[inline]
    fn add(&mut self, ends: &mut Ends, _slot: u32, value: i64, ts: EventTime) {
        let (mut older, mut younger) = (ends[1], NONE);
        while older != NONE && self.nodes[older].ts > ts {
            younger = older;
            older = self.nodes[older].previous;
        }
        if younger != NONE && Self::dominates(self.nodes[younger].value, value) {
            return;
        }
        if older != NONE {
            let node = self.nodes[older];
            if node.ts == ts && Self::dominates(node.value, value) {
                return;
            }
        }
        while older != NONE && Self::dominates(value, self.nodes[older].value) {
            let dead = older;
            older = self.nodes[dead].previous;
            self.free(dead);
        }
        let at = self.allocate(Node { ts, value, next: younger, previous: older });
        self.link(ends, older, at);
        self.link(ends, at, younger);
    }

    #[inline]
    fn remove(&mut self, ends: &mut Ends, _slot: u32, _value: i64, ts: EventTime) {
        // All that is as old leaves now too, so the queue's head tells enough.
        let mut head = ends[0];
        while head != NONE && self.nodes[head].ts <= ts {
            let dead = head;
            head = self.nodes[dead].next;
            self.free(dead);
            self.link(ends, NONE, head);
        }
    }

    #[inline]
    fn read(&self, [head, _]: &Ends, _reading: Reading) -> Option<u64> {
        (*head != NONE).then_some(self.nodes[*head].value).and_then(|value| read(value, self.ty))
    }

    #[inline]
    fn warm(&self, [head, _]: &Ends, _slot: u32, _value: i64) -> u32 {
        self.nodes[*head].next
    }

    fn holds(&self, [head, _]: &Ends) -> bool {
        *head != NONE
    }

    fn save(&self, [head, _]: &Ends, by: &ByValue<'_>, out: &mut Vec<u8>) {
        let mut at = *head;
        while at != NONE {
            let node = self.nodes[at];
            put(out, by.age(node.ts));
            put_signed(out, node.value);
            at = node.next;
        }
    }

    fn load(
        &mut self,
        ends: &mut Ends,
        slot: u32,
        by: &ByValue<'_>,
        from: &mut Encoded<'_>,
    ) -> Result<(), Unreadable> {
        let mut before: Option<(EventTime, i64)> = None;
        while !from.is_empty() {
            let (ts, value) = (by.time(from.take()?)?, from.take_signed()?);
            let follows = before.is_none_or(|(t, v)| t < ts && !Self::dominates(value, v));
            if value == NULL || !follows {
                return Err(Unreadable::Impossible);
            }
            self.add(ends, slot, value, ts);
            before = Some((ts, value));
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        self.nodes.bytes()
    }

    fn reusable(&self) -> usize {
        self.freed as usize * size_of::<Node>()
    }
}

/// What is read of a value of type `ty`.
#[inline]
pub(super) fn read(value: i64, ty: Type) -> Option<u64> {
    match ty {
        Type::Decimal(_) => double_word(value as f64 / ty.unit() as f64),
        _ => Some(value.cast_unsigned()),
    }
}
