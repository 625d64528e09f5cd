//! Where the schemas of a run's Avro topics come from.

use crate::config::Settings;
use crate::connect;
use crate::failure::Failure;
use crate::registry::{FolderSchemas, Registry};
use crate::source::Waker;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::ingest::schemas::Schemas;
use tidemark_operators::plan::{Format, Plan};

/// A registry, or the folder that stands for one.
#[derive(Clone)]
pub(crate) enum SchemaSource {
    Folder(FolderSchemas),
    Registry(Arc<Registry>),
}

impl SchemaSource {
    /// The one that `settings` name, when a topic of `plan` needs it. A registry need not be there
    /// yet.
    ///
    /// An id belongs to no source, so it waits for the longest `schema_wait` of all.
    ///
    /// # Errors
    /// When a topic needs one and none is named, or what is named cannot be used.
    pub fn open(plan: &Plan, settings: &Settings) -> Result<Option<SchemaSource>, Failure> {
        let mut avro = plan
            .sources
            .iter()
            .filter(|source| source.format == Format::Avro && source.files.is_empty())
            .peekable();
        let Some(first) = avro.peek() else { return Ok(None) };
        let name = first.name.clone();
        let wait = Duration::from_millis(avro.map(|source| source.schema_wait).max().unwrap_or(0));
        let named = &settings.registry;
        if let Some(folder) = &named.schemas {
            let folder = FolderSchemas::open(Path::new(folder)).map_err(Failure::usage)?;
            return Ok(Some(SchemaSource::Folder(folder)));
        }
        if named.url.is_none() {
            let failure = format!(
                "the source \"{name}\" is a topic of Avro records, and nothing says where their \
                 schemas are"
            );
            return Err(Failure::usage(failure).hint(
                "set \"url\" (a schema registry) or \"schemas\" (a folder) in [registry] of \
                 cluster.toml, or SCHEMA_REGISTRY_URL or SCHEMAS_DIR, or --registry or --schemas",
            ));
        }
        let registry = Registry::start(&connect::registry(named, wait)).map_err(Failure::usage)?;
        Ok(Some(SchemaSource::Registry(Arc::new(registry))))
    }

    /// What one worker asks.
    pub fn schemas(&self, waker: &Waker) -> Box<dyn Schemas> {
        match self {
            SchemaSource::Folder(folder) => Box::new(folder.clone()),
            SchemaSource::Registry(registry) => Box::new(registry.schemas(Waker::clone(waker))),
        }
    }

    /// The registry, if it is one.
    pub fn registry(&self) -> Option<&Arc<Registry>> {
        match self {
            SchemaSource::Folder(_) => None,
            SchemaSource::Registry(registry) => Some(registry),
        }
    }
}
