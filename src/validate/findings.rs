//! What was found, for people and as JSON.

use crate::text::printable;
use serde::Serialize;
use std::fmt::{Display, Write as _};

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValidationVerdict {
    /// As it must be.
    Ok,
    /// Not as it must be.
    Failed,
    /// Not looked at, for there is nothing of it.
    Skipped,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ValidationFinding {
    pub(super) what: String,
    pub(super) verdict: ValidationVerdict,
    pub(super) told: String,
}

impl ValidationFinding {
    fn new(
        what: impl Into<String>,
        verdict: ValidationVerdict,
        told: impl Display,
    ) -> ValidationFinding {
        ValidationFinding { what: what.into(), verdict, told: told.to_string() }
    }

    pub(super) fn ok(what: impl Into<String>, told: impl Display) -> ValidationFinding {
        ValidationFinding::new(what, ValidationVerdict::Ok, told)
    }

    pub(super) fn failed(what: impl Into<String>, told: impl Display) -> ValidationFinding {
        ValidationFinding::new(what, ValidationVerdict::Failed, told)
    }

    pub(super) fn skipped(what: impl Into<String>, told: impl Display) -> ValidationFinding {
        ValidationFinding::new(what, ValidationVerdict::Skipped, told)
    }
}

/// What `tidemark validate --format json` prints.
#[derive(Serialize)]
pub(super) struct ValidationDocument<'a> {
    job: &'a str,
    pub(super) ok: bool,
    findings: &'a [ValidationFinding],
}

/// The document.
pub(super) fn document<'a>(
    job: &'a str,
    findings: &'a [ValidationFinding],
) -> ValidationDocument<'a> {
    let ok = findings.iter().all(|finding| finding.verdict != ValidationVerdict::Failed);
    ValidationDocument { job, ok, findings }
}

/// A line each.
pub(super) fn text(findings: &[ValidationFinding]) -> String {
    let mut out = String::new();
    for ValidationFinding { what, verdict, told } in findings {
        let verdict = match verdict {
            ValidationVerdict::Ok => "ok",
            ValidationVerdict::Failed => "FAILED",
            ValidationVerdict::Skipped => "skipped",
        };
        // Ids are from records. Writing to a string cannot fail.
        let _ = writeln!(out, "{verdict:<7} {}: {}", printable(what), printable(told));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ids_would_do_to_a_terminal_is_escaped_and_json_has_them_as_they_are() {
        let id = "card\u{1b}]0;title\u{7}\nok";
        let findings = [ValidationFinding::ok("view v", format!("has rows, of \"{id}\""))];
        let text = text(&findings);
        assert_eq!(text, "ok      view v: has rows, of \"card\\u{1b}]0;title\\u{7}\\nok\"\n");
        let document = serde_json::to_value(document("job", &findings)).unwrap();
        let told = document["findings"][0]["told"].as_str();
        assert_eq!(told, Some(format!("has rows, of \"{id}\"").as_str()));
    }
}
