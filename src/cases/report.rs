//! What people read about cases.

use super::case::{Case, Expected, ExpectedDead};
use super::play::{Dead, Row};
use super::time;
use super::verdict::{Fault, Seen, WrongRow};
use crate::text::{duration_text, time_text};
use std::fmt::Write as _;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::plan::Plan;
use tidemark_operators::verdict::Reason;

/// How wide rows are shown, in characters.
const WIDTH: usize = 100;
/// How many ids are shown where the expected one is not among them.
const IDS_MAX: usize = 12;

/// One line of a case that passed.
pub(super) fn passed(case: &Case) -> String {
    format!("ok      {}\n", case.name)
}

/// What is wrong with a case of `file`.
pub(super) fn failed(file: &str, case: &Case, plan: &Plan, faults: &[Fault]) -> String {
    let mut out = format!("FAILED  {} ({file}:{})\n", case.name, case.line);
    for fault in faults {
        told(&mut out, file, case, plan, fault);
    }
    out
}

/// One thing that is wrong, in lines that are indented.
pub(super) fn told(out: &mut String, file: &str, case: &Case, plan: &Plan, fault: &Fault) {
    match fault {
        Fault::Died((event, letter)) => {
            let _ = writeln!(out, "  event {} {}", event + 1, cause(letter));
            let reason = letter.reason;
            let _ = writeln!(
                out,
                "  hint: if that is meant, add dead = [{{ event = {}, reason = \"{reason}\" }}]",
                event + 1
            );
        }
        Fault::NotDead(expected, found) => not_dead(out, file, expected, found.as_ref()),
        Fault::Row(wrong) => row(out, file, case, plan, wrong),
        Fault::Workers { workers: [left, right], lines: [one, other] } => {
            let _ = writeln!(
                out,
                "  {left} and {right} workers do not agree (a defect of the engine):\n    \
                 {left}: {one}\n    {right}: {other}"
            );
        }
    }
}

fn not_dead(out: &mut String, file: &str, expected: &ExpectedDead, found: Option<&Dead>) {
    let ExpectedDead { line, event, reason, error } = expected;
    let _ = write!(out, "  event {}: expected to be {reason}", event + 1);
    if let Some(error) = error {
        let _ = write!(out, " with \"{error}\" in the error");
    }
    let found =
        found.map_or("it was accepted".to_owned(), |(_, letter)| format!("it {}", cause(letter)));
    let _ = writeln!(out, " ({file}:{line}), but {found}");
}

/// `is late: 3s behind the watermark ..`.
fn cause(letter: &DeadLetter) -> String {
    let error = letter.error.as_deref().unwrap_or("no reason is known");
    match letter.reason {
        Reason::Late => format!(
            "is late: {} behind its source's watermark {}",
            duration_text(letter.late_by.unwrap_or(0)),
            time_text(letter.watermark)
        ),
        Reason::Future => format!("is from the future: {error}"),
        Reason::Malformed => format!("is malformed: {error}"),
        Reason::Schema => format!("has a schema that does not fit: {error}"),
        Reason::Tombstone => "has no value".to_owned(),
        Reason::Duplicate => format!("is a duplicate: {error}"),
    }
}

fn row(out: &mut String, file: &str, case: &Case, plan: &Plan, wrong: &WrongRow) {
    let expected = &wrong.expected;
    let Some(view) = plan.view(expected.view) else { return };
    let at = time::both(expected.at, case.start);
    let (name, id, line) = (&view.name, &expected.id, expected.line);
    let _ = writeln!(out, "  {name} of \"{id}\" at {at}, {file}:{line}");
    let feature = |at: usize| view.features.get(at).map_or("", |f| f.name.as_str());
    let first = wrong.seen.first().and_then(|seen| seen.row.as_ref());
    for (at, value) in &wrong.wrong {
        let got = first.and_then(|row| row.get(*at)).map_or("null", String::as_str);
        let _ = writeln!(out, "    {}: expected {}, got {got}", feature(*at), shown(value));
    }
    match (&expected.features, first) {
        (Some(_), None) => out.push_str("    expected a row, got none\n"),
        (None, Some(_)) => out.push_str("    expected no row, got one\n"),
        _ => {}
    }
    let names: Vec<&str> = view.features.iter().map(|f| f.name.as_str()).collect();
    match wrong.seen.as_slice() {
        [Seen { row: Some(row), .. }] => values(out, "the row", &names, row),
        [_] => {}
        seen => {
            out.push_str("    not everywhere the same (a defect of the engine):\n");
            for Seen { places, row } in seen {
                match row {
                    Some(row) => values(out, &places.join(", "), &names, row),
                    None => {
                        let _ = writeln!(out, "    {}: no row", places.join(", "));
                    }
                }
            }
        }
    }
    hints(out, wrong, first.is_none() && expected.features.is_some());
}

fn hints(out: &mut String, wrong: &WrongRow, gone: bool) {
    for (event, letter) in &wrong.dead {
        let _ = writeln!(out, "    hint: event {} {}; no row sees it", event + 1, cause(letter));
    }
    if !wrong.other_ids.is_empty() {
        let ids = wrong.other_ids.get(..IDS_MAX).unwrap_or(&wrong.other_ids);
        let more = match wrong.other_ids.len() - ids.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = writeln!(
            out,
            "    hint: no event has the id \"{}\"; there are: {}{more}",
            wrong.expected.id,
            ids.join(", ")
        );
    } else if gone {
        out.push_str(
            "    hint: nothing of it is held at that time; a row that is not there reads as the \
             empty values: to expect it, write absent = true\n",
        );
    }
}

/// A row, in lines of bearable width.
fn values(out: &mut String, head: &str, names: &[&str], row: &Row) {
    let mut line = format!("    {head}:");
    for (at, (name, value)) in names.iter().zip(row).enumerate() {
        let comma = if at + 1 < row.len() { "," } else { "" };
        let item = format!(" {name} = {value}{comma}");
        if line.chars().count() + item.chars().count() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = "     ".to_owned();
        }
        line.push_str(&item);
    }
    let _ = writeln!(out, "{line}");
}

fn shown(value: &Expected) -> String {
    match value {
        Expected::Null => "null".to_owned(),
        Expected::Int(number) => number.to_string(),
        Expected::Double(number) => format!("{number:?}"),
        Expected::Bool(flag) => flag.to_string(),
        Expected::Text(text) => format!("{text:?}"),
    }
}
