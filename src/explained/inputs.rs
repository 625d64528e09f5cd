//! Which events a feature is made of.

use super::document::{
    ComparedEvent, ContributingEvent, CountedValue, EventOrigin, Explained, ExplainedFeature,
    ExplainedInput, JsonValue, ValueChange, value,
};
use super::reading::{InputForm, derived_by, form, holder, session_rows};
use super::values::{features, json_text};
use crate::failure::Failure;
use crate::refusals::Refusals;
use crate::text::time_text;
use std::collections::{BTreeMap, BTreeSet};
use tidemark_jobs::Job;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{EntityPlan, FeaturePlan, Plan, Read, ViewPlan};
use tidemark_operators::recomputed::Recomputed;
use tidemark_operators::time::EventTime;
use tidemark_operators::value::Type;

/// So many times that may change a feature are looked at for each change that is shown.
const EDGES_A_CHANGE: usize = 8;

/// One entity in one view.
pub(crate) struct Explaining<'a> {
    pub job: &'a Job,
    /// The view's place in the job, and in the entity.
    pub view: (usize, usize),
    pub at: EventTime,
    /// The most events, values and changes that are listed.
    pub limit: usize,
    /// Who knows where events are; `None`: nobody.
    pub places: Option<&'a Refusals>,
    pub id: String,
    pub recomputed: Recomputed,
    /// The features at other times.
    pub rows: BTreeMap<EventTime, Vec<String>>,
}

impl Explaining<'_> {
    fn view<'p>(&self, plan: &'p Plan) -> Result<(&'p ViewPlan, &'p EntityPlan), Failure> {
        let index = plan.views.get(self.view.0);
        let entity = index.and_then(|index| plan.entities.get(index.entity));
        let found = plan.view(self.view.0).zip(entity);
        found.ok_or_else(|| Failure::failed("the view is none of the plan; report this defect"))
    }

    /// Explains these features, by their places in the view.
    ///
    /// # Errors
    /// When the view is none of the plan.
    pub fn explain(mut self, wanted: impl Iterator<Item = usize>) -> Result<Explained, Failure> {
        let plan = std::sync::Arc::clone(&self.job.plan);
        let (view, entity) = self.view(&plan)?;
        let mut explained = Vec::new();
        for at in wanted {
            if let Some(feature) = view.features.get(at) {
                explained.push(self.feature(view, (at, feature)));
            }
        }
        Ok(Explained {
            job: plan.name.clone(),
            view: view.name.clone(),
            entity: entity.name.clone(),
            id: self.id,
            at: self.at,
            events: self.recomputed.len(),
            features: explained,
        })
    }

    /// The features at `clock`.
    fn row(&mut self, view: &ViewPlan, clock: EventTime) -> &[String] {
        let (of, recomputed) = (self.view.1, &mut self.recomputed);
        let row = self.rows.entry(clock);
        row.or_insert_with(|| features(view, &recomputed.row(of, clock), 0))
    }

    /// The feature at place `feature` of the view at `clock`, as JSON.
    fn feature_at(&mut self, view: &ViewPlan, feature: usize, clock: EventTime) -> String {
        self.row(view, clock).get(feature).cloned().unwrap_or_default()
    }

    /// Feature `feature` of the view at `clock`, as JSON.
    ///
    /// # Errors
    /// When the view is none of the plan.
    pub fn value(&mut self, feature: usize, clock: EventTime) -> Result<String, Failure> {
        let plan = std::sync::Arc::clone(&self.job.plan);
        let (view, _) = self.view(&plan)?;
        Ok(self.feature_at(view, feature, clock))
    }

    /// Sees that the features are what the job's windows say: `windows`.
    ///
    /// # Errors
    /// When they differ.
    pub fn check(&mut self, windows: &[String]) -> Result<(), Failure> {
        let plan = std::sync::Arc::clone(&self.job.plan);
        let (view, _) = self.view(&plan)?;
        let now = self.row(view, self.at).to_vec();
        let mut pairs = view.features.iter().zip(now.iter().zip(windows));
        match pairs.find(|(_, (one, other))| one != other) {
            None => Ok(()),
            Some((feature, (own, other))) => Err(Failure::failed(format!(
                "{} of \"{}\" at {} is {other} in the job's windows, and {own} by its {} events alone",
                feature.name,
                self.id,
                time_text(self.at),
                self.recomputed.len()
            ))
            .hint("this is a defect of the engine: please report it with the job and the events")),
        }
    }

    fn feature(&mut self, view: &ViewPlan, (at, plan): (usize, &FeaturePlan)) -> ExplainedFeature {
        let texts = self.job.views.get(self.view.0).and_then(|texts| texts.features.get(at));
        let now = self.feature_at(view, at, self.at);
        let mut edges = BTreeSet::new();
        let columns = self.recomputed.row(self.view.1, self.at);
        let mut inputs = Vec::new();
        for column in view.reads_of(plan.column) {
            let Some(read) = view.reads.get(column).copied() else { continue };
            for form in form(read, self.recomputed.entity()) {
                let json = value(json_text(columns.get(column), form.ty, 0));
                inputs.push(self.input(view, at, (&form, read), json, &mut edges));
            }
        }
        let (changes, more_changes) = self.changes(view, at, &edges);
        ExplainedFeature {
            name: plan.name.clone(),
            value: value(now),
            definition: texts.map_or_else(String::new, |text| text.definition.clone()),
            changes,
            more_changes,
            inputs,
        }
    }

    /// When the feature becomes another, among `edges`; and whether there may be more of that.
    fn changes(
        &mut self,
        view: &ViewPlan,
        feature: usize,
        edges: &BTreeSet<EventTime>,
    ) -> (Vec<ValueChange>, bool) {
        let mut changes = Vec::new();
        let most = self.limit.saturating_mul(EDGES_A_CHANGE);
        let mut more = edges.len() > most;
        let mut last = self.feature_at(view, feature, self.at);
        for at in edges.iter().take(most) {
            let next = self.feature_at(view, feature, *at);
            if next == last {
                continue;
            }
            if changes.len() == self.limit {
                more = true;
                break;
            }
            changes.push(ValueChange { at: *at, value: value(next.clone()) });
            last = next;
        }
        (changes, more)
    }

    /// What a feature reads. When it may change goes to `edges`.
    fn input(
        &mut self,
        view: &ViewPlan,
        feature: usize,
        (form, read): (&InputForm, Read),
        json: JsonValue,
        edges: &mut BTreeSet<EventTime>,
    ) -> ExplainedInput {
        let found = self.found(form, read);
        let times = found.rows.iter().chain(&found.entering).map(|row| self.recomputed.time(*row));
        edges.extend(times.filter_map(|ts| found.leaves(form, ts)));
        if let Some(window) = form.window {
            let enter = found.entering.iter().map(|row| window.enters(self.recomputed.time(*row)));
            edges.extend(enter);
        }
        edges.extend(found.last.map(|(_, until)| until));
        let rows = &found.rows;
        let holder = match found.last {
            Some((latest, _)) => rows.last().copied().filter(|row| *row == latest),
            None => holder(&self.recomputed, form, rows),
        };
        let shown = shown(rows, holder, self.limit);
        let events = shown.iter().map(|row| {
            let left = found.leaves(form, self.recomputed.time(*row));
            self.event(view, feature, (form, holder), (*row, left))
        });
        let events: Vec<ContributingEvent> = events.collect();
        let (values, more_values) = self.values(form, rows);
        ExplainedInput {
            what: form.what,
            of: form
                .attribute
                .and_then(|at| Some(self.recomputed.entity().attributes.get(at)?.name.clone())),
            window_ms: form.window.map(|window| window.length),
            delay_ms: form.window.map(|window| window.delay).filter(|delay| *delay > 0),
            horizon_ms: form.latest.map(|(_, horizon)| horizon),
            value: match form.what {
                "numerator" | "denominator" => value(rows.len().to_string()),
                _ => json,
            },
            count: rows.len(),
            more: rows.len() - events.len(),
            events,
            enter_later: found.entering.len(),
            values,
            more_values,
        }
    }

    /// Which rows it is over.
    fn found(&self, form: &InputForm, read: Read) -> FoundRows {
        let mut found = FoundRows::default();
        if let Some(accumulator) = form.accumulator {
            let of_window = self.recomputed.window_rows(accumulator, self.at);
            (found.rows, found.entering) = (of_window.inside, of_window.entering);
        } else if let Some((mask, horizon)) = form.latest
            && let Some(latest) = self.recomputed.newest(mask, self.at, None)
        {
            let last = self.recomputed.time(latest);
            if last.saturating_add(horizon) > self.at {
                found.rows = session_rows(&self.recomputed, form, read, latest);
                found.last = Some((latest, last.saturating_add(horizon)));
            }
        }
        found
    }

    /// How often each value is there, where they are counted.
    fn values(&self, form: &InputForm, rows: &[u64]) -> (Vec<CountedValue>, usize) {
        let Some(attribute) = form.attribute.filter(|_| form.by_value) else {
            return (Vec::new(), 0);
        };
        let mut counts: BTreeMap<i64, (usize, u64)> = BTreeMap::new();
        for row in rows {
            let count = counts.entry(self.recomputed.word(*row, attribute)).or_insert((0, *row));
            count.0 += 1;
        }
        let mut counts: Vec<(usize, u64)> = counts.into_values().collect();
        counts.sort_by_key(|(count, row)| (std::cmp::Reverse(*count), *row));
        let all = counts.len();
        counts.truncate(self.limit);
        let more = all - counts.len();
        let values = counts
            .into_iter()
            .map(|(events, row)| CountedValue { value: self.json(row, attribute), events });
        (values.collect(), more)
    }

    /// An attribute of a row.
    fn json(&self, row: u64, attribute: usize) -> JsonValue {
        let ty = self.recomputed.entity().attributes.get(attribute).map_or(Type::Int, |a| a.ty);
        value(json_text(Some(&self.recomputed.value(row, attribute)), ty, 0))
    }

    fn origin(&self, row: u64) -> Option<EventOrigin> {
        let (places, origin) = (self.places?, self.recomputed.origin(row)?);
        let partition = PartitionId { source: origin.source, partition: origin.partition };
        let source = self.job.plan.sources.get(usize::from(origin.source));
        Some(EventOrigin {
            source: source.map_or_else(String::new, |source| source.name.clone()),
            partition: origin.partition,
            offset: origin.offset,
            place: places.place(partition, origin.offset, None),
        })
    }

    fn event(
        &mut self,
        view: &ViewPlan,
        feature: usize,
        (form, holder): (&InputForm, Option<u64>),
        (row, leaves): (u64, Option<EventTime>),
    ) -> ContributingEvent {
        let then = leaves.map(|at| self.feature_at(view, feature, at));
        let sequence = derived_by(self.recomputed.entity(), form);
        let compared = sequence.and_then(|sequence| {
            let found = self.recomputed.compared(sequence, row)?;
            Some((found, sequence.attribute))
        });
        ContributingEvent {
            origin: self.origin(row),
            at: self.recomputed.time(row),
            value: form.attribute.map(|attribute| self.json(row, attribute)),
            leaves,
            then: then.map(value),
            role: (holder == Some(row)).then_some(form.role),
            compared: compared.map(|(found, attribute)| ComparedEvent {
                place: self.origin(found).map(|origin| origin.place),
                at: self.recomputed.time(found),
                value: self.json(found, attribute),
            }),
        }
    }
}

/// The rows that something is over.
#[derive(Default)]
struct FoundRows {
    rows: Vec<u64>,
    /// Those that enter a delayed window later.
    entering: Vec<u64>,
    /// The latest event, and until when it is seen.
    last: Option<(u64, EventTime)>,
}

impl FoundRows {
    /// When an event of `ts` leaves; what is behind a latest event goes with it.
    fn leaves(&self, form: &InputForm, ts: EventTime) -> Option<EventTime> {
        form.window.map(|window| window.leaves(ts)).or(self.last.map(|(_, until)| until))
    }
}

/// The rows that are listed: those that leave first, and that which holds the value.
fn shown(rows: &[u64], holder: Option<u64>, limit: usize) -> Vec<u64> {
    let mut shown: Vec<u64> = rows.iter().copied().take(limit).collect();
    if let (Some(holder), Some(last)) = (holder, shown.last_mut())
        && *last < holder
    {
        *last = holder;
    }
    shown
}
