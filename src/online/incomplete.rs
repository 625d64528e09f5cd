//! Views whose rows may lack something: events from before the job began to read, or from before
//! something was added to it.
//!
//! As text `view:from,view:from`, in ms since 1970, `?` where nobody knows yet.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use tidemark_operators::time::EventTime;

/// What stands for a time that nobody knows.
const UNKNOWN: &str = "?";

/// Views by name, and the live clock from which on their rows lack nothing; `None`: nobody knows it yet.
/// A count or a sum of theirs may be too small before. Bound: the views of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incomplete(BTreeMap<String, Option<EventTime>>);

impl Incomplete {
    /// Adds a view. Of two times for one view the later is right, and one that nobody knows is later than
    /// any other.
    pub fn add(&mut self, view: &str, from: Option<EventTime>) {
        match self.0.get_mut(view) {
            Some(held) => *held = held.zip(from).map(|(held, from)| held.max(from)),
            None => {
                self.0.insert(view.to_owned(), from);
            }
        }
    }

    /// Adds all views of `other`.
    pub fn add_all(&mut self, other: &Incomplete) {
        other.iter().for_each(|(view, from)| self.add(view, from));
    }

    /// Those of which rows as of the live clock `clock` may still lack something.
    #[must_use]
    pub fn at(&self, clock: EventTime) -> Incomplete {
        let still = self.iter().filter(|(_, from)| from.is_none_or(|from| from > clock));
        Incomplete(still.map(|(view, from)| (view.to_owned(), from)).collect())
    }

    /// Whether all rows lack nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether rows of this view may lack something, and from when on they do not.
    pub fn of(&self, view: &str) -> Option<Option<EventTime>> {
        self.0.get(view).copied()
    }

    /// All of them by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<EventTime>)> {
        self.0.iter().map(|(view, from)| (view.as_str(), *from))
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (view, from)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match from {
                Some(from) => write!(f, "{comma}{view}:{from}")?,
                None => write!(f, "{comma}{view}:{UNKNOWN}")?,
            }
        }
        Ok(())
    }
}

/// A text that names no views with their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotIncomplete;

impl FromStr for Incomplete {
    type Err = NotIncomplete;

    fn from_str(text: &str) -> Result<Self, NotIncomplete> {
        let mut all = Incomplete::default();
        for part in text.split(',') {
            let (view, from) = part.rsplit_once(':').ok_or(NotIncomplete)?;
            let from = match from {
                UNKNOWN => None,
                from => Some(from.parse().map_err(|_| NotIncomplete)?),
            };
            all.add(view, from);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(views: &[(&str, Option<EventTime>)]) -> Incomplete {
        let mut all = Incomplete::default();
        views.iter().for_each(|(view, from)| all.add(view, *from));
        all
    }

    #[test]
    fn a_view_is_complete_at_its_time_and_not_a_millisecond_before() {
        let all = of(&[("a", Some(100)), ("b", None), ("c", Some(200))]);
        assert_eq!(all.at(99), all);
        assert_eq!(all.at(100), of(&[("b", None), ("c", Some(200))]));
        assert_eq!(all.at(EventTime::MAX), of(&[("b", None)]), "nobody knows");
        assert_eq!((all.of("a"), all.of("b"), all.of("d")), (Some(Some(100)), Some(None), None));
    }

    #[test]
    fn of_two_times_the_later_one_holds_and_the_unknown_one_is_the_latest() {
        let mut all = of(&[("a", Some(100)), ("b", Some(7)), ("c", None)]);
        all.add_all(&of(&[("a", Some(99)), ("b", None), ("c", Some(9)), ("d", Some(1))]));
        assert_eq!(all, of(&[("a", Some(100)), ("b", None), ("c", None), ("d", Some(1))]));
    }

    #[test]
    fn its_text_is_read_as_it_is_written_and_others_are_not() {
        let all = of(&[("b", None), ("a", Some(100))]);
        assert_eq!(all.to_string(), "a:100,b:?");
        assert_eq!(all.to_string().parse(), Ok(all));
        for wrong in ["", "a", "a:", "a:x", "a:1,", "a:-1"] {
            assert_eq!(wrong.parse::<Incomplete>(), Err(NotIncomplete), "{wrong}");
        }
    }
}
