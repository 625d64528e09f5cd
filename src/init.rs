//! `tidemark init`: a job for the records that somebody has, from a file of them.
//!
//! ```text
//!  first records ──> path_survey ──> time_draft ─┐
//!                         │                      ├──> job_draft ──> job_text ──> checked, written
//!                         └──> fields ──> keys ──┴──> features
//! ```
//!
//! All is decided from what the sample has, by the conversions that read the records of a job, so that
//! what is written reads what was seen. Nothing of it depends on the clock or on chance: the same file
//! gives the same job.

mod envelope;
mod features;
mod job_draft;
mod job_text;
mod keys;
mod names;
mod path_survey;
mod time_draft;
mod time_form;

use crate::cli::{FormatArg, InitArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::file_roles::FileRoles;
use crate::named_file::{is_standard, is_standard_output};
use crate::output;
use crate::sample_file::{Asked, MemberReader, SampleFile};
use crate::text::{count_text, duration_short, printable, time_text};
use crate::whole_file::{self, WholeFile};
use envelope::Enveloped;
use job_draft::{JobDraft, NoJob, SourceNames};
use path_survey::{Readings, RecordSurvey};
use std::path::Path;
use tidemark_operators::plan::Format;
use time_draft::TimeDraft;

/// How many other times are named.
const OTHERS_MAX: usize = 5;

/// Writes a job for the records of a file.
///
/// # Errors
/// When the file cannot be read, has no records, or none with a time and a key, or when the output is
/// there already (exit code 2); when the job cannot be written (exit code 1).
pub fn run(args: &InitArgs) -> Result<Exit, Failure> {
    let output = args.output.as_deref().filter(|path| !is_standard_output(path));
    let mut roles = FileRoles::default();
    roles.reads("the sample", &args.file);
    if let Some(path) = output {
        is_new(path)?;
        roles.writes("--output", path);
    }
    roles.check()?;
    whole_file::end_on_signals()?;
    let sample = SampleFile::read_told(&args.file, asked(args)?)?;
    let enveloped = envelope::enveloped(&sample);
    let (sample, envelopes) = match enveloped {
        Some(Enveloped { rows, envelopes }) => (rows, Some(envelopes)),
        None => (sample, None),
    };
    let (survey, draft) = draft(&args.file, &sample, envelopes.as_ref())?;
    let text = job_text::text(&draft, &file_name(&args.file), survey.records);
    // Whatever the records are like: what is written is a job.
    tidemark_jobs::load("the draft", &text).map_err(|errors| {
        Failure::failed(format!(
            "the job that was drafted from {} is wrong, which is a defect of this program: {errors}",
            args.file.display()
        ))
        .hint("write the job by hand, from: tidemark docs fraud --format toml")
    })?;
    tell(&args.file, &sample, &survey, &draft);
    match output {
        None => output::print(&text),
        Some(path) => {
            WholeFile::write(path, &text).map_err(Failure::failed)?;
            let (job, file, name) = (path.display(), args.file.display(), &draft.source.job);
            output::note(&format!(
                "written: {job}; next:\n  tidemark check {job} --sample {file}\n  \
                 tidemark replay {job} --source {name}={file} --sealed rows.jsonl"
            ));
            Ok(Exit::Done)
        }
    }
}

/// What is said of the records' format.
fn asked(args: &InitArgs) -> Result<Asked, Failure> {
    match (args.format, args.delimiter) {
        (None, None) => Ok(Asked::Nothing),
        (None | Some(FormatArg::Csv), delimiter) => Ok(Asked::Csv(delimiter)),
        (Some(FormatArg::Json), None) => Ok(Asked::Json),
        (Some(FormatArg::Avro), None) => Ok(Asked::Avro),
        (Some(_), Some(_)) => {
            Err(Failure::usage("--delimiter is for --format csv").hint("leave one of them out"))
        }
    }
}

/// What is there is not written over.
fn is_new(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) => Err(Failure::usage(format!(
            "{} is there already, and a job is not written over",
            path.display()
        ))
        .hint("name another file with --output, or move that one away")),
    }
}

/// Drafts a job from `sample`: the rows in `envelopes`, where it is those of a change log.
fn draft(
    file: &Path,
    sample: &SampleFile,
    envelopes: Option<&SampleFile>,
) -> Result<(RecordSurvey, JobDraft), Failure> {
    let readings = Readings::new();
    let mut members = MemberReader::new(sample.format);
    let survey = RecordSurvey::of(sample, &mut members, &readings);
    if survey.records == 0 {
        return Err(nothing(file, sample, &survey));
    }
    let mut time = time_draft::time(&survey).ok_or(NoJob::NoTime);
    if let Ok(time) = &mut time {
        time.look(sample, &mut members, &readings);
    } else if let Some(envelopes) = envelopes {
        // When the row was written, if it does not say when it happened.
        time = time_draft::time(&RecordSurvey::of(envelopes, &mut members, &readings))
            .map(|time| TimeDraft { outer: true, ..time })
            .ok_or(NoJob::NoTime);
        if let Ok(time) = &mut time {
            time.look(envelopes, &mut members, &readings);
        }
    }
    let names = SourceNames {
        job: names::identifier(&stem(file)),
        file: (!is_standard(file)).then(|| file.display().to_string()),
        format: sample.format,
        in_envelopes: envelopes.is_some(),
    };
    match time.and_then(|time| JobDraft::new(&survey, names, time)) {
        Ok(draft) => Ok((survey, draft)),
        Err(why) => Err(no_job(file, &survey, &why)),
    }
}

/// What a record is called, where it is none: one, and several.
fn record_names(format: Format) -> (&'static str, &'static str) {
    match format {
        Format::Json => ("JSON object", "JSON objects"),
        Format::Csv { .. } => ("record of CSV", "records of CSV"),
        Format::Avro => ("Avro record", "Avro records"),
    }
}

/// Why nothing can be seen in a sample.
fn nothing(file: &Path, sample: &SampleFile, survey: &RecordSurvey) -> Failure {
    let named = file.display();
    if sample.records == 0 {
        let hint = match sample.format {
            Format::Json => "give it a file with at least one: a JSON object a line",
            Format::Csv { .. } => {
                "its first line names the columns: give it a file with at least one line behind that"
            }
            Format::Avro => "give it a file with at least one",
        };
        return Failure::usage(format!("{named} has no records to draft a job from")).hint(hint);
    }
    let (offset, why) = survey.first_unreadable.clone().unwrap_or_default();
    let (place, why) = (place(sample.format, offset), printable(&why).into_owned());
    let failure = Failure::usage(format!(
        "none of the {} records of {named} is a {}; the first: {place}: {why}",
        count_text(survey.unreadable),
        record_names(sample.format).0
    ));
    failure.hint(match sample.format {
        Format::Json => {
            "a record is a JSON object in a line of its own; of CSV, say --format csv and, unless \
             it is a comma, --delimiter"
        }
        Format::Csv { .. } => "say with --delimiter what lies between the cells",
        Format::Avro => "write the file again",
    })
}

/// Where a record is, as people count.
fn place(format: Format, offset: u64) -> String {
    let what = if format == Format::Json { "line" } else { "record" };
    format!("{what} {}", offset.saturating_add(1))
}

/// Why there is no job, and what would make one.
fn no_job(file: &Path, survey: &RecordSurvey, why: &NoJob) -> Failure {
    let (named, records) = (file.display(), count_text(survey.records));
    let failure = match why {
        NoJob::NoTime => Failure::usage(format!(
            "nothing in most of the {records} records of {named} is a time between 1990 and 2100; a \
             date alone is none"
        )),
        NoJob::NoKey => Failure::usage(format!(
            "nothing in the {records} records of {named} could be an id: no text, whole number or \
             address"
        )),
    };
    let paths: Vec<_> =
        survey.paths.iter().filter(|path| path.scalars > 0).take(OTHERS_MAX).collect();
    let paths = paths.iter().map(|path| printable(&path.path.join(".")).into_owned());
    failure.hint(format!(
        "an event needs a time and somebody it is about, such as {{\"timestamp\": 1767484955000, \
         \"card_id\": \"c1\"}}; these have {}",
        match paths.clone().count() {
            0 => "no values".to_owned(),
            _ => paths.collect::<Vec<_>>().join(", "),
        }
    ))
}

/// What comments call the sample.
fn file_name(file: &Path) -> String {
    match file.file_name() {
        Some(name) if !is_standard(file) => name.to_string_lossy().into_owned(),
        _ => "standard input".to_owned(),
    }
}

/// The file's name up to its first dot.
fn stem(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.split('.').find(|part| !part.is_empty()) {
        Some(stem) if !is_standard(file) => stem.to_owned(),
        _ => "events".to_owned(),
    }
}

/// What lies between cells, as people call it.
fn shown(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tabs".to_owned(),
        byte => format!("`{}`", char::from(byte)),
    }
}

/// Says what was seen.
fn tell(file: &Path, sample: &SampleFile, survey: &RecordSurvey, draft: &JobDraft) {
    let more = if sample.whole { "" } else { ", the first of more" };
    let format = match sample.format {
        Format::Json if draft.source.in_envelopes => ", rows in envelopes of Debezium".to_owned(),
        Format::Json => String::new(),
        Format::Avro => ", Avro".to_owned(),
        Format::Csv { delimiter } => format!(", CSV with {} between cells", shown(delimiter)),
    };
    output::note(&format!(
        "read: {} records of {}{format}{more}",
        count_text(survey.records),
        file.display()
    ));
    if let Some((offset, why)) = &survey.first_unreadable {
        output::note(&format!(
            "not read: {} that are no {}, the first: {}: {}",
            count_text(survey.unreadable),
            record_names(sample.format).1,
            place(sample.format, *offset),
            printable(why)
        ));
    }
    let ms = |time: i64| time_text(u64::try_from(time).unwrap_or(0));
    let time = &draft.time;
    output::note(&format!(
        "time: {} ({}), {} to {}",
        printable(&time.path.join(".")),
        time.form.words(),
        ms(time.span.0),
        ms(time.span.1)
    ));
    let without = survey.records.saturating_sub(time.read);
    if without > 0 {
        output::note(&format!("  {} records have none, and are dead letters", count_text(without)));
    }
    if !time.others.is_empty() {
        let others = time.others.iter().take(OTHERS_MAX);
        let others: Vec<_> = others.map(|path| printable(&path.join(".")).into_owned()).collect();
        output::note(&format!("  it could be another one: {}", others.join(", ")));
    }
    if time.newest_first && time.behind > 0 {
        let behind = duration_short(u64::try_from(time.behind).unwrap_or(0));
        output::note(&format!(
            "  the newest record stands first, and others lie up to {behind} behind: `tac` turns a \
             file round"
        ));
    }
    let keys = draft.entities.iter().filter_map(|entity| {
        let field = draft.fields.get(entity.key)?;
        Some(format!("{} ({} different)", field.name, count_text(field.distinct)))
    });
    output::note(&format!("keys: {}", keys.collect::<Vec<_>>().join(", ")));
    let lacking = draft.fields.iter().filter(|field| field.missing + field.invalid > 0).count();
    output::note(&format!(
        "fields: {}, {} of them missing or something else in some records; left out: {}",
        draft.fields.len(),
        lacking,
        count_text(draft.left_out.len() as u64 + survey.beyond)
    ));
}
