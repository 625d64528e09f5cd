//! The last step: what nothing needs is left out, and services are looked up.

use super::Compiler;
use super::entity::{Bit, EntityBuild};
use super::graph::{FeatureNode, Graph};
use super::source::{Input, SourceBuild};
use crate::declare::{FieldDeclared, SourceDeclared};
use crate::document::At;
use crate::job::{FeatureText, Job, Service, SourceText, ViewText};
use std::sync::Arc;
use tidemark_operators::plan::{
    Computed, EntityPlan, EntitySource, EnvelopePlan, Feed, FieldPlan, Invalid, LatePredicate,
    Plan, SourcePlan, UniquePlan, ViewIndex,
};
use tidemark_operators::value::Type;

impl Compiler<'_, '_> {
    /// The features of each service: the job's views, and indices of their shown features.
    pub(super) fn find_services(&self) -> Vec<Service> {
        let services = self.job.services.iter();
        services
            .map(|declared| {
                let name = &declared.name.value;
                let mut features: Vec<(usize, usize)> = Vec::new();
                for view in &declared.views {
                    if let Some(at) = self.service_view(name, view, &view.value) {
                        features.extend((0..self.shown(at).count()).map(|feature| (at, feature)));
                    }
                }
                for feature in &declared.features {
                    features.extend(self.service_feature(name, feature));
                }
                let mut seen = Vec::new();
                features.retain(|feature| {
                    !seen.contains(feature) && {
                        seen.push(*feature);
                        true
                    }
                });
                let description = declared.description.clone();
                Service { name: name.clone(), description, features }
            })
            .collect()
    }

    fn service_view(&self, service: &str, at: &At<String>, view: &str) -> Option<usize> {
        let views = &self.job.views;
        let found = views.iter().position(|declared| declared.name.value == view);
        if found.is_none() {
            let message = format!("service \"{service}\" names no view: \"{view}\"");
            let names = views.iter().map(|declared| declared.name.value.as_str());
            let hint = crate::document::suggestion(view, names);
            self.problems.wrong(at, message, hint);
        }
        found
    }

    fn service_feature(&self, service: &str, named: &At<String>) -> Option<(usize, usize)> {
        let Some((view, feature)) = named.value.split_once('.') else {
            let message = format!("service \"{service}\" names no feature: \"{}\"", named.value);
            let hint = "write features as \"view.feature\"".to_owned();
            self.problems.wrong(named, message, Some(hint));
            return None;
        };
        let view_at = self.service_view(service, named, view)?;
        let found = self.shown(view_at).position(|name| name == feature);
        if found.is_none() {
            let message =
                format!("service \"{service}\" names no feature of view \"{view}\": \"{feature}\"");
            let names: Vec<&str> = self.shown(view_at).collect();
            let hint = crate::document::suggestion(feature, names);
            self.problems.wrong(named, message, hint);
        }
        Some((view_at, found?))
    }

    fn shown(&self, view: usize) -> impl Iterator<Item = &str> {
        let features = self.job.views.get(view).into_iter().flat_map(|view| view.features.iter());
        features.filter(|feature| !feature.hidden).map(|feature| feature.name.value.as_str())
    }

    /// Records what is declared and never used: mostly a misspelt name somewhere else.
    pub(super) fn find_unused(&self, graph: &Graph) {
        let remove = || Some("remove it, or add what was to use it".to_owned());
        let frames = || self.frames.iter().flatten();
        for (e, entity) in self.job.entities.iter().enumerate() {
            if !frames().any(|frame| frame.entity == e) {
                let message = format!("entity \"{}\" has no view", entity.name.value);
                self.problems.wrong(&entity.name, message, remove());
            }
        }
        for (s, source) in self.job.sources.iter().enumerate() {
            if !frames().any(|frame| frame.sources.contains(&s)) {
                let message = format!("source \"{}\" is read by no view", source.name.value);
                self.problems.wrong(&source.name, message, remove());
            }
        }
        self.find_unused_tables();
        for (v, view) in self.job.views.iter().enumerate() {
            for (f, feature) in view.features.iter().enumerate() {
                if feature.hidden && !graph.is_named(FeatureNode { view: v, feature: f }) {
                    let message = format!(
                        "feature \"{}\" is hidden, and no expression names it",
                        feature.name.value
                    );
                    self.problems.wrong(&feature.name, message, remove());
                }
            }
        }
    }

    /// The job, when nothing is wrong with it.
    pub(super) fn finish(
        self,
        texts: Vec<Vec<FeatureText>>,
        services: Vec<Service>,
    ) -> Option<Job> {
        let job = self.job;
        let hidden: Vec<_> = (0..job.views.len()).map(|view| self.hidden_texts(view)).collect();
        let renumbered: Vec<Renumbered> = self.sources.into_iter().map(renumbered).collect();
        let mut views = vec![None; job.views.len()];
        let mut entities = Vec::new();
        for (e, entity) in self.entities.into_iter().enumerate() {
            for (at, view) in entity.views.iter().enumerate() {
                if let Some(place) = views.get_mut(view.index) {
                    *place = Some(ViewIndex { entity: e, view: at });
                }
            }
            entities.push(finished(entity, &renumbered));
        }
        let plan = Plan {
            name: job.name.clone(),
            sources: renumbered.into_iter().map(|source| source.plan).collect(),
            tables: job.tables.iter().map(|table| table.plan.clone()).collect(),
            entities,
            views: views.into_iter().collect::<Option<_>>()?,
            zone: Arc::clone(&job.zone),
            distinct_max: job.distinct_max,
        };
        let frames = self.frames.into_iter().flatten();
        let texts = texts.into_iter().zip(hidden);
        let views = job.views.iter().zip(frames).zip(texts).map(|((view, frame), texts)| {
            let (features, hidden) = texts;
            let description = view.description.clone();
            let filter = view.filter.as_ref().map(|filter| filter.shown());
            ViewText { description, filter, sources: frame.sources, features, hidden }
        });
        Some(Job {
            plan: Arc::new(plan),
            description: job.description.clone(),
            sources: job
                .sources
                .iter()
                .map(|source| SourceText {
                    description: source.description.clone(),
                    lookups: source.lookups.iter().filter_map(super::table::shown).collect(),
                    declared: source.fields.iter().map(FieldDeclared::plan).collect(),
                    definitions: source
                        .definitions
                        .iter()
                        .filter_map(|it| {
                            Some((it.name.value.clone(), it.written.as_ref()?.shown()))
                        })
                        .collect(),
                })
                .collect(),
            tables: job.tables.iter().map(|table| table.description.clone()).collect(),
            entities: job.entities.iter().map(|entity| entity.description.clone()).collect(),
            views: views.collect(),
            services,
            notes: self.problems.notes(),
        })
    }
}

/// A source's plan, and the new number of each column that is still there.
struct Renumbered {
    plan: SourcePlan,
    columns: Vec<Option<usize>>,
}

impl Renumbered {
    fn column(&self, old: usize) -> Option<usize> {
        self.columns.get(old).copied().flatten()
    }

    fn feed(&self, old: &Feed) -> Feed {
        match old {
            Feed::Absent => Feed::Absent,
            Feed::Field(column) => self.column(*column).map_or(Feed::Absent, Feed::Field),
            Feed::Tuple(fields) => {
                let columns = fields.iter().map(|it| self.column(*it));
                let columns: Option<Vec<usize>> = columns.collect();
                columns.map_or(Feed::Absent, Feed::Tuple)
            }
        }
    }
}

/// Keeps the fields that are needed or required, and behind them what is needed besides.
fn renumbered(source: SourceBuild<'_>) -> Renumbered {
    let declared = source.declared;
    let declared_fields = declared.fields.iter().map(FieldDeclared::plan);
    let mut fields = Vec::new();
    let mut numbers = Vec::new();
    for (field, needed) in declared_fields.zip(&source.needed) {
        let kept = field.required || *needed;
        numbers.push(kept.then_some(fields.len()));
        if kept {
            fields.push(field);
        }
    }
    let envelope = envelope(declared, &numbers, &mut fields);
    let computed = computed(&source, &mut numbers, fields.len());
    // Every input of a predicate is needed, so it has a number.
    let number = |old: usize| numbers.get(old).copied().flatten().unwrap_or(0);
    let predicates = source.predicates.into_iter();
    let predicates = predicates.map(|it| it.map_inputs(&mut |old| number(old))).collect();
    let mut keys: Vec<usize> = source.keys.iter().map(|key| number(*key)).collect();
    keys.sort_unstable();
    let unique = declared.unique.as_ref().map(|unique| UniquePlan {
        id: unique.id.iter().map(|field| number(*field)).collect(),
        ..unique.clone()
    });
    let plan = SourcePlan {
        name: declared.name.value.clone(),
        topic: declared.topic.clone(),
        files: declared.files.clone(),
        format: declared.format,
        strict_json: declared.strict_json,
        framing: declared.framing,
        schema_wait: declared.schema_wait,
        start: declared.start,
        time: declared.time.clone(),
        arrival: declared.arrival.clone(),
        earliest: declared.earliest,
        latest: declared.latest,
        out_of_orderness: declared.out_of_orderness,
        max_ahead: declared.max_ahead,
        idle_after: declared.idle_after,
        hold_max: declared.hold_max,
        max_future_skew: declared.max_future_skew,
        fields,
        computed,
        predicates,
        keys,
        keyless: declared.keyless,
        unique,
        envelope,
    };
    Renumbered { plan, columns: numbers }
}

/// What is needed of the columns behind those of the fields, of which `fields` are still there; their
/// numbers go behind `numbers`.
fn computed(
    source: &SourceBuild<'_>,
    numbers: &mut Vec<Option<usize>>,
    fields: usize,
) -> Vec<Computed> {
    let mut computed = Vec::new();
    for (column, needed) in source.needed.iter().enumerate().skip(source.declared.fields.len()) {
        let what = match source.input(column) {
            Input::Time => Some(Computed::EventTime),
            Input::Invalid(field) => numbers.get(field).copied().flatten().map(Computed::Invalid),
            Input::Field(_) | Input::Lookup(_) => None,
        };
        let what = what.filter(|_| *needed);
        numbers.push(what.is_some().then_some(fields + computed.len()));
        computed.extend(what);
    }
    computed
}

/// The envelope of a source whose declared fields have these numbers. Where none of them reads the
/// operation, one more does.
fn envelope(
    declared: &SourceDeclared,
    numbers: &[Option<usize>],
    fields: &mut Vec<FieldPlan>,
) -> Option<EnvelopePlan> {
    let ops = declared.root.ops.clone()?;
    let reader = declared.root.operation(&declared.fields);
    if let Some(op) = reader.and_then(|field| numbers.get(field).copied().flatten()) {
        return Some(EnvelopePlan { op, ops });
    }
    let op = fields.len();
    // Names of fields have no dots, so this is nobody's.
    let name = if declared.field("op").is_some() { "envelope.op" } else { "op" };
    let mut field = FieldPlan::new(name, Type::Text);
    field.path = declared.root.operation_path().to_vec();
    field.required = false;
    field.reading.invalid = Invalid::Null;
    fields.push(field);
    Some(EnvelopePlan { op, ops })
}

fn finished(entity: EntityBuild, sources: &[Renumbered]) -> EntityPlan {
    let entity_sources = entity.keys.iter().enumerate().map(|(s, key)| {
        let source = sources.get(s)?;
        let key = source.column((*key)?)?;
        let feeds = entity.feeds.iter().map(|feeds| feeds.get(s));
        let attributes = feeds.map(|feed| feed.map_or(Feed::Absent, |feed| source.feed(feed)));
        let bits = entity.bits.iter().map(|bit| match bit {
            Bit::Filter(predicates) => predicates.get(s).copied().flatten(),
            Bit::Late(_) | Bit::Changed => None,
        });
        Some(EntitySource { key, attributes: attributes.collect(), bits: bits.collect() })
    });
    let late = entity.bits.iter().enumerate().filter_map(|(bit, what)| match what {
        Bit::Late(by_source) => Some(LatePredicate { bit, by_source: by_source.clone() }),
        Bit::Filter(_) | Bit::Changed => None,
    });
    EntityPlan {
        sources: entity_sources.collect(),
        filters: entity.bits.len(),
        name: entity.name,
        attributes: entity.attributes,
        lookups: entity.lookups,
        late: late.collect(),
        sequences: entity.sequences,
        sessions: entity.sessions,
        windows: entity.windows,
        accumulators: entity.accumulators,
        lasts: entity.lasts,
        views: entity.views,
    }
}
