//! How the timestamps of a source are written: what a file has that has a type of its own for them is
//! written that way, so that a job reads it as it reads lines.

use std::sync::Arc;
use tidemark_operators::plan::{SourcePlan, TimeUnit};
use tidemark_operators::value::Type;

/// By the name of a column the unit that a job reads it in.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnUnits(
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only Parquet has columns"))]
    Arc<[(String, TimeUnit)]>,
);

impl ColumnUnits {
    /// Of the event time, the arrival and all fields that are timestamps.
    pub fn of(source: &SourcePlan) -> Self {
        let times = std::iter::once(&source.time).chain(source.arrival.field());
        let times = times.map(|time| (time.path.clone(), time.form.unit));
        let fields = source.fields.iter().filter(|field| field.ty == Type::Timestamp);
        let paths = fields.flat_map(|field| {
            let unit = field.reading.time.unit;
            let names = std::iter::once(&field.path).chain(&field.aliases);
            names.map(move |path| (path.clone(), unit))
        });
        let columns = times.chain(paths).filter_map(|(path, unit)| {
            // Columns are not nested.
            <[String; 1]>::try_from(path).ok().map(|[name]| (name, unit))
        });
        ColumnUnits(columns.collect())
    }

    /// That of a column; of one that the job does not read as a time, a text as of ISO 8601.
    #[cfg(feature = "parquet")]
    pub fn of_column(&self, name: &str) -> TimeUnit {
        let found = self.0.iter().find(|(column, _)| column == name);
        found.map_or(TimeUnit::Auto, |(_, unit)| *unit)
    }
}
