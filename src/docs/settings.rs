//! The page about `cluster.toml`: every key, from the declarations that read it.

use crate::config::{Setting, other_variables, settings};
use tidemark_jobs::docs::{Page, Section};

const LEAD: &str = "Settings say how and where a job runs; topics, windows, lateness and whatever else \
     changes a value stand in the job. They are read from the file that `--cluster` names, or from \
     `cluster.toml` in the current folder if there is one; none of them must be set. A flag goes before \
     a variable, a variable before the file, the file before the default. Durations are texts with \
     units (ms, s, m, h, d), sizes too (B, KiB, MiB, GiB, TiB). What `librdkafka` can be set to stands \
     in `[kafka.settings]`.";

/// The page.
pub(super) fn page() -> Page {
    let mut sections: Vec<Section> = Vec::new();
    for setting in settings() {
        let (label, name) = match setting.section.as_str() {
            "" => ("At the top of the file".to_owned(), None),
            section => ("Section".to_owned(), Some(format!("[{section}]"))),
        };
        if sections.last().is_none_or(|last| (&last.label, &last.name) != (&label, &name)) {
            let body = "| key | value | default | variable | |\n|---|---|---|---|---|\n".to_owned();
            sections.push(Section { level: 2, label, name, body });
        }
        if let Some(section) = sections.last_mut() {
            section.body.push_str(&row(&setting));
        }
    }
    let mut body = "| variable | value | |\n|---|---|---|\n".to_owned();
    for variable in other_variables() {
        let purpose = cell(variable.purpose);
        body.push_str(&format!("| `{}` | {} | {purpose} |\n", variable.name, variable.values));
    }
    let label = "Variables that replace what a job says".to_owned();
    sections.push(Section { level: 2, label, name: None, body });
    Page { title: "Settings".to_owned(), lead: LEAD.to_owned(), sections }
}

fn row(setting: &Setting) -> String {
    let default = setting.default.as_ref().map_or("none".to_owned(), |it| format!("`{it}`"));
    let variables: Vec<String> = setting
        .variable
        .into_iter()
        .chain(setting.other_names.iter().copied())
        .map(|name| format!("`{name}`"))
        .collect();
    format!(
        "| `{}` | {} | {default} | {} | {} |\n",
        setting.key,
        cell(&setting.values),
        variables.join(", "),
        cell(&setting.purpose)
    )
}

/// A text as prose in a table. Names in braces and stars are no markup here.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '|' | '*' | '<' | '>' | '[' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_row_with_unit_default_and_variable() {
        let text = page().markdown();
        for setting in settings() {
            assert!(text.contains(&row(&setting)), "{}", setting.key);
        }
        for line in [
            "| `port` | a port, 0 to 65535 | `8088` | `HEALTH_CHECK_PORT` |",
            "| `batch_records` | a whole number, 1 to 100000 | `1000` | `KAFKA_BATCH_SIZE` |",
            "| `flush_interval` | a duration, 1ms to 1m | `\"5ms\"` |  |",
        ] {
            assert!(text.contains(line), "no {line}");
        }
        assert!(text.contains("`KAFKA_BOOTSTRAP_SERVERS`, `KAFKA_BOOTSTRAP`, `KAFKA_SERVERS`"));
        assert!(text.contains("| `REDIS_FEATURE_TTL` | seconds"));
    }
}
