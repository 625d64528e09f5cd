//! At which times rows are written.

use clap::ValueEnum;
use tidemark_operators::entity_windows::Sealing;

/// At which times rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RowTimes {
    /// At the entity's events: exact as of these
    #[default]
    Events,
    /// Also where time alone changes a feature, as when an event leaves a window: the newest row at or
    /// before any time is exact then, so any point-in-time join of them is
    Changes,
}

impl RowTimes {
    /// What sealed windows write.
    pub const fn sealing(self) -> Sealing {
        match self {
            RowTimes::Events => Sealing::Lines,
            RowTimes::Changes => Sealing::Changes,
        }
    }

    /// The same, packed for columns.
    #[cfg(feature = "parquet")]
    pub fn packed(self) -> Sealing {
        Sealing::Packed { changes: self == RowTimes::Changes }
    }
}
