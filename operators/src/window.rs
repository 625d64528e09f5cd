//! A window as a differential arrangement over the log.
//!
//! The collection is `{ (slot, event): +1 at enters(ts), -1 at leaves(ts) }`. Both functions are
//! monotone, so a batch for `[lower, upper)` is two ranges of the log, arrivals and departures;
//! merging batches joins ranges, compaction moves one number, and rows are never copied. All
//! windows share the one log. Every window of the plan is one, from the job's start on, a batch a
//! step of the frontier; the accumulators of sealed rows are a cache of it, and what all of them are
//! compacted to (with what live windows still need) is what the log keeps.
//!
//! ```text
//!              d0        d1      a0          cut        a1
//!   log  ───────┼─────────┼───────┼───────────┼──────────┼──→
//!               └departed─┘       └─cancelled─┘ arrived  ┘      (d1 may lie beyond a0, or cut)
//! ```
//!
//! - [`batch`]: the ranges and the batch; [`cursor`]: how stock operators walk it, by the log's
//!   [sorted runs](crate::timeline::run); [`trace`]: the history of a window; [`attach`]: a window
//!   made over a running log.
//!
//! Keys are worker-local slots and events are identified by their sequence numbers. Append-only: a
//! late event kept with a departure of its own cannot be expressed, nor is it meant to.

pub mod attach;
pub mod batch;
pub mod cursor;
pub mod trace;
