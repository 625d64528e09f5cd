//! The whole file, and its `[job]`.

use super::source::zone_named;
use super::{EntityDeclared, ServiceDeclared, SourceDeclared, TableDeclared, ViewDeclared, name};
use crate::document::{At, Document, Named, Table};
use std::sync::Arc;
use tidemark_operators::zone::Zone;

const SOURCES_MAX: usize = 16;
const ENTITIES_MAX: usize = 32;
const VIEWS_MAX: usize = 256;
const SERVICES_MAX: usize = 256;
const TABLES_MAX: usize = 64;

/// A job as it was written.
#[derive(Debug)]
pub(crate) struct JobDeclared {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) zone: Arc<Zone>,
    pub(crate) distinct_max: Option<u64>,
    pub(crate) tables: Vec<TableDeclared>,
    pub(crate) sources: Vec<SourceDeclared>,
    pub(crate) entities: Vec<EntityDeclared>,
    pub(crate) views: Vec<ViewDeclared>,
    pub(crate) services: Vec<ServiceDeclared>,
}

impl JobDeclared {
    /// Reads a file; what is wrong with it is recorded there.
    pub(crate) fn read(document: &Document<'_>) -> Self {
        let mut root = document.root();
        let head = Head::read(&mut root);
        let tables = match root.has("tables") {
            true => section(&mut root, "tables", "table", TABLES_MAX, |name, table| {
                TableDeclared::read(name, table, &head.zone)
            }),
            false => {
                // Asked for, as services are below.
                root.table("tables", "[tables]");
                Vec::new()
            }
        };
        let sources = section(&mut root, "sources", "source", SOURCES_MAX, |name, table| {
            SourceDeclared::read(name, table, &head.zone)
        });
        let entities = section(&mut root, "entities", "entity", ENTITIES_MAX, EntityDeclared::read);
        let mut views = section(&mut root, "views", "view", VIEWS_MAX, ViewDeclared::read);
        ViewDeclared::resolve_likes(&mut views, document.problems());
        let services = match root.has("services") {
            true => section(&mut root, "services", "service", SERVICES_MAX, ServiceDeclared::read),
            false => {
                // Asked for, so that it is among the names a mistyped section is compared with.
                root.table("services", "[services]");
                Vec::new()
            }
        };
        root.finish();
        let Head { name, description, zone, distinct_max } = head;
        JobDeclared {
            name,
            description,
            zone,
            distinct_max,
            tables,
            sources,
            entities,
            views,
            services,
        }
    }
}

struct Head {
    name: String,
    description: String,
    zone: Arc<Zone>,
    distinct_max: Option<u64>,
}

impl Head {
    fn read(root: &mut Table<'_>) -> Self {
        let mut head = Head {
            name: String::new(),
            description: String::new(),
            zone: Arc::new(Zone::utc()),
            distinct_max: None,
        };
        root.need("job");
        let Some(mut job) = root.table("job", "[job]") else { return head };
        job.need("name");
        if let Some(name) = job.text("name") {
            name::check(&name, "job", job.problems());
            head.name = name.value;
        }
        head.description = job.text("description").map(|text| text.value).unwrap_or_default();
        if let Some(zone) =
            job.text("timezone").and_then(|name| zone_named(&name, "timezone", &job))
        {
            head.zone = Arc::new(zone);
        }
        if let Some(most) = job.integer("distinct_max", 1..=1_000_000_000) {
            head.distinct_max = Some(most.value.unsigned_abs());
        }
        job.finish();
        head
    }
}

/// Reads the tables `[key.NAME]`: at least one, at most `most`.
fn section<'d, T>(
    root: &mut Table<'d>,
    key: &str,
    what: &str,
    most: usize,
    read: impl Fn(At<String>, Table<'d>) -> T,
) -> Vec<T> {
    root.need(key);
    let Some(mut table) = root.table(key, &format!("[{key}]")) else { return Vec::new() };
    let named = table.named();
    if named.is_empty() {
        let message = format!("[{key}] has no {what}");
        let hint = format!("add one as [{key}.NAME]");
        table.problems().push(table.at(), Some(key), message, Some(hint));
    }
    if let Some(first_too_many) = named.get(most) {
        let message = format!("a job has at most {most} {key}, this one has {}", named.len());
        table.problems().wrong(&first_too_many.name, message, None);
    }
    let problems = table.problems();
    named
        .into_iter()
        .take(most)
        .filter_map(|entry: Named<'d>| {
            name::check(&entry.name, what, problems);
            let label = format!("{what} \"{}\"", entry.name.value);
            let Some(table) = entry.as_table(label.clone()) else {
                entry.mistyped(&label, &format!("a table [{key}.{}]", entry.name.value));
                return None;
            };
            Some(read(entry.name, table))
        })
        .collect()
}
