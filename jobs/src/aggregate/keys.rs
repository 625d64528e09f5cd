//! Keys that several aggregates take.

use super::Reported;
use crate::declare::{self, HORIZON_DEFAULT, LENGTH_MAX, LENGTHS, Written};
use crate::document::quantity::show_duration;
use crate::document::{At, Table};
use tidemark_operators::plan::Window;
use tidemark_operators::time::Millis;

/// `window`, `delay` and `where`.
#[derive(Debug)]
pub(crate) struct Windowed {
    pub(crate) window: Window,
    pub(crate) filter: Option<Written>,
}

impl Windowed {
    /// Reads them; `window` must be there.
    pub(crate) fn read(feature: &mut Table<'_>) -> Result<Self, Reported> {
        feature
            .refuse("horizon", "is for features at the latest event; this one takes a \"window\"");
        feature.need("window");
        let length = feature.duration("window", LENGTHS);
        let has_delay = feature.has("delay");
        let delay = feature.duration("delay", 1..=LENGTH_MAX);
        let filter = declare::filter(feature, "where");
        let length = length.ok_or(Reported)?.value;
        let delay = match (has_delay, delay) {
            (true, None) => return Err(Reported),
            (_, delay) => delay.map_or(0, |delay| delay.value),
        };
        Ok(Windowed { window: Window { length, delay }, filter: filter? })
    }

    /// The window in words.
    pub(crate) fn over(&self) -> String {
        let length = show_duration(self.window.length);
        match self.window.delay {
            0 => length,
            delay => format!("{length}, delayed {}", show_duration(delay)),
        }
    }

    /// ` where ..`, or nothing.
    pub(crate) fn filtered(&self) -> String {
        filtered(self.filter.as_ref())
    }
}

/// `horizon` and `where`.
#[derive(Debug)]
pub(crate) struct AtLatest {
    pub(crate) horizon: Millis,
    pub(crate) filter: Option<Written>,
}

impl AtLatest {
    /// Reads them; neither must be there.
    pub(crate) fn read(feature: &mut Table<'_>) -> Result<Self, Reported> {
        feature.refuse("window", "is for aggregates over a window; this one takes a \"horizon\"");
        feature
            .refuse("delay", "is for aggregates over a window; this one looks at the latest event");
        let has_horizon = feature.has("horizon");
        let horizon = feature.duration("horizon", LENGTHS);
        let filter = declare::filter(feature, "where");
        match (has_horizon, horizon) {
            (true, None) => Err(Reported),
            (_, horizon) => {
                let horizon = horizon.map_or(HORIZON_DEFAULT, |horizon| horizon.value);
                Ok(AtLatest { horizon, filter: filter? })
            }
        }
    }

    /// The horizon in words.
    pub(crate) fn over(&self) -> String {
        over_latest(self.horizon)
    }

    /// ` where ..`, or nothing.
    pub(crate) fn filtered(&self) -> String {
        filtered(self.filter.as_ref())
    }
}

/// `of`: the field that is aggregated.
#[derive(Debug)]
pub(crate) struct Of(pub(crate) At<String>);

impl Of {
    /// Reads it; it must be there.
    pub(crate) fn read(feature: &mut Table<'_>) -> Result<Self, Reported> {
        feature.need("of");
        feature.text("of").map(Of).ok_or(Reported)
    }
}

/// A horizon in words.
pub(crate) fn over_latest(horizon: Millis) -> String {
    format!("latest, {}", show_duration(horizon))
}

pub(super) fn filtered(filter: Option<&Written>) -> String {
    filter.map_or_else(String::new, |filter| format!(" where {}", filter.shown()))
}
