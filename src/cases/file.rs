//! Reads a file of cases against the job it is for.

mod event;
mod expect;

use super::case::{Case, ExpectedDead};
use super::record::Shape;
use super::time;
use event::Defaults;
use tidemark_jobs::document::{At, Document, JobErrors, Table};
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;
use tidemark_operators::verdict::Reason;

/// What lengths of time count from unless the file says otherwise: 2026-03-02T12:00:00Z, a Monday.
const START: EventTime = 1_772_452_800_000;

/// The most events and expectations of a case.
const CASE_MAX: usize = 10_000;

/// What is the same for a whole file.
struct Reader<'a> {
    plan: &'a Plan,
    shapes: &'a [Shape<'a>],
    text: &'a str,
}

/// Reads the cases of `text`, the file `file`, for the job `plan` whose records have the `shapes`.
///
/// # Errors
/// When anything in the file is wrong: all of it.
pub(super) fn read(
    file: &str,
    text: &str,
    plan: &Plan,
    shapes: &[Shape<'_>],
) -> Result<Vec<Case>, JobErrors> {
    let document = Document::parse(file, text)?;
    let reader = Reader { plan, shapes, text };
    let mut cases = Vec::new();
    {
        let mut root = document.root();
        let start = start(&mut root).unwrap_or(START);
        let defaults = Defaults::read(&mut root, shapes);
        root.need("case");
        for table in root.tables("case", "case") {
            cases.extend(reader.case(table, start, &defaults, &cases));
        }
        root.finish();
    }
    document.finish().map(|()| cases)
}

/// The key `start`.
fn start(table: &mut Table<'_>) -> Option<EventTime> {
    let text = table.text("start")?;
    let start = time::absolute(&text.value);
    if start.is_none() {
        let message = format!("\"start\" in {} is no time: \"{}\"", table.label(), text.value);
        let hint = "write a time such as \"2026-03-02T12:00:00Z\"".to_owned();
        table.problems().push(text.span.start, Some("start"), message, Some(hint));
    }
    start
}

/// A time of the table; what it is not is recorded.
fn time_of(table: &mut Table<'_>, key: &str, start: EventTime) -> Option<EventTime> {
    let text = table.text(key)?;
    let read = time::read(&text.value, start);
    if read.is_none() {
        let message = format!("\"{key}\" in {} is no time: \"{}\"", table.label(), text.value);
        table.problems().push(text.span.start, Some(key), message, Some(time::HINT.to_owned()));
    }
    read
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn case(
        &self,
        mut table: Table<'_>,
        start: EventTime,
        defaults: &Defaults,
        before: &[Case],
    ) -> Option<Case> {
        table.need("name");
        let name = table.text("name");
        if let Some(name) = name.as_ref()
            && let Some(first) = before.iter().find(|case| case.name == name.value)
        {
            let message = format!("a second case is named \"{}\"", name.value);
            let hint = format!("the first is at line {}; rename one of them", first.line);
            table.problems().wrong(name, message, Some(hint));
        }
        let shown = name.as_ref().map_or_else(|| table.label().to_owned(), |n| quote(&n.value));
        let start = self::start(&mut table).unwrap_or(start);
        let line = self.line(table.at());
        let read = table.tables("events", &format!("{shown}: event"));
        let count = read.len();
        let read = read.into_iter();
        let events: Vec<_> =
            read.filter_map(|event| event::read(event, self.shapes, start, defaults)).collect();
        let expect = table.tables("expect", &format!("{shown}: expectation"));
        let expect: Vec<_> =
            expect.into_iter().filter_map(|row| expect::read(self, row, start)).collect();
        let dead = table.tables("dead", &format!("{shown}: dead letter"));
        let dead = dead.into_iter().filter_map(|letter| self.dead(letter, count)).collect();
        for (key, length) in [("events", count), ("expect", expect.len())] {
            if length > CASE_MAX {
                let message = format!("{shown} has {length} \"{key}\"; at most {CASE_MAX} are run");
                table.problems().push(table.at(), Some(key), message, None);
            }
        }
        table.finish();
        Some(Case { name: name?.value, line, start, events, expect, dead })
    }

    fn dead(&self, mut table: Table<'_>, events: usize) -> Option<ExpectedDead> {
        table.need("event");
        table.need("reason");
        if events == 0 {
            table.refuse("event", "is the number of an event, and the case has none");
        }
        let most = i64::try_from(events).unwrap_or(i64::MAX);
        let event = (events > 0).then(|| table.integer("event", 1..=most)).flatten();
        let reason = table.choice("reason", &Reason::ALL.map(Reason::name));
        let error = table.text("error").map(|text| text.value);
        let line = self.line(table.at());
        table.finish();
        let reason = reason?.value;
        Some(ExpectedDead {
            line,
            event: usize::try_from(event?.value).ok()?.checked_sub(1)?,
            reason: Reason::ALL.into_iter().find(|known| known.name() == reason)?,
            error,
        })
    }
}

fn quote(name: &str) -> String {
    format!("case \"{name}\"")
}

/// The place of `name` in `names`; that it is none of them is recorded.
fn place<'a>(
    table: &Table<'_>,
    name: &At<String>,
    what: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Option<usize> {
    let found = names.clone().position(|known| known == name.value);
    if found.is_none() {
        let message = format!("unknown {what} \"{}\" in {}", name.value, table.label());
        table.problems().unknown(name, message, names);
    }
    found
}
