//! What a job makes of a sample of records: what becomes of them, and what is in each field.
//!
//! The records are judged by the operator that reads sources in a running job; windows, tables and
//! stores are not needed for that, and nothing is written.

use super::unread_keys::UnreadKeys;
use crate::cli::SampleOf;
use crate::failure::Failure;
use crate::refusals::{Refusals, RefusedRecord};
use crate::sample_file::SampleFile;
use crate::text::{printable, time_text};
use std::path::Path;
use std::sync::Arc;
use tidemark_jobs::Job;
use tidemark_operators::ingest::decode::RECORD_BYTES_MAX;
use tidemark_operators::ingest::source::{FieldCount, FieldSurvey, TimeCount};
use tidemark_operators::plan::{Operation, Plan, TimeUnit};
use tidemark_operators::trial::{Trial, trial};
use tidemark_operators::value::Value;
use tidemark_operators::verdict::Reason;

/// How long an example is shown, in characters.
const EXAMPLE_CHARS_MAX: usize = 60;
/// How long what is wrong with one is shown.
const ERROR_CHARS_MAX: usize = 160;

/// What a source makes of a file.
#[derive(Debug)]
pub(super) struct SourceSample {
    /// The source's name.
    pub source: String,
    /// The file as it was named.
    pub file: String,
    /// How many records were looked at.
    pub records: u64,
    /// Whether that is all of them.
    pub whole: bool,
    /// How many became events.
    pub accepted: u64,
    /// How many have no key of any entity, and are left out.
    pub keyless: u64,
    /// How many are of operations that the job does not read, by operation.
    pub skipped: Vec<(Operation, u64)>,
    /// How many have the id of an event before them, and are left out.
    pub duplicate: u64,
    /// By reason, how many became dead letters, and what was wrong with the first.
    pub refused: Vec<(Reason, u64, Option<String>)>,
    /// Where the event time is.
    pub time_path: String,
    /// The unit it is read in.
    pub time_unit: &'static str,
    pub times: TimeCount,
    /// By field of the source.
    pub fields: Vec<FieldSample>,
    /// Keys of the records that no field reads.
    pub unread: UnreadKeys,
}

/// What is in one field.
#[derive(Debug)]
pub(super) struct FieldSample {
    pub name: String,
    pub ty: &'static str,
    pub count: FieldCount,
    /// Where the value may be instead, of a field that no record has.
    pub meant: Option<String>,
}

impl FieldSample {
    /// The first value, as it is shown.
    pub fn example(&self) -> Option<String> {
        let value = self.count.example.as_ref()?;
        let text = match value {
            Value::Null => return None,
            Value::Int(value) => value.to_string(),
            Value::Decimal(units, scale) => decimal(*units, *scale),
            Value::Double(value) => value.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Text(text) => format!("\"{text}\""),
            Value::Timestamp(ms) => match u64::try_from(*ms) {
                Ok(ms) => time_text(ms),
                Err(_) => format!("{ms} ms"),
            },
            Value::Ip(address) => address.to_string(),
        };
        Some(shown(&text, EXAMPLE_CHARS_MAX))
    }

    /// What was wrong with the first value that is none, as it is shown.
    pub fn invalid_example(&self) -> Option<String> {
        self.count.invalid_example.as_ref().map(|error| shown(error, ERROR_CHARS_MAX))
    }
}

/// A decimal of `units` of `10^-scale` as it is written.
fn decimal(units: i64, scale: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", units.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, rest) = digits.split_at(digits.len() - usize::from(scale));
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{rest}")
}

/// Short enough for a line, and harmless for a terminal.
pub(super) fn shown(text: &str, chars_max: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(chars_max) {
        None => text.into_owned(),
        Some((at, _)) => format!("{}..", text.get(..at).unwrap_or_default()),
    }
}

/// Tries the job on the samples.
///
/// # Errors
/// When a file cannot be read, or it does not show whose records it has (exit code 2).
pub(super) fn samples(job: &Job, asked: &[SampleOf]) -> Result<Vec<SourceSample>, Failure> {
    asked.iter().map(|asked| sample(job, asked)).collect()
}

fn sample(job: &Job, asked: &SampleOf) -> Result<SourceSample, Failure> {
    let at = source_of(job, asked)?;
    let (Some(plan), Some(text)) = (job.plan.sources.get(at), job.sources.get(at)) else {
        return Err(Failure::failed("a source of the job has no plan"));
    };
    let file = SampleFile::read(&asked.file, plan.format)?;
    let mut survey = FieldSurvey::new(plan, &text.declared, RECORD_BYTES_MAX);
    for batch in &file.batches {
        batch.records.iter().for_each(|record| survey.add(batch, record));
    }
    let unread = UnreadKeys::new(&file, plan, text);
    let fields = text.declared.iter().zip(survey.fields()).map(|(field, count)| FieldSample {
        name: field.name.clone(),
        ty: field.ty.name(),
        count: count.clone(),
        meant: (count.present + count.invalid == 0).then(|| unread.near(&field.path)).flatten(),
    });
    let fields = fields.collect();
    let records = file.records as u64;
    let whole = file.whole;
    let number = u16::try_from(at).map_err(Failure::failed)?;
    let judged = trial(Plan::clone(&job.plan), number, file.batches).map_err(Failure::failed)?;
    let verdicts = judged.metrics.verdicts.get(at);
    Ok(SourceSample {
        source: plan.name.clone(),
        file: asked.file.display().to_string(),
        records,
        whole,
        accepted: verdicts.map_or(0, |verdicts| verdicts.accepted.get()),
        keyless: verdicts.map_or(0, |verdicts| verdicts.keyless.get()),
        skipped: verdicts.map_or_else(Vec::new, |it| it.skipped_by_operation().collect()),
        duplicate: verdicts.map_or(0, |verdicts| verdicts.duplicate.get()),
        refused: refused(&judged, &job.plan, number, &asked.file),
        time_path: plan.time.place.shown(&plan.time.path),
        time_unit: plan.time.form.unit.name(),
        times: survey.times().clone(),
        fields,
        unread,
    })
}

/// The source whose records a sample has.
fn source_of(job: &Job, asked: &SampleOf) -> Result<usize, Failure> {
    let names: Vec<_> = job.plan.sources.iter().map(|source| source.name.as_str()).collect();
    let job = &job.plan.name;
    match &asked.source {
        Some(name) => names.iter().position(|known| known == name).ok_or_else(|| {
            Failure::usage(format!("job \"{job}\" has no source \"{name}\""))
                .hint(format!("its sources: {}", names.join(", ")))
        }),
        None if names.len() == 1 => Ok(0),
        None => {
            let file = asked.file.display();
            Err(Failure::usage(format!(
                "job \"{job}\" has {} sources, and nothing says whose records {file} has",
                names.len()
            ))
            .hint(format!("write --sample NAME={file}; its sources: {}", names.join(", "))))
        }
    }
}

/// By reason how many records of the source at `at` became dead letters, and what was wrong with the
/// first.
fn refused(
    judged: &Trial,
    plan: &Arc<Plan>,
    at: u16,
    file: &Path,
) -> Vec<(Reason, u64, Option<String>)> {
    let refusals = Refusals::new(plan, &[(at, vec![file.to_owned()])]);
    judged.letters.iter().for_each(|letter| refusals.add(letter));
    let at = usize::from(at);
    let verdicts = judged.metrics.verdicts.get(at);
    let one = |reason: Reason| {
        let first = refusals.take_first(at, reason);
        let count = verdicts.map_or(0, |verdicts| verdicts.dead(reason).get());
        (reason, count, first.as_ref().map(RefusedRecord::text).map(str::to_owned))
    };
    Reason::ALL.into_iter().map(one).collect()
}

/// The unit in which most of the times can be read that cannot be in the source's: of several the
/// first that numbers or texts alone are written in.
pub(super) fn fitting(times: &TimeCount) -> Option<(TimeUnit, u64)> {
    let fitting = times.fitting.iter().rev().max_by_key(|(_, count)| *count)?;
    (fitting.1 > 0).then_some(*fitting)
}
