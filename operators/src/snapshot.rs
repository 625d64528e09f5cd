//! The state of all entities as of a cut, by value: told in slices, and loaded from them.
//!
//! It is told entity by entity, with all [components](crate::plan::identity::Component) of it at once.
//! Only the values of entities that have many of them lie in tables of all entities: those come after,
//! in parts, as the tables have them. So an entity may come more than once, and parts add up.

mod reader;
mod writer;

pub use reader::{LoadError, Made, SnapshotReader};
pub use writer::{Snapped, SnapshotWriter};
