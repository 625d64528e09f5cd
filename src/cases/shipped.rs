//! The cases that come with the shipped jobs.

/// The file name and the text of a shipped job's cases.
pub(super) fn shipped(job: &str) -> Option<(&'static str, &'static str)> {
    Some(match job {
        "fraud" => ("fraud.cases.toml", include_str!("../../jobs/fraud.cases.toml")),
        "personalization" => {
            ("personalization.cases.toml", include_str!("../../jobs/personalization.cases.toml"))
        }
        "behavior" => ("behavior.cases.toml", include_str!("../../jobs/behavior.cases.toml")),
        _ => return None,
    })
}
