//! What the state behind features takes.

use std::fmt;
use tidemark_operators::plan::{Kind, Storage};

/// Bytes of last-event state without attributes: two times and where they are.
const LAST: u64 = 24;
/// Bytes of what is kept of the event before the next one: its time and a value, or where its
/// session began.
const BEFORE: u64 = 16;
/// Bytes of each thing more that is kept of a session.
const CELL: u64 = 8;

/// Bytes that a feature keeps: a bound for each entity, and for what grows with its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Bytes for each live entity.
    pub(crate) entity: u64,
    /// Bytes for each distinct value in the window or horizon.
    pub(crate) value: u64,
    /// Bytes for each event in the window, at most (a monotone queue mostly keeps few).
    pub(crate) event: u64,
}

impl Memory {
    /// Bytes of one distinct value in a window.
    pub(crate) const VALUE: u64 = 16;
    /// Bytes of one value that an entity has had within a horizon: itself and its timer.
    pub(crate) const SEEN: u64 = 48;

    /// Bytes of a text that is kept once for all that have it, beside its length.
    pub(crate) const TEXT: u64 = 48;

    /// What one accumulator takes.
    pub(crate) const fn of(kind: Kind) -> Self {
        let (entity, value, event) = match kind {
            Kind::Count => (8, 0, 0),
            Kind::Sum => (24, 0, 0),
            Kind::Moments => (56, 0, 0),
            Kind::Max | Kind::Min => (24, 0, 16),
            Kind::Distinct => (8, Self::VALUE, 0),
            Kind::Hours => (288, 0, 0),
            Kind::Entropy => (32, Self::VALUE, 0),
        };
        Memory { entity, value, event }
    }

    /// What last-event state takes, with the attributes kept there.
    pub(crate) fn last(attributes: impl Iterator<Item = Storage>) -> Self {
        Memory { entity: LAST + attributes.map(cell).sum::<u64>(), value: 0, event: 0 }
    }

    /// What is kept of an entity's events to derive something of the next one.
    pub(crate) const fn before() -> Self {
        Memory::session(0)
    }

    /// What is kept of a session, with so many counts, parts of sums and attributes of its first
    /// event.
    pub(crate) const fn session(cells: usize) -> Self {
        Memory { entity: BEFORE + CELL * cells as u64, value: 0, event: 0 }
    }

    /// The values that an entity has had.
    pub(crate) const fn seen() -> Self {
        Memory { entity: 0, value: Self::SEEN, event: 0 }
    }

    /// What derived attributes take: as of the event before, and in the state of the latest event.
    pub(crate) fn derived(attributes: &[Storage]) -> Self {
        Memory::session(attributes.len()).and(Memory::last(attributes.iter().copied()))
    }

    /// Derived attributes with others of the same events.
    pub(crate) const fn with_derived(self, other: Memory) -> Memory {
        let own = other.entity.saturating_sub(BEFORE + LAST);
        Memory { entity: self.entity + own, value: 0, event: 0 }
    }

    /// Last-event state with the attributes of `other`, too.
    pub(crate) const fn with_cells(self, other: Memory) -> Memory {
        if self.entity == 0 {
            return other;
        }
        Memory { entity: self.entity + other.entity.saturating_sub(LAST), value: 0, event: 0 }
    }

    /// Bytes of one event in an entity's log: time, entity, order, filter bits and attributes.
    pub(crate) fn row(filters: usize, attributes: impl Iterator<Item = Storage>) -> u64 {
        let bits = if filters > 0 { 8 } else { 0 };
        8 + 4 + 8 + bits + attributes.map(cell).sum::<u64>()
    }

    /// Both together.
    pub(crate) const fn and(self, other: Memory) -> Memory {
        Memory {
            entity: self.entity + other.entity,
            value: self.value + other.value,
            event: self.event + other.event,
        }
    }
}

const fn cell(storage: Storage) -> u64 {
    match storage {
        Storage::Wide => 8,
        Storage::Symbol => 4,
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Memory::default() {
            return f.write_str("-");
        }
        write!(f, "{} B", self.entity)?;
        if self.value > 0 {
            write!(f, " + {} B a value", self.value)?;
        }
        if self.event > 0 {
            write!(f, " + {} B an event", self.event)?;
        }
        Ok(())
    }
}
