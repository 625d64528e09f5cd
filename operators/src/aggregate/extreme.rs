//! Maximum and minimum by a monotone queue.
//!
//! For each slot the queue keeps, oldest first, the values that no younger (or equally old) value
//! dominates: values strictly fall from head to tail, and the head is the maximum. What is kept is
//! a function of the set of events inside, so rows may be added in any order. The queues of all
//! slots share one pool of nodes, so a silent entity costs 8 bytes.

use super::{Algebra, Reading};
use crate::slab::Slab;
use crate::time::EventTime;
use crate::value::{Column, Type};

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

#[derive(Clone, Copy, Debug, Default)]
struct ExtremeQueue {
    head: u32,
    tail: u32,
}

/// Maxima by slot, or minima when `MIN`.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, extreme::Extreme};
/// use tidemark_operators::value::{Column, Type};
///
/// let mut most = Extreme::<false>::new(Type::Int);
/// most.grow(1);
/// most.add(0, 9, 1_000);
/// most.add(0, 5, 2_000);
/// let mut out = Column::default();
/// most.read(0, Reading::Extreme, &mut out);
/// // Events leave in the order of their times.
/// most.remove(0, 9, 1_000);
/// most.read(0, Reading::Extreme, &mut out);
/// assert_eq!((out.int(0), out.int(1)), (Some(9), Some(5)));
/// ```
pub struct Extreme<const MIN: bool> {
    ty: Type,
    queues: Slab<ExtremeQueue>,
    nodes: Slab<Node>,
    used: u32,
    free: u32,
}

impl<const MIN: bool> Extreme<MIN> {
    /// Over an attribute of type `ty`.
    pub fn new(ty: Type) -> Self {
        let mut nodes = Slab::new();
        nodes.grow(1);
        Extreme { ty, queues: Slab::new(), nodes, used: 1, free: NONE }
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
            at
        };
        self.nodes[at] = node;
        at
    }

    fn free(&mut self, at: u32) {
        self.nodes[at].next = self.free;
        self.free = at;
    }

    /// Joins `older` and `younger`, either of which may be an end of `slot`'s queue.
    #[inline]
    fn link(&mut self, slot: u32, older: u32, younger: u32) {
        match older {
            NONE => self.queues[slot].head = younger,
            _ => self.nodes[older].next = younger,
        }
        match younger {
            NONE => self.queues[slot].tail = older,
            _ => self.nodes[younger].previous = older,
        }
    }
}

impl<const MIN: bool> Algebra for Extreme<MIN> {
    fn grow(&mut self, slots: usize) {
        self.queues.grow(slots);
    }

    #[inline]
    fn add(&mut self, slot: u32, value: i64, ts: EventTime) {
        let (mut older, mut younger) = (self.queues[slot].tail, NONE);
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
        self.link(slot, older, at);
        self.link(slot, at, younger);
    }

    #[inline]
    fn remove(&mut self, slot: u32, _value: i64, ts: EventTime) {
        // All that is as old leaves now too, so the queue's head tells enough.
        let mut head = self.queues[slot].head;
        while head != NONE && self.nodes[head].ts <= ts {
            let dead = head;
            head = self.nodes[dead].next;
            self.free(dead);
            self.link(slot, NONE, head);
        }
    }

    #[inline]
    fn read(&self, slot: u32, _reading: Reading, out: &mut Column) {
        match (self.queues[slot].head, self.ty) {
            (NONE, _) => out.push_null(),
            (head, Type::Decimal(_)) => {
                out.push_double(self.nodes[head].value as f64 / self.ty.unit() as f64);
            }
            (head, _) => out.push_int(self.nodes[head].value),
        }
    }

    fn holds(&self, slot: u32) -> bool {
        self.queues[slot].head != NONE
    }

    fn memory(&self) -> usize {
        self.queues.bytes() + self.nodes.bytes()
    }
}
