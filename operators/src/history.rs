//! What the events before an event say of it: whether something changed, whether a value is new,
//! what was there before, which session it is in.
//!
//! Such things are derived once an event, from the entity's events before it in the order of the
//! log, and stored with it: what enters an accumulator is exactly what leaves it, however the state
//! behind has moved on since. Everything is a fold of one state an entity over its events
//! ([`fold`]):
//!
//! - [`sealed`]: the state as of the last sealed event of each entity; sealing an event derives it;
//! - [`unsealed`]: for the live path, the state after the entity's newest event, and the events that
//!   are not sealed, in order. An event that arrives in order is derived from there; one that does
//!   not makes those after it be derived again;
//! - [`revised`]: rows that have become others that way.
//!
//! Rows whose derived values change that way are handed to the live windows as they were and as
//! they are.

pub(crate) mod fold;
pub(crate) mod revised;
pub(crate) mod sealed;
#[cfg(test)]
mod tests;
pub(crate) mod unsealed;
