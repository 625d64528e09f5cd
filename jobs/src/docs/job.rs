//! A job's page.

use super::markdown::{paragraph, prose};
use super::page::{Page, Section};
use super::service::ServiceText;
use super::view::Described;
use super::{entity, reading, source, table, terms};
use crate::job::Job;
use tidemark_operators::time::EventTime;
use tidemark_operators::value::Value;

/// A row that shows what a view's values look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The entity's id.
    pub id: String,
    /// What the row is as of, in ms since the epoch.
    pub as_of: EventTime,
    /// One value a feature, in job order.
    pub values: Vec<Value>,
}

/// The page of a job. `examples` has a place for each view of the job, in job order; the page does
/// without those that are missing. `server`: where models ask for features, `http://localhost:6566`.
///
/// ```
/// # fn main() -> Result<(), tidemark_jobs::JobErrors> {
/// let job = tidemark_jobs::load("fraud.toml", tidemark_jobs::FRAUD)?;
/// let page = tidemark_jobs::docs::job_page(&job, &[], "http://localhost:6566");
/// assert!(page.markdown().contains("## Entity `card`"));
/// # Ok(())
/// # }
/// ```
pub fn job_page(job: &Job, examples: &[Option<Example>], server: &str) -> Page {
    let plan = &job.plan;
    let mut sections = vec![Section::new(2, "How to read this", None, reading::how_to_read(job))];
    sections.push(Section::new(2, "Words in definitions", None, terms::words(job)));
    sections.extend(source::sections(job));
    sections.extend(table::sections(job));
    for (at, entity) in plan.entities.iter().enumerate() {
        let description = job.entities.get(at).map_or("", String::as_str);
        let body = entity::body(plan, at, entity, description);
        sections.push(Section::new(2, "Entity", Some(&entity.name), body));
        let places = plan.views.iter().enumerate().filter(|(_, place)| place.entity == at);
        for (view_at, _) in places {
            let (Some(view), Some(text)) = (plan.view(view_at), job.views.get(view_at)) else {
                continue;
            };
            let example = examples.get(view_at).and_then(Option::as_ref);
            let body = Described { job, entity, view, text, example }.body();
            sections.push(Section::new(3, "View", Some(&view.name), body));
        }
    }
    for service in &job.services {
        let body = ServiceText { job, service, examples, server }.body();
        sections.push(Section::new(2, "Service", Some(&service.name), body));
    }
    Page { title: format!("Features of the job {}", plan.name), lead: lead(job), sections }
}

fn lead(job: &Job) -> String {
    let plan = &job.plan;
    let views = plan.views.len();
    let all = (0..views).filter_map(|view| plan.view(view)).map(|view| view.features.len());
    let features: usize = all.sum();
    let mut out = paragraph(&job.description);
    let entities = plan.entities.iter().map(|entity| prose(&entity.name)).collect::<Vec<_>>();
    out.push_str(&format!(
        "{features} features in {views} {}, of the {} {}. This page is written by `tidemark docs` from \
         the job file: it says what runs.\n",
        if views == 1 { "view" } else { "views" },
        if entities.len() == 1 { "entity" } else { "entities" },
        listed(&entities),
    ));
    out
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
