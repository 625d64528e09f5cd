//! What a worker counts about itself: plain atomics that the dataflow updates and that another
//! thread reads whenever it is asked.
//!
//! One [`WorkerMetrics`] belongs to one worker, which is its only writer; readers see each number
//! whole, and different numbers as of slightly different moments. Updates are meant to be made
//! once a batch or a step, not once a record. Entity ids are no labels of metrics: entities are
//! counted by type, and only the few busiest are named, for a screen.

mod cell;
mod clocks;
mod held;
mod histogram;
mod invalid;
mod loads;
mod unique;
mod waits;
mod worker;

pub use cell::{Counter, Gauge};
pub use clocks::{Ahead, ClockCounts};
pub use held::HeldBytes;
pub use histogram::{Histogram, HistogramSnapshot, LATE_BOUNDS_MS, LATENCY_BOUNDS_NS};
pub use invalid::InvalidFields;
pub use loads::{OperatorLoad, WatchedLoad, WorkerLoad};
pub use unique::UniqueIds;
pub use waits::{WaitCounts, WaitFor, Waiting};
pub use worker::{
    EntityMetrics, PartitionProgress, TableMetrics, VerdictCounts, WindowMetrics, WorkerMetrics,
};
