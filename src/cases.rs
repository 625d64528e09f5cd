//! `tidemark test`: features of a job on cases with virtual time.
//!
//! ```toml
//! start = "2026-03-02T12:00:00Z"       # what +90s counts from; this is the default, a Monday
//!
//! [defaults.transactions]              # fields of each event of the source that has none itself
//! amount = 10
//!
//! [[case]]
//! name = "a payment leaves the window five minutes later"
//! # start = "2026-03-07T12:00:00Z"     # of this case
//! events = [                           # those of a source in the order they arrive
//!   { source = "transactions", at = "+0s", card_id = "c1" }, # the only source need not be named
//!   { at = "+2m", card_id = "c1", amount = 30.5 },
//!   { at = "-1h", card_id = "c1", without = ["amount"] },    # without that default
//!   { raw = '{"card_id":' },           # the text of the record
//! ]
//! dead = [                             # all records that become no events; events count from 1
//!   { event = 3, reason = "malformed", error = "amount" },   # a part of the error
//!   { event = 4, reason = "malformed" },
//! ]
//!
//! [[case.expect]]                      # or expect = [{ .. }], as [[case.events]] may be written
//! at = "+5m"                           # or "+5m-1ms", or "2026-03-02T12:05:00Z"
//! view = "transaction_stats_5m"
//! id = "c1"
//! features = { txn_count_5m = 1 }      # the others may be anything
//! null = ["amount_zscore"]             # features without a value
//! # absent = true                      # instead of both: there is no row
//! ```
//!
//! Fields of an event are written by their names in the job, or nested as the record has them; one
//! whose name is a key of an event (`source`, `at`, `arrived`, `raw`, `without`, `fields`) is
//! written in the table `fields`. The event time is written where the source has it. `arrived` is
//! when the record arrived, by default `at`: its timestamp in the topic, which bounds its time and
//! moves the clocks. An event that has it takes its place in the order by it. Records are JSON
//! whatever the format of the source.
//!
//! Each source is one partition. A run over all events in the order they arrive gives the verdicts
//! and the sealed rows. For each time of an expectation a further run takes in the accepted events
//! that had arrived by then, and the live clock goes on to it: that is the row as the online store has
//! it. The sealed row of an event at just that time must be the same, unless an event of the
//! entity up to it arrives only later, or one ahead of it has arrived. All this on each number of
//! workers; rows must be equal everywhere to the last bit, and doubles within 1e-9 (of their size,
//! above 1) of what is expected.
//!
//! In the order a case goes through them: `file` (with `record`, `time`) reads it into a `case`;
//! `arrival` puts its events in order; `play` runs it; `verdict` (with `events`) compares; `report` says what is wrong.

mod arrival;
mod case;
mod document;
mod events;
mod file;
mod play;
mod record;
mod report;
mod shipped;
mod time;
mod verdict;

pub use document::CaseDocument;

use crate::cli::{OutputFormat, TestArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{job_file, output};
use document::OutcomeDocument;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use tidemark_jobs::Job;
use tidemark_jobs::document::JobErrors;
use tidemark_operators::plan::Plan;

/// How cases are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Each case is run with each of these numbers of worker threads; at least one, each at least 1.
    pub workers: Vec<usize>,
    /// Only the cases that have this in their name.
    pub only: Option<String>,
}

impl Default for Options {
    /// All cases, on 1 and on 3 workers.
    fn default() -> Self {
        Options { workers: vec![1, 3], only: None }
    }
}

/// What became of the cases of a file.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many passed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// A line a case, and of a failed one all that is wrong.
    pub report: String,
    /// The same, as JSON has it.
    pub cases: Vec<CaseDocument>,
}

/// Why cases could not be run.
#[derive(Debug, Error)]
pub enum CasesError {
    /// The file is wrong.
    #[error("the cases are wrong\n{0}")]
    File(JobErrors),
    /// The job ended before the end of a case.
    #[error("running case \"{case}\" of {file}: {reason}")]
    Engine {
        /// The file.
        file: String,
        /// The case.
        case: String,
        /// Why.
        reason: String,
    },
}

/// Carries out `tidemark test`.
///
/// # Errors
/// When the job or a file of cases cannot be read or is wrong, or no case is asked for: exit code 2.
/// A case that fails is no error: it is printed, and the exit code is 3.
pub fn run(args: &TestArgs) -> Result<Exit, Failure> {
    let job = job_file::load(&args.job)?;
    let options = Options { workers: args.workers.clone(), only: args.case.clone() };
    let mut all = Outcome::default();
    for (file, text) in texts(args)? {
        let outcome = check(&job, &file, &text, &options).map_err(|error| match error {
            CasesError::File(ref wrong) => Failure::usage(&error).at(wrong),
            CasesError::Engine { .. } => Failure::failed(error),
        })?;
        if args.format == OutputFormat::Text {
            output::print(&outcome.report)?;
        }
        all.cases.extend(outcome.cases);
        all.passed += outcome.passed;
        all.failed += outcome.failed;
    }
    match (&args.case, all.passed + all.failed) {
        (Some(name), 0) => {
            let failure = Failure::usage(format!("no case has \"{name}\" in its name"));
            return Err(failure.hint("without --case all are run, and their names printed"));
        }
        (None, 0) => return Err(Failure::usage("the files have no cases")),
        _ => {}
    }
    let code = if all.failed > 0 { Exit::No } else { Exit::Done };
    if args.format == OutputFormat::Json {
        let Outcome { passed, failed, cases, .. } = all;
        let (job, workers) = (&job.plan.name, &args.workers);
        output::print_json(&OutcomeDocument { job, workers, passed, failed, cases })?;
        return Ok(code);
    }
    let workers: Vec<_> = args.workers.iter().map(usize::to_string).collect();
    let failed = if all.failed > 0 { format!(", {} FAILED", all.failed) } else { String::new() };
    let on = workers.join(" and ");
    output::print(&format!("{} passed{failed} (each on {on} worker threads)\n", all.passed))?;
    Ok(code)
}

/// The names and texts of the files of cases.
fn texts(args: &TestArgs) -> Result<Vec<(String, String)>, Failure> {
    let mut files = args.cases.clone();
    if files.is_empty() {
        if tidemark_jobs::shipped(&args.job).is_some()
            && let Some((file, text)) = shipped::shipped(&args.job)
        {
            return Ok(vec![(file.to_owned(), text.to_owned())]);
        }
        files.push(beside(Path::new(&args.job)));
    }
    let read = files.iter().map(|path| {
        let file = path.display().to_string();
        let text = job_file::read(path).map_err(|error| {
            Failure::usage(format!("cannot read the cases \"{file}\": {error}"))
                .hint("name files of cases after the job; `tidemark test --help` shows one")
        })?;
        Ok((file, text))
    });
    read.collect()
}

/// `dir/my_job.toml` to `dir/my_job.cases.toml`.
fn beside(job: &Path) -> PathBuf {
    job.with_extension("cases.toml")
}

/// Runs the cases of `text`, the file `file`, on `job`.
///
/// # Errors
/// When the file is wrong, or the job ends before the end of a case.
pub fn check(job: &Job, file: &str, text: &str, options: &Options) -> Result<Outcome, CasesError> {
    let plan = Arc::new(Plan::clone(&job.plan).of_json_alone());
    let shapes = record::shapes(job, &plan);
    let cases = file::read(file, text, &plan, &shapes).map_err(CasesError::File)?;
    let mut outcome = Outcome::default();
    let wanted = |name: &str| options.only.as_deref().is_none_or(|part| name.contains(part));
    for case in cases.iter().filter(|case| wanted(&case.name)) {
        let faults = verdict::judge(&plan, case, &options.workers).map_err(|reason| {
            CasesError::Engine { file: file.to_owned(), case: case.name.clone(), reason }
        })?;
        outcome.cases.push(document::case(file, case, &plan, &faults));
        if faults.is_empty() {
            outcome.passed += 1;
            outcome.report.push_str(&report::passed(case));
        } else {
            outcome.failed += 1;
            outcome.report.push_str(&report::failed(file, case, &plan, &faults));
        }
    }
    Ok(outcome)
}

/// The cases that come with a shipped job: the name of their file, and its text.
pub fn shipped_cases(job: &str) -> Option<(&'static str, &'static str)> {
    shipped::shipped(job)
}
