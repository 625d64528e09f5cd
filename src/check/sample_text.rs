//! What a job makes of a sample, for people.

use super::sample::{SourceSample, fitting, shown};
use crate::text::{by_operation, count_text};
use std::fmt::{self, Write as _};

/// How many keys are listed that no field reads.
const KEYS_MAX: usize = 12;
/// How long the name of a key is shown, in characters.
const KEY_CHARS_MAX: usize = 60;

/// The samples, one after the other.
pub(super) fn text(samples: &[SourceSample]) -> String {
    let mut out = String::new();
    for sample in samples {
        // Writing to a string cannot fail.
        let _ = one(&mut out, sample);
    }
    out
}

fn one(out: &mut String, sample: &SourceSample) -> fmt::Result {
    let SourceSample { source, file, records, whole, .. } = sample;
    let more = if *whole { "" } else { ", the first of more" };
    writeln!(out, "\nsample {file}, {} records of source {source}{more}", count_text(*records))?;
    verdicts(out, sample)?;
    times(out, sample)?;
    fields(out, sample)?;
    keys(out, sample)
}

fn verdicts(out: &mut String, sample: &SourceSample) -> fmt::Result {
    writeln!(out, "  {:<10}{:>9}", "accepted", count_text(sample.accepted))?;
    let left_out = [
        ("keyless", sample.keyless, "no key of any entity"),
        ("duplicate", sample.duplicate, "the id of an event before it"),
    ];
    for (name, count, why) in left_out.into_iter().filter(|(_, count, _)| *count > 0) {
        let count = count_text(count);
        writeln!(out, "  {name:<10}{count:>9}  {why}: left out, no dead letter")?;
    }
    if !sample.skipped.is_empty() {
        let all = sample.skipped.iter().map(|(_, count)| count).sum();
        let by = by_operation(sample.skipped.iter().copied());
        writeln!(out, "  {:<10}{:>9}  by operation: {by}", "skipped", count_text(all))?;
    }
    for (reason, count, first) in &sample.refused {
        if *count > 0 {
            let first = first.as_ref().map_or_else(String::new, |first| {
                format!("  the first: {}", shown(first, 2 * KEY_CHARS_MAX + 120))
            });
            writeln!(out, "  {:<10}{:>9}{first}", reason.name(), count_text(*count))?;
        }
    }
    Ok(())
}

fn times(out: &mut String, sample: &SourceSample) -> fmt::Result {
    let times = &sample.times;
    let path = shown(&sample.time_path, KEY_CHARS_MAX);
    write!(
        out,
        "  event time {path} ({}): in {} records",
        sample.time_unit,
        count_text(times.read)
    )?;
    if times.unread == 0 {
        return writeln!(out);
    }
    writeln!(out, ", not in {}", count_text(times.unread))?;
    if let Some((unit, count)) = fitting(times) {
        let (unit, of) = (unit.name(), count_text(times.tried));
        writeln!(
            out,
            "    with unit = \"{unit}\" {} of {of} of these would be",
            count_text(count)
        )?;
    } else if let Some(error) = &times.first_error {
        writeln!(out, "    the first: {}", shown(error, 2 * KEY_CHARS_MAX))?;
    }
    Ok(())
}

fn fields(out: &mut String, sample: &SourceSample) -> fmt::Result {
    let width = sample.fields.iter().map(|field| field.name.len()).max().unwrap_or(0).max(5);
    writeln!(
        out,
        "  {:width$}  {:<10}{:>9}{:>9}{:>9}{:>9}  example",
        "field", "type", "present", "null", "invalid", "rounded"
    )?;
    for field in &sample.fields {
        let count = &field.count;
        write!(
            out,
            "  {:width$}  {:<10}{:>9}{:>9}{:>9}{:>9}  ",
            field.name,
            field.ty,
            count_text(count.present),
            count_text(count.null),
            count_text(count.invalid),
            count_text(count.rounded)
        )?;
        let never = || "in no record".to_owned();
        let example = field.example().unwrap_or_else(|| match count.invalid {
            0 => never(),
            _ => String::new(),
        });
        writeln!(out, "{example}")?;
        if let Some(error) = field.invalid_example() {
            writeln!(out, "    invalid: {error}")?;
        }
        if let Some(meant) = &field.meant {
            writeln!(out, "    {}", shown(meant, 2 * KEY_CHARS_MAX))?;
        }
    }
    Ok(())
}

fn keys(out: &mut String, sample: &SourceSample) -> fmt::Result {
    let paths = &sample.unread.paths;
    if paths.is_empty() {
        return Ok(());
    }
    let listed = paths.iter().take(KEYS_MAX);
    let listed: Vec<_> = listed.map(|path| shown(&path.join("."), KEY_CHARS_MAX)).collect();
    let more = match paths.len().saturating_sub(KEYS_MAX) {
        0 => String::new(),
        more => format!(" and {} more", count_text(more as u64)),
    };
    writeln!(out, "  keys that no field reads: {}{more}", listed.join(", "))
}
