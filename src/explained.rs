//! What the features of an entity are made of: which events are inside of each window, when each leaves,
//! and what the value will be then.
//!
//! ```text
//!  events of the entity ──> the features, computed from them alone ──> what each is over
//!   of the log, read again (tidemark explain)   that a running job holds (the page)
//! ```

mod document;
mod inputs;
mod live;
mod reading;
mod values;

pub(crate) use document::{ContributingEvent, Explained, ExplainedFeature, ExplainedInput};
pub(crate) use inputs::Explaining;
pub(crate) use live::{LiveQuestion, RowTold};
pub(crate) use values::features;
