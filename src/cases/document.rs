//! What became of cases, as JSON: `tidemark test --format json`.

use super::case::{Case, Expected};
use super::report;
use super::verdict::{Fault, WrongRow};
use serde::Serialize;
use serde_json::Value;
use tidemark_operators::plan::Plan;

/// What is printed.
#[derive(Serialize)]
pub(super) struct OutcomeDocument<'a> {
    pub(super) job: &'a str,
    pub(super) workers: &'a [usize],
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) cases: Vec<CaseDocument>,
}

/// One case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseDocument {
    file: String,
    line: usize,
    name: String,
    passed: bool,
    faults: Vec<FaultDocument>,
}

/// What is wrong with one.
#[derive(Clone, Debug, Serialize)]
struct FaultDocument {
    kind: &'static str,
    file: String,
    line: usize,
    /// All there is to say, in lines.
    message: String,
    #[serde(flatten)]
    row: Option<FaultyRow>,
}

/// The row that is wrong.
#[derive(Clone, Debug, Serialize)]
struct FaultyRow {
    view: String,
    id: String,
    at_ms: u64,
    /// Those that are not as expected.
    features: Vec<FaultyFeature>,
}

#[derive(Clone, Debug, Serialize)]
struct FaultyFeature {
    name: String,
    expected: Value,
    /// As it was seen first.
    got: Value,
}

/// The document of a case of `file`, which passed if nothing is wrong with it.
pub(super) fn case(file: &str, case: &Case, plan: &Plan, faults: &[Fault]) -> CaseDocument {
    let fault = |fault: &Fault| {
        let mut message = String::new();
        report::told(&mut message, file, case, plan, fault);
        let lines: Vec<&str> = message.lines().map(str::trim).collect();
        let (kind, line, row) = match fault {
            Fault::Died(_) => ("dead", case.line, None),
            Fault::NotDead(expected, _) => ("not_dead", expected.line, None),
            Fault::Row(wrong) => ("row", wrong.expected.line, row(plan, wrong)),
            Fault::Workers { .. } => ("workers", case.line, None),
        };
        FaultDocument { kind, file: file.to_owned(), line, message: lines.join("\n"), row }
    };
    CaseDocument {
        file: file.to_owned(),
        line: case.line,
        name: case.name.clone(),
        passed: faults.is_empty(),
        faults: faults.iter().map(fault).collect(),
    }
}

fn row(plan: &Plan, wrong: &WrongRow) -> Option<FaultyRow> {
    let view = plan.view(wrong.expected.view)?;
    let seen = wrong.seen.first().and_then(|seen| seen.row.as_ref());
    let features = wrong.wrong.iter().filter_map(|(at, expected)| {
        let got = seen.and_then(|row| row.get(*at)).map_or("null", String::as_str);
        Some(FaultyFeature {
            name: view.features.get(*at)?.name.clone(),
            expected: expected_value(expected),
            // Rows are shown as sealed lines have them: as JSON.
            got: serde_json::from_str(got).unwrap_or_else(|_| Value::String(got.to_owned())),
        })
    });
    Some(FaultyRow {
        view: view.name.clone(),
        id: wrong.expected.id.clone(),
        at_ms: wrong.expected.at,
        features: features.collect(),
    })
}

fn expected_value(expected: &Expected) -> Value {
    match expected {
        Expected::Null => Value::Null,
        Expected::Int(number) => Value::from(*number),
        Expected::Double(number) => Value::from(*number),
        Expected::Bool(flag) => Value::from(*flag),
        Expected::Text(text) => Value::from(text.clone()),
    }
}
