//! `tidemark validate-pit`: whether the values that are served, those that are trained on and those that
//! the log makes are the same.
//!
//! ```text
//!  process ──> row, the events that it shows and the clock ─────────┐
//!  Redis ──> row, and the clocks between which it is ───────────────┤
//!  log ──> the job's windows at the latest of these clocks ─────────┼──> equal?
//!      └─> the events of the entity ──> computed from them alone ───┘
//! ```

mod judged;
mod online;
mod report;

use crate::cli::{OutputFormat, ValidatePitArgs};
use crate::config::{ClusterFile, Flags, Settings};
use crate::exit::Exit;
use crate::explain::job_of;
use crate::explained::Explaining;
use crate::failure::Failure;
use crate::output;
use crate::replay::inputs;
use crate::reread::{AskedHistory, ReadAgain, Reread};
use crate::validate::entity_named;
use judged::JudgedOf;
use online::{LookedSpan, OnlineLook, OnlineRows};
use report::Report;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidemark_jobs::Job;
use tidemark_operators::time::EventTime;

/// How long what may be on its way is given to arrive.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// Carries out the command.
///
/// # Errors
/// Exit code 3 when no value could be judged; 2 when the job, a name, a file or the settings are wrong;
/// 1 when the log or the rows cannot be read.
pub fn run(args: &ValidatePitArgs) -> Result<Exit, Failure> {
    let settings = Settings::load(&ClusterFile::from(args.log.cluster.as_ref()), Flags::default())?;
    let job = job_of(&args.job, &settings, &args.log.sources)?;
    let rows = OnlineRows::new(&job, &settings, args.http.as_deref());
    let asked = asked(args, &job, &rows)?;
    let validation = Validation { args, job: &job, settings: &settings, rows: &rows };
    let mut report = validation.look(asked.clone(), Duration::ZERO)?;
    if report.is_open() && args.at.is_none() {
        // Only those that differ: what was on its way has arrived then.
        std::thread::sleep(ON_ITS_WAY);
        let open = |asked: &AskedHistory| report.is_open_of(&job, asked);
        let again: Vec<AskedHistory> = asked.into_iter().filter(open).collect();
        // And each row's clock is told.
        report = report.after(validation.look(again, settings.online.decay_flush + ON_ITS_WAY)?);
    }
    report.named = args.entity_id.is_some();
    match args.log.format {
        OutputFormat::Json => output::print_json(&report.document())?,
        OutputFormat::Text => output::print(&report.text())?,
    };
    Ok(match report.ok() {
        true if report.is_unjudged() => Exit::No,
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// Whose rows are looked at.
fn asked(
    args: &ValidatePitArgs,
    job: &Job,
    rows: &OnlineRows<'_>,
) -> Result<Vec<AskedHistory>, Failure> {
    if let (Some(name), Some(id)) = (&args.entity_type, &args.entity_id) {
        let (entity, id) = entity_named(&job.plan, name, id)?;
        return Ok(vec![AskedHistory { entity, id }]);
    }
    let asked = rows.sample(args.sample.unwrap_or(1))?;
    if asked.is_empty() {
        return Err(Failure::failed("no row of the job was found in Redis").hint(
            "has the job caught up, and did events arrive? `tidemark validate JOB` says more",
        ));
    }
    Ok(asked)
}

/// What is looked at, and how.
struct Validation<'a> {
    args: &'a ValidatePitArgs,
    job: &'a Job,
    settings: &'a Settings,
    rows: &'a OnlineRows<'a>,
}

impl Validation<'_> {
    /// One look at all of `asked`; see [`OnlineRows::look`] for `wait`.
    fn look(&self, asked: Vec<AskedHistory>, wait: Duration) -> Result<Report, Failure> {
        let look = match self.args.at {
            Some(_) => None,
            None => Some(self.rows.look(&asked, wait)?),
        };
        let at = self.args.at.or(look.as_ref().map(|look| look.span.until));
        let reread = Reread {
            plan: &self.job.plan,
            settings: self.settings,
            tables: inputs::tables(self.job, &self.args.log.tables)?,
            workers: self.args.log.workers.unwrap_or(self.settings.workers),
            asked,
            at,
            later: look.is_some(),
        };
        self.judge(reread.read()?, look.as_ref())
    }

    fn judge(&self, found: ReadAgain, look: Option<&OnlineLook>) -> Result<Report, Failure> {
        let name = self.rows.name(self.args.at.is_some());
        let mut report = Report::new(self.job, name, (found.histories.len(), found.at));
        let of_all = LookedSpan { from: found.at, frontier: found.at, until: found.at };
        let span = look.map_or(of_all, |look| LookedSpan { until: found.at, ..look.span });
        let plan = Arc::clone(&self.job.plan);
        for (place, mut history) in found.histories.into_iter().enumerate() {
            let rows = look.and_then(|look| look.rows.get(place));
            let views = plan.views.iter().enumerate();
            let of_type = history.asked.entity;
            let own = views.filter(|(_, index)| index.entity == of_type);
            let entity = plan.entities.get(of_type);
            let entity = entity.map_or("", |entity| entity.name.as_str());
            let mut wrong = None;
            for (index, at) in own.map(|(index, at)| (index, at.view)) {
                let Some(view) = plan.view(index) else { continue };
                let online = rows.and_then(|rows| rows.get(&index));
                let windows = history.windows.get(at).cloned().unwrap_or_default();
                let of = JudgedOf { plan: &plan, view, at };
                let judged = of.judge(&mut history, &windows, online, &span)?;
                report.take(&history.asked, entity, view, &judged);
                if let (Some(feature), None) = (judged.first_wrong(), &wrong) {
                    wrong = Some((index, at, feature, judged));
                }
            }
            if let (Some((index, at, feature, judged)), false) = (wrong, report.is_explained()) {
                let row = judged.online.filter(|_| judged.windows == judged.events);
                let history_of = &mut history.recomputed;
                let why = row.zip(plan.view(index)).map(|(row, view)| {
                    let of = JudgedOf { plan: &plan, view, at };
                    of.when_right(history_of, &row, span.from)
                });
                let explaining = Explaining {
                    job: self.job,
                    view: (index, at),
                    at: found.at,
                    limit: LISTED,
                    places: Some(&found.places),
                    id: history.asked.id,
                    recomputed: history.recomputed,
                    rows: BTreeMap::<EventTime, Vec<String>>::new(),
                };
                report.explain(explaining.explain(std::iter::once(feature))?, why);
            }
        }
        Ok(report)
    }
}

/// The most events that are listed of a difference.
const LISTED: usize = 20;
