//! A job as it was understood, as JSON.

use super::memory::Estimate;
use super::sample_document::SampleDocument;
use crate::failure::FilePlace;
use crate::text::{duration_text, time_text};
use serde::Serialize;
use tidemark_jobs::{Job, SourceText, ViewText};
use tidemark_operators::plan::{
    Arrival, Format, Matching, Plan, SourcePlan, Start, TableFrom, TablePlan,
};
use tidemark_operators::value::Type;

/// What `tidemark check --format json` prints. Lengths of time are in ms.
#[derive(Serialize)]
pub(super) struct JobDocument<'a> {
    job: &'a str,
    file: &'a str,
    description: &'a str,
    timezone: &'a str,
    distinct_max: Option<u64>,
    notes: Vec<FilePlace>,
    sources: Vec<SourceDocument<'a>>,
    tables: Vec<TableDocument<'a>>,
    entities: Vec<EntityDocument<'a>>,
    views: Vec<ViewDocument<'a>>,
    services: Vec<ServiceDocument<'a>>,
    memory: Estimate,
    /// Of the samples that were asked for.
    samples: Vec<SampleDocument>,
}

#[derive(Serialize)]
struct SourceDocument<'a> {
    name: &'a str,
    description: &'a str,
    topic: Option<&'a str>,
    files: &'a [String],
    format: &'static str,
    start: String,
    time: String,
    arrival: Option<String>,
    out_of_orderness_ms: u64,
    max_ahead_ms: Option<u64>,
    idle_after_ms: u64,
    hold_max_ms: u64,
    max_future_skew_ms: Option<u64>,
    ops: Option<Vec<&'static str>>,
    id: Vec<&'a str>,
    unique_within_ms: Option<u64>,
    fields: Vec<FieldDocument<'a>>,
    define: Vec<DefinitionDocument<'a>>,
    lookup: Vec<DefinitionDocument<'a>>,
}

#[derive(Serialize)]
struct FieldDocument<'a> {
    name: &'a str,
    r#type: &'static str,
    optional: bool,
    path: String,
}

#[derive(Serialize)]
struct DefinitionDocument<'a> {
    name: &'a str,
    definition: String,
}

#[derive(Serialize)]
struct TableDocument<'a> {
    name: &'a str,
    description: &'a str,
    file: Option<&'a str>,
    topic: Option<&'a str>,
    key: &'a str,
    r#match: &'static str,
    rows_max: usize,
    columns: Vec<ColumnDocument<'a>>,
}

#[derive(Serialize)]
struct ColumnDocument<'a> {
    name: &'a str,
    r#type: &'static str,
    optional: bool,
}

#[derive(Serialize)]
struct EntityDocument<'a> {
    name: &'a str,
    description: &'a str,
    keys: Vec<KeyDocument<'a>>,
}

#[derive(Serialize)]
struct KeyDocument<'a> {
    source: &'a str,
    field: &'a str,
}

#[derive(Serialize)]
struct ViewDocument<'a> {
    name: &'a str,
    description: &'a str,
    entity: &'a str,
    sources: Vec<&'a str>,
    r#where: Option<&'a str>,
    ttl_ms: u64,
    features: Vec<FeatureDocument<'a>>,
}

#[derive(Serialize)]
struct FeatureDocument<'a> {
    name: &'a str,
    description: &'a str,
    r#type: &'static str,
    nullable: bool,
    over: &'a str,
    definition: &'a str,
}

#[derive(Serialize)]
struct ServiceDocument<'a> {
    name: &'a str,
    description: &'a str,
    features: Vec<String>,
}

/// The document of a job that was read from `file`.
pub(super) fn document<'a>(
    job: &'a Job,
    file: &'a str,
    memory: Estimate,
    samples: Vec<SampleDocument>,
) -> JobDocument<'a> {
    let plan = &*job.plan;
    JobDocument {
        job: &plan.name,
        file,
        description: &job.description,
        timezone: &plan.zone.name,
        distinct_max: plan.distinct_max,
        notes: job.notes.iter().map(|note| FilePlace::new(file, note)).collect(),
        sources: sources(job),
        tables: tables(job),
        entities: entities(job),
        views: views(job),
        services: services(job),
        memory,
        samples,
    }
}

fn name_of(ty: Type) -> &'static str {
    match ty {
        Type::Int => "int64",
        other => other.name(),
    }
}

fn sources(job: &Job) -> Vec<SourceDocument<'_>> {
    let sources = job.plan.sources.iter().zip(&job.sources);
    sources.map(|(source, text)| source_document(source, text)).collect()
}

fn source_document<'a>(source: &'a SourcePlan, text: &'a SourceText) -> SourceDocument<'a> {
    let fields = source.fields.iter();
    let define = text.definitions.iter();
    let lookup = text.lookups.iter();
    let id = source.unique.iter().flat_map(|unique| &unique.id);
    let id = id.filter_map(|at| source.fields.get(*at));
    let ops = source.envelope.as_ref().map(|it| it.ops.iter().map(|operation| operation.name()));
    SourceDocument {
        name: &source.name,
        description: &text.description,
        topic: source.topic.as_deref(),
        files: &source.files,
        format: match source.format {
            Format::Json => "json",
            Format::Avro => "avro",
            Format::Csv { .. } => "csv",
        },
        start: match source.start {
            Start::Earliest => "earliest".to_owned(),
            Start::Latest => "latest".to_owned(),
            Start::At(at) => time_text(at),
            Start::Ago(length) => format!("{} ago", duration_text(length)),
        },
        time: source.time.place.shown(&source.time.path),
        arrival: match &source.arrival {
            Arrival::Unknown => None,
            Arrival::Timestamp => Some("timestamp".to_owned()),
            Arrival::Field(field) => Some(field.place.shown(&field.path)),
        },
        out_of_orderness_ms: source.out_of_orderness,
        max_ahead_ms: source.max_ahead,
        idle_after_ms: source.idle_after,
        hold_max_ms: source.hold_max,
        max_future_skew_ms: source.max_future_skew,
        ops: ops.map(|ops| ops.collect()),
        id: id.map(|field| field.name.as_str()).collect(),
        unique_within_ms: source.unique.as_ref().map(|unique| unique.within),
        fields: fields
            .map(|field| FieldDocument {
                name: &field.name,
                r#type: name_of(field.ty),
                optional: !field.required,
                path: field.place.shown(&field.path),
            })
            .collect(),
        define: define
            .map(|(name, text)| DefinitionDocument { name, definition: text.clone() })
            .collect(),
        lookup: lookup
            .map(|it| DefinitionDocument { name: &it.name, definition: it.to_string() })
            .collect(),
    }
}

fn tables(job: &Job) -> Vec<TableDocument<'_>> {
    let tables = job.plan.tables.iter().zip(&job.tables);
    tables.map(|(table, description)| table_document(table, description)).collect()
}

fn table_document<'a>(table: &'a TablePlan, description: &'a str) -> TableDocument<'a> {
    let (file, topic) = match &table.from {
        TableFrom::File { path, .. } => (Some(path.as_str()), None),
        TableFrom::Shipped { name, .. } => (Some(name.as_str()), None),
        TableFrom::Topic { source, .. } => (None, source.topic.as_deref()),
    };
    let columns = table.columns.iter().map(|column| ColumnDocument {
        name: &column.name,
        r#type: name_of(column.ty),
        optional: !column.required,
    });
    TableDocument {
        name: &table.name,
        description,
        file,
        topic,
        key: &table.key,
        r#match: match table.matching {
            Matching::Exact(_) => "exact",
            Matching::Prefix => "prefix",
        },
        rows_max: table.rows_max,
        columns: columns.collect(),
    }
}

fn entities(job: &Job) -> Vec<EntityDocument<'_>> {
    let entities = job.plan.entities.iter().zip(&job.entities);
    entities
        .map(|(entity, description)| {
            let feeds = entity.sources.iter().zip(&job.plan.sources);
            let keys = feeds.filter_map(|(feed, source)| {
                let field = source.fields.get(feed.as_ref()?.key)?;
                Some(KeyDocument { source: &source.name, field: &field.name })
            });
            EntityDocument { name: &entity.name, description, keys: keys.collect() }
        })
        .collect()
}

fn views(job: &Job) -> Vec<ViewDocument<'_>> {
    let views = job.views.iter().enumerate();
    views.filter_map(|(at, text)| view_document(&job.plan, at, text)).collect()
}

fn view_document<'a>(plan: &'a Plan, at: usize, text: &'a ViewText) -> Option<ViewDocument<'a>> {
    let (view, place) = (plan.view(at)?, plan.views.get(at)?);
    let sources = text.sources.iter().filter_map(|source| plan.sources.get(*source));
    let features = view.features.iter().zip(&text.features);
    Some(ViewDocument {
        name: &view.name,
        description: &text.description,
        entity: &plan.entities.get(place.entity)?.name,
        sources: sources.map(|source| source.name.as_str()).collect(),
        r#where: text.filter.as_deref(),
        ttl_ms: view.ttl,
        features: features
            .map(|(feature, text)| FeatureDocument {
                name: &feature.name,
                description: &text.description,
                r#type: name_of(feature.ty),
                nullable: feature.nullable,
                over: &text.over,
                definition: &text.definition,
            })
            .collect(),
    })
}

fn services(job: &Job) -> Vec<ServiceDocument<'_>> {
    let named = |(view, feature): &(usize, usize)| {
        let view = job.plan.view(*view)?;
        Some(format!("{}.{}", view.name, view.features.get(*feature)?.name))
    };
    let services = job.services.iter().map(|service| ServiceDocument {
        name: &service.name,
        description: &service.description,
        features: service.features.iter().filter_map(named).collect(),
    });
    services.collect()
}
