//! What all sources share.

use std::sync::Arc;

/// Wakes the worker that reads a source. Called from the source's own threads when there is
/// something after a worker was told that there is nothing yet; never blocks.
pub type Waker = Arc<dyn Fn() + Send + Sync>;
