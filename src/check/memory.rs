//! What the state of a job takes in memory under a load: by entity type, view and feature.

use crate::online;
use crate::text::{bytes_short, count_text};
use serde::Serialize;
use std::fmt::{self, Write as _};
use tidemark_jobs::Job;
use tidemark_operators::footprint::{Footprint, Load, footprint};
use tidemark_operators::plan::{Plan, Read, ViewPlan};

/// What is assumed where nothing else is said: a million live entities of each type, ten events in
/// the longest window, three different values of a field each, as many texts of a field as entities.
pub const LOAD_DEFAULT: Load =
    Load { entities: 1_000_000, events: 10, values: 3, texts: 1_000_000, text_bytes: 16 };

/// How wide the list of features is, in characters.
const LIST_CHARS: usize = 110;

/// Bytes under a load.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    load: LoadDocument,
    /// All of it.
    pub total_bytes: u64,
    /// By entity type, in job order.
    pub entities: Vec<EntityEstimate>,
    /// By view, in job order.
    pub views: Vec<ViewEstimate>,
}

#[derive(Clone, Debug, Serialize)]
struct LoadDocument {
    entities: u64,
    events: u64,
    values: u64,
    texts: u64,
    text_bytes: u64,
}

/// Of one entity type.
#[derive(Clone, Debug, Serialize)]
pub struct EntityEstimate {
    /// Its name.
    pub name: String,
    /// All of it, with the rows of its views.
    pub total_bytes: u64,
    /// Ids, in the engine and beside the rows.
    pub ids_bytes: u64,
    /// Events inside the longest window.
    pub events_bytes: u64,
    /// Texts, each once.
    pub texts_bytes: u64,
    /// What is accumulated over windows, and distinct values.
    pub windows_bytes: u64,
    /// The latest event and those before it.
    pub latest_bytes: u64,
    /// The newest rows.
    pub rows_bytes: u64,
}

/// Of one view.
#[derive(Clone, Debug, Serialize)]
pub struct ViewEstimate {
    /// Its name.
    pub name: String,
    /// Its newest rows.
    pub rows_bytes: u64,
    /// What each feature is computed from; features may share that.
    pub features: Vec<FeatureEstimate>,
}

/// Of one feature.
#[derive(Clone, Debug, Serialize)]
pub struct FeatureEstimate {
    /// Its name.
    pub name: String,
    /// What it is computed from, shared or not, without events and texts.
    pub state_bytes: u64,
}

/// What `job` takes under `load`, on any number of workers.
pub fn estimate(job: &Job, load: &Load) -> Estimate {
    let plan = &*job.plan;
    let held: Vec<Footprint> =
        (0..plan.entities.len()).map(|entity| footprint(plan, entity, load)).collect();
    let entities: Vec<EntityEstimate> = plan
        .entities
        .iter()
        .zip(&held)
        .map(|(entity, held)| {
            let rows = entity.views.iter().map(|view| online::rows_bytes(view, load));
            let (rows_bytes, ids) = (rows.sum::<u64>(), online::ids_bytes(load));
            EntityEstimate {
                name: entity.name.clone(),
                total_bytes: held.total() + rows_bytes + ids,
                ids_bytes: held.ids + ids,
                events_bytes: held.events,
                texts_bytes: held.dictionaries,
                windows_bytes: held.accumulators.iter().sum(),
                latest_bytes: held.lasts.iter().sum::<u64>() + held.alive + held.history,
                rows_bytes,
            }
        })
        .collect();
    let Load { entities: number, events, values, texts, text_bytes } = *load;
    Estimate {
        load: LoadDocument { entities: number, events, values, texts, text_bytes },
        total_bytes: entities.iter().map(|entity| entity.total_bytes).sum(),
        views: views(plan, &held, load),
        entities,
    }
}

fn views(plan: &Plan, held: &[Footprint], load: &Load) -> Vec<ViewEstimate> {
    let views = plan.views.iter().enumerate();
    views
        .filter_map(|(at, place)| {
            let (view, held) = (plan.view(at)?, held.get(place.entity)?);
            let features = view.features.iter().map(|feature| FeatureEstimate {
                name: feature.name.clone(),
                state_bytes: state_bytes(view, feature.column, held),
            });
            Some(ViewEstimate {
                name: view.name.clone(),
                rows_bytes: online::rows_bytes(view, load),
                features: features.collect(),
            })
        })
        .collect()
}

/// The bytes of the state that a column is computed from.
fn state_bytes(view: &ViewPlan, column: usize, held: &Footprint) -> u64 {
    let (mut next, mut accumulators, mut lasts) = (vec![column], Vec::new(), Vec::new());
    let mut reached = Vec::new();
    while let Some(column) = next.pop() {
        if reached.contains(&column) {
            continue;
        }
        reached.push(column);
        if let Some(read) = view.reads.get(column) {
            accumulators.extend(read.accumulators());
            lasts.extend(last_of(*read));
        } else if let Some(expr) = view.derived.get(column - view.reads.len()) {
            next.extend(expr.inputs());
        }
    }
    let sum = |mut places: Vec<usize>, bytes: &[u64]| {
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|at| bytes.get(at)).sum::<u64>()
    };
    sum(accumulators, &held.accumulators) + sum(lasts, &held.lasts)
}

const fn last_of(read: Read) -> Option<usize> {
    match read {
        Read::Latest { last, .. }
        | Read::LatestTime { last, .. }
        | Read::Gap { last, .. }
        | Read::SessionSum { last, .. } => Some(last),
        _ => None,
    }
}

impl Estimate {
    /// The estimate for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let LoadDocument { entities, events, values, texts, text_bytes } = &self.load;
        writeln!(out, "\nmemory {} in all, of the process, with", bytes_short(self.total_bytes))?;
        writeln!(
            out,
            "  {} live entities of each type (--entities), {events} events of each in its longest \
             window (--events),\n  {values} different values of a field each (--values), {} texts of \
             a field (--texts) of {text_bytes} B (--text-bytes)",
            count_text(*entities),
            count_text(*texts)
        )?;
        for entity in &self.entities {
            let EntityEstimate { name, total_bytes, .. } = entity;
            let each = total_bytes / (*entities).max(1);
            writeln!(out, "  {name}: {}, {each} B each", bytes_short(*total_bytes))?;
            let parts = [
                ("ids", entity.ids_bytes),
                ("events", entity.events_bytes),
                ("texts", entity.texts_bytes),
                ("windows", entity.windows_bytes),
                ("latest events", entity.latest_bytes),
                ("online rows", entity.rows_bytes),
            ];
            let parts = parts.map(|(name, bytes)| format!("{name} {}", bytes_short(bytes)));
            writeln!(out, "    {}", parts.join(", "))?;
        }
        for view in &self.views {
            writeln!(out, "  view {}: online rows {}", view.name, bytes_short(view.rows_bytes))?;
            let features = view.features.iter();
            let kept = features.filter(|it| it.state_bytes > 0);
            let shown = kept.map(|it| format!("{} {}", it.name, bytes_short(it.state_bytes)));
            write_list(out, &shown.collect::<Vec<_>>())?;
        }
        writeln!(out, "  features may be computed from the same state, which is there once")
    }
}

fn write_list(out: &mut String, items: &[String]) -> fmt::Result {
    let mut line = String::from("   ");
    for (at, item) in items.iter().enumerate() {
        if line.chars().count() + 1 + item.chars().count() > LIST_CHARS {
            writeln!(out, "{line}")?;
            line = String::from("   ");
        }
        write!(line, " {item}{}", if at + 1 < items.len() { "," } else { "" })?;
    }
    if items.is_empty() { Ok(()) } else { writeln!(out, "{line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_the_sum_of_its_parts_and_long_texts_cost_their_length() {
        let job = crate::job_file::load("behavior").unwrap();
        let all = estimate(&job, &LOAD_DEFAULT);
        for entity in &all.entities {
            let EntityEstimate { ids_bytes, events_bytes, texts_bytes, .. } = entity;
            let EntityEstimate { windows_bytes, latest_bytes, rows_bytes, .. } = entity;
            let parts = ids_bytes + events_bytes + texts_bytes + windows_bytes;
            assert_eq!(entity.total_bytes, parts + latest_bytes + rows_bytes);
        }
        let total = all.entities.iter().map(|entity| entity.total_bytes).sum::<u64>();
        assert_eq!(all.total_bytes, total);
        let long = estimate(&job, &Load { text_bytes: 500, ..LOAD_DEFAULT });
        let more = long.entities[0].texts_bytes - all.entities[0].texts_bytes;
        assert!(more >= 4 * LOAD_DEFAULT.texts * 500, "{more}: four fields and more are texts");
    }
}
