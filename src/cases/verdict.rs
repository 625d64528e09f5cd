//! What a case gave against what was expected of it.

use super::arrival;
use super::case::{Case, Event, Expectation, Expected, ExpectedDead};
use super::events::{self, Known};
use super::play::{self, Dead, Played, Row};
use std::sync::Arc;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;

/// How far a double may be off, for values of at most 1; of greater ones that share of their size.
const TOLERANCE: f64 = 1e-9;

/// What is wrong with a case.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// A dead letter that nobody expects.
    Died(Dead),
    /// An expected dead letter that is an event, or another letter.
    NotDead(ExpectedDead, Option<Dead>),
    /// A row is not as expected.
    Row(Box<WrongRow>),
    /// All sealed rows, or all dead letters, are not the same on all numbers of workers.
    Workers {
        /// Which numbers.
        workers: [usize; 2],
        /// The first difference: a line each.
        lines: [String; 2],
    },
}

/// A row that is not as expected.
#[derive(Clone, Debug)]
pub(super) struct WrongRow {
    /// What was expected.
    pub expected: Expectation,
    /// The rows as they were seen, those that are the same together.
    pub seen: Vec<Seen>,
    /// Expected features that are not so, of the first row seen.
    pub wrong: Vec<(usize, Expected)>,
    /// Dead letters up to its time, and the ids there are if this one is not among them.
    pub dead: Vec<Dead>,
    /// See `dead`.
    pub other_ids: Vec<String>,
}

/// A row, and where it was seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// `live on 1 worker`.
    pub places: Vec<String>,
    /// `None`: there was none.
    pub row: Option<Row>,
}

/// All there is to know of a case.
struct Run<'a> {
    plan: &'a Arc<Plan>,
    case: &'a Case,
    known: Vec<Option<Known>>,
}

/// Runs a case; what is wrong with it, in the order of the file.
///
/// # Errors
/// When the engine stops before the end.
pub(super) fn judge(
    plan: &Arc<Plan>,
    case: &Case,
    workers: &[usize],
) -> Result<Vec<Fault>, String> {
    let this = Run { plan, case, known: events::known(case, plan) };
    let all = this.events();
    let whole = workers.iter().map(|n| Ok((*n, play::play(plan, *n, &all, None)?)));
    let whole: Vec<(usize, Played)> = whole.collect::<Result<_, String>>()?;
    let Some((one @ (_, first), others)) = whole.split_first() else { return Ok(Vec::new()) };
    let mut faults = this.dead(&first.dead);
    faults.extend(others.iter().filter_map(|other| unequal(one, other)));
    let mut times: Vec<EventTime> = case.expect.iter().map(|expected| expected.at).collect();
    times.sort_unstable();
    times.dedup();
    for time in times {
        let lives = this.until(time, &first.dead, workers)?;
        for expected in case.expect.iter().filter(|expected| expected.at == time) {
            faults.extend(this.row(expected, &whole, &lives));
        }
    }
    faults.sort_by_key(|fault| match fault {
        Fault::Row(row) => row.expected.line,
        _ => 0,
    });
    Ok(faults)
}

/// How a run on other workers differs.
fn unequal(one: &(usize, Played), other: &(usize, Played)) -> Option<Fault> {
    let text = |played: &Played| {
        let dead = played.dead.iter().map(|(event, letter)| {
            format!("event {} is {}: {:?}", event + 1, letter.reason, letter.error)
        });
        let sealed = played.sealed.lines().map(str::to_owned);
        dead.chain(sealed).collect::<Vec<_>>()
    };
    let (left, right) = (text(&one.1), text(&other.1));
    let most = left.len().max(right.len());
    let at = (0..most).find(|at| left.get(*at) != right.get(*at))?;
    let line = |lines: &[String]| lines.get(at).map_or("nothing more", String::as_str).to_owned();
    Some(Fault::Workers { workers: [one.0, other.0], lines: [line(&left), line(&right)] })
}

impl Run<'_> {
    /// All events, in the order they arrive.
    fn events(&self) -> Vec<(usize, &Event)> {
        let order = arrival::order(self.case).into_iter();
        order.filter_map(|place| Some((place, self.case.events.get(place)?))).collect()
    }

    /// The rows at `time`: what had arrived by then and was accepted, and time.
    fn until(
        &self,
        time: EventTime,
        dead: &[Dead],
        workers: &[usize],
    ) -> Result<Vec<(usize, Played)>, String> {
        let accepted = |place: usize| dead.iter().all(|(died, _)| *died != place);
        let seen = |place: usize| self.known(place).is_some_and(|known| known.arrived <= time);
        let mut events = self.events();
        events.retain(|(place, _)| accepted(*place) && seen(*place));
        workers.iter().map(|n| Ok((*n, play::play(self.plan, *n, &events, Some(time))?))).collect()
    }

    fn known(&self, place: usize) -> Option<&Known> {
        self.known.get(place)?.as_ref()
    }

    fn dead(&self, dead: &[Dead]) -> Vec<Fault> {
        let found = |event: usize| dead.iter().find(|(place, _)| *place == event).cloned();
        let mut faults = Vec::new();
        for expected in &self.case.dead {
            let found = found(expected.event);
            let same = found.as_ref().is_some_and(|(_, letter)| {
                let said = letter.error.as_deref().unwrap_or_default();
                let error = expected.error.as_deref().unwrap_or_default();
                letter.reason == expected.reason && said.contains(error)
            });
            if !same {
                faults.push(Fault::NotDead(expected.clone(), found));
            }
        }
        let expected = |event: usize| self.case.dead.iter().any(|expected| expected.event == event);
        let unexpected = dead.iter().filter(|(place, _)| !expected(*place));
        faults.extend(unexpected.cloned().map(Fault::Died));
        faults
    }

    fn row(
        &self,
        expected: &Expectation,
        whole: &[(usize, Played)],
        lives: &[(usize, Played)],
    ) -> Option<Fault> {
        let entity = self.plan.views.get(expected.view)?.entity;
        let seen = self.seen(expected, whole, lives)?;
        let wrong = wrong(expected, seen.first().and_then(|first| first.row.as_ref()));
        let present = seen.first().is_some_and(|first| first.row.is_some());
        if seen.len() == 1 && wrong.is_empty() && present == expected.features.is_some() {
            return None;
        }
        // What died for other entities is not why; what cannot be decoded may be.
        let mine = |known: &Known| known.id(entity) == Some(&*expected.id);
        let dead = whole.first().map_or(&[][..], |(_, first)| &first.dead).iter();
        let dead = dead.filter(|(place, _)| self.known(*place).is_none_or(mine));
        let mut ids: Vec<_> = self.known.iter().flatten().filter_map(|k| k.id(entity)).collect();
        ids.sort_unstable();
        ids.dedup();
        let known_id = ids.contains(&&*expected.id);
        let ids = if known_id { Vec::new() } else { ids.into_iter().map(str::to_owned).collect() };
        Some(Fault::Row(Box::new(WrongRow {
            expected: expected.clone(),
            seen,
            wrong,
            dead: dead
                .filter(|(_, letter)| letter.event_time.is_none_or(|time| time <= expected.at))
                .cloned()
                .collect(),
            other_ids: ids,
        })))
    }

    /// The expected row as it was seen live, and sealed where that has to be the same.
    fn seen(
        &self,
        expected: &Expectation,
        whole: &[(usize, Played)],
        lives: &[(usize, Played)],
    ) -> Option<Vec<Seen>> {
        let view = self.plan.view(expected.view)?;
        let entity = self.plan.views.get(expected.view)?.entity;
        let mut seen: Vec<Seen> = Vec::new();
        let mut add = |place: String, row: Option<Row>| match seen
            .iter_mut()
            .find(|known| known.row == row)
        {
            Some(known) => known.places.push(place),
            None => seen.push(Seen { places: vec![place], row }),
        };
        for (workers, live) in lives {
            add(format!("live on {}", on(*workers)), live.live(expected.view, &expected.id));
        }
        let mine = |known: &Known| known.id(entity) == Some(&*expected.id);
        let died = |place: usize| whole.iter().any(|(_, w)| w.dead.iter().any(|d| d.0 == place));
        let there = |place: usize| {
            self.known(place).is_some_and(|known| mine(known) && known.time == expected.at)
        };
        // What has arrived by then is what the sealed row knows: nothing of it lies ahead, and
        // nothing arrives after its time has passed.
        let alike = (0..self.known.len()).filter(|place| !died(*place)).all(|place| {
            self.known(place).is_none_or(|known| {
                !mine(known) || (known.arrived <= expected.at) == (known.time <= expected.at)
            })
        });
        // A view with conditions need not have a row for each event.
        let due = view.mask == 0 && (0..self.known.len()).any(|p| there(p) && !died(p));
        for (workers, whole) in whole.iter().filter(|_| alike) {
            let place = format!("sealed on {}", on(*workers));
            let rows = whole.sealed(view, &expected.id, expected.at);
            if rows.is_empty() && due {
                add(place.clone(), None);
            }
            rows.into_iter().for_each(|row| add(place.clone(), Some(row)));
        }
        Some(seen)
    }
}

fn on(workers: usize) -> String {
    match workers {
        1 => "1 worker".to_owned(),
        more => format!("{more} workers"),
    }
}

/// The expected features that are not so in `row`.
fn wrong(expected: &Expectation, row: Option<&Row>) -> Vec<(usize, Expected)> {
    let (Some(features), Some(row)) = (&expected.features, row) else { return Vec::new() };
    let differs =
        |(at, value): &&(usize, Expected)| !row.get(*at).is_some_and(|found| equal(value, found));
    features.iter().filter(differs).cloned().collect()
}

fn equal(expected: &Expected, found: &str) -> bool {
    match expected {
        Expected::Null => found == "null",
        Expected::Int(number) => found == number.to_string(),
        Expected::Bool(flag) => found == flag.to_string(),
        Expected::Text(text) => serde_json::from_str::<String>(found).is_ok_and(|f| f == *text),
        Expected::Double(number) => found
            .parse::<f64>()
            .is_ok_and(|found| (found - number).abs() <= TOLERANCE * number.abs().max(1.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_equal_within_a_billionth_of_their_size() {
        for (expected, found, same) in [
            (0.0, "0.0", true),
            (0.333333333333, "0.3333333333333333", true),
            (0.33333333, "0.3333333333333333", false),
            (1e12, "1000000000100.0", true),
            (1e12, "1000000002000.0", false),
            (0.0, "null", false),
        ] {
            assert_eq!(equal(&Expected::Double(expected), found), same, "{expected} {found}");
        }
    }

    #[test]
    fn null_is_no_text_and_no_number() {
        assert!(equal(&Expected::Null, "null"));
        assert!(!equal(&Expected::Null, "\"null\"") && !equal(&Expected::Int(0), "null"));
        assert!(equal(&Expected::Text("a\"b".to_owned()), r#""a\"b""#));
    }
}
