//! A drafted job as a job file, with comments for who reads one for the first time.
//!
//! What the sample holds is not written into it, but for the values that a filter compares with: a job
//! file is shown to others, and what people did is not theirs to see.

use super::job_draft::{FieldDraft, JobDraft, SourceNames};
use crate::text::count_text;
use std::fmt::{self, Write};
use tidemark_operators::plan::Format;
use tidemark_operators::value::Type;

/// How many of the paths are listed that no field reads.
const LEFT_OUT_MAX: usize = 20;
/// How wide what stands before a comment is at least, in characters.
const COMMENT_AT: usize = 33;

/// The text of the file; `sample` is what comments call the records it is from.
pub(super) fn text(draft: &JobDraft, sample: &str, records: u64) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, draft, sample, records);
    out
}

fn write(out: &mut String, draft: &JobDraft, sample: &str, records: u64) -> fmt::Result {
    let name = &draft.source.job;
    writeln!(
        out,
        "# A draft from {} records of {}: change all you like.",
        count_text(records),
        comment(sample)
    )?;
    writeln!(
        out,
        "# `tidemark check` says what it means, `tidemark docs job-file` what else there is."
    )?;
    writeln!(out, "\n[job]\nname = \"{name}\"\n\n[sources.{name}]")?;
    place(out, draft)?;
    line(out, &time(draft), &draft.time.form.words())?;
    let disorder = format!("out_of_orderness = \"{}\"", draft.time.out_of_orderness());
    line(out, &disorder, &out_of_orderness(draft))?;
    writeln!(
        out,
        "\n# ? means that it may be missing: it is null then, and null where it cannot be read. A"
    )?;
    writeln!(
        out,
        "# record that lacks one without ? is a dead letter. What no feature needs has one."
    )?;
    writeln!(out, "[sources.{name}.fields]")?;
    for field in &draft.fields {
        line(out, &field_text(field), &field_comment(field, records))?;
    }
    left_out(out, draft)?;
    for entity in &draft.entities {
        let key = draft.fields.get(entity.key).map_or("", |field| field.name.as_str());
        writeln!(out, "\n[entities.{}]", entity.name)?;
        line(out, &format!("key = \"{key}\""), "features are kept for each of these")?;
    }
    for view in &draft.views {
        let entity = draft.entities.get(view.entity).map_or("", |entity| entity.name.as_str());
        writeln!(out, "\n[views.{}]\nentity = \"{entity}\"", view.name)?;
        writeln!(out, "\n[views.{}.features]", view.name)?;
        for feature in &view.features {
            line(out, &format!("{} = {{ {} }}", feature.name, feature.toml), &feature.says)?;
        }
    }
    Ok(())
}

/// Where the records are, and how they are encoded.
fn place(out: &mut String, draft: &JobDraft) -> fmt::Result {
    let SourceNames { job, file, format, in_envelopes } = &draft.source;
    let topic = |out: &mut String| {
        line(out, &format!("topic = \"{job}\""), "of Kafka, for `run`; `replay` is given files")
    };
    match format {
        Format::Json if *in_envelopes => {
            topic(out)?;
            let says = "fields are below \"after\"; only inserts and snapshots are events";
            line(out, "envelope = \"debezium\"", says)
        }
        Format::Json => topic(out),
        Format::Avro => {
            topic(out)?;
            line(out, "format = \"avro\"", "in a topic with a schema registry, in files containers")
        }
        Format::Csv { delimiter } => {
            let file = file.clone().unwrap_or_else(|| format!("{job}.csv"));
            let files = format!("files = [{}]", quoted(&file));
            line(out, &files, "for `run`; `replay` is given files. No topic can be of CSV")?;
            line(out, "format = \"csv\"", "the first line of a file names the columns")?;
            match delimiter {
                b',' => Ok(()),
                b'\t' => writeln!(out, "delimiter = \"\\t\""),
                byte => writeln!(out, "delimiter = {}", quoted(&char::from(*byte).to_string())),
            }
        }
    }
}

/// A line of TOML with a comment behind it, where there is one.
fn line(out: &mut String, toml: &str, says: &str) -> fmt::Result {
    match says {
        "" => writeln!(out, "{toml}"),
        _ => writeln!(out, "{toml:COMMENT_AT$} # {}", comment(says)),
    }
}

fn time(draft: &JobDraft) -> String {
    let path = path_text(&draft.time.path);
    let outer = if draft.time.outer { ", outer = true" } else { "" };
    format!("time = {{ field = {path}, {}{outer} }}", draft.time.form.keys())
}

fn out_of_orderness(draft: &JobDraft) -> String {
    let behind = match u64::try_from(draft.time.behind) {
        Ok(0) | Err(_) => "here none is behind an earlier record".to_owned(),
        Ok(behind) => format!("here up to {}", crate::text::duration_short(behind)),
    };
    match draft.time.some_are_late() {
        true => format!("{behind}: SORT THE FILE, its records are late as they are"),
        false => format!("how late one may come; {behind}"),
    }
}

fn field_text(field: &FieldDraft) -> String {
    let mark = if field.optional { "?" } else { "" };
    let mut keys = vec![format!("type = \"{}{mark}\"", field.ty.name())];
    if field.path != [field.name.as_str()] {
        keys.push(format!("path = {}", path_text(&field.path)));
    }
    keys.extend(field.time.map(|form| form.keys()).filter(|keys| keys != "unit = \"ms\""));
    keys.extend(
        field.text_bytes_max.map(|bytes| format!("text_bytes_max = {}", quoted(&size(bytes)))),
    );
    match keys.len() {
        1 => format!("{} = \"{}{mark}\"", field.name, field.ty.name()),
        _ => format!("{} = {{ {} }}", field.name, keys.join(", ")),
    }
}

/// A path: as a text, unless a name in it would be split there or read as an element of an array.
fn path_text(path: &[String]) -> String {
    let splits = |part: &String| part.contains('.') || (part.ends_with(']') && part.contains('['));
    let from_root = path.len() > 1 && path.first().is_some_and(|first| first == "$");
    if !from_root && !path.iter().any(splits) {
        return quoted(&path.join("."));
    }
    let parts: Vec<_> = path.iter().map(|part| quoted(part)).collect();
    format!("[{}]", parts.join(", "))
}

fn size(bytes: usize) -> String {
    format!("{}KiB", bytes.div_ceil(1_024))
}

fn field_comment(field: &FieldDraft, records: u64) -> String {
    let mut says = Vec::new();
    let share = |count| format!("{} of {}", count_text(count), count_text(records));
    if field.missing > 0 {
        says.push(format!("missing in {}", share(field.missing)));
    }
    if field.invalid > 0 {
        says.push(format!("something else in {}", share(field.invalid)));
    }
    if let Some(form) = field.time {
        says.push(form.words());
    }
    if let (Type::Decimal(scale), true) = (field.ty, field.rounded) {
        says.push(format!("rounded to {scale} digits after the point"));
    }
    if field.ty == Type::Double {
        says.push("not to be added up: it has more digits than a decimal".to_owned());
    }
    says.join("; ")
}

fn left_out(out: &mut String, draft: &JobDraft) -> fmt::Result {
    if draft.left_out.is_empty() {
        return Ok(());
    }
    writeln!(out, "# Not read:")?;
    for (path, why) in draft.left_out.iter().take(LEFT_OUT_MAX) {
        let path: String = comment(&path.join(".")).chars().take(100).collect();
        writeln!(out, "# - {path}: {why}")?;
    }
    match draft.left_out.len().saturating_sub(LEFT_OUT_MAX) {
        0 => Ok(()),
        more => writeln!(out, "# - {} more", count_text(more as u64)),
    }
}

/// A text that ends no comment.
fn comment(text: &str) -> String {
    crate::text::printable(text).into_owned()
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if crate::text::is_harmful(c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
