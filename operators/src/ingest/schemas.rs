//! Where the schemas of binary records come from: asked by the decoder, answered outside.

use std::sync::Arc;

/// Schemas by the number that stands before a record (the schema-registry wire format). Asking never
/// blocks: what is not there yet is fetched outside, and whoever fetches wakes the source.
pub trait Schemas {
    /// The schema of number `id`, as far as it is known.
    fn schema(&mut self, id: u32) -> Schema;
}

/// What is known of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// The writer's schema, as JSON text. The same number always has the same text.
    Known(Arc<str>),
    /// It is being asked for, or the registry does not answer (or refuses to): the partition waits,
    /// and counts as neither idle nor caught up.
    Pending,
    /// The registry has answered for `schema_wait` that it has no such schema: the reason for the
    /// dead letter.
    Unknown(Arc<str>),
}
