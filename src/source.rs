//! What every source has in common.

use std::sync::Arc;

/// Wakes the worker that a reader was made for. Called from the reader's threads whenever there is
/// something to see after a `Pending`: records, the end of the log, a failure. Cheap, and may be
/// called more often than needed.
pub type Waker = Arc<dyn Fn() + Send + Sync>;
