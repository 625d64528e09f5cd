//! A job's reference tables: where they are from, how they are searched, and as of when.

use super::markdown::{Rows, code, paragraph};
use super::page::Section;
use crate::document::quantity::show_duration;
use crate::job::Job;
use crate::report::{shown_time, thousands};
use tidemark_operators::plan::{Matching, SourcePlan, TableFrom, TablePlan};

/// A section for each table.
pub(super) fn sections(job: &Job) -> Vec<Section> {
    let tables = job.plan.tables.iter().enumerate();
    tables
        .map(|(at, table)| {
            let description = job.tables.get(at).map_or("", String::as_str);
            let body = body(table, description, &used(job, &table.name));
            Section::new(2, "Table", Some(&table.name), body)
        })
        .collect()
}

/// The table as a link to its section.
pub(super) fn link(table: &str) -> String {
    format!("[{}](#{})", code(table), super::anchor(&format!("Table {table}")))
}

/// `ip_score` of `behavior_events`, and its like: what a table is looked up for.
fn used(job: &Job, table: &str) -> String {
    let mut out = Vec::new();
    for (source, text) in job.plan.sources.iter().zip(&job.sources) {
        for lookup in text.lookups.iter().filter(|lookup| lookup.table == table) {
            out.push(format!(
                "{} is {} by the field {} of {}",
                code(&lookup.name),
                code(&lookup.column),
                code(&lookup.key),
                code(&source.name)
            ));
        }
    }
    out.join("; ")
}

fn body(table: &TablePlan, description: &str, used: &str) -> String {
    let mut out = paragraph(description);
    let mut fact = |name: &str, fact: String| out.push_str(&format!("- **{name}:** {fact}\n"));
    let key = code(&table.key);
    match &table.from {
        TableFrom::File { path, reload, .. } => fact(
            "File",
            format!(
                "{}, CSV, relative to the job file; looked at every {}, and read again when it has \
                 changed",
                code(path),
                show_duration(*reload)
            ),
        ),
        TableFrom::Shipped { name, .. } => {
            fact("File", format!("{}, CSV, which comes with the program", code(name)));
        }
        TableFrom::Topic { key_path, source } => fact("Topic", topic(source, key_path)),
    }
    match table.matching {
        Matching::Exact(ty) => {
            fact("Key", format!("{key}, {}; the row that has the same key", code(ty.name())));
        }
        Matching::Prefix => fact(
            "Key",
            format!(
                "{key}, a network such as {}; of the rows whose network an address is in, that of \
                 the longest prefix",
                code("10.0.0.0/8")
            ),
        ),
    }
    fact("Looked up", used.to_owned());
    fact("Valid", valid(&table.from));
    let rows = thousands(u64::try_from(table.rows_max).unwrap_or(u64::MAX));
    fact("Rows", format!("at most {rows}; with more it is refused"));
    out.push_str("\nWhat a row has besides its key:\n\n");
    let mut rows = Rows::new(&["Column", "Type", "In a row"]);
    for column in &table.columns {
        let there = if column.required { "always" } else { "may be missing" };
        rows.push([code(&column.name), code(column.ty.name()), there.to_owned()]);
    }
    out.push_str(&rows.finish());
    out.push_str(
        "An event is looked up once, in the version of the table that is valid at the event's own \
         time, and what is found is kept with the event. It is never revised",
    );
    out.push_str(takes_effect(&table.from));
    out
}

/// A topic, and where in its records rows are.
fn topic(source: &SourcePlan, key_path: &[String]) -> String {
    let found = match key_path {
        [] => "the key of a record is the row's".to_owned(),
        path => format!("the row's key is at {} in that of a record", code(&path.join("."))),
    };
    format!(
        "{}, read all the time: {found}, its value a JSON object with the columns, and an empty \
         value deletes the row",
        code(source.topic.as_deref().unwrap_or_default())
    )
}

fn valid(from: &TableFrom) -> String {
    match from {
        TableFrom::File { valid_from: Some(column), .. }
        | TableFrom::Shipped { valid_from: Some(column), .. } => format!(
            "from the time in the column {} on, until the next row of the same key; always where \
             that is empty",
            code(column)
        ),
        TableFrom::File { .. } | TableFrom::Shipped { .. } => {
            "every row, for as long as it is in the file".to_owned()
        }
        TableFrom::Topic { source, .. } => format!(
            "from the time in {} on, until the next record of the same key",
            code(&shown_time(&source.time))
        ),
    }
}

/// As of when a change is seen.
fn takes_effect(from: &TableFrom) -> &'static str {
    match from {
        TableFrom::File { .. } => {
            ": when the table changes, only later events see that.\n\nThe version of the file that the job starts with is valid for all events, however old. \
             One that is read later is valid from the event time that the job has reached by then: \
             the next whole second. A file with a mistake in it is reported, and the version before \
             it stays.\n"
        }
        TableFrom::Shipped { .. } => {
            "; the table itself does not change either, and is valid for all events, however old.\n"
        }
        TableFrom::Topic { .. } => {
            ": when the table changes, only later events see that.\n\nA record that comes too late for its time, because the job has gone past that, is valid \
             from the event time that the job has reached by then.\n"
        }
    }
}
