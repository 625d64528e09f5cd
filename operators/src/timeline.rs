//! The timeline: one worker's log of one entity type, in time order.
//!
//! ```text
//!  EventBatch ──receive──→ Block (interned rows, in arrival order) ──→ live windows
//!                            │
//!                          stash   rows with ts >= frontier, by time
//!                            │ seal(frontier)
//!                          log     chunks of rows in (ts, source, partition, offset) order
//!                            │ windows: pairs of positions in the log
//!                          retire  rows that every window has let go: symbols and slots are freed
//! ```
//!
//! - [`chunk`]: up to 65,536 rows in `columns`; [`run`]: some of them sorted by slot; [`log`]: the
//!   chunks with global sequence numbers; `chunks`: rows across them;
//! - [`cold`]: chunks whose columns leave memory until a window lets go of their rows;
//! - [`stash`]: rows that are not sealed yet; [`unarrived`]: rows that are not even there yet;
//! - [`lane`]: rows copied out of either, as the aggregates want them;
//! - [`names`]: the directory of entities and the dictionaries; [`dictionary`]: one of those;
//! - [`owner`]: which worker's an entity is.
//!
//! [`entity_log`](crate::entity_log) is all of it together.
//!
//! State is bounded by the rows inside the longest window plus the stash, which the sources bound; where
//! rows go cold, memory by those inside `hot_window` instead.

pub mod chunk;
pub(crate) mod chunks;
pub mod cold;
pub(crate) mod columns;
pub mod dictionary;
pub mod lane;
pub mod log;
pub mod names;
pub mod owner;
pub mod run;
pub mod stash;
#[cfg(test)]
mod tests;
pub mod unarrived;
