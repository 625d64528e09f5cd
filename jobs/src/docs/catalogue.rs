//! All features of a job in a list, for who looks one up: what the page of the job says of each, in
//! plain text.

use super::empty;
use super::inputs::Inputs;
use super::values::shown;
use crate::job::{FeatureText, Job};
use crate::report::shown_type;
use serde::Serialize;
use tidemark_operators::plan::{EntityPlan, ViewPlan};

/// One feature of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CatalogueEntry {
    /// The entity type that it describes.
    pub entity: String,
    /// Its view.
    pub view: String,
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub value_type: String,
    /// What it is, in words, or its expression.
    pub definition: String,
    /// What the job says about it; may be empty.
    pub description: String,
    /// Its windows and horizons: `5m`, `24h; latest, 30d`; empty where it is over what it names.
    pub over: String,
    /// What it is where nothing happened: `0`, `null`.
    pub empty: String,
}

/// The features of a job, in job order.
///
/// ```
/// # fn main() -> Result<(), tidemark_jobs::JobErrors> {
/// let job = tidemark_jobs::load("fraud.toml", tidemark_jobs::FRAUD)?;
/// let first = tidemark_jobs::docs::catalogue(&job).remove(0);
/// assert_eq!((first.name.as_str(), first.over.as_str()), ("txn_count_5m", "5m"));
/// # Ok(())
/// # }
/// ```
pub fn catalogue(job: &Job) -> Vec<CatalogueEntry> {
    let plan = &job.plan;
    let mut entries = Vec::new();
    for ((at, place), text) in plan.views.iter().enumerate().zip(&job.views) {
        let (Some(entity), Some(view)) = (plan.entities.get(place.entity), plan.view(at)) else {
            continue;
        };
        let empty = empty::values(view, &plan.zone);
        for ((at, text), empty) in text.features.iter().enumerate().zip(&empty) {
            entries.extend(entry((entity, view), at, text, shown(empty)));
        }
    }
    entries
}

fn entry(
    (entity, view): (&EntityPlan, &ViewPlan),
    at: usize,
    text: &FeatureText,
    empty: String,
) -> Option<CatalogueEntry> {
    let feature = view.features.get(at)?;
    let of_expression = || Inputs { entity, view }.over(feature.column).unwrap_or_default();
    Some(CatalogueEntry {
        entity: entity.name.clone(),
        view: view.name.clone(),
        name: feature.name.clone(),
        value_type: shown_type(feature),
        definition: text.definition.clone(),
        description: text.description.trim().to_owned(),
        over: match text.over.as_str() {
            "-" => of_expression(),
            over => over.to_owned(),
        },
        empty,
    })
}
