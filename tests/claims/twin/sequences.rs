//! Sessions and sequences by brute force.

use super::{Event, Feature};

/// What is told apart, if it is there: a country, or a country and whether it is good, which is there
/// when one of both is.
#[derive(PartialEq)]
struct Told<'a>(Option<&'a str>, Option<bool>);

fn shown(country: Option<&str>) -> String {
    country.map_or("null".to_owned(), |country| format!("\"{country}\""))
}

impl Feature {
    fn told<'a>(&self, e: &'a Event) -> Option<Told<'a>> {
        let good = if self.of.contains("good") { e.good } else { None };
        let told = Told(self.text(e), good);
        (told != Told(None, None)).then_some(told)
    }

    /// Its value at `t` over the events of the view.
    pub(super) fn of_sequence(&self, history: &[&Event], t: u64) -> String {
        if self.is_of_session() {
            return self.of_session(history, t);
        }
        let mine: Vec<&Event> = history.iter().copied().filter(|e| self.filter.holds(e)).collect();
        match self.aggregate {
            "changes" | "change_ratio" => self.changes(&mine, t),
            "is_new" => self.is_new(&mine, t),
            _ => self.previous(&mine, t),
        }
    }

    fn of_session(&self, seen: &[&Event], t: u64) -> String {
        let mut session: Vec<&Event> = Vec::new();
        for e in seen.iter().rev() {
            let after = session.last().map_or(t, |next| next.ts);
            if after.saturating_sub(e.ts) > self.window {
                break;
            }
            session.push(e);
        }
        let counted: Vec<&&Event> = session.iter().filter(|e| self.filter.holds(e)).collect();
        let edge = if self.aggregate == "first" { session.last() } else { session.first() };
        match (self.aggregate, self.of) {
            ("session count", _) => counted.len().to_string(),
            ("session sum", "amount") => {
                let sum: i64 = counted.iter().filter_map(|e| e.amount).sum();
                format!("{:?}", sum as f64 / 1e6)
            }
            ("session sum", _) => {
                let number = |e: &&&Event| if self.of == "level" { e.level } else { e.points };
                let sum: i64 = counted.iter().filter_map(number).sum();
                format!("{:?}", sum as f64)
            }
            ("session ratio", _) if session.is_empty() => "0.0".to_owned(),
            ("session ratio", _) => {
                format!("{:?}", counted.len() as f64 / session.len() as f64)
            }
            ("duration", _) => {
                let both = session.first().zip(session.last());
                format!("{:?}", both.map_or(0, |(last, first)| last.ts - first.ts) as f64)
            }
            (_, "country" | "zone") => shown(edge.and_then(|e| self.text(e))),
            (_, "points" | "level") => edge
                .and_then(|e| if self.of == "level" { e.level } else { e.points })
                .map_or("null".to_owned(), |p| p.to_string()),
            _ => edge.map_or("null".to_owned(), |e| e.ts.to_string()),
        }
    }

    fn changes(&self, mine: &[&Event], t: u64) -> String {
        let (mut all, mut changes) = (0_u32, 0_u32);
        for (at, e) in mine.iter().enumerate().filter(|(_, e)| self.inside(e, t)) {
            all += 1;
            changes += u32::from(self.is_change(&mine[..at], e));
        }
        match self.aggregate {
            "changes" => changes.to_string(),
            _ if all == 0 => "0.0".to_owned(),
            _ => format!("{:?}", f64::from(changes) / f64::from(all)),
        }
    }

    /// Whether it tells something else than the one of those before it that tells anything.
    pub(super) fn is_change(&self, before: &[&Event], e: &Event) -> bool {
        let nearest = before.iter().rev().find(|earlier| self.told(earlier).is_some());
        let near = nearest.filter(|earlier| earlier.ts + self.apart > e.ts);
        let told = self.told(e);
        told.is_some() && near.is_some_and(|earlier| self.told(earlier) != told)
    }

    /// The latest event while it is shown, and what came before within the horizon.
    fn latest<'a>(&self, mine: &'a [&Event], t: u64) -> Option<(&'a Event, Vec<&'a Event>)> {
        let (latest, before) = mine.split_last()?;
        let near = before.iter().copied().filter(|e| e.ts + self.window > latest.ts);
        (t < latest.ts + self.window).then(|| (*latest, near.collect()))
    }

    fn is_new(&self, mine: &[&Event], t: u64) -> String {
        let Some((latest, before)) = self.latest(mine, t) else { return "null".to_owned() };
        match self.told(latest) {
            None => "null".to_owned(),
            told => (!before.iter().any(|e| self.told(e) == told)).to_string(),
        }
    }

    fn previous(&self, mine: &[&Event], t: u64) -> String {
        let latest = self.latest(mine, t);
        let before = latest.and_then(|(_, before)| before.last().copied());
        shown(before.and_then(|e| self.text(e)))
    }
}
