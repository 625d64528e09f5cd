//! Keys that several aggregates take.

use super::Reported;
use crate::declare::{self, HORIZON_DEFAULT, LENGTH_MAX, LENGTHS, Written};
use crate::document::Table;
use crate::document::quantity::show_duration;
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
        Windowed::beside_horizon(feature)
    }

    /// Reads them where a horizon may stand beside them.
    pub(super) fn beside_horizon(feature: &mut Table<'_>) -> Result<Self, Reported> {
        // Said once: a session in the place of a window is not a missing window too.
        if feature.has("window") || !feature.has("session") {
            feature.need("window");
        }
        feature.refuse(
            "session",
            "is for count, sum, ratio, first, last and duration; this one takes a \"window\"",
        );
        Windowed::keys(feature)
    }

    fn keys(feature: &mut Table<'_>) -> Result<Self, Reported> {
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

/// `session`: the longest gap inside a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) gap: Millis,
}

impl Session {
    /// Reads it for an aggregate over sessions only, which looks at all events of one.
    pub(super) fn only(feature: &mut Table<'_>) -> Result<Self, Reported> {
        if feature.has("session") || !feature.has("window") {
            feature.need("session");
        }
        feature.refuse("window", "is for aggregates over a window; this one takes a \"session\"");
        feature.refuse(
            "where",
            "narrows what is counted in a session; this one looks at all of its events",
        );
        Session::key(feature)
    }

    fn key(feature: &mut Table<'_>) -> Result<Self, Reported> {
        feature.refuse("delay", "is for aggregates over a window; a session has none");
        feature.refuse(
            "horizon",
            "is for features at the latest event; a session is seen until it is closed",
        );
        let gap = feature.duration("session", LENGTHS).ok_or(Reported)?.value;
        Ok(Session { gap })
    }

    /// How long it is seen after its last event.
    pub(crate) const fn horizon(self) -> Millis {
        self.gap.saturating_add(1)
    }

    /// The session in words.
    pub(crate) fn over(self) -> String {
        format!("session, {}", show_duration(self.gap))
    }
}

/// `window` (and `delay`) or `session`, and `where`.
#[derive(Debug)]
pub(crate) enum Within {
    /// The events in a window.
    Window(Windowed),
    /// The events of a session, and which of them count.
    Session(Session, Option<Written>),
}

impl Within {
    /// Reads them; exactly one of `window` and `session` must be there.
    pub(crate) fn read(feature: &mut Table<'_>) -> Result<Self, Reported> {
        let meant = !feature.has("window") && feature.resembles("session");
        if feature.has("session") || meant {
            feature.need("session");
            feature.refuse(
                "window",
                "cannot stand beside \"session\": a feature is over one or the other",
            );
            let session = Session::key(feature);
            let filter = declare::filter(feature, "where");
            return Ok(Within::Session(session?, filter?));
        }
        feature
            .refuse("horizon", "is for features at the latest event; this one takes a \"window\"");
        feature.need("window");
        // Asked for, so that it is among the names an unknown key is compared with.
        feature.duration("session", LENGTHS);
        Windowed::keys(feature).map(Within::Window)
    }

    /// The filter.
    pub(crate) fn filter(&self) -> Option<&Written> {
        match self {
            Within::Window(keys) => keys.filter.as_ref(),
            Within::Session(_, filter) => filter.as_ref(),
        }
    }

    /// The window or session in words.
    pub(crate) fn over(&self) -> String {
        match self {
            Within::Window(keys) => keys.over(),
            Within::Session(session, _) => session.over(),
        }
    }

    /// ` where ..`, or nothing.
    pub(crate) fn filtered(&self) -> String {
        filtered(self.filter())
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
        feature.refuse(
            "session",
            "is for count, sum, ratio, first, last and duration; this one takes a \"horizon\"",
        );
        let horizon = horizon(feature);
        let filter = declare::filter(feature, "where");
        Ok(AtLatest { horizon: horizon?, filter: filter? })
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

/// `horizon`, or the default.
pub(super) fn horizon(feature: &mut Table<'_>) -> Result<Millis, Reported> {
    let has_horizon = feature.has("horizon");
    match (has_horizon, feature.duration("horizon", LENGTHS)) {
        (true, None) => Err(Reported),
        (_, horizon) => Ok(horizon.map_or(HORIZON_DEFAULT, |horizon| horizon.value)),
    }
}

/// A horizon in words.
pub(crate) fn over_latest(horizon: Millis) -> String {
    format!("latest, {}", show_duration(horizon))
}

pub(super) fn filtered(filter: Option<&Written>) -> String {
    filter.map_or_else(String::new, |filter| format!(" where {}", filter.shown()))
}
