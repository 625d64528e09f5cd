//! `unit`: what a length of time is given in.

use super::Reported;
use crate::document::Table;

/// Units of time: the key's value, the word in a definition, and its milliseconds.
const UNITS: [(&str, &str, i64); 5] = [
    ("ms", "milliseconds", 1),
    ("s", "seconds", 1_000),
    ("min", "minutes", 60_000),
    ("h", "hours", 3_600_000),
    ("d", "days", 86_400_000),
];

/// `unit`: what a length of time is given in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    /// Its name in the plural.
    pub(crate) word: &'static str,
    /// How many milliseconds it has.
    pub(crate) millis: i64,
}

impl Unit {
    /// Reads it; the default is milliseconds.
    pub(crate) fn read(feature: &mut Table<'_>) -> Result<Self, Reported> {
        let has_unit = feature.has("unit");
        let unit = feature.choice("unit", &UNITS.map(|(unit, ..)| unit)).map(|unit| unit.value);
        if has_unit && unit.is_none() {
            return Err(Reported);
        }
        let unit = unit.unwrap_or("ms");
        let found = UNITS.into_iter().find(|(name, ..)| *name == unit);
        found.map(|(_, word, millis)| Unit { word, millis }).ok_or(Reported)
    }
}
